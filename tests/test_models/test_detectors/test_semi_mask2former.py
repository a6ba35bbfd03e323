"""The training step: what is learnt when, from which labels, and what checkpoints bring along."""

import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from emulated_device import DEVICE, emulated_device
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.optim import OptimWrapper
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData
from torch import nn

from mmpldc.datasets.class_counts import class_counts
from mmpldc.functional import unit_rgb
from mmpldc.models.teacher_student import fitting_weights, pair
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress

SIZE = 64
NUM_CLASSES = 3
BURN_IN = 2
MAX_STEPS = 10
TERMS = ('cls', 'mask', 'dice')
LOSSES = {f'{prefix}loss_{term}' for prefix in ('', 'aux_') for term in TERMS}
SUP_LOSSES = {f'sup_{name}' for name in LOSSES}
UNSUP_LOSSES = {f'unsup_{name}' for name in LOSSES}
STATISTICS = {
    'pseudo_per_image',
    'pseudo_class_quality',
    'pseudo_mask_quality',
    'pseudo_uncertain',
}


@MODELS.register_module(force=True)
class RecordingRefiner:
    """Shifts every class by one and remembers what it was asked."""

    def __init__(self):
        self.prepared = []
        self.calls = []
        self.grad_enabled = []

    def prepare(self, classes, device):
        self.prepared.append((classes, device))

    def __call__(self, pseudo_instances, images, data_samples, progress, normalization):
        self.calls.append((pseudo_instances, images, data_samples, progress, normalization))
        self.grad_enabled.append(torch.is_grad_enabled())
        refined = deepcopy(pseudo_instances)
        for instances in refined:
            instances.labels = (instances.labels + 1) % NUM_CLASSES
            instances.corrected = torch.ones_like(instances.labels, dtype=torch.bool)
        return refined


def make_sample(image_id: int, **meta) -> DetDataSample:
    """A sample with two squares as ground truth."""
    masks = np.zeros((2, SIZE, SIZE), np.uint8)
    masks[0, 8:32, 8:32] = 1
    masks[1, 30:60, 20:50] = 1
    sample = DetDataSample(
        metainfo=dict(
            img_id=image_id,
            img_path=f'{image_id}.jpg',
            img_shape=(SIZE, SIZE),
            ori_shape=(SIZE, SIZE),
            batch_input_shape=(SIZE, SIZE),
            scale_factor=(1.0, 1.0),
            flip=False,
            flip_direction=None,
            homography_matrix=np.eye(3, dtype=np.float32),
        )
    )
    sample.set_metainfo(meta)
    sample.gt_instances = InstanceData(
        labels=torch.tensor([0, 2]),
        bboxes=torch.tensor([[8.0, 8.0, 32.0, 32.0], [20.0, 30.0, 50.0, 60.0]]),
        masks=BitmapMasks(masks, SIZE, SIZE),
    )
    return sample


def make_batch(*names: str) -> tuple[dict, dict]:
    """Preprocessed inputs and samples of the named branches (all four by default), two images."""
    names = names or ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')
    inputs, samples = {}, {}
    generator = torch.Generator().manual_seed(1)
    for name in names:
        first = 10 if name.startswith('unsup') else 0
        inputs[name] = torch.randn(2, 3, SIZE, SIZE, generator=generator)
        samples[name] = [make_sample(first), make_sample(first + 1)]
    return inputs, samples


@pytest.fixture
def build(tiny_model_cfg):
    """Build the model in train mode, at a step (after burn-in by default), with options set."""

    def build(*, step: int | None = BURN_IN, **options):
        config = Config(dict(model=deepcopy(tiny_model_cfg)))
        settings = dict(burn_in_iters=BURN_IN) | options
        config.merge_from_dict({f'model.{name}': value for name, value in settings.items()})
        torch.manual_seed(0)
        model = MMDET_MODELS.build(config.model)
        model.teacher.load_state_dict(model.student.state_dict())
        model.train()
        if step is not None:
            model.set_progress(step, MAX_STEPS)
        return model

    return build


NO_LABELS = {'pseudo_label_filter.class_thr': 1.0}  # no softmax reaches it


def spy(monkeypatch, owner, name: str) -> list:
    """Record the arguments and the result of each call of a method."""
    calls = []
    original = getattr(owner, name)

    def recorded(*args, **kwargs):
        result = original(*args, **kwargs)
        calls.append((args, result))
        return result

    monkeypatch.setattr(owner, name, recorded)
    return calls


def seeded_loss(model, batch=None) -> dict:
    torch.manual_seed(5)  # of the points at which losses are sampled
    return model.loss(*(batch or make_batch()))


def total(losses: dict, prefix: str = '') -> torch.Tensor:
    return sum(v for name, v in losses.items() if name.startswith(prefix) and 'loss' in name)


# ---------------------------------------------------------------- burn-in and the loss's parts


@pytest.mark.parametrize('step', range(BURN_IN))
def test_burn_in_is_supervised_and_leaves_the_teacher_alone(build, monkeypatch, step):
    model = build(step=step)
    teacher = spy(monkeypatch, model.teacher, 'extract_feat')
    losses = model.loss(*make_batch())
    assert losses.keys() == SUP_LOSSES
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    assert teacher == []


def test_missing_unlabelled_images_are_refused_at_the_first_batch(build):
    """Not after 20,000 iterations of burn-in."""
    with pytest.raises(ValueError, match="no branch 'unsup_weak'"):
        build(step=0).loss(*make_batch('sup_weak', 'sup_strong'))


@pytest.mark.parametrize('step', [BURN_IN, BURN_IN + 5])
def test_mutual_learning_starts_at_the_boundary(build, monkeypatch, step):
    model = build(step=step)
    teacher = spy(monkeypatch, model.teacher, 'extract_feat')
    batch = make_batch()
    losses = model.loss(*batch)
    assert losses.keys() == SUP_LOSSES | UNSUP_LOSSES | STATISTICS
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses['pseudo_per_image'] > 0 and losses['unsup_loss_mask'] > 0
    (((images,), _),) = teacher
    assert images is batch[0]['unsup_weak']


