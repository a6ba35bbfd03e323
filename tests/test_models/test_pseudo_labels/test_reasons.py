"""The reason of each candidate, against the filter itself."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models import PseudoLabelFilter
from mmpldc.models.pseudo_labels import Thresholds
from mmpldc.models.pseudo_labels.reasons import REASONS, explain_selection
from mmpldc.structures import LayerOutputs

SHAPE = (32, 32)


def random_outputs(queries=30):
    """Blobs of many sizes, some nearly equal, with classes of many qualities."""
    cls_logits = 3 * torch.randn(2, queries, 4)
    masks = torch.full((2, queries, 8, 8), -4.0)
    for image in range(2):
        for query in range(queries):
            side = int(torch.randint(1, 6, ()))
            row, column = torch.randint(0, 3, (2,)).tolist()
            masks[image, query, row : row + side, column : column + side] = 6 * torch.rand(())
    return LayerOutputs(cls_logits, masks)


OPTIONS = [
    dict(class_thr=0.6, mask_thr=0.8),
    dict(class_thr=0.6, mask_thr=0.8, duplicate_iou=0.5, min_area=40),
    dict(class_thr=0.3, mask_thr=0.6, above_no_object=True),
    dict(score_thr=0.5, duplicate_iou=0.5),
    dict(class_thr=0.2, mask_thr=0.5, max_candidates=20, soft_area=True),
]


BY_COUNT = Thresholds(0.1, 0.0, torch.tensor(0.4), floor=0.1, max_per_image=torch.tensor(2.0))


@pytest.mark.parametrize(
    ('options', 'thresholds'),
    [
        *((options, None) for options in OPTIONS),
        (dict(score_thr=0.5, score='certain', duplicate_iou=0.5), BY_COUNT),
    ],
)
def test_kept_are_those_of_the_filter(options, thresholds):
    selector, outputs = PseudoLabelFilter(**options), random_outputs()
    expected = selector.select(outputs, SHAPE, thresholds=thresholds).pseudo_instances
    assert sum(map(len, expected)) > 1
    explained = explain_selection(selector, outputs, SHAPE, thresholds=thresholds)
    for found, wanted in zip(explained, expected, strict=True):
        kept = found[found.reason == REASONS.index('kept')]
        assert len(found) > len(kept)
        for field in ('labels', 'scores', 'class_quality', 'mask_quality', 'mask_logits'):
            torch.testing.assert_close(kept[field], wanted[field])


def explain_one(*, class_quality, mask, selector, copies=1):
    """Reasons of one query, and of copies of it that are less certain."""
    steps = torch.arange(copies)[:, None] * 0.01
    probabilities = torch.tensor([class_quality])[None] - steps
    cls_logits = torch.cat([probabilities, 1 - probabilities], dim=1).log()
    outputs = LayerOutputs(cls_logits[None], mask.expand(copies, -1, -1)[None])
    (found,) = explain_selection(selector, outputs, SHAPE)
    return found, [REASONS[reason] for reason in found.reason]


def blob(logit, side=4):
    mask = torch.full((8, 8), -10.0)
    mask[:side, :side] = logit
    return mask


def test_each_reason():
    decoupled = PseudoLabelFilter(class_thr=0.7, mask_thr=0.8, duplicate_iou=0.5)
    found, reasons = explain_one(class_quality=0.9, mask=blob(8), selector=decoupled, copies=2)
    assert reasons == ['kept', 'duplicate']
    assert found.class_thr.tolist() == pytest.approx([0.7, 0.7])
    assert found.mask_thr.tolist() == pytest.approx([0.8, 0.8])
    assert found.score_thr.tolist() == [0, 0]
    assert explain_one(class_quality=0.6, mask=blob(8), selector=decoupled)[1] == ['class']
    assert explain_one(class_quality=0.9, mask=blob(0.5), selector=decoupled)[1] == ['mask']
    large = PseudoLabelFilter(class_thr=0.7, mask_thr=0.8, min_area=500)
    assert explain_one(class_quality=0.9, mask=blob(8), selector=large)[1] == ['area']
    coupled = PseudoLabelFilter(score_thr=0.7)
    assert explain_one(class_quality=0.6, mask=blob(8), selector=coupled)[1] == ['score']
    assert explain_one(class_quality=0.75, mask=blob(0.5), selector=coupled)[1] == ['score']
    guided = PseudoLabelFilter(class_thr=0.3, mask_thr=0, above_no_object=True)
    assert explain_one(class_quality=0.4, mask=blob(8), selector=guided)[1] == ['no object']

    class OnlyLarge(PseudoLabelFilter):
        def keep(self, measured: InstanceData, *args):
            return super().keep(measured, *args) & (measured.area > 500)

    rule = OnlyLarge(class_thr=0.7, mask_thr=0.8)
    assert explain_one(class_quality=0.9, mask=blob(8), selector=rule)[1] == ['rule']


def test_beyond_the_most_labels_of_an_image():
    torch.manual_seed(0)
    selector, outputs = PseudoLabelFilter(score_thr=0.5, score='certain'), random_outputs()
    found = explain_selection(selector, outputs, SHAPE, thresholds=BY_COUNT)
    reasons = [[REASONS[reason] for reason in one.reason] for one in found]
    assert all(one[:2] == ['kept', 'kept'] and 'limit' in one for one in reasons)
    nothing_passes = BY_COUNT._replace(score_thr=torch.tensor(torch.inf))
    (one, _) = explain_selection(selector, outputs, SHAPE, thresholds=nothing_passes)
    assert 'kept' not in [REASONS[reason] for reason in one.reason]
    assert one.score_thr.tolist() == [1.0] * len(one)  # a number for JSON


def test_hopeless_candidates_are_left_out():
    selector = PseudoLabelFilter(class_thr=0.7, mask_thr=0.8)
    assert explain_one(class_quality=0.04, mask=blob(8), selector=selector)[1] == []
