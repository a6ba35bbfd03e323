"""The phases of a training: when the teacher labels, and what becomes of it."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, get_args

class Progress(NamedTuple):
    """Where training stands, in iterations; burn-in's are those before the teacher labels."""

    step: int
    burn_in_steps: int
    max_steps: int


BurnIn = Literal['supervised', 'guided']


class TeacherUpdate(Enum):
    """What becomes of the teacher after an iteration."""

    KEEP = 'keep'
    COPY = 'copy'  # teacher := student
    AVERAGE = 'average'  # the student's exponential moving average


@dataclass(frozen=True)
class Phases:
    """Burn-in, then mutual learning.

    ================== ========================= =================================================
    phase              the student learns from   the teacher, after each iteration
    ================== ========================= =================================================
    supervised burn-in labels                    := student; one that was given is kept
    guided burn-in     labels and pseudo-labels  kept; := student after the last iteration
    mutual learning    labels and pseudo-labels  averages the student
    ================== ========================= =================================================

    The supervised burn-in is PL-DC's, the guided one Guided Distillation's, whose teacher has been
    trained before. Without burn-in learning is mutual from the first iteration on.

    Args:
        burn_in_iters: t_b, the iterations of burn-in; iterations count from 0.
        burn_in: its kind.
        unsup_weight: lambda; at 0 the teacher never labels.

    Raises:
        ValueError: if there is no such kind, or the guided one has nothing to learn from its
            teacher.
    """

    burn_in_iters: int
    burn_in: BurnIn = 'supervised'
    unsup_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.burn_in not in get_args(BurnIn):
            raise ValueError(f'burn_in must be one of {get_args(BurnIn)}, got {self.burn_in!r}')
        if self.burn_in == 'guided' and self.unsup_weight == 0:
            raise ValueError(
                "model.burn_in='guided' learns from the teacher's labels, which "
                "model.unsup_weight=0 turns off: set burn_in='supervised' or a weight above 0"
            )

    @property
    def is_guided(self) -> bool:
        """Whether training begins with a teacher that was trained before."""
        return self.burn_in == 'guided' and self.burn_in_iters > 0

    @property
    def first_labeling(self) -> int:
        """The iteration from which on the teacher labels, unless lambda is 0."""
        return 0 if self.is_guided else self.burn_in_iters

    def teacher_labels(self, step: int) -> bool:
        """Whether the student learns from the teacher's labels at an iteration."""
        return self.unsup_weight != 0 and step >= self.first_labeling

    def teacher_update(self, step: int, *, is_given: bool) -> TeacherUpdate:
        """What becomes of the teacher after an iteration.

        Args:
            step: the iteration.
            is_given: whether the teacher is a model of its own, no mirror of the student.
        """
        if step >= self.burn_in_iters:
            return TeacherUpdate.AVERAGE
        is_last = step == self.burn_in_iters - 1
        if not is_given or (self.is_guided and is_last):
            return TeacherUpdate.COPY
        return TeacherUpdate.KEEP

    def lengths(self, max_iters: int) -> dict[str, int]:
        """Iterations of each phase by its name, in order, without phases that have none."""
        if self.unsup_weight == 0:
            return {'supervised': max_iters}
        burn_in = min(self.burn_in_iters, max_iters)
        name = 'guided burn-in' if self.is_guided else 'burn-in'
        lengths = {name: burn_in, 'mutual learning': max_iters - burn_in}
        return {name: iters for name, iters in lengths.items() if iters > 0}
