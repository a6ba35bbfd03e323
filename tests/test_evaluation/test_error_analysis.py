"""Correlations, confusions and error types: cases counted by hand, and loops over masks' IoUs."""

import math

import numpy as np
import pytest

from mmpldc.evaluation.error_analysis import (
    ERROR_TYPES,
    classify_errors,
    confusion_matrix,
    error_types,
    rank_correlations,
)
from mmpldc.evaluation.pseudo_label_quality import PseudoLabelTable

SUPERCATEGORIES = ('animal', 'animal', 'vehicle', None, None)
NUM_CLASSES = len(SUPERCATEGORIES)


def table(labels, overlaps, target_labels, qualities=None):
    """One image's table from the IoU of each label with each object.

    Args:
        labels: K classes.
        overlaps: K rows of G IoUs.
        target_labels: G classes.
        qualities: K pairs of class and mask quality; default: all 1.
    """
    labels, target_labels = np.array(labels, int), np.array(target_labels, int)
    count = len(labels)
    qualities = np.ones((count, 2)) if qualities is None else np.reshape(qualities, (count, 2))
    iou, same_class_iou = np.zeros((2, count))
    target, target_label = np.full((2, count), -1)
    if len(target_labels):
        overlaps = np.reshape(overlaps, (count, len(target_labels)))
        iou, target = overlaps.max(axis=1), overlaps.argmax(axis=1)
        target_label = target_labels[target]
        same_class_iou = (overlaps * (labels[:, None] == target_labels)).max(axis=1)
    return PseudoLabelTable(
        image=np.zeros(count, int),
        class_quality=qualities[:, 0],
        mask_quality=qualities[:, 1],
        label=labels,
        teacher_label=labels,
        iou=iou,
        target=target,
        target_label=target_label,
        same_class_iou=same_class_iou,
        target_labels=target_labels,
        num_images=1,
    )


@pytest.mark.parametrize(
    ('label', 'overlaps', 'expected'),
    [
        pytest.param(0, (0.5, 0, 0, 0), 'correct', id='right'),
        pytest.param(0, (0.49, 0, 0, 0), 'localisation', id='right class, wrong mask'),
        pytest.param(1, (0.8, 0, 0, 0), 'similar', id='same supercategory'),
        pytest.param(2, (0.8, 0, 0, 0), 'other', id='another supercategory'),
        pytest.param(3, (0, 0, 0, 0.8), 'other', id='both without supercategory'),
        pytest.param(0, (0, 0, 0, 0), 'background', id='touches nothing'),
        pytest.param(0, (0, 0, 0.4, 0.1), 'background', id='touches other classes only'),
        pytest.param(1, (0.8, 0.1, 0, 0), 'similar', id='fits another and touches its own'),
        pytest.param(2, (0.8, 0, 0.1, 0), 'other', id='fits another and touches its own'),
        pytest.param(1, (0.3, 0.2, 0, 0), 'localisation', id='touches both'),
        pytest.param(1, (0.8, 0.6, 0, 0), 'correct', id='objects on top of each other'),
    ],
)
def test_type_of_error(label, overlaps, expected):
    """The objects' classes are 0, 1, 2 and 4."""
    (found,) = classify_errors(table([label], [overlaps], [0, 1, 2, 4]), SUPERCATEGORIES)
    assert ERROR_TYPES[found] == expected


def test_shares_of_error_types():
    # correct twice (a duplicate), similar, background on another class
    labels = table([0, 0, 1, 2], [[0.9], [0.8], [0.7], [0.2]], [0])
    errors = error_types(labels, SUPERCATEGORIES)
    none = dict.fromkeys(ERROR_TYPES, 0)
    assert errors['count'] == none | dict(correct=2, similar=1, background=1)
    assert errors['share'] == none | dict(correct=0.5, similar=0.25, background=0.25)
    assert errors['background_on_other_class'] == 1


@pytest.mark.parametrize('supercategories', [None, (None,) * NUM_CLASSES])
def test_without_supercategories_nothing_is_similar(supercategories):
    errors = error_types(table([1, 0], [[0.8], [0.8]], [0]), supercategories)
    assert (errors['count']['similar'], errors['count']['other']) == (0, 1)


