"""Run the quickstart over several seeds and write its table with standard deviations.

    python benchmarks/quickstart_seeds.py

Each seed has its own images, labelled share and training. Runs that are done are not done again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
METRICS = ('AP', 'AP50', 'AP75')
PSEUDO = {
    'kept_per_image': 'kept per image',
    'mask_precision': 'mask right',
    'class_accuracy': 'of these, class right',
    'precision': 'both right (precision)',
    'recall': 'recall',
    'mask_iou': 'IoU of right masks',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='seeds run at once')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/quickstart_seeds')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/quickstart_results.md')
    return parser.parse_args()


def run_seed(seed: int, args: argparse.Namespace) -> dict:
    """One quickstart; its results."""
    work_dir = args.work_dir / f'seed{seed}'
    command = [sys.executable, 'tools/quickstart.py', '--seed', str(seed)]
    command += ['--work-dir', str(work_dir), '--data-root', str(args.work_dir / f'data{seed}')]
    threads = max(1, os.cpu_count() // args.jobs)
    work_dir.mkdir(parents=True, exist_ok=True)
    print(f'seed {seed}: {work_dir}/stdout.log', flush=True)
    with open(work_dir / 'stdout.log', 'a') as log:
        subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | dict(OMP_NUM_THREADS=str(threads)),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return json.loads((work_dir / 'results.json').read_text())


def mean_and_deviation(values: list[float], digits: int) -> str:
    mean = f'{np.mean(values):.{digits}f}'
    return mean if len(values) == 1 else f'{mean} ± {np.std(values, ddof=1):.{digits}f}'


def markdown(results: list[dict], args: argparse.Namespace) -> str:
    """The page: test-split AP of each model, and what the pseudo-labels are worth."""
    seeds = ', '.join(map(str, args.seeds))
    lines = [
        '# The quickstart over several seeds',
        '',
        f'Made by `python benchmarks/quickstart_seeds.py` (seeds {seeds}) on {date.today()}, '
        f'{platform.machine()}, {os.cpu_count()} CPU cores, Python {platform.python_version()}, '
        f'torch {version("torch")}. Mean ± sample standard deviation; every seed has its own '
        'images, labelled share and initial weights.',
        '',
        '## Mask AP on the test split',
        '',
        '| | ' + ' | '.join(METRICS) + ' |',
        '|---|' + '---:|' * len(METRICS),
    ]
    for name in results[0]['rows']:
        cells = [
            mean_and_deviation([result['rows'][name][metric] for result in results], 1)
            for metric in METRICS
        ]
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    gains = [result['gain'] for result in results]
    single = ', '.join(f'{gain:+.1f}' for gain in gains)
    lines += [
        '',
        f"Gain of PL-DC's teacher over the supervised EMA: **{mean_and_deviation(gains, 1)}** "
        f'(single seeds: {single}).',
        '',
        '## Pseudo-labels of the final teacher',
        '',
        'Measured on 500 unlabelled images against the annotations hidden from training. A mask is '
        'right above an IoU of 0.5; each object counts once, so that duplicates cost precision.',
        '',
        '| | mean ± deviation |',
        '|---|---:|',
    ]
    for key, name in PSEUDO.items():
        values = [result['pseudo_labels'][key] for result in results]
        lines.append(f'| {name} | {mean_and_deviation(values, 2)} |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    args = parse_args()
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda seed: run_seed(seed, args), args.seeds))
    page = markdown(results, args)
    args.out.write_text(page)
    print(page)


if __name__ == '__main__':
    main()
