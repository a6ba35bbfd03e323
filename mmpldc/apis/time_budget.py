"""Choose a run's number of steps by the time that it may take."""

import json
import subprocess
import sys
from pathlib import Path

from mmpldc.datasets.starter_sizes import PAPER_BURN_IN, Schedule, Size, schedule_of
from mmpldc.engine.projection import Measurements, duration, iters_within

from .stages import tools_folder

FEWEST_USEFUL = 100  # steps


def measured_schedule(seconds: float, config: Path, size: Size) -> Schedule:
    """Rehearse a config by ``tools/train.py --dry-run``, and divide a time into steps.

    Args:
        seconds: for the baseline, and for the config's run from the end of burn-in on.
        config: of the second run; log and measurements are written beside it.
        size: of the run.

    Raises:
        ValueError: if the rehearsal fails, or the time is not enough for any training.
    """
    log = config.with_name(f'{config.stem}_dry_run.log')
    measured = config.with_name(f'{config.stem}_dry_run.json')
    measured.unlink(missing_ok=True)
    command = [sys.executable, str(tools_folder() / 'train.py'), str(config)]
    command += ['--work-dir', str(config.parent), '--skip-data-check']
    command += ['--dry-run', '--dry-run-out', str(measured)]
    with log.open('w') as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
    if status or not measured.exists():
        last = log.read_text(errors='replace').strip().splitlines()[-1:]
        raise ValueError(f'the dry run failed: {" ".join(last)} (the whole log is {log})')
    found = Measurements(**json.loads(measured.read_text()))
    iters = iters_within(
        seconds,
        found,
        burn_in_share=size.burn_in_tenths / 10,
        most_burn_in=PAPER_BURN_IN,
        validations=size.num_validations,
    )
    if iters < FEWEST_USEFUL:
        steps = ' and '.join(f'{step:.3g} s' for step in found.step_seconds)
        raise ValueError(
            f'{duration(seconds)} are enough for {max(iters, 0)} steps of size {size.name}, and '
            f'nothing is learnt in fewer than {FEWEST_USEFUL}: a step takes {steps} (burn-in, '
            'mutual learning). Give more time, or measure again while nothing else runs; on a '
            'shared machine OMP_NUM_THREADS=1 may be faster'
        )
    return schedule_of(iters, size)