@pytest.mark.parametrize('step', [0, BURN_IN - 1, BURN_IN])
def test_guided_burn_in_learns_from_the_teacher_at_once(build, monkeypatch, step):
    """With the same lambda before and after the boundary."""
    guided = dict(burn_in='guided', sup_views=('sup_weak',))
    model = build(step=step, **guided, unsup_weight=2.0)
    teacher = spy(monkeypatch, model.teacher, 'extract_feat')
    batch = make_batch('sup_weak', 'unsup_weak', 'unsup_strong')
    losses = seeded_loss(model, batch)
    assert losses.keys() == SUP_LOSSES | UNSUP_LOSSES | STATISTICS
    (((images,), _),) = teacher
    assert images is batch[0]['unsup_weak']
    mutual = seeded_loss(build(sup_views=('sup_weak',)), batch)
    for name in mutual:
        torch.testing.assert_close(losses[name], mutual[name] * (1 + (name in UNSUP_LOSSES)))


def test_guided_burn_in_corrects_from_the_first_step_on(build):
    """The decay of CLIP's weight begins where the teacher's labels do."""
    assert build(step=1, burn_in='guided').progress == Progress(1, 0, MAX_STEPS)


def test_statistics_are_not_trained_on(build):
    losses = build().loss(*make_batch())
    objective, log = build().parse_losses(losses)
    torch.testing.assert_close(objective, total(losses, 'sup_') + total(losses, 'unsup_'))
    assert len(log) == len(losses) + 1


def test_supervised_part_does_not_depend_on_the_unsupervised_one(build):
    burn_in, mutual = seeded_loss(build(step=0)), seeded_loss(build())
    for name in SUP_LOSSES:
        torch.testing.assert_close(burn_in[name], mutual[name], rtol=0, atol=0)


def test_unsup_weight_scales_the_unsupervised_losses_only(build):
    once, thrice = seeded_loss(build()), seeded_loss(build(unsup_weight=3.0))
    for name in once:
        factor = 3 if name in UNSUP_LOSSES else 1
        torch.testing.assert_close(thrice[name], factor * once[name])


def test_without_unsup_weight_no_unlabelled_branch_is_needed(build, monkeypatch):
    model = build(unsup_weight=0.0)
    teacher = spy(monkeypatch, model.teacher, 'extract_feat')
    assert model.loss(*make_batch('sup_weak', 'sup_strong')).keys() == SUP_LOSSES
    assert teacher == []


@pytest.mark.parametrize(
    'views',
    [('sup_weak',), ('sup_strong',), ('sup_weak', 'sup_strong'), ('sup_strong', 'sup_weak')],
)
def test_sup_views_are_seen_in_one_batch(build, monkeypatch, views):
    model = build(step=0, sup_views=views)
    seen = spy(monkeypatch, model, 'student_predictions')
    criterion = spy(monkeypatch, model.student.panoptic_head, 'loss_by_outputs')
    inputs, samples = make_batch()
    model.loss(inputs, samples)
    ((((images,),), _),) = seen
    torch.testing.assert_close(images, torch.cat([inputs[view] for view in views]))
    (((_, instances), _),) = criterion
    wanted = [sample.gt_instances for view in views for sample in samples[view]]
    assert [id(one) for one in instances] == [id(one) for one in wanted]


@pytest.mark.parametrize('source', ['labeled', 'unlabeled'])
def test_objects_are_pasted_into_what_the_student_sees_alone(build, monkeypatch, source):
    """Beside a refiner and weights; statistics are of what the teacher said."""
    everything = dict(prob=1.0, object_prob=1.0)
    options = {
        'copy_paste': dict(type='mmpldc.InstanceCopyPaste', source=source, **everything),
        'refiner': dict(type='mmpldc.RecordingRefiner'),
        'pseudo_label_weights': dict(type='mmpldc.CertainLabelWeights'),
    }
    model, batch = build(**options), make_batch()
    teacher = spy(monkeypatch, model.teacher, 'extract_feat')
    student = spy(monkeypatch, model, 'student_predictions')
    criterion = spy(monkeypatch, model.student.panoptic_head, 'loss_by_outputs')
    labels = spy(monkeypatch, model, 'get_pseudo_instances')
    losses = model.loss(*batch)

    inputs, samples = batch
    assert teacher[0][0][0] is inputs['unsup_weak']
    ((((_, seen),), _),) = student
    (_, found), (_, taught) = labels[0], criterion[1][0][:2]
    donors = dict(labeled=inputs['sup_strong'], unlabeled=inputs['unsup_strong'].flip(0))[source]
    changed = (seen != inputs['unsup_strong']).any(dim=1)
    assert 0 < changed.float().mean() < 1
    expected = torch.where(changed[:, None], donors, inputs['unsup_strong'])
    assert torch.equal(seen, expected)
    given = [sample.gt_instances for sample in samples['sup_strong']]
    sources = dict(labeled=given, unlabeled=found[::-1])[source]
    for image, own, pasted in zip(taught, found, sources, strict=True):
        assert image.labels.tolist()[-len(pasted) :] == pasted.labels.tolist()
        assert len(image) <= len(own) + len(pasted)
    assert losses['pseudo_per_image'] == sum(map(len, found)) / 2
    assert all(torch.isfinite(value) for value in losses.values())
    total(losses, 'unsup_').backward()


@pytest.mark.parametrize('missing', ['sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong'])
def test_missing_branch_is_named(build, missing):
    inputs, samples = make_batch()
    del inputs[missing], samples[missing]
    with pytest.raises(ValueError, match=f"no branch '{missing}'"):
        build().loss(inputs, samples)


def test_missing_hook_is_named(build):
    with pytest.raises(RuntimeError, match=r'mmpldc\.MeanTeacherHook'):
        build(step=None).loss(*make_batch())


# ---------------------------------------------------------------- the views' geometry

SHIFT = np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1]], np.float32)
DIFFERENCES = [
    ('img_id', 99),
    ('img_shape', (SIZE, 48)),
    ('flip', True),
    ('flip_direction', 'horizontal'),
    ('homography_matrix', SHIFT),
]


@pytest.mark.parametrize(('key', 'value'), DIFFERENCES, ids=[key for key, _ in DIFFERENCES])
@pytest.mark.parametrize('step', [0, BURN_IN], ids=['first batch', 'first unlabelled batch'])
def test_views_with_different_geometry_are_refused(build, step, key, value):
    """At the first batch already, as burn-in may last for hours."""
    inputs, samples = make_batch()
    samples['unsup_strong'][1].set_metainfo({key: value})
    with pytest.raises(ValueError, match=rf'11\.jpg differ in {key}'):
        build(step=step).loss(inputs, samples)


