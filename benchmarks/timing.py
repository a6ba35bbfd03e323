"""Time code by alternating runs in one process: warm-up, medians and quartiles; tables and JSON."""

import argparse
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mmpldc.utils.files import write_json
from mmpldc.utils.machine import machine
from mmpldc.utils.markdown import table as table  # re-exported for the benchmarks


def argument_parser(
    description: str, *, runs: int | None = None, warm_up: int | None = None, device: bool = True
) -> argparse.ArgumentParser:
    """Create a parser with the benchmarks' shared arguments.

    Args:
        description: the benchmark's docstring.
        runs: default of ``--runs``; None leaves the argument out.
        warm_up: default of ``--warm-up``; None leaves the argument out.
        device: whether to add ``--device``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if runs is not None:
        parser.add_argument('--runs', type=int, default=runs, help='of what is timed')
    if warm_up is not None:
        parser.add_argument('--warm-up', type=int, default=warm_up, help='runs before these')
    if device:
        parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', type=Path, help='folder for the results as .json and .md')
    return parser


def now(device: torch.device | None = None) -> float:
    """Return the time in seconds after a GPU has finished its queue."""
    if device is not None and device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()


def computing_time(device: torch.device | None = None) -> float:
    """Return as :func:`now` on a GPU; else the seconds that this process's threads have computed.

    Others that share the machine make a process wait, which these seconds leave out.
    """
    if device is not None and device.type == 'cuda':
        return now(device)
    return time.process_time()


class NamedClasses:
    """What the teacher's hook reads of a training set, where a benchmark has none.

    Args:
        classes: their names.
    """

    def __init__(self, classes: Sequence) -> None:
        self.metainfo = dict(classes=classes)

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a sample."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Spread':
        if len(values) < 2:
            return cls(*values * 3)
        low, median, high = statistics.quantiles(values, n=4, method='inclusive')
        return cls(median, low, high)

    def text(self, factor: float = 1.0, digits: int = 1) -> str:
        median, low, high = (f'{factor * v:.{digits}f}' for v in (self.median, self.low, self.high))
        return f'{median} ({low} to {high})'


@dataclass(frozen=True)
class Comparison:
    """Seconds of two routes to the same result, and of pairs of runs the time ratio."""

    ours: Spread
    theirs: Spread
    ratio: Spread  # theirs / ours
    runs: int


def compare(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    runs: int,
    warm_up: int,
    device: torch.device,
    clock: Callable[[torch.device], float] = now,
) -> Comparison:
    """Run both in turn and compare each pair, so that a busy machine slows both."""
    seconds = ([], [])
    for index in range(warm_up + runs):
        for function, own in zip((ours, theirs), seconds, strict=True):
            start = clock(device)
            function()
            if index >= warm_up:
                own.append(clock(device) - start)
    mine, others = seconds
    ratio = Spread.of([other / own for own, other in zip(mine, others, strict=True)])
    return Comparison(Spread.of(mine), Spread.of(others), ratio, runs)


def report(name: str, text: str, rows: Sequence[dict], device: torch.device, out: Path | None):
    """Print a table and the machine, and write NAME.json and NAME.md."""
    script = os.path.relpath(sys.argv[0])
    command = re.sub(r' --out \S+', '', ' '.join(['python', script, *sys.argv[1:]]))
    facts = machine(device) | dict(command=command)
    versions = ', '.join(f'{k} {facts[k]}' for k in ('python', 'torch', 'mmcv', 'mmdet'))
    text += (
        f'\n\n{facts["device"]}, {facts["threads"]} threads; {versions}.\n`{facts["command"]}`\n'
    )
    print(text)
    if out is not None:
        content = dict(machine=facts, rows=[_plain(row) for row in rows])
        write_json(out / f'{name}.json', content, indent=2)
        (out / f'{name}.md').write_text(text)


def _plain(row: dict) -> dict:
    return {
        key: asdict(value) if isinstance(value, Comparison | Spread) else value
        for key, value in row.items()
    }
