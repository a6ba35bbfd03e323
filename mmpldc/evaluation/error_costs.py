"""What kinds of errors predictions make and what each kind costs in AP (TIDE, ECCV 2020).

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors". Their package
tidecv reads masks, but has had no release since 2020, so the types are here on top of pycocotools.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval

from .bootstrap import ClassMatches, resampled_ap

ERROR_KINDS = ('localisation', 'category', 'duplicate', 'background', 'both', 'missed')
CORRECT, IGNORED, MISSED = -1, -2, ERROR_KINDS.index('missed')
FOREGROUND, BACKGROUND = 0.5, 0.1  # IoU of a found object, and below which there is none


@dataclass(frozen=True)
class ErrorTable:
    """Predictions for I images with their kind of error, and the objects of N classes.

    Attributes:
        prediction: ``(P,)`` int, place in the list of predictions. Those beyond ``max_dets`` and
            of other images or classes have no row.
        image: ``(P,)`` int in [0, I), in the order of ascending ids.
        label: ``(P,)`` int in [0, N).
        score: ``(P,)`` float.
        kind: ``(P,)`` int, into :data:`ERROR_KINDS`, or ``CORRECT`` or ``IGNORED`` (on a crowd).
        target: ``(P,)`` int, id of the annotation that the prediction found or nearly found; 0 if
            there is none.
        object_id: ``(M,)`` int, ids of the annotations that count.
        object_image, object_label: ``(M,)`` int, as above.
        found: ``(M,)`` bool, whether a prediction found the object.
        missed: ``(M,)`` bool, those not found that no error of localisation or category explains.
        num_images, num_classes: I and N.
    """

    prediction: np.ndarray
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    kind: np.ndarray
    target: np.ndarray
    object_id: np.ndarray
    object_image: np.ndarray
    object_label: np.ndarray
    found: np.ndarray
    missed: np.ndarray
    num_images: int
    num_classes: int

    def counts(self) -> dict[str, int]:
        """Number of errors of each kind."""
        number = np.bincount(self.kind[self.kind >= 0], minlength=len(ERROR_KINDS))
        number[MISSED] = self.missed.sum()
        return dict(zip(ERROR_KINDS, number.tolist(), strict=True))


def tabulate_errors(evaluator: COCOeval) -> ErrorTable:
    """Find the kind of error of each prediction.

    Predictions are matched at an IoU of 0.5. The kinds, in order of precedence:

    1. localisation: IoU of 0.1 to 0.5 with an object of its class
    2. category: IoU of at least 0.5 with an object of another class
    3. duplicate: IoU of at least 0.5 with an object that a better prediction has found
    4. background: IoU of at most 0.1 with every object
    5. both: IoU of 0.1 to 0.5 with an object of another class
    6. missed: an object that no prediction has found, not even with an error of 1 or 2

    Args:
        evaluator: see :func:`~mmpldc.evaluation.bootstrap.evaluate_images`.
    """
    rows, objects = [], []
    for image in range(len(evaluator.params.imgIds)):
        of_image = _classify_image(evaluator, image)
        rows.append(of_image[0])
        objects.append(of_image[1])
    prediction, image, label, score, kind, target = _columns(rows, 6)
    object_id, object_image, object_label, found, missed = _columns(objects, 5)
    return ErrorTable(
        prediction=prediction.astype(int) - 1,  # pycocotools counts results from 1
        image=image.astype(int),
        label=label.astype(int),
        score=score,
        kind=kind.astype(int),
        target=target.astype(int),
        object_id=object_id.astype(int),
        object_image=object_image.astype(int),
        object_label=object_label.astype(int),
        found=found.astype(bool),
        missed=missed.astype(bool),
        num_images=len(evaluator.params.imgIds),
        num_classes=len(evaluator.params.catIds),
    )


def error_costs(table: ErrorTable, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Compute by how much AP at an IoU of 0.5 would rise without the errors of each kind.

    Errors of localisation and category are put right if their object was not found otherwise, the
    best prediction of an object only; all other wrong predictions are removed. Missed objects are
    taken off the number of objects. Costs do not add up: one error may hide another.

    Args:
        table: see :func:`tabulate_errors`.
        weights: ``(B, I)`` int, see :func:`~mmpldc.evaluation.bootstrap.resample_images`; None:
            each image once, so B is 1.

    Returns:
        ``(B,)`` float in [0, 1] by kind, and ``'ap50'``, the AP as it is; NaN without any object.

    Note:
        A class of which every object is missed gets an AP of 1 when missed objects are taken off.
        tidecv keeps it at 0, and so a class that is never found would cost nothing.
    """
    if weights is None:
        weights = np.ones((1, table.num_images), np.int64)
    costs = {'ap50': _mean_ap(table, weights, fixed=None)}
    for kind in range(len(ERROR_KINDS)):
        # Below 0 only through the steps of recall, as in tidecv.
        costs[ERROR_KINDS[kind]] = np.maximum(
            _mean_ap(table, weights, fixed=kind) - costs['ap50'], 0
        )
    return costs