@pytest.mark.parametrize('view', ['unsup_weak', 'unsup_strong'])
def test_geometry_must_be_packed(build, view):
    inputs, samples = make_batch()
    del samples[view][0].homography_matrix
    with pytest.raises(ValueError, match="'homography_matrix' to meta_keys"):
        build().loss(inputs, samples)


def test_rounding_of_the_homography_is_no_difference(build):
    inputs, samples = make_batch()
    samples['unsup_strong'][0].set_metainfo(dict(homography_matrix=np.eye(3) + 1e-9))
    assert 'unsup_loss_mask' in build().loss(inputs, samples)


# ---------------------------------------------------------------- pseudo-labels


def naive_pseudo_labels(cls_logits, mask_logits, *, class_thr, mask_thr, min_area):
    """Image by image and query by query: (score, label, class quality, mask quality, logits)."""
    images = []
    for queries, masks in zip(cls_logits.tolist(), mask_logits, strict=True):
        kept = []
        for logits, mask in zip(queries, masks, strict=True):
            powers = np.exp(np.array(logits) - max(logits))
            probabilities = (powers / powers.sum())[:-1]
            full_size = F.interpolate(mask[None, None], (SIZE, SIZE), mode='bilinear')
            inside = [p for p in full_size.sigmoid().flatten().tolist() if p > 0.5]
            quality = sum(inside) / len(inside) if inside else 0.0
            best = int(probabilities.argmax())
            certain = probabilities[best] >= class_thr and quality >= mask_thr
            if certain and len(inside) > min_area:
                kept.append(
                    (probabilities[best] * quality, best, probabilities[best], quality, mask)
                )
        images.append(sorted(kept, key=lambda label: -label[0]))
    return images


