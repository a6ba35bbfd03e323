"""What the ranks of a run see together: a pass, the next pass, the ratio; also few labelled images.

That the stream of a rank goes on after ``skip`` is in tests/test_datasets/test_samplers.
"""

from collections import Counter
from itertools import chain, islice, pairwise

import pytest
from mmdet.datasets.samplers import multi_source_sampler
from torch.utils.data import ConcatDataset

from mmpldc.datasets.samplers import ResumableMultiSourceSampler

RANKS = (1, 2, 4)
SIZES = [(10, 30), (7, 31), (3, 50)]  # labelled, unlabelled; some with more ranks than labels


@pytest.fixture
def streams(monkeypatch):
    """Labelled and unlabelled images of each rank, in the order in which it sees them."""

    def streams(sizes, world_size, *, batch_size=4, ratio=(1, 1), count=400, skip=0, seed=0):
        parts = [range(sizes[0]), range(sizes[1])]
        found = []
        for rank in range(world_size):
            monkeypatch.setattr(
                multi_source_sampler, 'get_dist_info', lambda rank=rank: (rank, world_size)
            )
            sampler = ResumableMultiSourceSampler(
                ConcatDataset(parts), batch_size, list(ratio), seed=seed
            )
            if skip:
                sampler.skip(skip)
            found.append([int(index) for index in islice(sampler, count)])
        return found

    return streams


def of_source(stream: list[int], source: int, sizes: tuple[int, int]) -> list[int]:
    return [index for index in stream if (index >= sizes[0]) == bool(source)]


def together(ranks: list[list[int]]) -> list[int]:
    """What all ranks see, in the order of time."""
    return list(chain.from_iterable(zip(*ranks, strict=True)))


def passes(seen: list[int], size: int) -> list[list[int]]:
    return [seen[start : start + size] for start in range(0, len(seen) - size + 1, size)]


@pytest.mark.parametrize('world_size', RANKS)
@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('source', [0, 1])
def test_a_pass_shows_each_image_once_across_ranks(streams, sizes, world_size, source):
    ranks = streams(sizes, world_size)
    seen = together([of_source(stream, source, sizes) for stream in ranks])
    images = list(range(sizes[0])) if source == 0 else list(range(sizes[0], sum(sizes)))
    rounds = passes(seen, len(images))
    assert len(rounds) > 2
    for each in rounds:
        assert sorted(each) == images
    repeated = sum(first == second for first, second in pairwise(rounds))
    # three images have but six orders
    assert repeated == 0 if len(images) > 3 else repeated < len(rounds) / 2


@pytest.mark.parametrize('world_size', [2, 4])
@pytest.mark.parametrize('sizes', SIZES)
def test_ranks_see_different_images_at_a_time(streams, sizes, world_size):
    ranks = streams(sizes, world_size)
    assert len({tuple(stream) for stream in ranks}) == world_size
    # what all ranks see of the many unlabelled images in a step is one image each
    seen = together([of_source(stream, 1, sizes) for stream in ranks])
    for start in range(0, sizes[1] - world_size, world_size):
        assert len(set(seen[start : start + world_size])) == world_size


@pytest.mark.parametrize('world_size', RANKS)
@pytest.mark.parametrize(('batch_size', 'ratio', 'labelled'), [(4, (1, 1), 2), (6, (1, 2), 2)])
def test_every_batch_of_every_rank_holds_the_ratio(
    streams, world_size, batch_size, ratio, labelled
):
    sizes = (3, 50)
    for stream in streams(sizes, world_size, batch_size=batch_size, ratio=ratio, count=120):
        for start in range(0, 120, batch_size):
            batch = stream[start : start + batch_size]
            assert sum(index < sizes[0] for index in batch) == labelled


@pytest.mark.parametrize('world_size', [2, 4])
def test_one_labelled_image_is_seen_by_all_ranks(streams, world_size):
    sizes = (1, 20)
    for stream in streams(sizes, world_size):
        assert Counter(of_source(stream, 0, sizes)) == {0: 200}


@pytest.mark.parametrize('world_size', RANKS)
@pytest.mark.parametrize('batches', [1, 7, 40])
def test_skipping_moves_all_ranks_alike(streams, world_size, batches):
    whole = streams((7, 31), world_size, count=400)
    rest = streams((7, 31), world_size, count=400 - 4 * batches, skip=4 * batches)
    assert rest == [stream[4 * batches :] for stream in whole]


def test_other_seeds_give_other_streams(streams):
    assert streams((7, 31), 2, seed=0) != streams((7, 31), 2, seed=1)
