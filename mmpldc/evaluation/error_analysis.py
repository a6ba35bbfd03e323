"""Analyse the errors of pseudo-labels and how well each quality predicts them (Figs. 2, 3, 5)."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata, spearmanr

from .pseudo_label_quality import IOU_THR, PseudoLabelTable

ERROR_TYPES = ('correct', 'localisation', 'similar', 'other', 'background')


def rank_correlations(table: PseudoLabelTable) -> dict[str, dict[str, float]]:
    """Measure how well the coupled and the two decoupled scores rank labels (the paper's Fig. 2).

    Args:
        table: candidates; thresholds on a quality would cut off part of the comparison.

    Returns:
        For each of ``score`` (c_k * m_k), ``class_quality`` and ``mask_quality``

        - ``mask_iou``: Spearman's rank correlation with the mask IoU, in [-1, 1]
        - ``class_auc``: among labels with a correct mask (IoU >= 0.5), the share of pairs in which
          the label with the correct class has a higher value than the one with a wrong class, in
          [0, 1]; 0.5 is chance

        NaN where undefined: fewer than two rows, constant values, or only correct or only wrong
        classes.
    """
    right_mask = table.iou >= IOU_THR
    right_class = (table.label == table.target_label)[right_mask]
    return {
        name: dict(
            mask_iou=_spearman(getattr(table, name), table.iou),
            class_auc=_auc(getattr(table, name)[right_mask], right_class),
        )
        for name in ('score', 'class_quality', 'mask_quality')
    }


def confusion_matrix(table: PseudoLabelTable, num_classes: int) -> np.ndarray:
    """Count as which class objects are labelled (the paper's Fig. 3).

    A label stands for the object that its mask overlaps most, if their IoU is at least 0.5;
    otherwise it is a false alarm. An object without a label is missed. Each label counts once and
    each missed object once, so every duplicate of an object counts.

    Args:
        table: pseudo-labels as used in training.
        num_classes: N.

    Returns:
        ``(N + 1, N + 1)`` int64, truth x label. The last row is false alarms, the last column
        missed objects, the last cell 0; the sum is the number of labels plus missed objects.

    Raises:
        ValueError: if a class is not in [0, N).
    """
    largest = np.concatenate([table.label, table.target_labels]).max(initial=-1)
    if largest >= num_classes:
        raise ValueError(f'class {largest} in a table of {num_classes} classes')
    right_mask = table.iou >= IOU_THR
    missed = np.ones(table.num_targets, bool)
    missed[table.target[right_mask]] = False
    missed_labels = table.target_labels[missed]
    truth = np.concatenate([np.where(right_mask, table.target_label, num_classes), missed_labels])
    label = np.concatenate([table.label, np.full_like(missed_labels, num_classes)])
    size = num_classes + 1
    return np.bincount(truth * size + label, minlength=size**2).reshape(size, size)


def classify_errors(
    table: PseudoLabelTable, supercategories: Sequence[str | None] | None
) -> np.ndarray:
    """Assign each label to one of the paper's five types (its Fig. 5).

    In order of precedence:

    1. correct: IoU >= 0.5 with an object of its class
    2. similar: IoU >= 0.5 with an object of another class of the same supercategory
    3. other: IoU >= 0.5 with an object of any other class
    4. localisation: 0 < IoU < 0.5 with an object of its class
    5. background: everything else

    All duplicates of an object are correct: labels are not assigned one to one.

    Args:
        table: pseudo-labels as used in training.
        supercategories: ``(N,)`` names; a class whose name is None is similar to no other. None:
            no class has one.

    Returns:
        ``(K,)`` int, index into :data:`ERROR_TYPES`.

    Note:
        The paper's types overlap and leave a gap. A mask that fits an object of another class and
        touches one of its own counts as a wrong class here, not as a bad localisation, because the
        mask is correct. A mask that overlaps only objects of other classes, by less than 0.5, fits
        none of the five; it is background here, as in Hoiem et al. (ECCV 2012), and
        :func:`error_types` reports the number of such masks.
    """
    right_mask = table.iou >= IOU_THR
    conditions = {
        'correct': table.same_class_iou >= IOU_THR,
        'similar': right_mask & _same_supercategory(table, supercategories),
        'other': right_mask,
        'localisation': table.same_class_iou > 0,
    }
    types = [ERROR_TYPES.index(name) for name in conditions]
    return np.select(list(conditions.values()), types, default=ERROR_TYPES.index('background'))


def error_types(
    table: PseudoLabelTable, supercategories: Sequence[str | None] | None
) -> dict[str, dict[str, float] | dict[str, int] | int]:
    """Count the types of :func:`classify_errors`; see there for arguments and definitions.

    Returns:
        ``share`` of all labels by type, which sums to 1 (all 0 without labels); ``count`` by type;
        ``background_on_other_class``, the number of background labels that overlap an object of
        another class.
    """
    types = classify_errors(table, supercategories)
    count = np.bincount(types, minlength=len(ERROR_TYPES))
    share = count / max(len(types), 1)
    touching = (types == ERROR_TYPES.index('background')) & (table.iou > 0)
    return dict(
        share=dict(zip(ERROR_TYPES, share.tolist(), strict=True)),
        count=dict(zip(ERROR_TYPES, count.tolist(), strict=True)),
        background_on_other_class=int(touching.sum()),
    )


def _same_supercategory(
    table: PseudoLabelTable, supercategories: Sequence[str | None] | None
) -> np.ndarray:
    """Return ``(K,)`` bool; the value is meaningless for labels without an object."""
    if supercategories is None:
        return np.zeros(len(table.label), bool)
    names = [*dict.fromkeys(supercategories)]
    index = np.array([names.index(name) for name in supercategories], int)
    has_one = np.array([name is not None for name in supercategories], bool)
    return (index[table.label] == index[table.target_label]) & has_one[table.label]


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    if any(len(np.unique(values)) < 2 for values in (first, second)):
        return float('nan')
    return float(spearmanr(first, second)[0])


def _auc(values: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney U over the number of pairs)."""
    num_positive = int(positive.sum())
    num_pairs = num_positive * (len(positive) - num_positive)
    if not num_pairs:
        return float('nan')
    rank_sum = rankdata(values)[positive].sum()
    return float(rank_sum - num_positive * (num_positive + 1) / 2) / num_pairs
