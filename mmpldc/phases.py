"""Training phases: when the student learns from pseudo-labels and how the teacher is updated."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args

from mmpldc.schedules import Progress, Schedule, build_schedule

BurnIn = Literal['supervised', 'guided']


class TeacherUpdate(Enum):
    """How the teacher changes after an iteration."""

    KEEP = 'keep'
    COPY = 'copy'  # teacher := student
    AVERAGE = 'average'  # the student's exponential moving average


class Phase(NamedTuple):
    """A part of a run with one training mode.

    Attributes:
        name: for logs and tables.
        iters: length in iterations.
        is_burn_in: whether the phase comes before mutual learning.
        uses_pseudo_labels: whether the student learns from pseudo-labels in it.
    """

    name: str
    iters: int
    is_burn_in: bool
    uses_pseudo_labels: bool


@dataclass(frozen=True)
class Phases:
    """Burn-in, then mutual learning.

    ================== ========================= =================================================
    phase              the student learns from   the teacher, after each iteration
    ================== ========================= =================================================
    supervised burn-in labels                    := student, unless a checkpoint brought a teacher
    guided burn-in     labels and pseudo-labels  does not change; := student at the end
    mutual learning    labels and pseudo-labels  averages the student
    ================== ========================= =================================================

    PL-DC has a supervised burn-in. Guided Distillation has a guided one, whose teacher was trained
    before. Without burn-in, mutual learning begins with the first iteration.

    Args:
        burn_in_iters: t_b, the iterations of burn-in; iterations count from 0.
        burn_in: kind of burn-in.
        unsup_weight: lambda, a number of at least 0 or a schedule; at 0 the run is supervised.

    Raises:
        ValueError: if the kind of burn-in is unknown, lambda is negative, or a guided burn-in has
            a lambda of 0 and so learns nothing from its teacher.
    """

    burn_in_iters: int
    burn_in: BurnIn = 'supervised'
    unsup_weight: float | Schedule = 1.0

    def __post_init__(self) -> None:
        if self.burn_in not in get_args(BurnIn):
            raise ValueError(
                f'model.burn_in must be one of {get_args(BurnIn)}, got {self.burn_in!r}'
            )
        if isinstance(self.unsup_weight, int | float) and self.unsup_weight < 0:
            raise ValueError(f'model.unsup_weight must be at least 0, got {self.unsup_weight}')
        if self.burn_in == 'guided' and self.is_supervised:
            raise ValueError(
                "model.burn_in='guided' learns from the teacher's labels, which "
                "model.unsup_weight=0 turns off: set burn_in='supervised' or a weight above 0"
            )

    @classmethod
    def from_config(cls, model: Mapping[str, Any]) -> 'Phases':
        """Read the phases from a model's config.

        Args:
            model: config of a :class:`~mmpldc.models.TeacherStudent`.

        Raises:
            KeyError: if it has no ``burn_in_iters``, as with other kinds of models.
            ValueError: as for the class.
        """
        return cls(
            model['burn_in_iters'],
            model.get('burn_in', 'supervised'),
            build_schedule(model.get('unsup_weight', 1.0)),
        )

    @property
    def is_supervised(self) -> bool:
        """Whether the run never uses pseudo-labels."""
        return self.unsup_weight == 0

    @property
    def is_guided(self) -> bool:
        """Whether the run starts with a teacher that was trained before."""
        return self.burn_in == 'guided' and self.burn_in_iters > 0

    @property
    def pseudo_label_start(self) -> int:
        """The first iteration with pseudo-labels, unless the run is supervised."""
        return 0 if self.is_guided else self.burn_in_iters

    def uses_pseudo_labels(self, step: int) -> bool:
        """Whether the student learns from pseudo-labels at an iteration."""
        return not self.is_supervised and step >= self.pseudo_label_start

    def progress(self, step: int, max_steps: int) -> Progress:
        """Return the position of a run with these phases."""
        return Progress(step, self.pseudo_label_start, max_steps)

    def teacher_update(self, step: int, *, has_own_teacher: bool) -> TeacherUpdate:
        """Return how the teacher changes after an iteration.

        Args:
            step: the iteration.
            has_own_teacher: whether the teacher has its own weights instead of mirroring the
                student.
        """
        if step >= self.burn_in_iters:
            return TeacherUpdate.AVERAGE
        is_last = step == self.burn_in_iters - 1
        if not has_own_teacher or (self.is_guided and is_last):
            return TeacherUpdate.COPY
        return TeacherUpdate.KEEP

    def split(self, max_iters: int) -> list[Phase]:
        """List the phases of a run of ``max_iters`` iterations in order, without empty ones."""
        if self.is_supervised:
            return [Phase('supervised', max_iters, is_burn_in=False, uses_pseudo_labels=False)]
        burn_in = min(self.burn_in_iters, max_iters)
        name = 'guided burn-in' if self.is_guided else 'burn-in'
        phases = [
            Phase(name, burn_in, is_burn_in=True, uses_pseudo_labels=self.is_guided),
            Phase(
                'mutual learning', max_iters - burn_in, is_burn_in=False, uses_pseudo_labels=True
            ),
        ]
        return [phase for phase in phases if phase.iters > 0]
