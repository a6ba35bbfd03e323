"""The training step of semantic segmentation, method by method, against naive computations."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.structures import PixelData

pytest.importorskip('mmseg')

from mmpldc.models.segmentors import mixing
from mmpldc.models.segmentors.mixing import ClassMix, CutMix, CutOut
from mmpldc.models.segmentors.student_view import mix_targets
from mmpldc.structures.seg_training_sample import SegTrainingSample

CONFIGS = Path(__file__).parents[3] / 'configs/semantic/shapes'
METHODS = ['supervised', 'mean_teacher', 'u2pl', 'imas', 'unimatch']
SIZE, NUM_CLASSES, STEP, MAX_STEPS = 32, 9, 2, 10


def build(method: str, *, step: int = STEP, **options):
    """The method's model on the scenes, of which an untrained teacher's labels pass."""
    cfg = Config.fromfile(CONFIGS / f'{method}.py')
    settings = {'burn_in_iters': STEP, 'backbone.base_channels': 8, 'backbone.stem_channels': 8}
    settings |= {
        'segmentor.decode_head.in_channels': 64,
        'segmentor.decode_head.c1_in_channels': 8,
        'segmentor.decode_head.channels': 16,
    }
    if cfg.model.get('reliability', {}).get('threshold') is not None:
        settings['reliability.threshold'] = 0.0
    if cfg.model.get('ease'):
        settings['ease.threshold'] = 0.0
    cfg.merge_from_dict({f'model.{key}': value for key, value in (settings | options).items()})
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.teacher.load_state_dict(model.student.state_dict())
    model.train()
    model.set_progress(step, MAX_STEPS)
    return model


def sample(number: int, *, labeled: bool, shape=(SIZE, SIZE)) -> SegTrainingSample:
    made = SegTrainingSample(
        metainfo=dict(
            img_path=f'{number}.png',
            img_shape=shape,
            ori_shape=shape,
            flip=False,
            flip_direction=None,
            homography_matrix=np.eye(3),
        )
    )
    if labeled:
        labels = torch.randint(NUM_CLASSES, (1, SIZE, SIZE), dtype=torch.uint8)
        labels[:, :2] = 255
        made.gt_sem_seg = PixelData(data=labels)
    return made


def batch(shape=(SIZE, SIZE)) -> tuple[dict, dict]:
    """Two labelled images, and three unlabelled ones in all views."""
    inputs = dict(sup_weak=torch.randn(2, 3, SIZE, SIZE))
    samples = dict(sup_weak=[sample(i, labeled=True) for i in range(2)])
    for view in ('unsup_weak', 'unsup_strong', 'unsup_strong_2'):
        inputs[view] = torch.randn(3, 3, SIZE, SIZE)
        samples[view] = [sample(10 + i, labeled=False, shape=shape) for i in range(3)]
    return inputs, samples


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('step', [0, STEP])
def test_each_method_trains_the_student_alone(method, step):
    model = build(method, step=step)
    losses = model.loss(*batch())
    learns = step >= STEP and method != 'supervised'
    names = {'sup_loss_ce'} | ({'sup_loss_contrast'} if method == 'u2pl' and not learns else set())
    if learns:
        names |= {'unsup_loss_ce', 'pseudo_coverage', 'pseudo_confidence'}
        names |= {'unsup_loss_contrast'} if method == 'u2pl' else set()
        names |= {'pseudo_ease'} if method == 'imas' else set()
    assert losses.keys() == names
    assert all(torch.isfinite(value) for value in losses.values())
    total, log = model.parse_losses(losses)
    total.backward()
    assert all(value.device.type == 'cpu' for value in log.values())
    without = [name for name, p in model.student.named_parameters() if p.grad is None]
    assert without == []
    assert all(p.grad is None for p in model.teacher.parameters())
    if learns:
        assert losses['pseudo_coverage'] > 0 and losses['unsup_loss_ce'] > 0
        assert model.pseudo_label_counter.pop_counts().num_images == 3


def test_supervised_loss_is_the_cross_entropy_of_labelled_pixels():
    model = build('supervised')
    inputs, samples = batch()
    with torch.no_grad():
        loss = model.loss(inputs, samples)['sup_loss_ce']
        logits = model.student.decode_head(model.student.extract_feat(inputs['sup_weak']))
    logits = F.interpolate(logits, (SIZE, SIZE), mode='bilinear')
    truth = torch.cat([one.gt_sem_seg.data for one in samples['sup_weak']]).long()
    torch.testing.assert_close(loss, F.cross_entropy(logits, truth, ignore_index=255))


def test_pseudo_labels_are_the_teachers_and_padding_counts_for_nothing():
    """Without mixing: the mean over valid pixels of the loss at confident ones."""
    model = build('mean_teacher', **{'student_views': [dict(view='unsup_strong')]})
    for parameter in model.teacher.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    inputs, samples = batch(shape=(20, SIZE))
    with torch.no_grad():
        features = model.teacher.extract_feat(inputs['unsup_weak'])
        logits = F.interpolate(model.teacher.decode_head(features), (SIZE, SIZE), mode='bilinear')
    confidence, labels = logits.softmax(dim=1).max(dim=1)
    threshold = confidence.median().item()
    model.reliability.threshold = threshold
    losses = model.loss(inputs, samples)
    both = torch.cat([inputs['sup_weak'], inputs['unsup_strong']])
    own = model.student.decode_head(model.student.extract_feat(both))[2:]  # norms as in the step
    own = F.interpolate(own, (SIZE, SIZE), mode='bilinear')
    total = 0.0
    for image in range(3):
        for row in range(20):
            for column in range(SIZE):
                if confidence[image, row, column] >= threshold:
                    scores = own[image, :, row, column].log_softmax(dim=0)
                    total -= scores[labels[image, row, column]].item()
    assert losses['unsup_loss_ce'].item() == pytest.approx(total / (3 * 20 * SIZE), rel=1e-4)
    assert losses['pseudo_coverage'].item() == pytest.approx(
        (confidence[:, :20] >= threshold).float().mean().item()
    )


def test_contrast_sees_nothing_of_padding(monkeypatch):
    """Unlabelled images of two sizes in one batch, whose last rows are padding."""
    model = build('u2pl', **{'student_views.0.mix.prob': 0.0})
    inputs, samples = batch()
    heights = (16, SIZE, 24)
    samples['unsup_weak'] = [
        sample(10 + i, labeled=False, shape=(height, SIZE)) for i, height in enumerate(heights)
    ]
    seen = []
    monkeypatch.setattr(
        model.contrast, 'forward', lambda *maps: seen.append(maps) or maps[0].sum() * 0
    )
    model.loss(inputs, samples)
    ((features, labels, _, teacher),) = seen
    stride = SIZE // features.shape[2]
    assert teacher.logits.shape[2:] == labels.shape[1:] == features.shape[2:]
    assert labels[:2, 0].eq(255).all() and labels[:2, 1:].ne(255).all()  # rows without label
    for image, height in enumerate(heights, 2):
        rows = slice(-(-height // stride), None)
        assert labels[image, rows].eq(255).all() and not teacher.unreliable[image, rows].any()
        assert teacher.pseudo_labels[image, rows].eq(255).all()
        of_image = teacher.pseudo_labels[image, : rows.start].ne(255)
        assert (of_image ^ teacher.unreliable[image, : rows.start]).all()


def test_an_image_with_a_nan_teaches_nothing_and_is_counted():
    model = build('mean_teacher')
    inputs, samples = batch()
    inputs['unsup_weak'][1, 0, 3, 3] = float('nan')
    _, teacher = model.teacher_labels(
        inputs['sup_weak'], inputs['unsup_weak'], samples['unsup_weak']
    )
    assert teacher.has_nan.tolist() == [False, True, False]
    assert not teacher.dense.valid[1].any() and teacher.dense.valid[0].all()


@pytest.mark.parametrize(
    'mix',
    [
        CutMix(boxes='half_area', prob=1.0, per_batch=True),
        CutMix(boxes='random_area', partner='reversed', prob=0.5),
        CutMix(boxes='shared_size', partner='by_ease', prob=None),
        ClassMix(num_classes=4, prob=1.0),
        CutOut(prob=1.0),
    ],
    ids=['U2PL', 'UniMatch', 'iMAS', 'ClassMix', 'CutOut'],
)
def test_images_labels_and_masks_are_mixed_by_the_same_pixels(mix):
    """Each pixel carries its image's number, in the image and in its label."""
    number = torch.arange(4)[:, None, None].expand(4, 16, 16)
    ease = torch.tensor([0.9, 0.1, 0.5, 0.3])
    plan = mix(number, ease)
    labels, reliable, valid = mix_targets(plan, number, number != 2, number >= 0)
    erased = labels == 255
    if plan.partners is None:
        assert erased.any() and not reliable[erased].any() and not valid[erased].any()
    else:
        expected = torch.where(plan.from_others, plan.partners[:, None, None], number)
        assert torch.equal(labels, expected) and valid.all()
    assert torch.equal(reliable[~erased], labels[~erased] != 2)


