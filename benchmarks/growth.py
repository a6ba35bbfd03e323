"""Measure how a step grows with images, queries, instances, classes and unlabelled images.

One factor varies at a time; the exponent is the slope between the smallest and the largest value in
a log-log plot: 1 is linear growth, below 1 less. Values alternate, so that a busy machine slows all
of them.

    python benchmarks/growth.py --out DIR
"""

import argparse
import math
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from step import Step, StockStep, paper_config
from timing import Spread, argument_parser, now, report, table

# On as many images as the number of views that our student sees: the cost of the networks alone.
STOCK = "images, mmdet's supervised step"
FACTORS = {  # name: values
    'images': [1, 2, 4],
    STOCK: [1, 2, 4],
    'queries': [50, 100, 200, 400],
    'instances': [5, 20, 80],
    'classes': [1, 80, 1203],
    'unlabelled per labelled image': [1, 2, 4],
}
USUAL = dict(images=1, queries=100, instances=5, classes=80)


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=5, warm_up=1)
    parser.add_argument('--size', type=int, default=128, help='side of an image')
    return parser.parse_args()


def build(factor: str, value: int, size: int, device: torch.device) -> Step | StockStep:
    settings = USUAL | {factor: value}
    cfg: Config = paper_config()
    if factor == STOCK:
        views = 3 * value  # labelled weak and strong, unlabelled strong
        return StockStep(
            cfg, images=views, instances=settings['instances'], size=size, device=device
        )
    cfg.model.num_classes = settings['classes']
    cfg.model.detector.panoptic_head.num_queries = settings['queries']
    images = settings['images']
    return Step(
        cfg,
        num_labeled=images,
        num_unlabeled=images * settings.get('unlabelled per labelled image', 1),
        instances=settings['instances'],
        size=size,
        device=device,
    )


def measure(factor: str, args: argparse.Namespace, device: torch.device) -> list[dict]:
    values = FACTORS[factor]
    steps = [build(factor, value, args.size, device) for value in values]
    seconds: list[list[float]] = [[] for _ in values]
    for run in range(args.warm_up + args.runs):
        for step, own in zip(steps, seconds, strict=True):
            start = now(device)
            step()
            if run >= args.warm_up:
                own.append(now(device) - start)
    return [
        dict(factor=factor, value=value, seconds=Spread.of(own))
        for value, own in zip(values, seconds, strict=True)
    ]


def exponent(rows: list[dict]) -> float:
    first, last = rows[0], rows[-1]
    grown = last['seconds'].median / first['seconds'].median
    return math.log(grown) / math.log(last['value'] / first['value'])


def draw(groups: list[list[dict]], path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4), layout='constrained')
    for rows in groups:
        first = rows[0]
        grown = [row['seconds'].median / first['seconds'].median for row in rows]
        axis.loglog(
            [row['value'] / first['value'] for row in rows], grown, 'o-', label=first['factor']
        )
    limit = axis.get_ylim()
    axis.loglog([1, limit[1]], [1, limit[1]], 'k:', label='linear')
    axis.set(xlabel='times the smallest value', ylabel='times its step', ylim=limit)
    axis.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    groups = [measure(factor, args, device) for factor in FACTORS]
    lines = [
        [
            rows[0]['factor'],
            ', '.join(str(row['value']) for row in rows),
            ', '.join(f'{1000 * row["seconds"].median:.0f}' for row in rows),
            f'{exponent(rows):.2f}',
        ]
        for rows in groups
    ]
    text = table(['factor', 'values', 'ms a step (medians)', 'exponent'], lines)
    report('growth', text, [row for rows in groups for row in rows], device, args.out)
    if args.out is not None:
        draw(groups, args.out / 'growth.png')


if __name__ == '__main__':
    main()
