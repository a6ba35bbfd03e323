"""Label correction (DICC) with a scorer that answers as told, against a loop over single labels."""

import math
import pickle
from copy import deepcopy

import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from torch import nn

from mmpldc.functional import PixelNormalization
from mmpldc.models import CLIPRefiner
from mmpldc.models.refiners import RegionScorer, RegionScores
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress

NUM_CLASSES = 4
BURN_IN, MAX_STEPS = 100, 500
MIDDLE = Progress(step=300, pseudo_label_start=BURN_IN, max_steps=MAX_STEPS)  # the weight is 0.25
START = MIDDLE._replace(step=BURN_IN)  # 0.5
SIZE = 16
FIELDS = ('labels', 'class_quality', 'mask_quality', 'scores', 'mask_logits', 'cls_logits')
COUNTS = [
    pytest.param([2, 3], id='2 images'),
    pytest.param([1], id='1 label'),
    pytest.param([0, 4, 0, 0, 1, 0], id='images without labels between'),
]


@MODELS.register_module(force=True)
class ToldScorer(RegionScorer):
    """Random distributions, or what ``answer`` makes of the number of masks; remembers calls."""

    def __init__(self):
        self.prepared = []
        self.calls = []
        self.answers = []
        self.network = nn.Linear(3, 3)  # a giant that must not reach the detector

    def prepare(self, classes, device):
        self.prepared.append((classes, device))

    def score(self, images, sizes, mask_logits, image_index):
        self.calls.append((images, sizes, mask_logits, image_index))
        self.answers.append(self.answer(len(mask_logits)))
        return self.answers[-1]

    def answer(self, count):
        probabilities = (4 * torch.randn(count, NUM_CLASSES)).softmax(dim=-1)
        return RegionScores(probabilities, torch.ones(count, dtype=torch.bool))


SCORER = dict(type='mmpldc.ToldScorer')


def make_refiner(answer=None, **options) -> CLIPRefiner:
    refiner = MODELS.build(dict(type='mmpldc.CLIPRefiner', scorer=SCORER, **options))
    if answer is not None:
        refiner.scorer.answer = answer
    return refiner


