"""The mean teacher's update."""

import pytest
import torch
from torch import nn

from mmpldc.functional import ema_update_, ramped_keep_rate


def state(seed: int) -> list[torch.Tensor]:
    """A parameter, a float buffer, an integer buffer and a flag."""
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(3, 2, generator=generator)),
        torch.rand(4, generator=generator),
        torch.tensor(10 * seed + 3),
        torch.tensor(bool(seed % 2)),
    ]


@pytest.mark.parametrize('keep_rate', [0.0, 0.3, 0.5, 0.9, 0.9996, 1.0])
def test_floats_are_averaged_and_the_rest_is_copied(keep_rate):
    teacher, student = state(2), state(1)
    before = [tensor.detach().clone() for tensor in teacher]
    ema_update_(teacher, student, keep_rate=keep_rate)
    for index in (0, 1):
        expected = keep_rate * before[index] + (1 - keep_rate) * student[index].detach()
        torch.testing.assert_close(teacher[index].detach(), expected, atol=1e-6, rtol=1e-5)
    for index in (2, 3):
        assert teacher[index].equal(student[index])


def test_keep_rate_0_copies_bits_even_over_nan():
    teacher, student = state(2), state(1)
    with torch.no_grad():
        teacher[0].fill_(float('nan'))
    ema_update_(teacher, student, keep_rate=0)
    assert all(a.equal(b) for a, b in zip(teacher, student, strict=True))


def test_keep_rate_1_changes_no_float():
    teacher = state(2)
    before = [tensor.detach().clone() for tensor in teacher]
    ema_update_(teacher, state(1), keep_rate=1)
    assert teacher[0].equal(before[0])
    assert teacher[1].equal(before[1])


def test_repeated_updates_equal_the_geometric_series():
    teacher, student = [torch.zeros(1)], [torch.ones(1)]
    for _ in range(20):
        ema_update_(teacher, student, keep_rate=0.9)
    assert teacher[0].item() == pytest.approx(1 - 0.9**20, abs=1e-6)


def test_small_steps_are_not_lost_in_float32():
    teacher, student = [torch.ones(1)], [torch.full((1,), 1.01)]
    for _ in range(1000):
        ema_update_(teacher, student, keep_rate=0.9996)
    assert teacher[0].item() == pytest.approx(1.01 - 0.01 * 0.9996**1000, abs=1e-5)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types_side_by_side(dtype):
    teacher = [torch.zeros(3, dtype=dtype), torch.zeros(2)]
    ema_update_(teacher, [torch.ones(3, dtype=dtype), torch.ones(2)], keep_rate=0.75)
    assert teacher[0].dtype == dtype
    assert teacher[0].tolist() == [0.25] * 3
    assert teacher[1].tolist() == [0.25] * 2


def test_a_whole_module_in_place_and_without_gradient():
    teacher, student = (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2))
    student(torch.randn(8, 2))
    teacher.train()
    tensors = [*teacher.parameters(), *teacher.buffers()]
    addresses = [tensor.data_ptr() for tensor in tensors]
    ema_update_(tensors, [*student.parameters(), *student.buffers()], keep_rate=0.5)
    assert teacher[1].num_batches_tracked == 1
    assert [tensor.data_ptr() for tensor in tensors] == addresses
    assert all(parameter.grad_fn is None for parameter in teacher.parameters())
    torch.testing.assert_close(
        teacher[1].running_mean, 0.5 * student[1].running_mean, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize('keep_rate', [0.0, 0.5, 1.0])
def test_no_tensors(keep_rate):
    assert ema_update_([], [], keep_rate=keep_rate) is None


def test_only_integers():
    teacher = [torch.tensor(1)]
    ema_update_(teacher, [torch.tensor(7)], keep_rate=0.5)
    assert teacher[0] == 7


@pytest.mark.parametrize(
    ('count', 'keep_rate', 'message'),
    [
        (1, -0.1, 'keep_rate must lie in'),
        (1, 1.1, 'keep_rate must lie in'),
        (1, float('nan'), 'keep_rate must lie in'),
        (2, 0.5, 'teacher has 2 tensors, student 1'),
        (0, 0.5, 'teacher has 0 tensors, student 1'),
    ],
)
def test_errors_leave_the_teacher_as_it_was(count, keep_rate, message):
    teacher = [torch.zeros(1) for _ in range(count)]
    with pytest.raises(ValueError, match=message):
        ema_update_(teacher, [torch.ones(1)], keep_rate=keep_rate)
    assert all(tensor == 0 for tensor in teacher)


@pytest.mark.parametrize(('keep_rate', 'last'), [(0.99, 0.99), (0.996, 0.996)])
def test_keep_rates_of_u2pl_and_imas(keep_rate, last):
    """1 - 1/n of the n-th average: n = 1, 2, 3, 100, 250."""
    rates = [ramped_keep_rate(n - 1, keep_rate=keep_rate) for n in (1, 2, 3, 100, 250)]
    assert rates == pytest.approx([0, 1 / 2, 2 / 3, 0.99, last], abs=1e-12)
    teacher = torch.zeros(1)
    for n, student in enumerate((1.0, 3.0, 5.0), 1):
        rate = ramped_keep_rate(n - 1, keep_rate=keep_rate)
        ema_update_([teacher], [torch.tensor([student])], keep_rate=rate)
        assert teacher.item() == pytest.approx(n)


def test_the_keep_rate_grows_from_0_to_its_value():
    rates = [ramped_keep_rate(step, keep_rate=0.999) for step in (0, 1, 3, 998, 999, 5000)]
    assert rates == pytest.approx([0, 0.5, 0.75, 998 / 999, 0.999, 0.999], abs=1e-12)
