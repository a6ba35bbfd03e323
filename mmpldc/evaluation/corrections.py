"""How much of a teacher's labels an annotator has changed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

MATCH_IOU = 0.5  # a label with less in common with an object is of another one
SAME_IOU = 0.95  # an outline that is stored as another kind of mask differs by as much
SAME_CLASS_FIRST = 1e-3  # added to the IoU: of two alike the one of the label's class


class Corrections(NamedTuple):
    """Counts of a teacher's labels and of an annotator's.

    Attributes:
        kept: labels of a mask (IoU of at least 0.95) and class that are in the corrected set.
        moved: those of a changed mask (IoU from 0.5) and the same class.
        class_changed: those of another class, their mask changed or not.
        deleted: labels without a counterpart.
        added: objects that had no label.
        images: images that were compared.
    """

    kept: int = 0
    moved: int = 0
    class_changed: int = 0
    deleted: int = 0
    added: int = 0
    images: int = 0

    @property
    def labels(self) -> int:
        """All labels of the teacher."""
        return self.kept + self.moved + self.class_changed + self.deleted

    def __add__(self, other: 'Corrections') -> 'Corrections':  # type: ignore[override]
        """Sum of both counts."""
        return Corrections(*(a + b for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        share = f' ({self.kept / self.labels:.0%})' if self.labels else ''
        return (
            f'of {self.labels} labels of the teacher on {self.images} images {self.kept}{share} '
            f'were kept, {self.moved} moved, {self.class_changed} given another class, '
            f'{self.deleted} deleted; {self.added} objects were added'
        )


def count_corrections(
    masks: Sequence[dict],
    labels: Sequence[int],
    corrected_masks: Sequence[dict],
    corrected_labels: Sequence[int],
) -> Corrections:
    """Compare an image's labels before and after correction.

    Masks are matched one to one so that the sum of their IoUs is largest, whatever their class.

    Args:
        masks: K compressed run lengths.
        labels: K classes.
        corrected_masks: G of the same frame.
        corrected_labels: G classes.
    """
    before, after = len(masks), len(corrected_masks)
    if not before or not after:
        return Corrections(deleted=before, added=after, images=1)
    iou = np.asarray(coco_mask.iou(list(masks), list(corrected_masks), [0] * after))
    same = np.equal.outer(np.asarray(labels), np.asarray(corrected_labels))
    gain = np.where(iou >= MATCH_IOU, iou + SAME_CLASS_FIRST * same, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    matched = gain[rows, columns] > 0
    rows, columns = rows[matched], columns[matched]
    alike, unmoved = same[rows, columns], iou[rows, columns] >= SAME_IOU
    return Corrections(
        kept=int((alike & unmoved).sum()),
        moved=int((alike & ~unmoved).sum()),
        class_changed=int((~alike).sum()),
        deleted=before - len(rows),
        added=after - len(rows),
        images=1,
    )


def run_lengths_of(annotation: dict, height: int, width: int) -> dict:
    """Compressed run lengths of a checked COCO-format annotation.

    Args:
        annotation: with ``segmentation``, polygons or run lengths.
        height, width: of its image.
    """
    segmentation = annotation['segmentation']
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation['counts'], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation
