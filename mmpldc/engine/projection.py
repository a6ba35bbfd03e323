"""Project the time, memory and disk space of a run from a few measured steps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

UNITS = dict(d=86400, h=3600, min=60, m=60, s=1)
BYTES_OF_A_LOGGED_VALUE = 16  # mmengine's checkpoint holds value and count for every iteration
LOGGED_ITERS_KEPT = 1_000_000  # mmengine's HistoryBuffer
GB = 1e9


@dataclass(frozen=True)
class Plan:
    """Phases, validations and checkpoints that a config asks for.

    Attributes:
        phases: iterations of each phase, by name; the iterations of a phase are alike.
        validated: interval of each validated model, counted in validations, by name; empty without
            validation.
        val_interval: iterations between validations.
        val_begin: first iteration that may be followed by a validation.
        checkpoint_interval: iterations between checkpoints; 0: only the last.
        max_keep: number of latest checkpoints to keep; 0: all.
        best: number of best checkpoints kept besides them.
        log_interval: iterations between log reports.
    """

    phases: dict[str, int]
    validated: dict[str, int]
    val_interval: int
    val_begin: int
    checkpoint_interval: int
    max_keep: int
    best: int
    log_interval: int

    @property
    def max_iters(self) -> int:
        return sum(self.phases.values())


@dataclass(frozen=True)
class Measurements:
    """Measurements of a few steps; the largest over all ranks.

    Attributes:
        step_seconds: of an iteration of each phase, after its data has been loaded.
        load_seconds: of data loading for one iteration.
        is_loaded_ahead: whether worker processes load while the model computes.
        images: images per iteration, on all ranks.
        val_seconds: of a batch, for each validated model.
        val_batches: batches per validation, on each rank.
        memory: peak in each phase and in validation, in bytes, by name.
        total_memory: of the device, in bytes; None without an accelerator.
        checkpoint: size of one, in bytes; 0 if none is written.
        report: bytes per log report.
        logged_values: number of values that each iteration logs.
        pseudo_labels: mean per unlabelled image; None if no step used pseudo-labels.
    """

    step_seconds: Sequence[float]
    load_seconds: float
    is_loaded_ahead: bool
    images: int
    val_seconds: Sequence[float]
    val_batches: int
    memory: dict[str, int]
    total_memory: int | None
    checkpoint: int
    report: int
    logged_values: int
    pseudo_labels: float | None


def iteration_seconds(step: float, load: float, *, is_loaded_ahead: bool) -> float:
    """Seconds of an iteration whose data is loaded before it, or ahead, during another one."""
    return max(step, load) if is_loaded_ahead else step + load


def validation_counts(plan: Plan) -> dict[str, int]:
    """Number of validations of each model; the last iteration validates all of them."""
    last = plan.max_iters
    iters = {*range(plan.val_interval, last + 1, plan.val_interval), last}
    due = [i for i in iters if i >= plan.val_begin]
    return {
        name: sum(i == last or i // plan.val_interval % every == 0 for i in due)
        for name, every in plan.validated.items()
    }


def phase_seconds(plan: Plan, measured: Measurements) -> dict[str, float]:
    """Seconds of each phase."""
    return {
        name: iters
        * iteration_seconds(step, measured.load_seconds, is_loaded_ahead=measured.is_loaded_ahead)
        for (name, iters), step in zip(plan.phases.items(), measured.step_seconds, strict=True)
    }


def validation_seconds(plan: Plan, measured: Measurements) -> float:
    """Seconds of all validations, without the computation of metrics."""
    counts = validation_counts(plan).values()
    passes = zip(counts, measured.val_seconds, strict=True)
    return measured.val_batches * sum(count * per_batch for count, per_batch in passes)


def checkpoint_bytes(plan: Plan, measured: Measurements) -> int:
    """Size of the last checkpoint, which contains the log of all iterations."""
    if measured.checkpoint == 0:
        return 0
    iters = min(plan.max_iters, LOGGED_ITERS_KEPT)
    return measured.checkpoint + BYTES_OF_A_LOGGED_VALUE * measured.logged_values * iters


def checkpoints_on_disk(plan: Plan) -> int:
    """Largest number of checkpoints on disk at a time: those kept, and one being written."""
    written = ceil(plan.max_iters / plan.checkpoint_interval) if plan.checkpoint_interval else 1
    kept = min(written, plan.max_keep + 1) if plan.max_keep else written
    return kept + plan.best


def disk_bytes(plan: Plan, measured: Measurements) -> int:
    """Largest size of a work directory: checkpoints and log."""
    reports = plan.max_iters // plan.log_interval
    return checkpoints_on_disk(plan) * checkpoint_bytes(plan, measured) + reports * measured.report


def summary(plan: Plan, measured: Measurements, *, free: int) -> str:
    """Format the projection as a table; ``free`` is the free space on the disk, in bytes."""
    of_phases = phase_seconds(plan, measured)
    validation = validation_seconds(plan, measured)
    rows = [
        (name, f'{iters} iterations of {step:.3g} s', duration(of_phases[name]))
        for (name, iters), step in zip(plan.phases.items(), measured.step_seconds, strict=True)
    ]
    for (name, count), per_batch in zip(
        validation_counts(plan).items(), measured.val_seconds, strict=True
    ):
        time = duration(count * measured.val_batches * per_batch)
        batches = f'{count} x {measured.val_batches} batches of {per_batch:.3g} s'
        rows.append((f'validate {name}', batches, time))
    rows.append(('training', 'in all', duration(sum(of_phases.values()) + validation)))

    load = measured.load_seconds
    speed = f'{measured.images / load:.3g} images/s, {load:.3g} s an iteration of {measured.images}'
    rows.append(('data loading', speed, _loading_remark(measured)))
    peak = max(measured.memory, key=lambda name: measured.memory[name])
    parts = ', '.join(f'{name} {size / GB:.2f} GB' for name, size in measured.memory.items())
    of_total = '' if measured.total_memory is None else f' of {measured.total_memory / GB:.1f} GB'
    rows.append(('peak memory', parts, f'{measured.memory[peak] / GB:.2f} GB{of_total}'))
    files = (
        f'{checkpoints_on_disk(plan)} checkpoints of '
        f'{checkpoint_bytes(plan, measured) / GB:.2f} GB, and the log'
    )
    need = disk_bytes(plan, measured)
    rows.append(('disk', files, f'{need / GB:.2f} GB of {free / GB:.1f} GB free'))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f'  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}'.rstrip() for a, b, c in rows]
    if measured.pseudo_labels is not None:
        lines.append(
            f'Time and memory are for {measured.pseudo_labels:.1f} pseudo-labels per image, '
            'as in these steps; more labels need more of both.'
        )
    return '\n'.join(lines)


def _loading_remark(measured: Measurements) -> str:
    if not measured.is_loaded_ahead:
        return 'before each step: set train_dataloader.num_workers'
    if measured.load_seconds > min(measured.step_seconds):
        return 'slower than the model: more train_dataloader.num_workers'
    return 'during the steps'


def duration(seconds: float) -> str:
    """``'3 d 4 h'``, ``'4 h 5 min'``, ``'5 min'`` or ``'6.0 s'``."""
    if seconds < 100:
        return f'{seconds:.1f} s'
    minutes = round(seconds / 60)
    if minutes < 60:
        return f'{minutes} min'
    if minutes < 24 * 60:
        return f'{minutes // 60} h {minutes % 60} min'
    hours = round(minutes / 60)
    return f'{hours // 24} d {hours % 24} h'


def seconds_of(text: str) -> float:
    """Read a length of time: '2h', '1h30m', '45min', '90s', '1d 12h'.

    Raises:
        ValueError: if it is none, or not above 0.
    """
    parts = re.findall(r'\s*(\d+(?:\.\d+)?)\s*(d|h|min|m|s)', text)
    if ''.join(f'{number}{unit}' for number, unit in parts) != re.sub(r'\s', '', text):
        raise ValueError(f"a length of time is like 2h, 1h30m or 45min, got '{text}'")
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not seconds > 0:
        raise ValueError(f"the time must be above 0, got '{text}'")
    return seconds


def iters_within(
    seconds: float,
    measured: Measurements,
    *,
    burn_in_share: float,
    most_burn_in: int,
    validations: int,
) -> int:
    """Steps for which a time is enough: of a supervised run, and of one from its burn-in on.

    A tenth of the time is kept for starting, saving and the metrics.

    Args:
        seconds: for both runs.
        measured: of the second run, rehearsed with burn-in and mutual learning.
        burn_in_share: of all steps; the second run has only the others.
        most_burn_in: steps of burn-in at most, however long the run is.
        validations: of the whole set, in a whole run.
    """
    burn_in, mutual = (
        iteration_seconds(step, measured.load_seconds, is_loaded_ahead=measured.is_loaded_ahead)
        for step in measured.step_seconds
    )
    rest = 1 - burn_in_share
    of_validation = measured.val_batches * sum(measured.val_seconds[:1])
    left = 0.9 * seconds - (1 + rest) * validations * of_validation
    iters = int(left / (burn_in + rest * mutual))
    if burn_in_share * iters <= most_burn_in:
        return iters
    left = 0.9 * seconds - 2 * validations * of_validation  # the second run has nearly all
    return int((left + most_burn_in * mutual) / (burn_in + mutual))
