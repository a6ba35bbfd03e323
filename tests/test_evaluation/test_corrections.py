"""What an annotator changed, by hand and against all ways of matching."""

from itertools import permutations

import numpy as np
import pytest

from mmpldc.apis import encode_mask
from mmpldc.evaluation.corrections import Corrections, count_corrections, run_lengths_of


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((60, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def encoded(*masks: np.ndarray) -> list[dict]:
    return [encode_mask(mask) for mask in masks]


def test_each_kind_once():
    one_pixel_less = square(0, 0, 20)
    one_pixel_less[0, 0] = False
    before = encoded(
        square(0, 0, 20),
        square(30, 0, 10),
        square(0, 30, 10),
        square(30, 30, 10),
        square(50, 50, 5),
    )
    after = encoded(
        square(45, 20, 8),  # new
        one_pixel_less,
        square(31, 0, 10),  # moved: IoU 9/11
        square(0, 30, 10),  # another class
        square(31, 30, 10),  # moved, and another class
    )
    found = count_corrections(before, [0, 1, 2, 0, 0], after, [0, 0, 1, 0, 1])
    assert found == Corrections(kept=1, moved=1, class_changed=2, deleted=1, added=1, images=1)
    assert found.labels == 5
    assert str(found) == (
        'of 5 labels of the teacher on 1 images 1 (20%) were kept, 1 moved, 2 given another class, '
        '1 deleted; 1 objects were added'
    )


def test_of_two_alike_the_one_of_the_same_class():
    found = count_corrections(
        encoded(square(0, 0, 9)), [1], encoded(*[square(0, 0, 9)] * 2), [0, 1]
    )
    assert (found.kept, found.class_changed, found.added) == (1, 0, 1)


def test_nothing_before_or_after():
    some = encoded(square(0, 0, 5), square(9, 9, 5))
    assert count_corrections([], [], some, [0, 0]) == Corrections(added=2, images=1)
    assert count_corrections(some, [0, 0], [], []) == Corrections(deleted=2, images=1)
    assert count_corrections([], [], [], []) == Corrections(images=1)
    total = Corrections(added=2, images=1) + Corrections(deleted=2, images=1)
    assert total == Corrections(deleted=2, added=2, images=2)
    assert '(0%)' in str(total) and '(' not in str(Corrections())


@pytest.mark.parametrize('seed', range(5))
def test_matching_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    before, after = (
        [square(*rng.integers(0, 12, 2), int(rng.integers(25, 40))) for _ in range(3)]
        for _ in range(2)
    )

    def total(order):
        ious = [
            (b & after[i]).sum() / (b | after[i]).sum() for b, i in zip(before, order, strict=True)
        ]
        kept = [iou for iou in ious if iou >= 0.5]
        return sum(kept), len(kept)

    best = max(permutations(range(3)), key=total)
    found = count_corrections(encoded(*before), [0] * 3, encoded(*after), [0] * 3)
    assert found.kept + found.moved == total(best)[1]
    assert found.deleted == found.added == 3 - total(best)[1]


def test_forms_of_segmentations():
    mask = square(2, 3, 10)
    polygon = dict(segmentation=[[3, 2, 13, 2, 13, 12, 3, 12]])
    counts = dict(segmentation=dict(size=[60, 60], counts=[182, *[10, 50] * 9, 10, 2868]))
    for annotation in polygon, counts, dict(segmentation=encode_mask(mask)):
        rle = run_lengths_of(annotation, 60, 60)
        assert count_corrections([rle], [0], encoded(mask), [0]).kept == 1
