"""Read the settings, validations, step times and memory of a finished run."""

import statistics
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmpldc.visualization import read_scalars

WARM_UP = 5  # steps that are not timed


def tuning_curve(work_dir: Path, key: str, factor: float) -> list[tuple[int, float]]:
    """Return iterations and percent of the teacher on the tuning split.

    Args:
        work_dir: of the run.
        key: of the score in the log.
        factor: makes it percent.
    """
    records = read_scalars(work_dir)
    return [(record['step'], factor * record[key]) for record in records if key in record]


def step_cost(records: Sequence[dict], resident: int) -> dict[str, float]:
    """Compute a step's time and memory from the log of the run.

    Args:
        records: see :func:`mmpldc.visualization.read_scalars`.
        resident: the process's largest resident set, bytes.

    Returns:
        ``step``, median seconds of all but the first steps, which warm up caches; and ``memory``
        in bytes: of the GPU if the run used one, else ``resident``.
    """
    steps = [record for record in records if 'loss' in record][WARM_UP:]
    on_gpu = [record['memory'] * 2**20 for record in steps if 'memory' in record]
    return dict(
        step=statistics.median(record['time'] for record in steps),
        memory=max(on_gpu, default=resident),
    )


def experiment(config: Config) -> dict:
    """Return the settings that are run, without variables that configs pass to one another."""
    return {key: config[key] for key in signature(Runner).parameters if key in config}