def test_pseudo_labels_equal_a_naive_recomputation(build):
    model = build()
    model.teacher.panoptic_head.cls_embed.weight.data.mul_(5)  # confident in some queries
    inputs, samples = make_batch()
    images = inputs['unsup_weak']
    with torch.no_grad():
        features = model.teacher.extract_feat(images)
        all_cls, all_masks, _ = model.teacher.panoptic_head(features, samples['unsup_weak'])
    cls_logits, mask_logits = all_cls[-1], all_masks[-1]
    assert mask_logits.shape[-2:] == (SIZE // 4, SIZE // 4)

    # thresholds in the middle of what there is, so that each filters something
    everything = naive_pseudo_labels(cls_logits, mask_logits, class_thr=0, mask_thr=0, min_area=-1)
    candidates = [label for image in everything for label in image]
    settings = dict(
        class_thr=float(np.median([label[2] for label in candidates])),
        mask_thr=float(np.quantile([label[3] for label in candidates], 0.25)),
        min_area=float(np.quantile([16.0 * (label[4] > 0).sum() for label in candidates], 0.25)),
    )
    expected = naive_pseudo_labels(cls_logits, mask_logits, **settings)
    assert 2 <= sum(map(len, expected)) < len(candidates) / 2

    for name, value in settings.items():
        setattr(model.pseudo_label_filter, name, value)
    result = model.get_pseudo_instances(images, samples['unsup_weak'])
    for instances, wanted in zip(result, expected, strict=True):
        assert instances.labels.tolist() == [label[1] for label in wanted]
        assert instances.scores.tolist() == pytest.approx([label[0] for label in wanted])
        assert instances.class_quality.tolist() == pytest.approx([label[2] for label in wanted])
        assert instances.mask_quality.tolist() == pytest.approx([label[3] for label in wanted])
        for logits, label in zip(instances.mask_logits, wanted, strict=True):
            torch.testing.assert_close(logits, label[4])


def test_students_strong_view_gets_the_teachers_labels_unchanged(build, monkeypatch):
    model = build()
    teacher = spy(monkeypatch, model, 'get_pseudo_instances')
    seen = spy(monkeypatch, model, 'student_predictions')
    criterion = spy(monkeypatch, model.student.panoptic_head, 'loss_by_outputs')
    inputs, samples = make_batch()
    before = [sample.gt_instances for sample in samples['unsup_weak']]
    model.loss(inputs, samples)

    (((weak, _), pseudo_instances),) = teacher
    assert weak is inputs['unsup_weak'] and sum(map(len, pseudo_instances)) > 0
    ((((_, strong),), (_, predictions)),) = seen  # the labelled batch, then the unlabelled one
    assert strong is inputs['unsup_strong']
    _, ((judged, instances, *_), _) = criterion
    assert judged is predictions
    assert instances is pseudo_instances
    assert all(s.gt_instances is b for s, b in zip(samples['unsup_weak'], before, strict=True))


def gradients(model, batch) -> dict:
    model.zero_grad()
    total(seeded_loss(model, batch)).backward()
    return {n: p.grad for n, p in model.student.named_parameters() if p.grad is not None}


@pytest.mark.parametrize('views', [('sup_weak',), ('sup_weak', 'sup_strong')])
def test_joint_forward_gives_the_gradients_of_two(build, views):
    frozen_statistics = {'backbone.norm_eval': True, 'sup_views': views}
    two, joint = (build(joint_forward=joint, **frozen_statistics) for joint in (False, True))
    expected, result = (gradients(model, make_batch()) for model in (two, joint))
    assert expected.keys() == result.keys() and len(expected) > 50
    for name, gradient in expected.items():
        torch.testing.assert_close(result[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_joint_forward_needs_one_size(build, monkeypatch):
    model = build(joint_forward=True)
    passes = spy(monkeypatch, model.student, 'extract_feat')
    inputs, samples = make_batch()
    model.loss(inputs, samples)
    assert [len(images) for (images,), _ in passes] == [6]
    del passes[:]
    for view in ('unsup_weak', 'unsup_strong'):
        inputs[view] = torch.cat([inputs[view]] * 2, dim=3)
    model.loss(inputs, samples)
    assert [len(images) for (images,), _ in passes] == [4, 2]


def test_annotations_of_unlabelled_images_have_no_influence(build):
    with_annotations, without = make_batch(), make_batch()
    for view in ('unsup_weak', 'unsup_strong'):
        for sample in without[1][view]:
            sample.gt_instances = sample.gt_instances[:0]
    expected, result = (seeded_loss(build(), batch) for batch in (with_annotations, without))
    for name in expected:
        torch.testing.assert_close(result[name], expected[name], rtol=0, atol=0)


def test_teacher_is_not_trained_and_stays_in_eval_mode(build):
    model = build()
    assert model.student.training
    assert not any(module.training for module in model.teacher.modules())
    before = deepcopy(model.teacher.state_dict())
    total(model.loss(*make_batch())).backward()
    assert all(parameter.grad is None for parameter in model.teacher.parameters())
    # nor would DistributedDataParallel wait for its gradients
    assert not any(parameter.requires_grad for parameter in model.teacher.parameters())
    for name, tensor in model.teacher.state_dict().items():  # batch norm's statistics too
        assert torch.equal(tensor, before[name]), name
    assert not model.eval().student.training
    assert model.train().student.training and not model.teacher.training


def test_pseudo_labels_carry_no_gradient(build):
    model = build()
    inputs, samples = make_batch()
    for parameter in model.teacher.parameters():
        parameter.requires_grad = True
    for instances in model.get_pseudo_instances(inputs['unsup_weak'], samples['unsup_weak']):
        assert not instances.mask_logits.requires_grad and not instances.scores.requires_grad


# ---------------------------------------------------------------- batches without pseudo-labels


def test_without_pseudo_labels_nothing_is_learnt_but_every_parameter_has_a_gradient(build):
    """Else another rank, which has labels, would wait for this one for ever."""
    model = build(**NO_LABELS)
    losses = model.loss(*make_batch())
    assert losses.keys() == SUP_LOSSES | UNSUP_LOSSES | {'pseudo_per_image'}
    assert all(losses[name] == 0 for name in UNSUP_LOSSES | {'pseudo_per_image'})
    total(losses, 'unsup_').backward()
    for name, parameter in model.student.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


@pytest.mark.parametrize('labels', [True, False], ids=['with labels', 'without'])
def test_every_student_parameter_has_a_gradient(build, labels):
    model = build(**({} if labels else NO_LABELS))
    total(model.loss(*make_batch())).backward()
    missing = [name for name, p in model.student.named_parameters() if p.grad is None]
    assert missing == []


def test_no_object_can_be_learnt_from_batches_without_labels(build):
    model = build(train_no_object_without_labels=True, **NO_LABELS)
    losses = model.loss(*make_batch())
    for name in UNSUP_LOSSES:
        assert (losses[name] > 0) == name.endswith('cls'), name
    total(losses, 'unsup_').backward()
    cls_gradient = model.student.panoptic_head.cls_embed.bias.grad
    assert cls_gradient[-1] < 0 and (cls_gradient[:-1] > 0).all()  # towards "no object"


def test_image_without_labels_beside_one_with_labels_learns_no_object(build, monkeypatch):
    model = build()
    original = model.get_pseudo_instances

    def only_in_the_first(images, samples):
        first, second = original(images, samples)
        return [first, second[:0]]

    monkeypatch.setattr(model, 'get_pseudo_instances', only_in_the_first)
    losses = model.loss(*make_batch())
    assert all(losses[name] > 0 for name in UNSUP_LOSSES)
    assert losses['pseudo_per_image'] > 0


# ---------------------------------------------------------------- refiner

REFINER = dict(type='mmpldc.RecordingRefiner')


def test_refiner_gets_the_teachers_labels_and_its_own_reach_the_student(build, monkeypatch):
    model = build(step=7, refiner=REFINER)
    filtered = spy(monkeypatch, model.pseudo_label_filter, 'select')
    criterion = spy(monkeypatch, model.student.panoptic_head, 'loss_by_outputs')
    inputs, samples = make_batch()
    model.loss(inputs, samples)

    ((pseudo_instances, images, data_samples, progress, _),) = model.refiner.calls
    ((_, selection),) = filtered
    assert pseudo_instances is selection.pseudo_instances
    assert images is inputs['unsup_weak'] and data_samples is samples['unsup_weak']
    assert progress == Progress(step=7, pseudo_label_start=BURN_IN, max_steps=MAX_STEPS)
    assert model.refiner.grad_enabled == [False]

    _, ((_, wanted, *_), _) = criterion
    for corrected, instances in zip(wanted, pseudo_instances, strict=True):
        assert torch.equal(corrected.labels, (instances.labels + 1) % NUM_CLASSES)
        assert len(instances) > 0


def test_scores_of_refined_labels_are_the_filters(build, monkeypatch):
    model = build(refiner=REFINER, **COUPLED | {'pseudo_label_filter.score_thr': 0.0})
    refined = InstanceData.cat(model.get_pseudo_instances(*unlabeled_views()))
    assert len(refined) > 0
    expected = refined.class_quality * (2 * refined.mask_quality - 1)
    torch.testing.assert_close(refined.scores, expected)


def test_refiner_is_no_part_of_the_model_and_idle_during_burn_in(build):
    model = build(step=0, refiner=REFINER)
    assert not any(name.startswith('refiner') for name, _ in model.named_modules())
    model.loss(*make_batch())
    assert model.refiner.calls == []


def test_refined_labels_change_the_class_loss(build):
    plain = seeded_loss(build())
    refined = seeded_loss(build(refiner=REFINER))
    assert refined.keys() == plain.keys() | {'pseudo_corrected'}
    assert refined['pseudo_corrected'] == 1
    assert not torch.isclose(plain['unsup_loss_cls'], refined['unsup_loss_cls'])
    for name in SUP_LOSSES | STATISTICS:
        torch.testing.assert_close(refined[name], plain[name])


@pytest.mark.parametrize(
    'options',
    [
        dict(bgr_to_rgb=True),
        dict(bgr_to_rgb=False),
        dict(bgr_to_rgb=False, rgb_to_bgr=True),  # mmcv reads BGR: this makes it RGB as well
        dict(mean=[10.0, 20.0, 30.0], std=[1.0, 2.0, 3.0]),
        dict(mean=None, std=None),
    ],
    ids=str,
)
def test_refiner_is_told_how_the_images_were_normalised(build, options):
    """So that it gets back to the pixels that the data loader read."""
    settings = {f'data_preprocessor.data_preprocessor.{name}': v for name, v in options.items()}
    model = build(refiner=REFINER, **settings)
    batch = collated_batch()
    pixels = [image for image in batch['inputs']['unsup_weak'] if image is not None]
    data = model.data_preprocessor(batch, training=True)
    model.get_pseudo_instances(data['inputs']['unsup_weak'], data['data_samples']['unsup_weak'])
    ((_, images, _, _, normalization),) = model.refiner.calls
    rgb = torch.stack(pixels).flip(1) / 255
    torch.testing.assert_close(unit_rgb(images, normalization), rgb, rtol=0, atol=1e-5)


# ---------------------------------------------------------------- getting ready to train

THRESHOLDS = dict(
    type='mmpldc.ClassAwareThresholds',
    class_range=(0.2, 0.8),
    mask_range=(0.4, 0.9),
    keep_rate=0.5,
    count='all',
)


class Annotated(BaseDataset):
    """One image with as many instances of each class as told."""

    def __init__(self, *counts, classes=('cat', 'dog', 'bus')):
        self.counts = counts
        super().__init__(metainfo=dict(classes=classes))

    def load_data_list(self):
        labels = [label for label, count in enumerate(self.counts) for _ in range(count)]
        return [dict(instances=[dict(bbox_label=label, ignore_flag=0) for label in labels])]


def prepare(model, dataset) -> None:
    model.prepare_training(dataset.metainfo['classes'], lambda: class_counts(dataset), len(dataset))


def labeled_and_unlabeled():
    return ConcatDataset([Annotated(6, 0, 2), Annotated(0, 50, 0)])


@pytest.mark.parametrize('unsup_weight', [0.0, 1.0])
@pytest.mark.parametrize('classes', [('cat', 'dog'), ('cat', 'dog', 'bus', 'kite')])
def test_data_set_with_another_number_of_classes_is_refused(build, classes, unsup_weight):
    model = build(refiner=REFINER, class_thresholds=THRESHOLDS, unsup_weight=unsup_weight)
    dataset = Annotated(*[1] * len(classes), classes=classes)
    with pytest.raises(
        ValueError, match=rf'has {len(classes)} classes, .*num_classes is 3'
    ) as error:
        prepare(model, dataset)
    assert all(name in str(error.value) for name in classes)
    assert model.refiner.prepared == [] and not model.class_thresholds.is_started


def test_refiner_is_prepared_with_class_names_and_device(build):
    model = build(refiner=REFINER)
    prepare(model, labeled_and_unlabeled())
    ((classes, device),) = model.refiner.prepared
    assert tuple(classes) == ('cat', 'dog', 'bus')
    assert device == next(model.student.parameters()).device


def test_thresholds_start_from_the_labelled_set(build):
    model = build(class_thresholds=THRESHOLDS)
    prepare(model, labeled_and_unlabeled())
    thresholds = model.thresholds_by_class()
    assert thresholds['class_thr'].tolist() == pytest.approx([0.65, 0.2, 0.35])
    assert thresholds['mask_thr'].tolist() == pytest.approx([0.775, 0.4, 0.525])


def test_supervised_baseline_prepares_nothing(build):
    """It labels nothing, so it needs no CLIP weights."""
    model = build(refiner=REFINER, class_thresholds=THRESHOLDS, unsup_weight=0)
    prepare(model, labeled_and_unlabeled())
    assert model.refiner.prepared == [] and not model.class_thresholds.is_started


def test_without_refiner_and_thresholds_there_is_nothing_to_prepare(build):
    model = build()
    prepare(model, labeled_and_unlabeled())
    assert model.refiner is model.class_thresholds is None


# ---------------------------------------------------------------- adaptive thresholds


@pytest.fixture
def build_adaptive(build):
    def build_adaptive(**options):
        model = build(class_thresholds=THRESHOLDS | options)
        prepare(model, labeled_and_unlabeled())
        return model

    return build_adaptive


def thresholds_of(model) -> dict:
    return {name: values.clone() for name, values in model.thresholds_by_class().items()}


def same(first: dict, second: dict) -> bool:
    return all(first[name].equal(second[name]) for name in first)


def unlabeled_views():
    inputs, samples = make_batch()
    return inputs['unsup_weak'], samples['unsup_weak']


def test_number_of_classes_is_filled_in(build_adaptive):
    assert build_adaptive().class_thresholds.num_classes == NUM_CLASSES


def test_training_moves_the_thresholds_behind_the_filter(build_adaptive, monkeypatch):
    """A step is filtered with the thresholds of the steps before."""
    model = build_adaptive()
    before, used = thresholds_of(model), []
    select = model.pseudo_label_filter.select

    def recorded(*args, thresholds, **kwargs):
        used.append({name: getattr(thresholds, name).clone() for name in before})
        return select(*args, thresholds=thresholds, **kwargs)

    monkeypatch.setattr(model.pseudo_label_filter, 'select', recorded)
    model.loss(*make_batch())
    after = thresholds_of(model)
    assert same(used[0], before) and not same(after, before)
    model.loss(*make_batch())
    assert same(used[1], after)


def test_labels_pass_the_thresholds_of_their_class(build_adaptive):
    model = build_adaptive()
    model.teacher.panoptic_head.cls_embed.weight.data.mul_(5)
    thresholds = thresholds_of(model)
    labels = InstanceData.cat(model.get_pseudo_instances(*unlabeled_views()))
    assert len(labels) > 0
    assert (labels.class_quality >= thresholds['class_thr'][labels.labels]).all()
    assert (labels.mask_quality >= thresholds['mask_thr'][labels.labels]).all()
    model.class_thresholds.class_thr.fill_(1.0)
    assert not any(map(len, model.get_pseudo_instances(*unlabeled_views())))


BY_COUNT = dict(type='mmpldc.ExpectedCountThreshold', share=0.5, floor=0.0, window=10)
COUPLED = {
    'pseudo_label_filter.class_thr': None,
    'pseudo_label_filter.mask_thr': None,
    'pseudo_label_filter.score_thr': 0.5,
    'pseudo_label_filter.score': 'certain',
}


def test_threshold_by_count_keeps_a_share_of_the_labelled_objects(build):
    """And nothing in the first step, which only counts."""
    model = build(class_thresholds=BY_COUNT, **COUPLED)
    data = labeled_and_unlabeled()
    counts, num_images = class_counts(data), len(data.datasets[0])
    model.prepare_training(data.metainfo['classes'], lambda: counts, num_images)
    assert model.class_thresholds.expected == counts.sum() / num_images
    first = seeded_loss(model)
    assert first['pseudo_per_image'] == 0 and first['pseudo_wanted'] > 0
    second = seeded_loss(model)
    assert 0 < second['pseudo_per_image'] <= second['pseudo_wanted']
    assert 0 < second['pseudo_threshold'] < 1
    assert model.thresholds_by_class() == {}


def test_weak_labels_need_their_own_threshold_beside_it(build):
    with pytest.raises(ValueError, match='needs a class_thr of its own'):
        build(class_thresholds=BY_COUNT, weak_labels=dict(type='mmpldc.WeakLabels'), **COUPLED)


def test_uncertain_queries_are_not_taught_no_object(build, monkeypatch):
    losses = {}
    for ignore in (False, True):
        by_count = BY_COUNT | dict(share=2.0)
        model = build(class_thresholds=by_count, ignore_uncertain=ignore, **COUPLED)
        model.class_thresholds.start(torch.tensor([4]), 2)
        seeded_loss(model)
        head = model.student.panoptic_head
        calls = spy(monkeypatch, head, '_classification_loss')
        selections = spy(monkeypatch, model.pseudo_label_filter, 'select')
        losses[ignore] = seeded_loss(model)
        (_, labels, weight), _ = calls[-1]  # of the unlabelled images
        uncertain = selections[-1][1].considered.uncertain
        assert uncertain.any() and not uncertain.all()
        without_object = labels == NUM_CLASSES
        assert (weight[without_object & ~uncertain] > 0).all()
        assert (weight[without_object & uncertain] > 0).all() != ignore
        assert (weight[~without_object] > 0).all()
    assert losses[True]['unsup_loss_cls'] != losses[False]['unsup_loss_cls']
    assert losses[True]['unsup_loss_mask'] == losses[False]['unsup_loss_mask']


def test_ignoring_uncertain_queries_needs_a_floor(build):
    adaptive = dict(
        type='mmpldc.ClassAwareThresholds', class_range=(0.0, 0.4), mask_range=(0.0, 0.6)
    )
    for thresholds in (None, adaptive):
        with pytest.raises(ValueError, match='needs thresholds with a floor'):
            build(ignore_uncertain=True, class_thresholds=thresholds)
    model = build(class_thresholds=BY_COUNT, ignore_uncertain=True, **COUPLED).eval()
    model.class_thresholds = None  # as when images are labelled by a supervised checkpoint
    inputs, samples = make_batch()
    model.get_pseudo_instances(inputs['unsup_weak'], samples['unsup_weak'])


@pytest.mark.parametrize('step', [0, BURN_IN - 1])
def test_burn_in_leaves_the_thresholds_alone(build_adaptive, step):
    model = build_adaptive()
    before = thresholds_of(model)
    model.set_progress(step, MAX_STEPS)
    model.loss(*make_batch())
    assert same(thresholds_of(model), before)


def test_evaluation_leaves_the_thresholds_alone(build_adaptive):
    """An analysis of the labels, during training or after it, must not change them."""
    model = build_adaptive()
    before = thresholds_of(model)
    model.eval().get_pseudo_instances(*unlabeled_views())
    assert same(thresholds_of(model), before)
    model.train().get_pseudo_instances(*unlabeled_views())
    assert not same(thresholds_of(model), before)


def test_a_nan_of_the_teacher_is_counted_in_training_and_an_error_elsewhere(build):
    """An error on one rank would leave the others waiting; an export must not pass it over."""
    model = build()
    images, samples = unlabeled_views()
    images = images.clone()
    images[1, 0, 5, 5] = float('nan')
    first, second = model.get_pseudo_instances(images, samples)
    assert len(first) > 0 and len(second) == 0
    counts = model.pseudo_label_counter.pop_counts()
    assert (sum(counts.kept), counts.num_images, counts.num_nan) == (len(first), 2, 1)
    assert counts.nan_images == [samples[1].img_path]
    with pytest.raises(ValueError, match=f'logits for {samples[1].img_path} contain NaN'):
        model.eval().get_pseudo_instances(images, samples)
    model.get_pseudo_instances(*unlabeled_views())
    assert model.pseudo_label_counter.pop_counts().num_images == 0


def test_thresholds_are_in_the_checkpoint_and_not_started_anew(build_adaptive, build, tmp_path):
    model = build_adaptive()
    model.loss(*make_batch())
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'checkpoint.pth')
    resumed = build(class_thresholds=THRESHOLDS)
    load_checkpoint(resumed, str(tmp_path / 'checkpoint.pth'), map_location='cpu', strict=True)
    prepare(resumed, labeled_and_unlabeled())
    assert same(thresholds_of(resumed), thresholds_of(model))
    for own in (model, resumed):
        own.get_pseudo_instances(*unlabeled_views())
    assert same(thresholds_of(resumed), thresholds_of(model))


@pytest.mark.parametrize('kind', ['plain', 'without thresholds'])
def test_thresholds_start_after_a_checkpoint_without_any(build, tiny_detector_cfg, kind):
    """Pretrained weights, or a burn-in that was made with other settings."""
    source = MMDET_MODELS.build(tiny_detector_cfg) if kind == 'plain' else build()
    model = build(class_thresholds=THRESHOLDS)
    keys = model.load_state_dict(source.state_dict(), strict=False)
    assert keys.unexpected_keys == []
    assert all(name.startswith('class_thresholds.') for name in keys.missing_keys)
    prepare(model, labeled_and_unlabeled())
    assert model.class_thresholds.class_thr.tolist() == pytest.approx([0.65, 0.2, 0.35])


# ---------------------------------------------------------------- a step on a collated batch


def collated_batch(num_unlabeled: int = 2) -> dict:
    """As the data loader gives it: uint8 images, and None where an image lacks a branch."""
    labeled, unlabeled = [0, 1], [10 + i for i in range(num_unlabeled)]
    batch = dict(inputs={}, data_samples={})
    for name in ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong'):
        shown = unlabeled if name.startswith('unsup') else labeled
        present = [image in shown for image in labeled + unlabeled]
        batch['inputs'][name] = [
            torch.randint(256, (3, SIZE, SIZE), dtype=torch.uint8) if here else None
            for here in present
        ]
        batch['data_samples'][name] = [
            make_sample(image) if here else None
            for image, here in zip(labeled + unlabeled, present, strict=True)
        ]
    return batch


@pytest.mark.parametrize('step', [0, BURN_IN])
def test_train_step_trains_the_student_alone(build, step):
    model = build(step=step)
    before = deepcopy(model.state_dict())
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1))
    log = model.train_step(collated_batch(), optimizer)
    assert torch.isfinite(log['loss'])
    parameters = dict(model.named_parameters())
    for name, tensor in model.state_dict().items():
        if name.startswith('student.') and name in parameters:
            assert not torch.equal(tensor, before[name]), name
        elif not name.startswith('student.'):
            assert torch.equal(tensor, before[name]), name


