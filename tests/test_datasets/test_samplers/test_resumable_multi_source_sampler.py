"""A sampler that continues where an interrupted run stopped."""

import math
import pickle
from collections import Counter
from itertools import groupby, islice

import pytest
import torch
from mmdet.datasets.samplers import multi_source_sampler
from mmdet.registry import DATA_SAMPLERS
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from mmpldc.datasets.samplers import ResumableMultiSourceSampler, SeededIndex
from mmpldc.utils.randomness import Purpose

SIZES = (5, 13)


class Numbers(Dataset):
    """0, 1, 2, ... as images."""

    def __init__(self, first, size):
        self.first, self.size = first, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.first + index


def make(batch_size=4, ratio=(1, 1), seed=7, sizes=SIZES, **options):
    firsts = [sum(sizes[:index]) for index in range(len(sizes))]
    dataset = ConcatDataset([Numbers(*pair) for pair in zip(firsts, sizes, strict=True)])
    return ResumableMultiSourceSampler(dataset, batch_size, list(ratio), seed=seed, **options)


@pytest.fixture
def as_rank(monkeypatch):
    """Pretend to be one of several ranks."""

    def pretend(rank, world_size):
        monkeypatch.setattr(multi_source_sampler, 'get_dist_info', lambda: (rank, world_size))

    return pretend


@pytest.mark.parametrize('skipped_batches', [0, 1, 3, 10])
@pytest.mark.parametrize(
    ('batch_size', 'ratio'), [(4, (1, 1)), (4, (3, 1)), (5, (1, 2)), (2, (1, 1)), (9, (2.0, 7.0))]
)
@pytest.mark.parametrize(('rank', 'world_size'), [(0, 1), (0, 2), (1, 2)])
def test_stream_after_skip_is_the_rest_of_the_stream(
    as_rank, rank, world_size, batch_size, ratio, skipped_batches
):
    as_rank(rank, world_size)
    skipped = skipped_batches * batch_size
    original = list(islice(make(batch_size, ratio), skipped + 60))
    resumed = make(batch_size, ratio)
    resumed.skip(skipped)
    assert list(islice(resumed, 60)) == original[skipped:]


@pytest.mark.parametrize('shuffle', [True, False])
def test_three_sources(shuffle):
    options = dict(batch_size=6, ratio=(1, 2, 3), sizes=(4, 3, 11), shuffle=shuffle)
    original = list(islice(make(**options), 90))
    resumed = make(**options)
    resumed.skip(30)
    assert list(islice(resumed, 60)) == original[30:]


def test_skips_add_up():
    once, twice = make(), make()
    once.skip(20)
    twice.skip(8)
    twice.skip(12)
    assert list(islice(once, 40)) == list(islice(twice, 40))


