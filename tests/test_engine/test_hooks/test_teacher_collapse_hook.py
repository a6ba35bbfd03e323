"""Warnings of a teacher that labels nothing, or everything alike: when, once, and what they say."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmpldc.datasets.label_maps import write_label_map
from mmpldc.engine.hooks import TeacherCollapseHook
from mmpldc.models.teacher_student.pseudo_label_counter import (
    MAX_NAMES,
    LabelCounts,
    PseudoLabelCounter,
)

CLASSES = ('cat', 'dog', 'eel')
BURN_IN = 3
BALANCED = [0, 1, 2] * 40


class Labelled:
    """A labelled data set, of which only the annotated classes matter."""

    def __init__(self, labels: list[int]) -> None:
        self.metainfo = dict(classes=CLASSES)
        self.labels = labels

    def __len__(self) -> int:
        return 1

    def get_data_info(self, index: int) -> dict:
        return dict(instances=[dict(bbox_label=k, ignore_flag=False) for k in self.labels])


class LabelMaps(Labelled):
    """The same numbers of pixels in label maps, and some without a label; reads are counted."""

    def __init__(self, labels: list[int], folder: Path) -> None:
        super().__init__(labels)
        self.path = folder / 'map.png'
        write_label_map(self.path, np.array([[*labels, 255, 255]], np.uint8), [(0, 0, 0)] * 3)
        self.asked = 0

    def __len__(self) -> int:
        return 1

    def get_data_info(self, index: int) -> dict:
        self.asked += 1
        return dict(seg_map_path=str(self.path))


def update(counter, *labels: list[int], nan: tuple = (), first: int = 0) -> None:
    """Count a batch of an image for each list of labels."""
    flat = torch.tensor([label for of_image in labels for label in of_image], dtype=torch.int64)
    counter.update(
        torch.bincount(flat, minlength=len(counter.kept)),
        [index in nan for index in range(len(labels))],
        [f'{first + i}.jpg' for i in range(len(labels))],
    )


@pytest.fixture
def look(caplog, toy_pair):
    """Go through steps that keep the given labels each; returns (iteration, warning) pairs."""

    def look(
        steps,
        *,
        labelled=BALANCED,
        num_classes=3,
        start=0,
        unsup_weight=1.0,
        nan=(),
        candidates='',
        **args,
    ):
        hook = TeacherCollapseHook(**dict(interval=4) | args)
        pair = type('Pair', (toy_pair,), dict(num_classes=num_classes))
        model = pair(burn_in_iters=BURN_IN, unsup_weight=unsup_weight)
        dataset = labelled if isinstance(labelled, Labelled) else Labelled(labelled)
        if isinstance(dataset, LabelMaps):
            pair.labels_are = 'pixels'
        described = []

        def describe(data: str) -> str:
            described.append(data)
            return f'{candidates}{data} ' if candidates else ''

        model.describe_candidates = describe
        runner = SimpleNamespace(
            model=model,
            train_dataloader=SimpleNamespace(dataset=dataset),
            logger=logging.getLogger('look'),
        )
        warnings = []
        for runner.iter, labels in enumerate(steps, start):
            if runner.iter >= BURN_IN:
                update(model.pseudo_label_counter, labels, [], nan=nan, first=10 * runner.iter)
            caplog.clear()
            hook.after_train_iter(runner, runner.iter, data_batch='batch')
            warnings += [(runner.iter, record.getMessage()) for record in caplog.records]
        # another pass of the teacher: for a warning alone
        assert len(described) <= len(warnings)
        return warnings

    return look


def test_no_label_at_all_is_told_once_an_interval(look):
    warnings = look([[]] * 12)
    assert [when for when, _ in warnings] == [BURN_IN + 3, BURN_IN + 7]
    text = warnings[0][1]
    assert text.startswith('iterations 4 to 7: the teacher kept no pseudo-label in 8 images')
    for advice in ('burn_in_iters', 'class_thr', 'mask_thr', 'learning rate'):
        assert advice in text


def test_the_first_check_comes_early(look):
    """After 50 steps at the latest, then once an interval."""
    warnings = look([[]] * 12, interval=4, first=2)
    assert [when for when, _ in warnings] == [BURN_IN + 1, BURN_IN + 5]
    assert warnings[0][1].startswith('iterations 4 to 5: ')
    assert warnings[1][1].startswith('iterations 6 to 9: ')
    assert TeacherCollapseHook().due == 50


def test_no_label_shows_the_candidates(look):
    ((_, text),) = look([[]] * 7, candidates='Of 9 candidates in the ')
    assert 'learns nothing from them. Of 9 candidates in the batch If it never' in text


@pytest.mark.parametrize(('labels', 'expected'), [(8, False), (9, True)])
def test_many_more_labels_than_objects_are_told(look, labels, expected, tmp_path):
    """Of two images one has them all; labelled ones have an object each."""
    steps = [[]] * BURN_IN + [[k % 3 for k in range(labels)]] * 4
    warnings = look(steps, labelled=[0], candidates='Of 9 candidates in the ')
    assert bool(warnings) == expected
    if expected:
        ((_, text),) = warnings
        assert 'kept 4.5 pseudo-labels an image, but labelled images have 1.0 objects' in text
        assert 'Of 9 candidates in the batch Raise' in text
    assert not look(steps, labelled=LabelMaps([0], tmp_path))  # pixels are no objects


def test_a_single_label_is_not_none(look):
    assert not look([[]] * 5 + [[1]] + [[]])


@pytest.mark.parametrize(('others', 'expected'), [(4, True), (5, False), (6, False)])
def test_one_class_above_the_share_is_told(look, others, expected):
    """100 labels in four steps; 95 % is the limit."""
    steps = [[]] * BURN_IN + [[1] * 25] * 3 + [[1] * (25 - others) + [2] * others]
    warnings = look(steps)
    assert bool(warnings) == expected
    if expected:
        ((_, text),) = warnings
        assert (
            "96% of 100 pseudo-labels, but 33% of the labelled instances, are of class 'dog'"
            in text
        )
        for advice in ('burn_in_iters', 'class_thr', 'class_thresholds', 'refiner'):
            assert advice in text


@pytest.mark.parametrize(
    'options',
    [
        dict(num_classes=1),  # there is no other
        dict(labelled=[0] * 99 + [1]),  # as in the labels
        dict(max_share=0.97, steps=[[0] * 20] * 6 + [[0] * 17 + [1] * 3]),
        dict(unsup_weight=0.0),  # the supervised baseline
    ],
)
def test_one_class_that_is_no_fault(look, options):
    options = dict(steps=[[0] * 20] * 7) | options
    assert not look(**options)


@pytest.mark.parametrize(('dogs', 'is_told'), [(100, True), (99, True), (97, False)])
def test_pixels_of_one_class_are_told(look, tmp_path, dogs, is_told):
    """A fifth of the labelled pixels is of others, a tenth of that 2 %."""
    steps = [[]] * BURN_IN + [[1] * 25] * 3 + [[1] * (dogs - 75) + [2] * (100 - dogs)]
    dataset = LabelMaps([0] * 10 + [1] * 80 + [2] * 10, tmp_path)
    warnings = look([*steps, *steps[BURN_IN:]], labelled=dataset)
    assert [when for when, _ in warnings] == [BURN_IN + 3, BURN_IN + 7] * is_told
    if is_told:
        text = warnings[0][1]
        assert 'of 100 pixels with a pseudo-label, but 80% of the labelled pixels' in text
        assert 'model.reliability.threshold' in text and 'CLIP' not in text
        assert dataset.asked == 2  # its kind, and once its label map


def test_no_pixel_at_all(look, tmp_path):
    ((_, text),) = look([[]] * (BURN_IN + 4), labelled=LabelMaps(BALANCED, tmp_path))
    assert 'lower model.reliability.threshold.' in text and 'class_thr' not in text


def test_a_few_labels_of_one_class_say_nothing(look):
    assert not look([[0] * 12] * 7)
    assert look([[0] * 13] * 7)


def test_a_resumed_run_looks_back_at_whole_intervals_only(look):
    """It has not seen what came before."""
    assert [when for when, _ in look([[]] * 7, start=BURN_IN + 3)] == [BURN_IN + 6]


def test_images_with_a_nan_are_named(look):
    steps = [[]] * BURN_IN + [[0, 1]] * 4
    ((when, text),) = look(steps, nan=(1,))
    assert when == BURN_IN + 3
    assert 'contained NaN for 4 of 8 images' in text
    assert text.endswith('31.jpg, 41.jpg, 51.jpg, 61.jpg')


def test_a_nan_for_every_image_ends_the_run(look):
    with pytest.raises(RuntimeError, match=r'iterations 4 to 7: .* every image'):
        look([[]] * 7, nan=(0, 1))


@pytest.mark.parametrize(
    'options',
    [
        dict(interval=0),
        dict(first=0),
        dict(max_share=0.0),
        dict(max_share=1.0),
        dict(max_ratio=0.0),
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TeacherCollapseHook(**options)


# ---------------------------------------------------------------- the counts


def test_counts_are_taken_once():
    watch = PseudoLabelCounter(3)
    update(watch, [0, 2, 2], [], [2])
    update(watch, [1], [], nan=(1,), first=10)
    assert watch.pop_counts() == LabelCounts([1, 1, 3], 5, 1, ['11.jpg'])
    assert watch.pop_counts() == LabelCounts([0, 0, 0], 0, 0, [])
    update(watch, [0])
    assert watch.pop_counts() == LabelCounts([1, 0, 0], 1, 0, [])


def test_names_are_few_and_differ():
    watch = PseudoLabelCounter(1)
    for first in range(3 * MAX_NAMES):
        update(watch, [], nan=(0,), first=first // 2)
    counts = watch.pop_counts()
    assert counts.num_nan == 3 * MAX_NAMES
    assert 0 < len(counts.nan_images) == len(set(counts.nan_images)) <= MAX_NAMES


def test_counts_are_those_of_all_ranks(run_on_ranks):
    def count(rank):
        watch = PseudoLabelCounter(2)
        update(watch, [rank], [1, 1], nan=(0,) if rank == 1 else (), first=10 * rank)
        return watch.pop_counts()

    for counts in run_on_ranks(count):
        assert counts == LabelCounts([1, 5], 4, 1, ['10.jpg'])


def test_counts_are_no_part_of_a_checkpoint():
    assert not PseudoLabelCounter(4).state_dict()