def test_train_step_of_the_supervised_baseline_takes_labelled_images_only(build):
    model = build(unsup_weight=0.0)
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters()))
    log = model.train_step(collated_batch(num_unlabeled=0), optimizer)
    assert torch.isfinite(log['loss'])


def test_small_images_are_padded_and_their_masks_with_them(build):
    batch = collated_batch()
    for name, samples in batch['data_samples'].items():
        for index, sample in enumerate(samples):
            if sample is not None and index % 2:
                batch['inputs'][name][index] = batch['inputs'][name][index][:, :40, :50]
                sample.set_metainfo(dict(img_shape=(40, 50)))
                masks = sample.gt_instances.masks.masks[:, :40, :50]
                sample.gt_instances.masks = BitmapMasks(masks, 40, 50)
    model = build()
    data = model.data_preprocessor(batch, training=True)
    for name in data['inputs']:
        assert data['inputs'][name].shape == (2, 3, SIZE, SIZE)
        assert data['data_samples'][name][1].gt_instances.masks.masks.shape == (2, SIZE, SIZE)
    assert all(torch.isfinite(value) for value in model.loss(*data.values()).values())


# ---------------------------------------------------------------- checkpoints


def with_values(state_dict: dict, shift: float) -> dict:
    """The same keys, floats shifted: weights that can be told apart."""
    return {k: v + shift if v.is_floating_point() else v.clone() for k, v in state_dict.items()}