def _mean_ap(table: ErrorTable, weights: np.ndarray, fixed: int | None) -> np.ndarray:
    """AP at an IoU of 0.5 with the errors of one kind put right, ``(B,)``."""
    label, hit = table.label.copy(), table.kind == CORRECT
    shown = table.kind != IGNORED
    counts = np.ones(len(table.object_id), bool)
    if fixed == MISSED:
        counts = ~table.missed
    elif fixed is not None:
        wrong = table.kind == fixed
        repaired = wrong & _best_of_object(table)
        label[repaired] = _label_of(table, table.target[repaired])
        hit, shown = hit | repaired, shown & (~wrong | repaired)
    order = np.argsort(-table.score, kind='mergesort')
    order = order[shown[order]]
    values = []
    for class_label in range(table.num_classes):
        own = order[label[order] == class_label]
        of_class = table.object_label == class_label
        part = ClassMatches(
            image=table.image[own],
            hits=hit[own][None],
            counted=np.ones((1, len(own)), bool),
            num_objects=_per_image(table, of_class & counts),
        )
        ap = resampled_ap(part, weights)[:, 0]
        has_objects = weights @ _per_image(table, of_class) > 0
        values.append(np.where(np.isnan(ap) & has_objects, 1.0, ap))
    precision = np.array(values).reshape(table.num_classes, len(weights))
    known = ~np.isnan(precision)
    total = np.where(known, precision, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _per_image(table: ErrorTable, objects: np.ndarray) -> np.ndarray:
    return np.bincount(table.object_image[objects], minlength=table.num_images)


def _best_of_object(table: ErrorTable) -> np.ndarray:
    """Which errors of localisation and category are the best prediction of an unfound object."""
    unfound = table.object_id[~table.found]
    fixable = np.flatnonzero((table.kind >= 0) & (table.kind <= 1) & np.isin(table.target, unfound))
    order = fixable[np.argsort(-table.score[fixable], kind='mergesort')]
    _, first = np.unique(table.target[order], return_index=True)
    best = np.zeros(len(table.kind), bool)
    best[order[first]] = True
    return best


def _label_of(table: ErrorTable, object_ids: np.ndarray) -> np.ndarray:
    order = np.argsort(table.object_id)
    return table.object_label[order[np.searchsorted(table.object_id, object_ids, sorter=order)]]


def _columns(rows: Sequence[np.ndarray], number: int) -> np.ndarray:
    return np.concatenate([np.zeros((0, number)), *rows]).T


def _classify_image(evaluator: COCOeval, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an image's predictions, and of its objects, in the order of the table's columns."""
    image_ids, category_ids = evaluator.params.imgIds, evaluator.params.catIds
    per_class = len(image_ids) * len(evaluator.params.areaRng)
    predictions, objects, shapes, object_shapes = [], [], [], []
    for label, category_id in enumerate(category_ids):
        entry = evaluator.evalImgs[label * per_class + image]  # objects of all sizes come first
        if entry is None:
            continue
        key = image_ids[image], category_id
        own = {one['id']: one for one in evaluator._dts[key]}
        truth = {one['id']: one for one in evaluator._gts[key]}
        for rank, (identity, score) in enumerate(
            zip(entry['dtIds'], entry['dtScores'], strict=True)
        ):
            match = int(entry['dtMatches'][0, rank])
            kind = CORRECT if match else MISSED  # not yet known
            kind = IGNORED if entry['dtIgnore'][0, rank] else kind
            predictions.append([identity, image, label, score, kind, match])
            shapes.append(own[identity])
        for rank, identity in enumerate(entry['gtIds']):
            if not entry['gtIgnore'][rank]:
                found = entry['gtMatches'][0, rank] != 0
                objects.append([identity, image, label, found, False])
                object_shapes.append(truth[identity])
    table = np.array(predictions, float).reshape(-1, 6)
    targets = np.array(objects, float).reshape(-1, 5)
    overlap = _overlaps(shapes, object_shapes, evaluator.params.iouType)
    _name_errors(table, targets, overlap)
    return table, targets


def _overlaps(shapes: list[dict], objects: list[dict], iou_type: str) -> np.ndarray:
    key = 'segmentation' if iou_type == 'segm' else 'bbox'
    if not shapes or not objects:
        return np.zeros((len(shapes), len(objects)))
    crowds = [0] * len(objects)
    return coco_mask.iou([one[key] for one in shapes], [one[key] for one in objects], crowds)


def _name_errors(table: np.ndarray, targets: np.ndarray, overlap: np.ndarray) -> None:
    """Fill in the kinds of errors, their objects, and which objects are missed."""
    wrong = np.flatnonzero(table[:, 4] == MISSED)
    if len(targets):
        same = table[:, 2][:, None] == targets[:, 2]
        own, other = np.where(same, overlap, 0)[wrong], np.where(same, 0, overlap)[wrong]
        nearest, of_other = own.max(axis=1), other.max(axis=1)
        conditions = dict(
            localisation=(nearest >= BACKGROUND) & (nearest < FOREGROUND),
            category=of_other >= FOREGROUND,
            duplicate=nearest >= FOREGROUND,
            background=overlap[wrong].max(axis=1) <= BACKGROUND,
        )
        kinds = [ERROR_KINDS.index(name) for name in conditions]
        table[wrong, 4] = np.select(
            list(conditions.values()), kinds, default=ERROR_KINDS.index('both')
        )
        place = np.where(conditions['localisation'], own.argmax(axis=1), other.argmax(axis=1))
        place = np.where(
            table[wrong, 4] == ERROR_KINDS.index('duplicate'), own.argmax(axis=1), place
        )
        has_target = table[wrong, 4] != ERROR_KINDS.index('background')
        table[wrong, 5] = np.where(has_target, targets[place, 0], 0)
        explained = table[wrong[table[wrong, 4] <= 1], 5]
        targets[:, 4] = (targets[:, 3] == 0) & ~np.isin(targets[:, 0], explained)
    else:
        table[wrong, 4] = ERROR_KINDS.index('background')
