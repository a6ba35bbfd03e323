"""Values that change during a run: the unsupervised weight, thresholds, label weights."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from mmpldc.registry import TASK_UTILS


class Progress(NamedTuple):
    """The position of a run, in iterations.

    Attributes:
        step: the current iteration, from 0.
        pseudo_label_start: the first iteration with pseudo-labels.
        max_steps: the length of the run.
    """

    step: int
    pseudo_label_start: int
    max_steps: int


Schedule = Callable[[Progress], float]
Shape = Literal['linear', 'cosine', 'sigmoid']


@TASK_UTILS.register_module()
class Ramp:
    """Move from one value to another between two iterations.

    Args:
        start: value before and at ``begin``; a sigmoid starts 0.7 % of the way from it.
        end: value at and after ``until``.
        shape: ``'linear'``, ``'cosine'`` (half a period) or ``'sigmoid'`` (the ramp-up
            exp(-5 (1 - x)^2) of Laine and Aila's temporal ensembling).
        begin: iteration; None: the first one with pseudo-labels.
        until: iteration; None: the last one of the run.

    Raises:
        ValueError: for an unknown shape.
    """

    def __init__(
        self,
        *,
        start: float,
        end: float,
        shape: Shape = 'linear',
        begin: int | None = None,
        until: int | None = None,
    ) -> None:
        if shape not in get_args(Shape):
            raise ValueError(f'shape must be one of {get_args(Shape)}, got {shape!r}')
        self.start, self.end, self.shape = start, end, shape
        self.begin, self.until = begin, until

    def __call__(self, progress: Progress) -> float:
        """Return the value at this point of the run."""
        begin = progress.pseudo_label_start if self.begin is None else self.begin
        until = progress.max_steps if self.until is None else self.until
        if progress.step >= until:
            return self.end
        share = max(progress.step - begin, 0) / max(until - begin, 1)
        if self.shape == 'cosine':
            share = (1 - math.cos(math.pi * share)) / 2
        elif self.shape == 'sigmoid':
            share = math.exp(-5 * (1 - share) ** 2)
        return self.start + (self.end - self.start) * share


def build_schedule(value: Any) -> Any:
    """Return a number or None unchanged; build a schedule from its config.

    Args:
        value: a number, None, the config of a schedule such as ``dict(type='mmpldc.Ramp', ...)``,
            or a function of :class:`Progress`.
    """
    return TASK_UTILS.build(value) if isinstance(value, Mapping) else value


def value_at(schedule: Any, progress: Progress | None) -> Any:
    """Evaluate the result of :func:`build_schedule`.

    Args:
        schedule: a number (or tensor, or None), which is returned unchanged, or a schedule.
        progress: the position of the run.

    Raises:
        RuntimeError: if the value depends on the position and none is given.
    """
    if not callable(schedule):
        return schedule
    if progress is None:
        raise RuntimeError(
            'a config value follows a schedule: outside of a run call '
            'model.set_progress(step, max_steps) first'
        )
    return schedule(progress)