def assert_loaded(module: nn.Module, expected: dict) -> None:
    state_dict = module.state_dict()
    assert state_dict.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state_dict[name], tensor), name


@pytest.mark.parametrize('was_set', [True, False])
def test_plain_checkpoint_goes_to_both_and_brings_no_teacher(build, tiny_detector_cfg, was_set):
    plain = with_values(MMDET_MODELS.build(tiny_detector_cfg).state_dict(), 0.5)
    model = build()
    model.teacher_is_set.fill_(was_set)
    model.load_state_dict(plain, strict=False)
    assert_loaded(model.student, plain)
    assert_loaded(model.teacher, plain)
    assert not model.teacher_is_set


def test_plain_checkpoint_is_complete(build, tiny_detector_cfg):
    """mmengine warns about missing keys, and a strict load refuses them."""
    plain = MMDET_MODELS.build(tiny_detector_cfg).state_dict()
    keys = build().load_state_dict(plain, strict=False)
    assert keys.missing_keys == [] and keys.unexpected_keys == []


def test_a_start_from_other_classes_takes_the_rest(build, tiny_detector_cfg, monkeypatch):
    """As from COCO: the head of the classes starts anew; a line says what was taken."""
    lines = []
    monkeypatch.setattr(fitting_weights, 'print_log', lambda text, **_: lines.append(text))
    plain = with_values(MMDET_MODELS.build(tiny_detector_cfg).state_dict(), 0.5)
    model = build()
    model.load_state_dict(dict(plain), strict=False)
    assert lines == []  # all of it fits

    head = 'panoptic_head.cls_embed'
    coco = plain | {
        f'{head}.weight': torch.zeros(81, 16),
        f'{head}.bias': torch.zeros(81),
        'roi_head.extra': torch.zeros(1),
    }
    del coco['panoptic_head.query_feat.weight']
    model = build()
    own = model.state_dict()
    keys = model.load_state_dict(dict(coco), strict=False)
    for part in 'student.', 'teacher.':
        for name, tensor in plain.items():
            is_new = name.startswith((head, 'panoptic_head.query_feat'))
            expected = own[part + name] if is_new else tensor
            assert torch.equal(model.state_dict()[part + name], expected), name
    assert {f'student.{head}.weight', 'student.panoptic_head.query_feat.weight'} <= {
        *keys.missing_keys
    }
    total = len(plain)
    assert lines == [
        f'start: {total - 3} of {total} weights of the network are taken from the checkpoint; '
        f'2 start anew because of another shape ({head}); 1 start anew because the checkpoint has '
        'none (panoptic_head.query_feat); 1 of the checkpoint are not used (roi_head.extra)'
    ]