@pytest.mark.parametrize('batch_size', [2, 4, 5])
def test_ranks_together_see_each_image_once_a_pass(as_rank, batch_size):
    """After skipping, too: two ranks split one permutation of each source."""
    labelled = []
    for rank in range(2):
        as_rank(rank, 2)
        sampler = make(batch_size, (1, 1), sizes=(20, 20))
        sampler.skip(2 * batch_size)
        stream = list(islice(sampler, 200))
        labelled.append([index for index in stream if index < 20])
    start = 2 * (batch_size - batch_size // 2)  # labelled images that a rank has skipped
    rest = 10 - start  # of the first pass
    assert len(set(labelled[0][:rest]) | set(labelled[1][:rest])) == 2 * rest
    assert {*labelled[0][rest : rest + 10], *labelled[1][rest : rest + 10]} == set(range(20))


@pytest.mark.parametrize(
    ('batch_size', 'ratio', 'labelled'), [(4, (1, 1), 2), (4, (3, 1), 3), (5, (1, 2), 2)]
)
def test_every_batch_holds_the_ratio(batch_size, ratio, labelled):
    sampler = make(batch_size, ratio)
    sampler.skip(3 * batch_size)
    stream = list(islice(sampler, 20 * batch_size))
    for start in range(0, len(stream), batch_size):
        batch = stream[start : start + batch_size]
        assert sum(index < SIZES[0] for index in batch) == labelled
        assert max(batch) < sum(SIZES)


@pytest.mark.parametrize(('batch_size', 'num_samples'), [(4, 1), (4, 6), (5, 4), (9, 10)])
def test_a_part_of_a_batch_cannot_be_skipped(batch_size, num_samples):
    sampler, untouched = make(batch_size), make(batch_size)
    with pytest.raises(ValueError, match=f'not a multiple of the batch size {batch_size}'):
        sampler.skip(num_samples)
    assert list(islice(sampler, 30)) == list(islice(untouched, 30))


def test_mmengine_resumes_through_skip():
    """The loop finds ``skip`` on a data loader's sampler, and loads nothing that was seen."""

    def batches(skipped, count):
        sampler = make(4, (1, 1))
        loader = DataLoader(sampler.dataset, batch_size=4, sampler=sampler)
        iterator = _InfiniteDataloaderIterator(loader)
        iterator.skip_iter(skipped)
        return [next(iterator) for _ in range(count)]

    uninterrupted = batches(0, 15)
    assert torch.stack(batches(6, 9)).equal(torch.stack(uninterrupted[6:]))


def test_built_from_the_registry():
    config = dict(
        type='mmpldc.ResumableMultiSourceSampler',
        dataset=make().dataset,
        batch_size=2,
        source_ratio=[1, 1],
        seed=0,
    )
    assert isinstance(DATA_SAMPLERS.build(config), ResumableMultiSourceSampler)


@pytest.mark.parametrize(('batch_size', 'ratio'), [(2, (4, 1)), (1, (1, 1))])
def test_a_source_without_images_is_refused(batch_size, ratio):
    """mmdet's sampler would wait for it forever."""
    with pytest.raises(ValueError, match='every source needs at least one'):
        make(batch_size, ratio)


# ---------------------------------------------------------------- seeds


def draws(stream) -> dict:
    """Index by position."""
    stream = list(stream)
    by_position = {index.position: int(index) for index in stream}
    assert len(by_position) == len(stream)
    return by_position


def test_positions_are_those_of_the_sources_streams():
    stream = islice(make(batch_size=3, ratio=(1, 2), seed=7), 6)
    positions = [index.position for index in stream]
    labelled, unlabelled = ((7, Purpose.AUGMENTATION, source) for source in (0, 1))
    assert positions == [
        *((*labelled, 0), (*unlabelled, 0), (*unlabelled, 1)),
        *((*labelled, 1), (*unlabelled, 2), (*unlabelled, 3)),
    ]


def test_positions_go_on_after_skip():
    expected = [index.position for index in islice(make(), 60)]
    resumed = make()
    resumed.skip(24)
    assert [index.position for index in islice(resumed, 36)] == expected[24:]


def test_draws_do_not_depend_on_batches_or_ranks(as_rank):
    """The same images with the same augmentation, whoever sees them."""
    alone = draws(islice(make(batch_size=8), 240))
    assert draws(islice(make(batch_size=4), 240)) == alone
    together = {}
    for rank in range(2):
        as_rank(rank, 2)
        together |= draws(islice(make(batch_size=4), 120))
    assert together == alone


def test_a_run_may_go_on_with_another_number_of_ranks(as_rank):
    """If together they see as much a step as before."""
    resumed = make(batch_size=8)
    resumed.skip(10 * 8)
    alone = draws(islice(resumed, 80))
    together = {}
    for rank in range(2):
        as_rank(rank, 2)
        sampler = make(batch_size=4)
        sampler.skip(10 * 4)
        together |= draws(islice(sampler, 40))
    assert together == alone


def test_seeds_reach_worker_processes():
    index = SeededIndex(5, (7, Purpose.AUGMENTATION, 1, 2))
    copy = pickle.loads(pickle.dumps(index))
    assert (copy, type(copy), copy.position) == (5, SeededIndex, index.position)


# ---------------------------------------------------------------- repeated images


class Annotated(Numbers):
    """Numbers that show classes: image 0 a rare one, the others a common one."""

    metainfo = dict(classes=('common', 'rare', 'absent'))

    def get_cat_ids(self, index):
        return [1, 0, 0] if index == 0 else [0]


def make_repeating(oversample_thr=10.0, batch_size=2, sizes=(5, 13), **options):
    dataset = ConcatDataset([Annotated(0, sizes[0]), Numbers(*sizes)])
    options = dict(seed=7, oversample_thr=oversample_thr) | options
    return ResumableMultiSourceSampler(dataset, batch_size, [1, 1], **options)


def test_images_are_drawn_by_their_repeat_factors():
    factors = [math.sqrt(10 / 0.2)] + 4 * [math.sqrt(10 / 1)]
    drawn = Counter(index for _, index in islice(make_repeating().source2inds[0], 40_000))
    shares = [drawn[index] / 40_000 for index in range(5)]
    assert shares == pytest.approx([factor / sum(factors) for factor in factors], abs=0.005)


def test_without_rare_classes_it_is_the_plain_stream():
    """No class is rarer than the threshold: each image once a pass."""
    stream = [index for _, index in islice(make_repeating(0.1).source2inds[0], 50)]
    for start in range(0, 50, 5):
        assert sorted(stream[start : start + 5]) == list(range(5))


def test_only_the_labelled_images_are_repeated():
    plain, repeating = (make_repeating(thr) for thr in (None, 10.0))
    unlabelled = [[i for i in islice(sampler, 400) if i >= 5] for sampler in (plain, repeating)]
    assert unlabelled[0] == unlabelled[1] and len(unlabelled[0]) == 200


@pytest.mark.parametrize('skipped_batches', [1, 11, 60])
@pytest.mark.parametrize(('rank', 'world_size'), [(0, 1), (1, 2)])
def test_a_repeating_stream_after_skip_is_its_rest(as_rank, rank, world_size, skipped_batches):
    as_rank(rank, world_size)
    original = list(islice(make_repeating(batch_size=4), 4 * skipped_batches + 80))
    resumed = make_repeating(batch_size=4)
    resumed.skip(4 * skipped_batches)
    assert list(islice(resumed, 80)) == original[4 * skipped_batches :]


def test_repeated_draws_do_not_depend_on_ranks_and_each_has_its_own_augmentation(as_rank):
    alone = draws(islice(make_repeating(batch_size=8), 240))
    together = {}
    for rank in range(2):
        as_rank(rank, 2)
        together |= draws(islice(make_repeating(batch_size=4), 120))
    assert together == alone


def test_a_pass_has_the_whole_part_of_each_factor_or_one_more():
    """Without shuffling passes can be told apart; factors are 7.07 and 3.16."""
    stream = make_repeating(shuffle=False).source2inds[0]
    runs = [(index, len(list(run))) for index, run in groupby(i for _, i in islice(stream, 4000))]
    whole = runs[: len(runs) // 5 * 5]
    assert [index for index, _ in whole] == list(range(5)) * (len(runs) // 5)
    repeats = [[length for index, length in whole if index == image] for image in range(5)]
    for factor, lengths in zip([7.07] + 4 * [3.16], repeats, strict=True):
        assert set(lengths) == {int(factor), int(factor) + 1}
        assert sum(lengths) / len(lengths) == pytest.approx(factor, abs=0.1)
