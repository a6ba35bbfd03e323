"""The mean teacher's update."""

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def ema_update_(teacher: Sequence[Tensor], student: Sequence[Tensor], *, keep_rate: float) -> None:
    """In place, teacher := keep_rate * teacher + (1 - keep_rate) * student.

    Floating-point tensors are averaged, all others (a batch norm's step counter) copied. A keep
    rate of 0 copies everything exactly.

    Args:
        teacher: parameters and buffers to update.
        student: as many tensors, of the same shapes and dtypes.
        keep_rate: alpha in [0, 1]; 0.9996 in the paper.

    Raises:
        ValueError: if the keep rate is outside [0, 1] or the numbers of tensors differ.

    Note:
        The average is taken in the tensors' own dtype. In half precision a step of
        1 - 0.9996 is below the rounding error, so keep the weights in float32 (as AMP does).

    Examples:
        >>> teacher, student = torch.tensor([0.0, 4.0]), torch.tensor([1.0, 0.0])
        >>> ema_update_([teacher], [student], keep_rate=0.75)
        >>> teacher
        tensor([0.2500, 3.0000])
    """
    if not 0 <= keep_rate <= 1:
        raise ValueError(f'keep_rate must lie in [0, 1], got {keep_rate}')
    if len(teacher) != len(student):
        raise ValueError(f'teacher has {len(teacher)} tensors, student {len(student)}')
    pairs = list(zip(teacher, student, strict=True))
    averaged = [pair for pair in pairs if pair[0].is_floating_point() and keep_rate > 0]
    copied = [pair for pair in pairs if not (pair[0].is_floating_point() and keep_rate > 0)]
    if averaged:
        targets, sources = map(list, zip(*averaged, strict=True))
        torch._foreach_lerp_(targets, sources, 1 - keep_rate)
    if copied:
        targets, sources = map(list, zip(*copied, strict=True))
        torch._foreach_copy_(targets, sources)


def ramped_keep_rate(num_steps: int, *, keep_rate: float) -> float:
    """A keep rate that starts at 0, min(keep_rate, 1 - 1 / (n + 1)) after n steps of the student.

    Without a burn-in the teacher so forgets what the student was at first.

    Args:
        num_steps: n, from 0.
        keep_rate: what it grows to; 0.999 in PAIS, 0.99 in U2PL, 0.996 in iMAS.

    Note:
        U2PL and iMAS count n from the first step with pseudo-labels. U2PL's released teacher is the
        student itself in that whole epoch, as their tensors are shared; iMAS's keeps nothing in it.

    Examples:
        >>> [ramped_keep_rate(steps, keep_rate=0.999) for steps in (0, 9, 10000)]
        [0.0, 0.9, 0.999]
    """
    return min(keep_rate, 1 - 1 / (num_steps + 1))