def semi_checkpoint(model) -> tuple[dict, dict, dict]:
    student = with_values(model.student.state_dict(), 0.25)
    teacher = with_values(model.teacher.state_dict(), -0.5)
    merged = {f'student.{name}': tensor for name, tensor in student.items()}
    return student, teacher, merged | {f'teacher.{n}': tensor for n, tensor in teacher.items()}


@pytest.mark.parametrize('is_set', [True, False])
def test_own_checkpoint_is_restored_with_its_flag(build, is_set):
    model = build()
    student, teacher, checkpoint = semi_checkpoint(model)
    checkpoint['teacher_is_set'] = torch.tensor(is_set)
    model.teacher_is_set.fill_(not is_set)
    model.load_state_dict(checkpoint, strict=True)
    assert_loaded(model.student, student)
    assert_loaded(model.teacher, teacher)
    assert model.teacher_is_set == is_set


@pytest.mark.parametrize(
    'options',
    [dict(num_classes=5), {'detector.panoptic_head.num_queries': 4}, {'backbone.base_channels': 4}],
    ids=['classes', 'queries', 'backbone'],
)
@pytest.mark.parametrize('kind', ['own', 'foreign'])
def test_a_teacher_that_does_not_fit_is_none(build, tmp_path, monkeypatch, options, kind):
    """It would be partly random, be kept through burn-in, and be averaged after it."""
    trained = build()
    trained.teacher_is_set.fill_(True)
    weights = trained.state_dict()
    if kind == 'foreign':
        weights.pop('teacher_is_set')
    torch.save(dict(state_dict=weights, meta={}), tmp_path / 'other.pth')
    if 'backbone.base_channels' in options:
        options = options | {'detector.panoptic_head.in_channels': [4, 8, 16, 32]}
    model, log = build(**options), []
    monkeypatch.setattr(pair, 'print_log', lambda line, **_: log.append(line))
    load_checkpoint(model, str(tmp_path / 'other.pth'), map_location='cpu')
    assert not model.teacher_is_set
    assert len(log) == 1 and 'teacher does not fit this model' in log[0]
    same = build()
    load_checkpoint(same, str(tmp_path / 'other.pth'), map_location='cpu')
    assert same.teacher_is_set