def kept_labels(counts) -> list[InstanceData]:
    """As the filter gives them: the label is the best class, by a softmax over N + 1."""
    instances = []
    for count in counts:
        cls_logits = 2 * torch.randn(count, NUM_CLASSES + 1)
        class_quality, labels = cls_logits.softmax(dim=-1)[:, :-1].max(dim=-1)
        mask_quality = 0.5 + 0.5 * torch.rand(count)
        instances.append(
            InstanceData(
                labels=labels,
                class_quality=class_quality,
                mask_quality=mask_quality,
                scores=class_quality * mask_quality,
                mask_logits=torch.randn(count, SIZE // 4, SIZE // 4),
                cls_logits=cls_logits,
            )
        )
    return instances


def make_batch(num_images: int, *, is_rgb: bool = True):
    """Weak views, their samples and normalisation, and the uint8 BGR images they come from."""
    pictures = [
        torch.randint(256, (3, SIZE - index, SIZE), dtype=torch.uint8)
        for index in range(num_images)
    ]
    samples = [DetDataSample(metainfo=dict(img_shape=image.shape[1:])) for image in pictures]
    preprocessor = DetDataPreprocessor(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=is_rgb
    )
    data = preprocessor(dict(inputs=pictures, data_samples=samples))
    normalization = PixelNormalization(preprocessor.mean, preprocessor.std, is_rgb)
    return data['inputs'], data['data_samples'], normalization, pictures


def refine(refiner, pseudo_instances, progress=MIDDLE):
    images, samples, normalization, _ = make_batch(len(pseudo_instances))
    return refiner(pseudo_instances, images, samples, progress, normalization)


# ---------------------------------------------------------------- fusion


def naive_refinement(instances, row, vlm, weight, fusion):
    """Label and class quality of one kept label."""
    exponentials = [math.exp(logit) for logit in instances.cls_logits[row].tolist()]
    foreground = [e / sum(exponentials) for e in exponentials[:-1]]
    teacher = [p / sum(foreground) for p in foreground]
    if fusion == 'linear':
        fused = [weight * v + (1 - weight) * t for t, v in zip(teacher, vlm, strict=True)]
    else:
        fused = [v**weight * t ** (1 - weight) for t, v in zip(teacher, vlm, strict=True)]
        fused = [p / sum(fused) for p in fused]
    best = max(fused)
    return fused.index(best), best


@pytest.mark.parametrize('fusion', ['linear', 'product'])
@pytest.mark.parametrize('counts', COUNTS)
@pytest.mark.parametrize('step', [BURN_IN, 217, 300, MAX_STEPS - 1])
def test_equals_the_loop(fusion, counts, step):
    refiner = make_refiner(fusion=fusion)
    before = kept_labels(counts)
    refined = refine(refiner, before, MIDDLE._replace(step=step))
    weight = 0.25 * (math.cos(math.pi * (step - BURN_IN) / (MAX_STEPS - BURN_IN)) + 1)
    ((probabilities, _),) = refiner.scorer.answers
    rows = iter(probabilities.tolist())
    assert len(refined) == len(counts)
    for old, new in zip(before, refined, strict=True):
        expected = [
            naive_refinement(old, row, next(rows), weight, fusion) for row in range(len(old))
        ]
        assert new.labels.tolist() == [label for label, _ in expected]
        assert new.class_quality.tolist() == pytest.approx([c for _, c in expected], abs=1e-5)
        assert new.corrected.tolist() == [
            label != own for (label, _), own in zip(expected, old.labels.tolist(), strict=True)
        ]
        for field in ('mask_quality', 'mask_logits', 'cls_logits'):
            assert new[field].equal(old[field])


@pytest.mark.parametrize('progress', [MIDDLE, MIDDLE._replace(step=MAX_STEPS)])
@pytest.mark.parametrize('counts', [[2, 0], [0, 0]])
def test_fields_are_those_of_the_filter_and_whether_the_class_changed(progress, counts):
    refined = refine(make_refiner(), kept_labels(counts), progress)
    for new, count in zip(refined, counts, strict=True):
        assert set(new.keys()) == {*FIELDS, 'corrected'}
        assert new.labels.dtype == torch.int64 and new.corrected.dtype == torch.bool
        assert new.class_quality.dtype == torch.float32
        assert len(new) == len(new.corrected) == count


def test_disagreement_is_decided_by_the_weight():
    """Teacher 0.6 : 0.4, scorer 0.2 : 0.8: equal at a weight of 0.25."""

    def answer(count):
        rows = torch.tensor([[0.2, 0.8, 0.0, 0.0]]).expand(count, -1)
        return RegionScores(rows, torch.ones(count, dtype=torch.bool))

    (labels,) = kept_labels([1])
    labels.cls_logits = torch.tensor([[0.6, 0.4, 1e-9, 1e-9, 0.5]]).log()
    labels.labels = torch.tensor([0])
    early, late = (
        refine(make_refiner(answer), [labels], MIDDLE._replace(step=step))[0] for step in (290, 310)
    )
    assert (early.labels.item(), early.corrected.item()) == (1, True)
    assert (late.labels.item(), late.corrected.item()) == (0, False)
    assert early.class_quality.item() == pytest.approx(0.5, abs=0.02)


def test_unknown_fusion():
    with pytest.raises(ValueError, match=r"one of \['linear', 'product'\], got 'sum'"):
        make_refiner(fusion='sum')


# ---------------------------------------------------------------- the weight


@pytest.mark.parametrize(
    ('options', 'step', 'weight'),
    [
        ({}, 0, 0.5),
        ({}, BURN_IN, 0.5),  # as released, it falls from the end of burn-in on
        ({}, 300, 0.25),
        ({}, MAX_STEPS, 0.0),
        (dict(begin=0), 0, 0.5),  # the paper's
        (dict(begin=0), BURN_IN, 0.25 * (math.cos(math.pi / 5) + 1)),
        (dict(begin=0), 250, 0.25),
        (dict(begin=200, end=400), 200, 0.5),
        (dict(begin=200, end=400), 300, 0.25),
        (dict(begin=200, end=400), 400, 0.0),
        (dict(end=300), 200, 0.25),
        (dict(initial_weight=0.8, final_weight=0.2), BURN_IN, 0.8),
        (dict(initial_weight=0.8, final_weight=0.2), 300, 0.5),
        (dict(initial_weight=0.8, final_weight=0.2), MAX_STEPS + 7, 0.2),
    ],
    ids=str,
)
def test_weight(options, step, weight):
    refiner = make_refiner(**options)
    assert refiner.weight(MIDDLE._replace(step=step)) == pytest.approx(weight, abs=1e-9)


def test_unknown_progress_is_named():
    """Outside of training nobody tells the model where it stands."""
    with pytest.raises(RuntimeError, match=r'model\.set_progress'):
        refine(make_refiner(), kept_labels([1]), progress=None)


# ---------------------------------------------------------------- when the scorer cannot tell


@pytest.mark.parametrize('fusion', ['linear', 'product'])
@pytest.mark.parametrize('junk', [0.0, 0.25, math.nan])
def test_labels_of_rows_that_are_not_valid_stay_the_teachers(fusion, junk):
    """Whatever stands in such rows. Their quality stays as well, which no fusion renormalised."""

    def answer(count):
        rows = (4 * torch.randn(count, NUM_CLASSES)).softmax(dim=-1)
        valid = torch.arange(count) % 2 == 0
        rows[~valid] = junk
        return RegionScores(rows, valid)

    refiner, before = make_refiner(answer, fusion=fusion), kept_labels([3, 0, 4])
    refined = refine(refiner, before, START)
    old, new = InstanceData.cat(before), InstanceData.cat(refined)
    ((probabilities, valid),) = refiner.scorer.answers
    assert valid.tolist() == [True, False, True, False, True, False, True]
    for field in ('labels', 'class_quality'):
        assert new[field][~valid].equal(old[field][~valid])
    assert not new.corrected[~valid].any()
    for row in valid.nonzero().flatten().tolist():
        label, quality = naive_refinement(old, row, probabilities[row].tolist(), 0.5, fusion)
        assert new.labels[row] == label
        assert new.class_quality[row].item() == pytest.approx(quality, abs=1e-5)


@pytest.mark.parametrize(
    ('counts', 'progress', 'options'),
    [
        ([0, 0], START, {}),
        ([2, 1], MIDDLE._replace(step=MAX_STEPS), {}),
        ([2, 1], MIDDLE._replace(step=MAX_STEPS + 50), {}),
        ([2, 1], START, dict(initial_weight=0.0)),
    ],
    ids=['no label', 'end', 'behind the end', 'weight 0'],
)
def test_scorer_is_not_asked_for_nothing(counts, progress, options):
    refiner, before = make_refiner(**options), kept_labels(counts)
    refined = refine(refiner, before, progress)
    assert refiner.scorer.calls == []
    for old, new in zip(before, refined, strict=True):
        assert not new.corrected.any()
        assert all(new[field].equal(old[field]) for field in FIELDS)


def test_one_class_is_always_right():
    """A softmax over it alone would make every class quality 1."""
    refiner, (before,) = make_refiner(), kept_labels([2])
    before.labels.zero_()
    before.cls_logits = before.cls_logits[:, -2:]
    (refined,) = refine(refiner, [before])
    assert refiner.scorer.calls == []
    assert refined.class_quality.equal(before.class_quality) and not refined.corrected.any()


def test_scorer_is_asked_at_the_end_if_its_weight_stays():
    refiner = make_refiner(final_weight=0.1)
    refine(refiner, kept_labels([1]), MIDDLE._replace(step=MAX_STEPS))
    assert len(refiner.scorer.calls) == 1


# ---------------------------------------------------------------- what the scorer sees


@pytest.mark.parametrize('is_rgb', [True, False])
@pytest.mark.parametrize('counts', COUNTS)
def test_scorer_sees_rgb_pixels_sizes_and_masks(is_rgb, counts):
    refiner, before = make_refiner(), kept_labels(counts)
    images, samples, normalization, pictures = make_batch(len(counts), is_rgb=is_rgb)
    refiner(before, images, samples, MIDDLE, normalization)
    ((pixels, sizes, mask_logits, image_index),) = refiner.scorer.calls
    assert pixels.shape == images.shape and pixels.dtype == torch.float32
    for own, picture in zip(pixels, pictures, strict=True):
        height, width = picture.shape[1:]
        rgb = picture.flip(0) / 255
        torch.testing.assert_close(own[:, :height, :width], rgb, rtol=0, atol=1e-5)
    assert sizes == [tuple(picture.shape[1:]) for picture in pictures]
    assert image_index.tolist() == [i for i, count in enumerate(counts) for _ in range(count)]
    assert mask_logits.equal(torch.cat([instances.mask_logits for instances in before]))


def test_scorer_is_prepared_with_classes_and_device():
    refiner = make_refiner()
    classes, device = ('a', 'b'), torch.device('cpu')
    refiner.prepare(classes, device)
    assert refiner.scorer.prepared == [(classes, device)]


# ---------------------------------------------------------------- side effects


def test_inputs_are_not_modified():
    before = kept_labels([2, 0, 3])
    images, samples, normalization, _ = make_batch(3)
    copies = deepcopy((before, images, normalization))
    refined = make_refiner()(before, images, samples, START, normalization)
    assert any(new.corrected.any() for new in refined), 'nothing was corrected: no test'
    assert images.equal(copies[1])
    assert normalization.mean.equal(copies[2].mean)
    for old, copy in zip(before, copies[0], strict=True):
        assert set(old.keys()) == set(FIELDS)
        assert all(old[field].equal(copy[field]) for field in FIELDS)


def test_corrected_labels_carry_no_gradient():
    before = kept_labels([2])
    before[0].cls_logits.requires_grad_()
    (refined,) = refine(make_refiner(), before)
    assert not refined.class_quality.requires_grad


@pytest.mark.parametrize('fusion', ['linear', 'product'])
def test_under_autocast(fusion):
    before, images_and_more = kept_labels([4]), make_batch(1)[:2]
    normalization = make_batch(1)[2]

    def run():
        torch.manual_seed(1)  # the scorer's answer
        return make_refiner(fusion=fusion)(before, *images_and_more, MIDDLE, normalization)[0]

    expected = run()
    with torch.autocast('cpu', torch.bfloat16):
        result = run()
    assert result.class_quality.dtype == torch.float32
    torch.testing.assert_close(result.class_quality, expected.class_quality, rtol=0, atol=1e-5)
    assert result.labels.equal(expected.labels)


# ---------------------------------------------------------------- no part of the detector

REFINER = dict(type='mmpldc.CLIPRefiner', scorer=SCORER)


@pytest.fixture
def build_detector(tiny_model_cfg):
    def build(refiner):
        torch.manual_seed(0)
        return MODELS.build(deepcopy(tiny_model_cfg) | dict(refiner=refiner))

    return build


def test_detector_owns_nothing_of_the_refiner(build_detector):
    plain, refining = build_detector(None), build_detector(REFINER)
    assert isinstance(refining.refiner, CLIPRefiner) and not isinstance(refining.refiner, nn.Module)
    assert refining.state_dict().keys() == plain.state_dict().keys()
    assert dict(refining.named_modules()).keys() == dict(plain.named_modules()).keys()
    foreign = {id(parameter) for parameter in refining.refiner.scorer.network.parameters()}
    assert foreign.isdisjoint(map(id, refining.parameters()))
    wrapper = build_optim_wrapper(refining, dict(optimizer=dict(type='AdamW', lr=1e-4)))
    optimized = [p for group in wrapper.optimizer.param_groups for p in group['params']]
    assert len(optimized) == len(list(plain.parameters()))
    assert foreign.isdisjoint(map(id, optimized))


@pytest.mark.parametrize(
    'scorer', [SCORER, dict(type='mmpldc.OpenCLIPScorer', model='RN50', pretrained='openai')]
)
@pytest.mark.parametrize('copy', [deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_detector_can_be_copied(build_detector, scorer, copy):
    """Building loads nothing, so that inference and copies of the model cost nothing."""
    model = build_detector(REFINER | dict(scorer=scorer))
    other = copy(model)
    assert type(other.refiner.scorer) is type(model.refiner.scorer)
    assert other.refiner.scorer is not model.refiner.scorer
    assert getattr(other.refiner.scorer, 'visual', None) is None
    for name, tensor in model.state_dict().items():
        assert other.state_dict()[name].equal(tensor), name
    assert other.refiner.weight(START) == 0.5


def test_labels_of_a_step_go_through_the_refiner(build_detector):
    model = build_detector(REFINER)
    model.set_progress(BURN_IN, MAX_STEPS)
    meta = dict(img_path='1.jpg', img_shape=(64, 64), batch_input_shape=(64, 64))
    samples = [DetDataSample(metainfo=meta)]
    scorer = model.refiner.scorer
    scorer.answer = lambda count: RegionScores(
        torch.full((count, 3), 1 / 3), torch.ones(count, dtype=torch.bool)
    )
    (labels,) = model.get_pseudo_instances(torch.randn(1, 3, 64, 64), samples)
    assert len(scorer.calls) == 1 and 'corrected' in labels