def test_mixing_with_the_mean_ease_for_a_probability(monkeypatch):
    """All ranks take the first one's draw, and compare it with the mean of all, 0.45."""
    plan = CutMix(boxes='shared_size', partner='by_ease', prob=None)
    labels = torch.zeros(4, 8, 8, dtype=torch.long)
    for draw, active in ((0.44, True), (0.46, False)):
        monkeypatch.setattr(mixing, 'broadcast', lambda drawn, of_first=draw: drawn.fill_(of_first))
        assert bool(plan(labels, torch.tensor([0.9, 0.1, 0.5, 0.3])).is_active) == active


@pytest.mark.parametrize('active', [True, False])
def test_imas_averages_the_views_that_are_active(active, monkeypatch):
    model = build('imas')
    view = model.student_views[1]
    plan = view.plan
    monkeypatch.setattr(
        view, 'plan', lambda *args: plan(*args)._replace(is_active=torch.tensor(active))
    )
    seen = []
    own = model.unsup_loss
    model.unsup_loss = lambda *args: seen.append(own(*args)) or seen[-1]
    loss = model.loss(*batch())['unsup_loss_ce']
    expected = (seen[0] + seen[1]) / 2 if active else seen[0]
    torch.testing.assert_close(loss, 3.0 * expected)