def test_foreign_semi_checkpoint_brings_its_teacher(build):
    model = build()
    student, teacher, checkpoint = semi_checkpoint(model)
    model.load_state_dict(checkpoint, strict=False)
    assert_loaded(model.student, student)
    assert_loaded(model.teacher, teacher)
    assert model.teacher_is_set


def test_checkpoint_of_a_student_alone_brings_no_teacher(build):
    model = build()
    student, _, checkpoint = semi_checkpoint(model)
    alone = {name: v for name, v in checkpoint.items() if name.startswith('student.')}
    model.load_state_dict(alone, strict=False)
    assert_loaded(model.student, student)
    assert not model.teacher_is_set


@pytest.mark.parametrize('kind', ['plain', 'foreign', 'own'])
def test_checkpoint_files_load_as_the_runner_loads_them(build, tiny_detector_cfg, tmp_path, kind):
    model = build()
    student, teacher, checkpoint = semi_checkpoint(model)
    if kind == 'plain':
        checkpoint = student = teacher = with_values(
            MMDET_MODELS.build(tiny_detector_cfg).state_dict(), 0.5
        )
    if kind == 'own':
        checkpoint['teacher_is_set'] = torch.tensor(True)
    torch.save(dict(state_dict=checkpoint, meta={}), tmp_path / 'checkpoint.pth')
    load_checkpoint(model, str(tmp_path / 'checkpoint.pth'), map_location='cpu')
    assert_loaded(model.student, student)
    assert_loaded(model.teacher, teacher)
    assert bool(model.teacher_is_set) == (kind != 'plain')


def test_state_dict_round_trip(build):
    model, other = build(), build()
    student, teacher, checkpoint = semi_checkpoint(model)
    model.load_state_dict(checkpoint, strict=False)
    other.load_state_dict(model.state_dict(), strict=True)
    assert_loaded(other.student, student)
    assert_loaded(other.teacher, teacher)
    assert other.teacher_is_set


# ---------------------------------------------------------------- prediction


@pytest.mark.parametrize('predict_on', ['teacher', 'student'])
def test_predicts_with_the_chosen_one(build, predict_on):
    model = build(**{'semi_test_cfg.predict_on': predict_on}).eval()
    for parameter in model.student.panoptic_head.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        (result,) = model(images, [make_sample(0)], mode='predict')
        (expected,) = getattr(model, predict_on)(images, [make_sample(0)], mode='predict')
        (other,) = getattr(model, {'teacher': 'student', 'student': 'teacher'}[predict_on])(
            images, [make_sample(0)], mode='predict'
        )
    assert torch.equal(result.pred_instances.scores, expected.pred_instances.scores)
    assert torch.equal(result.pred_instances.masks, expected.pred_instances.masks)
    assert not torch.allclose(result.pred_instances.scores, other.pred_instances.scores)
    assert result.pred_instances.masks.shape[1:] == (SIZE, SIZE)


# ---------------------------------------------------------------- waiting for the device

WAITS = [  # of a step after burn-in; docs/performance.md
    'nonzero',  # the number of candidates
    '_to_copy',  # of labels kept, and any NaN
    '_to_copy',  # costs of labelled images
    '_to_copy',  # and of unlabelled ones
    '_to_copy',  # the log
]


@pytest.mark.parametrize(
    'options',
    [dict(joint_forward=True), {}, {'pseudo_label_filter.duplicate_iou': 0.6}],
)
def test_a_step_waits_for_a_device_five_times(build, options):
    """And is that of a CPU."""
    inputs, samples = make_batch()
    losses, gradients, waits = [], [], []
    for device in ('cpu', DEVICE):
        model = build(**options)
        with emulated_device() as emulation:
            model.to(device)
            images = {name: image.to(device) for name, image in inputs.items()}
            emulation.waits.clear()
            torch.manual_seed(0)
            loss, log_vars = model.parse_losses(model.loss(images, samples))
            loss.backward()
            waits.append([wait.split(' at ')[0] for wait in emulation.waits])
            gradients.append([p.grad.cpu() for p in model.parameters() if p.grad is not None])
        assert all(value.device.type == 'cpu' for value in log_vars.values())
        losses.append(log_vars)
    assert waits == [[], WAITS]
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value, msg=name)
    for own, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
def test_a_step_on_a_gpu_waits_five_times_at_most(build):
    """Without preprocessing and the norm of the gradients, which is the sixth wait."""
    model = build().to('cuda')
    inputs, samples = make_batch()
    inputs = {name: images.to('cuda') for name, images in inputs.items()}

    def step():
        loss, _ = model.parse_losses(model.loss(inputs, samples))
        loss.backward()

    step()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter('always')
            step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    waits = [wait for wait in waits if 'synchronizing CUDA operation' in str(wait.message)]
    assert len(waits) <= 5, '\n'.join(f'{wait.filename}:{wait.lineno}' for wait in waits)


def test_joint_forward_refuses_batch_norms_that_train(build):
    dataset = Annotated(1)
    with pytest.raises(ValueError, match='does not work with batch norms that train'):
        prepare(build(joint_forward=True), dataset)
    prepare(build(joint_forward=True, **{'backbone.norm_eval': True}), dataset)