def test_confusion_matrix_counted_by_hand():
    # object 0 (class 0): twice found, once as class 1; object 1 (class 1): missed, for the label on
    # it is too small, which is a false alarm; object 2 (class 0): missed
    labels = table([0, 0, 1, 1], [[0.9, 0, 0], [0.6, 0, 0], [0.5, 0, 0], [0, 0.4, 0]], [0, 1, 0])
    assert confusion_matrix(labels, 2).tolist() == [[2, 1, 1], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(('label', 'target_label'), [(2, 0), (0, 2)])
def test_confusion_matrix_refuses_unknown_classes(label, target_label):
    with pytest.raises(ValueError, match='class 2 in a table of 2 classes'):
        confusion_matrix(table([label], [[0.9]], [target_label]), 2)


def naive_type(label, overlaps, target_labels):
    """The definitions, object by object."""
    fitted = [kind for kind, iou in zip(target_labels, overlaps, strict=True) if iou >= 0.5]
    touched = [kind for kind, iou in zip(target_labels, overlaps, strict=True) if iou > 0]
    if label in fitted:
        return 'correct'
    if fitted:
        first, second = SUPERCATEGORIES[fitted[0]], SUPERCATEGORIES[label]
        return 'similar' if first == second and first is not None else 'other'
    return 'localisation' if label in touched else 'background'


def naive_confusion(labels, overlaps, target_labels):
    matrix = [[0] * (NUM_CLASSES + 1) for _ in range(NUM_CLASSES + 1)]
    found = set()
    for label, row in zip(labels, overlaps, strict=True):
        truth = NUM_CLASSES
        for index, iou in enumerate(row):
            if iou >= 0.5:
                truth = target_labels[index]
                found.add(index)
        matrix[truth][label] += 1
    for index, kind in enumerate(target_labels):
        if index not in found:
            matrix[kind][NUM_CLASSES] += 1
    return matrix


@pytest.mark.parametrize('seed', range(20))
def test_random_tables_equal_loops(seed):
    rng = np.random.default_rng(seed)
    count, num_targets = rng.integers(0, 30), rng.integers(1, 8)
    labels, target_labels = (rng.integers(NUM_CLASSES, size=n) for n in (count, num_targets))
    # disjoint objects share a label's pixels: its IoUs sum to less than 1, one at most reaches 0.5
    overlaps = 0.99 * rng.dirichlet([0.3] * num_targets, size=count)
    overlaps *= rng.random(overlaps.shape) > 0.3
    labelled = table(labels, overlaps, target_labels)

    matrix = confusion_matrix(labelled, NUM_CLASSES)
    assert matrix.tolist() == naive_confusion(labels, overlaps, target_labels)
    assert matrix.sum() == count + matrix[:, -1].sum()

    expected = [naive_type(*row, target_labels) for row in zip(labels, overlaps, strict=True)]
    found = classify_errors(labelled, SUPERCATEGORIES)
    assert [ERROR_TYPES[kind] for kind in found] == expected
    errors = error_types(labelled, SUPERCATEGORIES)
    assert sum(errors['share'].values()) == pytest.approx(1 if count else 0)
    assert sum(errors['count'].values()) == count


def test_correlations_counted_by_hand():
    overlaps = [[0.9], [0.7], [0.6], [0.2]]
    qualities = [(0.2, 0.9), (0.9, 0.8), (0.4, 0.7), (0.8, 0.6)]
    correlations = rank_correlations(table([0, 0, 1, 0], overlaps, [0], qualities))
    # mask quality orders as the IoU does; classes (ranks 1, 4, 2, 3 against 4, 3, 2, 1):
    # rho = 1 - 6 * (9 + 1 + 0 + 4) / (4 * 15)
    assert correlations['mask_quality']['mask_iou'] == pytest.approx(1)
    assert correlations['class_quality']['mask_iou'] == pytest.approx(-0.4)
    # right class 0.2 and 0.9 against wrong class 0.4: one of two pairs is in order
    assert correlations['class_quality']['class_auc'] == 0.5
    assert correlations['mask_quality']['class_auc'] == 1
    # scores 0.18, 0.72, 0.28, 0.48
    assert correlations['score'] == correlations['class_quality']


def test_auc_equals_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=30)
    qualities = rng.integers(1, 6, size=(30, 2)) / 5  # with ties
    found = rank_correlations(table(labels, rng.uniform(0.5, 1, (30, 1)), [0], qualities))
    for name, values in zip(('class_quality', 'mask_quality'), qualities.T, strict=True):
        pairs = [(r > w) + 0.5 * (r == w) for r in values[labels == 0] for w in values[labels == 1]]
        assert found[name]['class_auc'] == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(
    'labels',
    [
        pytest.param(table([], [], [0, 1]), id='no labels'),
        pytest.param(table([], [], []), id='nothing at all'),
        pytest.param(table([0], [[0.9]], [0]), id='one label'),
        pytest.param(table([0, 1], [], []), id='no objects'),
        pytest.param(table([0, 0], [[0.9], [0.8]], [0]), id='constant quality, one class'),
    ],
)
@pytest.mark.filterwarnings('error')
def test_undefined_correlations_are_nan(labels):
    for row in rank_correlations(labels).values():
        assert all(math.isnan(value) for value in row.values())


@pytest.mark.filterwarnings('error')
def test_no_labels_no_objects_and_one_class():
    nothing = table([], [], [])
    assert confusion_matrix(nothing, 1).tolist() == [[0, 0], [0, 0]]
    assert set(error_types(nothing, ['thing'])['share'].values()) == {0}
    assert confusion_matrix(table([], [], [0, 0]), 1).tolist() == [[0, 2], [0, 0]]
    false_alarm = table([0], [], [])
    assert confusion_matrix(false_alarm, 1).tolist() == [[0, 0], [1, 0]]
    assert error_types(false_alarm, ['thing'])['share']['background'] == 1
    assert error_types(table([0], [[0.6]], [0]), ['thing'])['share']['correct'] == 1