def test_burn_in_teacher_equals_student_and_predicts(tmp_path):
    model = build('u2pl')
    model.loss(*batch())
    assert model.contrast.bank.filled.sum() > 0
    other = build('u2pl')
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.contrast.bank.keys, model.contrast.bank.keys)
    model.eval()
    images, samples = batch()
    with torch.no_grad():
        (result, *_) = model(images['unsup_weak'], samples['unsup_weak'], mode='predict')
    assert result.pred_sem_seg.data.shape == (1, SIZE, SIZE)


@pytest.mark.parametrize(
    ('method', 'options', 'message'),
    [
        ('imas', dict(ease=None), r'set model\.ease'),
        (
            'u2pl',
            {'segmentor.decode_head.type': 'mmseg.DepthwiseSeparableASPPHead'},
            'RepresentationASPPHead',
        ),
        ('supervised', dict(num_classes=1), 'at least two classes'),
        (
            'supervised',
            {'num_classes': 2, 'segmentor.decode_head.out_channels': 1},
            'an output for each: got num_classes=2, out_channels=1',
        ),
        ('u2pl', {'num_classes': 3}, 'low_rank below the number of classes'),
    ],
)
def test_parts_that_do_not_fit_are_refused(method, options, message):
    if 'segmentor.decode_head.type' in options:
        cfg = Config.fromfile(CONFIGS / f'{method}.py')
        cfg.model.segmentor.decode_head.type = options['segmentor.decode_head.type']
        cfg.model.segmentor.decode_head.pop('representation_channels')
        with pytest.raises(ValueError, match=message):
            MODELS.build(cfg.model)
        return
    with pytest.raises(ValueError, match=message):
        build(method, **options)
