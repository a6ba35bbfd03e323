"""Compare scipy's assignment, which matching uses, with lapx, the fastest solver on PyPI.

Matrices are those of a step: ten layers of 24 images (8 labelled in two views, 8 unlabelled), 100
queries.

    pip install lapx
    python benchmarks/assignment.py --out DIR
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from timing import argument_parser, compare, report, table

MATRICES, QUERIES = 10 * 24, 100
INSTANCES = (7, 30, 100)  # COCO has 7 per image


def parse_args() -> argparse.Namespace:
    return argument_parser(__doc__, runs=11, warm_up=1, device=False).parse_args()


def solve_all(solve: Callable[[np.ndarray], object], costs: list[np.ndarray]) -> None:
    for cost in costs:
        solve(cost)


def main() -> None:
    try:
        from lap import lapjvs
    except ImportError as error:
        raise SystemExit('this benchmark needs lapx: pip install lapx') from error
    args = parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for instances in INSTANCES:
        costs = [rng.random((QUERIES, instances), np.float32) for _ in range(MATRICES)]
        comparison = compare(
            partial(solve_all, linear_sum_assignment, costs),
            partial(solve_all, partial(lapjvs, extend_cost=True), costs),
            runs=args.runs,
            warm_up=args.warm_up,
            device=torch.device('cpu'),
        )
        rows.append(dict(instances=instances, comparison=comparison))
    lines = [
        [
            str(row['instances']),
            row['comparison'].ours.text(1000),
            row['comparison'].theirs.text(1000),
            row['comparison'].ratio.text(1, 2),
        ]
        for row in rows
    ]
    header = ['instances an image', 'scipy, ms a step', 'lapx, ms a step', 'lapx / scipy']
    report('assignment', table(header, lines), rows, torch.device('cpu'), args.out)


if __name__ == '__main__':
    main()
