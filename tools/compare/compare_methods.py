"""Compare methods on equal terms: tables, plots and thresholds of docs/comparison.md.

    python tools/compare/compare_methods.py
    python tools/compare/compare_methods.py --methods pldc pais --seeds 3 --out pldc_and_pais.md
    python tools/compare/compare_methods.py --base data/mine/pldc.py --work-dir work_dirs/mine

A method is a config of configs/comparison over one base, by default the quickstart's PL-DC, whose
scenes, labelled share and initial weights differ for each seed. Every other base uses its own data.
The methods' configs over the base are in WORK_DIR/configs. A call may be interrupted and repeated:
finished work is skipped, the rest continues. Runs of another config are refused; the caller has to
make sure that the code is still the same.

Thresholds follow one rule for all methods. A method has one threshold, on the class quality or the
coupled score. It is chosen from one grid by the AP on the tuning split (the base's validation set),
in a run with another seed than the reported ones. Variants of a method use that method's threshold.
Everything else is as published, or as in the base.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from compared_methods import GRID, METHODS, chooser, needs_teacher, setting, share_without_labels
from comparison_page import write_page
from run_records import WARM_UP, tuning_curve
from study import QUICKSTART, Study

from mmpldc.utils.files import write_json

COMMAND = 'python tools/compare/compare_methods.py'
WORK_DIR = Path('work_dirs/comparison')


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--methods', nargs='+', choices=list(METHODS), help='default: all that fit the base'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[3, 4, 5])
    parser.add_argument('--tuning-seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--grid', type=float, nargs='+', default=list(GRID))
    parser.add_argument('--base', type=Path, default=QUICKSTART, help='a config of PL-DC')
    parser.add_argument(
        '--hidden',
        nargs=2,
        metavar=('ANN_FILE', 'IMG_PREFIX'),
        help='annotated images for measuring pseudo-labels, below data_root, whose annotations '
        "training does not use; default: the quickstart's unlabelled ones, or the validation set",
    )
    parser.add_argument('--num-images', type=int, default=500, help='number of these images')
    parser.add_argument('--cost-steps', type=int, default=40, help='steps for timing a step')
    parser.add_argument('--cost-rounds', type=int, default=3)
    parser.add_argument('--device', default='cpu', help='device of the runs, e.g. cuda')
    parser.add_argument('--jobs', type=int, help='parallel runs; default: one per core, 1 on a GPU')
    parser.add_argument('--work-dir', type=Path, default=WORK_DIR)
    parser.add_argument('--out', type=Path, help='the page; default: WORK_DIR/comparison.md')
    return parser


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    args = parser().parse_args(arguments)
    seeds = [*args.seeds, *args.tuning_seeds]
    if len(set(seeds)) < len(seeds):
        parser().error('give each seed once: thresholds are chosen on other seeds')
    if args.cost_steps < 2 * WARM_UP:
        parser().error(f'--cost-steps must be at least {2 * WARM_UP}')
    if args.base.resolve() != QUICKSTART and args.work_dir == WORK_DIR:
        parser().error('a --base of your own needs its own --work-dir')
    if args.out is None:
        args.out = args.work_dir / 'comparison.md'
    args.grid = sorted(args.grid)  # the lowest of equal thresholds is chosen
    if args.jobs is None:
        args.jobs = os.cpu_count() if args.device == 'cpu' else 1
    return args


def command_line(args: argparse.Namespace) -> str:
    """Return the command that reproduces the tables, whatever the folders are."""
    words = [COMMAND]
    for action in parser()._actions:
        value = getattr(args, action.dest, action.default)
        if action.dest in ('help', 'jobs', 'work_dir', 'out') or value == action.default:
            continue
        words.append(action.option_strings[0])
        words += map(str, value if isinstance(value, list) else [value])
    return ' '.join(words)


def main() -> None:
    args = parse_args()
    study = Study(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if study.tuned_on_test:
        print(f"note: {args.base}'s test set is its tuning split", flush=True)
    cases = list(product(study.methods, args.seeds))
    pool = ThreadPoolExecutor(args.jobs)
    try:
        study.make_data()
        every_seed = [*args.tuning_seeds, *args.seeds]
        list(pool.map(lambda seed: study.train('supervised', seed), every_seed))
        chosen = study.choose_thresholds(pool)

        best = {name: chosen.get(chooser(name), {}).get('best') for name in study.methods}

        def run(case: tuple[str, int]) -> tuple[Path, dict]:
            name, seed = case
            work_dir = study.train(name, seed, best[name])
            return work_dir, study.evaluate(work_dir, name, seed)

        outcomes = dict(zip(cases, pool.map(run, cases), strict=True))
        costs = study.cost({name: outcomes[name, args.seeds[0]][0] for name in study.methods})
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        study.stop()
    content = dict(
        command=command_line(args),
        device=args.device,
        tuned_on_test=study.tuned_on_test,
        seeds=args.seeds,
        measured=study.measured,
        chosen=chosen,
        methods={
            name: dict(
                title=METHODS[name].title,
                setting=setting(name, best[name]),
                burn_in=share_without_labels(study.configs[name]),
                needs_teacher=needs_teacher(study.configs[name]),
                runs=[outcomes[name, seed][1] for seed in args.seeds],
                curves=[tuning_curve(outcomes[name, seed][0]) for seed in args.seeds],
                cost=costs[name],
            )
            for name in study.methods
        },
    )
    write_json(study.root / 'comparison.json', content, indent=2)
    write_page(json.loads((study.root / 'comparison.json').read_text()), args.out)


if __name__ == '__main__':
    main()
