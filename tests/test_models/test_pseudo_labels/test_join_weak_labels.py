"""Weak labels join the teacher's: filtered like them, in their place, and faded out."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmpldc.functional import mask_uncertainty
from mmpldc.models.pseudo_labels import (
    PseudoLabelFilter,
    Thresholds,
    WeakLabels,
    without_labels,
)
from mmpldc.schedules import Progress
from mmpldc.structures import PackedMasks

SIZE, CELLS, NUM_CLASSES = 32, 8, 3
DDTF = PseudoLabelFilter(class_thr=0.8, mask_thr=0.9)
BURN_IN, LATER, LAST = (Progress(step, 50, 100) for step in (10, 75, 100))
A, B, C = (0, 0, 12, 12), (16, 16, 28, 28), (0, 16, 12, 28)  # top, left, bottom, right


def pixels(*boxes):
    masks = torch.zeros(len(boxes), SIZE, SIZE, dtype=torch.uint8)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = 1
    return masks


def packed(masks):
    height, width = masks.shape[1:]
    weights = 2 ** torch.arange(7, -1, -1)
    bits = (masks.reshape(-1, height, width // 8, 8) * weights).sum(-1).to(torch.uint8)
    return PackedMasks(bits, (height, width))


def sample(boxes, labels, scores, mask_quality=None):
    instances = InstanceData(
        labels=torch.tensor(labels, dtype=torch.int64),
        scores=torch.tensor(scores),
        masks=packed(pixels(*boxes)),
    )
    if mask_quality is not None:
        instances.mask_quality = torch.tensor(mask_quality)
    return DetDataSample(gt_instances=instances)


def teachers(*boxes, **metainfo):
    """Certain labels of class 0."""
    logits = 8.0 * (2 * pixels(*boxes)[:, 2::4, 2::4].float() - 1)
    count = len(boxes)
    quality = torch.full((count,), 0.9)
    cls_logits = torch.tensor([[5.0, 0.0, 0.0, 0.0]]).repeat(count, 1)
    return InstanceData(
        metainfo=metainfo,
        labels=torch.zeros(count, dtype=torch.int64),
        class_quality=quality,
        cls_logits=cls_logits,
        mask_quality=quality,
        mask_logits=logits,
        scores=quality**2,
    )


def join(weak, samples, teacher=None, selector=DDTF, progress=LATER, thresholds=None):
    if teacher is None:
        teacher = without_labels(len(samples), NUM_CLASSES, (CELLS, CELLS), torch.device('cpu'))
    thresholds = thresholds or selector.thresholds(progress)
    return weak.join(teacher, samples, (SIZE, SIZE), selector, thresholds, progress)


def test_they_look_like_a_teachers_labels():
    (found,) = join(WeakLabels(), [sample([A, B], [2, 1], [0.85, 0.95])], progress=BURN_IN)
    assert found.labels.tolist() == [1, 2]  # the best score first
    torch.testing.assert_close(found.class_quality, torch.tensor([0.95, 0.85]))
    torch.testing.assert_close(found.scores, 0.95 * found.class_quality)
    expected = pixels(B, A)[:, 2::4, 2::4].bool()
    assert ((found.mask_logits > 0) == expected).all()
    assert found.cls_logits.shape == (2, NUM_CLASSES + 1)
    assert found.cls_logits.argmax(1).tolist() == [1, 2] and found.weak.all()
    # u = 2 - 2 m inside and outside
    torch.testing.assert_close(
        mask_uncertainty(found.mask_logits), torch.full((2, CELLS, CELLS), 0.1), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ('options', 'kept'),
    [
        ({}, [0]),  # DDTF's thresholds
        (dict(class_thr=0.2), [0, 1, 2]),
        (dict(class_thr=0.2, mask_thr=0.9), [0, 1]),
        (dict(class_thr=0.2, min_area=200), []),
        (dict(mask_quality=0.85), []),
    ],
)
def test_thresholds(options, kept):
    """Labels 0 and 1 have no mask quality of their own, label 2 has a low one."""
    given = sample([A, B, C], [0, 1, 2], [0.85, 0.6, 0.3], [torch.nan, torch.nan, 0.7])
    (found,) = join(WeakLabels(**options), [given])
    assert found.labels.tolist() == kept


def test_a_threshold_on_the_score():
    selector = PseudoLabelFilter(score_thr=0.5, score='certain')
    given = sample([A, B], [0, 1], [0.9, 0.5])
    thresholds = Thresholds(0.3, 0.0, torch.tensor(0.6), 0.3)
    (found,) = join(WeakLabels(), [given], selector=selector, thresholds=thresholds)
    assert found.labels.tolist() == [0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9 * 0.9]))
    unknown = thresholds._replace(score_thr=torch.tensor(torch.inf))
    (found,) = join(WeakLabels(), [given], selector=selector, thresholds=unknown)
    assert len(found) == 0
    own = WeakLabels(class_thr=0.4)
    (found,) = join(own, [given], selector=selector, thresholds=unknown)
    assert found.labels.tolist() == [0, 1]


def test_a_label_of_the_teacher_stays_and_takes_the_place():
    near_a = (0, 0, 12, 16)
    samples = [
        sample([near_a, B], [2, 1], [0.99, 0.9]),
        sample([near_a], [2], [0.99]),
    ]
    teacher = [teachers(A, uncertain_queries='kept'), teachers(B, uncertain_queries='')]
    first, second = join(WeakLabels(), samples, teacher)
    assert first.labels.tolist() == [0, 1] and first.weak.tolist() == [False, True]
    assert second.labels.tolist() == [0, 2]  # that of the other image does not count
    assert first.uncertain_queries == 'kept'
    assert 'weak' not in teacher[0]  # not modified


def test_of_two_weak_labels_of_an_object_the_better_one_stays():
    (found,) = join(WeakLabels(), [sample([A, A], [1, 2], [0.85, 0.95])])
    assert found.labels.tolist() == [2]


def test_a_label_that_fails_takes_no_place():
    (found,) = join(WeakLabels(mask_thr=0.0), [sample([A, A], [1, 2], [0.85, 0.3])])
    assert found.labels.tolist() == [1]


def test_without_any():
    nothing = sample([], [], [])
    found = join(WeakLabels(), [nothing, sample([A], [1], [0.9])], [teachers(B), teachers()])
    assert [one.labels.tolist() for one in found] == [[0], [1]]
    (found,) = join(WeakLabels(), [nothing])
    assert len(found) == 0 and found.weak.dtype == torch.bool


def test_images_that_carry_none():
    bare = DetDataSample(gt_instances=InstanceData(labels=torch.zeros(0).long()))
    with pytest.raises(ValueError, match=r'train_dataloader\.dataset\.weak_labels'):
        join(WeakLabels(), [bare])


def test_weights_fade():
    weak = WeakLabels()
    assert [weak.weight_at(one) for one in (BURN_IN, LATER, LAST)] == [1.0, 0.5, 0.0]
    labels = join(weak, [sample([B], [1], [0.9])], [teachers(A)])[0]
    for progress, expected in ((BURN_IN, [1, 1]), (LATER, [1, 0.5]), (None, [1, 1])):
        weights = weak(labels, progress)
        assert weights.label.tolist() == weights.mask.tolist() == expected
        assert weights.no_object is None
    assert weak(teachers(A), LATER).label.tolist() == [1]


@pytest.mark.parametrize('options', [dict(weight=-1.0), dict(mask_quality=0.4)])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        WeakLabels(**options)
