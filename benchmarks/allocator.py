"""A step on the CPU with and without large blocks kept for reuse, in processes of their own.

    python benchmarks/allocator.py --out DIR

Pairs of processes, in turn. CPU seconds, the kernel's share and page faults are the system's own
counts over the timed steps.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from step import Step
from timing import Spread, argument_parser, report, table

from mmpldc.utils.allocator import keep_large_blocks

CONFIG = Path(__file__).parents[1] / 'configs/quickstart/pldc.py'


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=3, device=False)
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--steps', type=int, default=30)
    parser.add_argument('--size', type=int, default=96, help='of the images, in pixels')
    parser.add_argument('--images', type=int, default=8, help='labelled, and as many unlabelled')
    parser.add_argument('--child', choices=['keep', 'return'], help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Counts over the steps of this process."""
    if args.child == 'keep' and not keep_large_blocks():
        raise SystemExit('the C library here takes no such setting')
    init_default_scope('mmdet')
    cfg = Config.fromfile(args.config)
    cfg.model.refiner = None
    step = Step(
        cfg,
        num_labeled=args.images,
        num_unlabeled=args.images,
        instances=5,
        size=args.size,
        device=torch.device('cpu'),
    )
    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(args.steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    kernel = after.ru_stime - before.ru_stime
    return dict(
        cpu=after.ru_utime - before.ru_utime + kernel,
        kernel=kernel,
        faults=after.ru_minflt - before.ru_minflt,
        memory=after.ru_maxrss / 2**10,
    )


def main() -> None:
    args = parse_args()
    if args.child:
        print(json.dumps(measure(args)))
        return
    counts: dict[str, list[dict]] = {'return': [], 'keep': []}
    for _ in range(args.runs):
        for kind, found in counts.items():
            command = [sys.executable, *sys.argv, '--child', kind]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found.append(json.loads(output.splitlines()[-1]))
    titles = {'return': 'glibc as it is', 'keep': 'large blocks kept'}
    rows = []
    for kind, found in counts.items():
        ratio = [
            one['cpu'] / other['cpu'] for one, other in zip(found, counts['return'], strict=True)
        ]
        spreads = {name: Spread.of([one[name] for one in found]) for name in found[0]}
        rows.append(dict(name=titles[kind], ratio=Spread.of(ratio), **spreads))
    lines = [
        [
            row['name'],
            row['cpu'].text(),
            row['kernel'].text(),
            row['faults'].text(1e-6, 2),
            row['memory'].text(digits=0),
            row['ratio'].text(digits=2),
        ]
        for row in rows
    ]
    header = ['', 'CPU s', 'of it kernel', 'page faults, million', 'peak MiB', 'ratio of CPU s']
    report('allocator', table(header, lines), rows, torch.device('cpu'), args.out)


if __name__ == '__main__':
    main()
