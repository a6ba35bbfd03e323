"""The memory bank: a ring, the same on all ranks, exact on resume."""

import pytest
import torch

from mmpldc.models.segmentors.memory_bank import MemoryBank

DIRECTIONS = 12  # a key of number i lies in direction i


def key(number: int) -> torch.Tensor:
    """Not of length 1."""
    return 3.0 * torch.eye(DIRECTIONS)[number]


def push(bank: MemoryBank, *of_classes: list[int], size: int = 6) -> None:
    """Append keys by their numbers, among others that are not to be added."""
    keys = torch.full((len(of_classes), size, DIRECTIONS), 7.0)
    drawn = torch.zeros(len(of_classes), size, dtype=torch.bool)
    for label, numbers in enumerate(of_classes):
        for place, number in zip(range(1, size), numbers, strict=False):
            keys[label, place], drawn[label, place] = key(number), True
    bank.append(keys, drawn)


def contents(bank: MemoryBank, label: int = 0) -> list[int]:
    keys = bank.of_class(label)
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(len(keys)))
    return keys.argmax(dim=1).tolist()


def test_ring_of_four():
    bank = MemoryBank([4], DIRECTIONS)
    for numbers, expected in (
        ([1, 2, 3], [1, 2, 3]),
        ([4, 5], [2, 3, 4, 5]),
        ([], [2, 3, 4, 5]),
        ([6, 7, 8, 9, 10], [7, 8, 9, 10]),
    ):
        push(bank, numbers)
        assert contents(bank) == expected
    assert bank.keys[-1].eq(0).all()


def test_classes_have_rings_of_their_own():
    bank = MemoryBank([2, 4, 3], DIRECTIONS)
    push(bank, [1, 2, 3], [], [4])
    push(bank, [5], [6, 7], [8, 9, 10])
    assert [contents(bank, label) for label in range(3)] == [[3, 5], [6, 7], [8, 9, 10]]
    assert bank.filled.tolist() == [2, 2, 3] and bank.keys.shape == (10, DIRECTIONS)


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_like_a_list(dtype):
    """Random pushes, often more than a class can hold."""
    bank = MemoryBank([1, 5, 8], DIRECTIONS, dtype=dtype)
    expected = [[], [], []]
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        numbers = [
            torch.randint(0, DIRECTIONS, (int(count),), generator=generator).tolist()
            for count in torch.randint(0, 6, (3,), generator=generator)
        ]
        push(bank, *numbers)
        rings = zip(expected, numbers, (1, 5, 8), strict=True)
        expected = [(old + new)[-size:] for old, new, size in rings]
        assert [contents(bank, label) for label in range(3)] == expected


def test_what_is_not_finite_stays_out():
    bank = MemoryBank([4], DIRECTIONS)
    keys = torch.stack([key(1), key(2), key(3)])[None]
    keys[0, 1, 0] = torch.nan
    bank.append(keys, torch.ones(1, 3, dtype=torch.bool))
    assert contents(bank) == [1, 3] and bank.keys.isfinite().all()


def test_draws_are_of_their_class():
    bank = MemoryBank([4, 4, 4], DIRECTIONS)
    push(bank, [1, 2, 3], [], [4])
    keys, has_keys = bank.draw(50, 7)
    assert keys.shape == (3, 50, 7, DIRECTIONS) and keys.dtype == torch.float32
    assert has_keys.tolist() == [True, False, True]
    numbers = keys.argmax(dim=-1)
    assert set(numbers[0].flatten().tolist()) == {1, 2, 3} and numbers[2].eq(4).all()


def test_saved_loaded_and_pushed_is_as_without():
    bank, resumed = MemoryBank([3, 4], DIRECTIONS), MemoryBank([3, 4], DIRECTIONS)
    push(bank, [1, 2], [3])
    push(bank, [4, 5], [6])
    state = {name: value.clone() for name, value in bank.state_dict().items()}
    assert set(state) == {'keys', 'filled', 'next_row'}
    resumed.load_state_dict(state)
    for one in bank, resumed:
        push(one, [7], [8, 9, 10])
    assert contents(bank) == [4, 5, 7]
    for name, value in bank.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])


def test_checkpoint_without_a_bank_leaves_it_empty():
    model = torch.nn.ModuleDict(dict(bank=MemoryBank([2], DIRECTIONS)))
    model.load_state_dict({})
    push(model['bank'], [1])
    with pytest.raises(RuntimeError, match='Missing key'):  # half a bank is an error
        model.load_state_dict({'bank.filled': torch.tensor([1])})
    with pytest.raises(RuntimeError, match='size mismatch'):
        model.load_state_dict(torch.nn.ModuleDict(dict(bank=MemoryBank([3], 4))).state_dict())


def test_two_ranks_hold_the_same(run_on_ranks):
    def on_rank(rank: int) -> dict:
        bank = MemoryBank([4, 4], DIRECTIONS)
        push(bank, *[([1, 2], [5]), ([3, 4], [])][rank])
        first = [contents(bank, label) for label in range(2)]
        push(bank, *[([], []), ([6, 7, 8], [9])][rank])
        return dict(first=first, state={n: v.numpy() for n, v in bank.state_dict().items()})

    one, two = run_on_ranks(on_rank)
    assert one['first'] == two['first'] == [[1, 2, 3, 4], [5]]
    for name, value in one['state'].items():
        assert (value == two['state'][name]).all()


@pytest.mark.parametrize(
    'options', [dict(capacities=[3, 0]), dict(capacities=[]), dict(capacities=[1], dtype='int8')]
)
def test_refuses(options):
    with pytest.raises(ValueError, match='must be'):
        MemoryBank(**options, channels=4)
