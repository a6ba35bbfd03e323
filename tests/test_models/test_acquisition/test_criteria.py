"""Criteria on predictions made by hand."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models.acquisition import (
    ExpectedErrors,
    Observation,
    PixelUncertainty,
    QualityDisagreement,
    RandomOrder,
    RareClasses,
    RefinerDisagreement,
    ScoreUncertainty,
    ViewDisagreement,
)
from mmpldc.models.refiners import RegionScores
from mmpldc.registry import TASK_UTILS

SURE, HALF = 30.0, 0.0


def predictions(*rows: tuple[int, float, float, int]) -> InstanceData:
    """Of class, class quality, mask quality and the quarter of an 8 x 8 map that the mask fills."""
    count = len(rows)
    masks = torch.full((count, 8, 8), -SURE)
    classes = torch.full((count, 4), -SURE)
    for row, (label, _, _, quarter) in enumerate(rows):
        top, left = 4 * (quarter // 2), 4 * (quarter % 2)
        masks[row, top : top + 4, left : left + 4] = SURE
        classes[row, label] = SURE
    of_class, of_mask = (torch.tensor([row[i] for row in rows]) for i in (1, 2))
    return InstanceData(
        labels=torch.tensor([row[0] for row in rows], dtype=torch.long),
        class_quality=of_class,
        mask_quality=of_mask,
        scores=of_class * of_mask,
        mask_logits=masks,
        cls_logits=classes,
    )


CERTAIN = predictions((0, 1.0, 1.0, 0), (1, 1.0, 1.0, 1))
UNSURE = predictions((0, 0.5, 1.0, 0), (1, 1.0, 1.0, 1))
NOTHING = predictions((0, 1.0, 1.0, 0))[:0]


@pytest.mark.parametrize(
    ('criterion', 'certain', 'unsure'),
    [
        (ScoreUncertainty(), 0, 1),
        (ScoreUncertainty(pooling='mean'), 0, 1 / 3),
        (QualityDisagreement(), 0, 0.5),
        (QualityDisagreement(pooling='max'), 0, 0.5),
        (ExpectedErrors(), 0, 0.5),
        (ExpectedErrors(keep_from=0.6), 0, 0.5),
        (PixelUncertainty(), 0, 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_predictions_alone(criterion, certain, unsure):
    assert criterion(Observation(CERTAIN)).item() == pytest.approx(certain, abs=1e-6)
    assert criterion(Observation(UNSURE)).item() == pytest.approx(unsure, abs=1e-6)
    assert criterion(Observation(NOTHING)).item() == 0
    assert not criterion.needs_mirror and not criterion.needs_refiner


def test_uncertain_pixels():
    seen = predictions((0, 1.0, 0.5, 0))
    seen.mask_logits[0, :2] = HALF  # of the 16 pixels 8 are uncertain, and 8 more beside them
    total = PixelUncertainty()(Observation(seen)).item()
    assert total == pytest.approx(0.5 * 16 * 0.5 / (16 * 0.5 + 8), abs=1e-5)


def test_views():
    criterion = ViewDisagreement()
    assert criterion.needs_mirror

    def disagreement(one, other):
        return criterion(Observation(one, other)).item()

    assert disagreement(CERTAIN, CERTAIN[[1, 0]]) == pytest.approx(0, abs=1e-5)
    assert disagreement(CERTAIN, NOTHING) == pytest.approx(1)  # two one way, none the other way
    assert disagreement(NOTHING, NOTHING) == 0
    other_class = predictions((2, 1.0, 1.0, 0), (1, 1.0, 1.0, 1))
    assert disagreement(CERTAIN, other_class) == pytest.approx(1, abs=1e-5)
    elsewhere = predictions((0, 1.0, 1.0, 2), (1, 1.0, 1.0, 1))
    assert disagreement(CERTAIN, elsewhere) == pytest.approx(1, abs=1e-5)
    assert disagreement(elsewhere, CERTAIN) == disagreement(CERTAIN, elsewhere)
    with pytest.raises(ValueError, match='mirrored view'):
        criterion(Observation(CERTAIN))


def test_refiner():
    criterion = RefinerDisagreement()
    assert criterion.needs_refiner
    probabilities = torch.eye(3)[[0, 2]]  # the second one disagrees
    for valid, expected in ([True, True], 1.0), ([True, False], 0.0):
        refined = RegionScores(probabilities, torch.tensor(valid))
        found = criterion(Observation(CERTAIN, refined=refined)).item()
        assert found == pytest.approx(expected, abs=1e-5)
    empty = RegionScores(probabilities[:0], torch.zeros(0, dtype=torch.bool))
    assert criterion(Observation(NOTHING, refined=empty)).item() == 0


def test_rare_classes():
    criterion = RareClasses()
    criterion.prepare(torch.tensor([9, 0, 4]))
    assert criterion(Observation(UNSURE)).item() == pytest.approx(0.5 * 0.1 + 1.0)
    with pytest.raises(ValueError, match='names no COCO-format file'):
        RareClasses().prepare(None)


def test_random_order_belongs_to_the_name_and_the_seed():
    names = [f'{number}.jpg' for number in range(50)]

    def draw(seed):
        return [RandomOrder(seed=seed)(Observation(NOTHING, name=name)).item() for name in names]

    assert draw(0) == draw(0) != draw(1)
    assert len(set(draw(0))) == 50 and 0 <= min(draw(0)) < 0.2 < 0.8 < max(draw(0)) < 1


def test_registered_with_weights():
    built = TASK_UTILS.build(dict(type='mmpldc.ViewDisagreement', pooling='max', weight=-2.0))
    assert built.weight == -2 and built.pooling == 'max'
