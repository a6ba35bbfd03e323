"""Compare methods on equal terms: tables, plots and thresholds of docs/comparison.md.

    python tools/compare/compare_methods.py
    python tools/compare/compare_methods.py --methods pldc pais --seeds 3 --out pldc_and_pais.md
    python tools/compare/compare_methods.py --base data/mine/pldc.py --work-dir work_dirs/mine
    python tools/compare/compare_methods.py --task semantic

A method is a config of configs/comparison over one base. By default that is the quickstart's PL-DC,
or with --task semantic configs/comparison/semantic/_base.py, whose scenes, labelled share and
initial weights differ for each seed. Every other base uses its own data. The methods' configs over
the base are in WORK_DIR/configs. A call may be interrupted and repeated: finished work is skipped,
the rest continues. The page is written anew after each run. Runs of another config are refused; the
caller has to make sure that the code is still the same.

Thresholds follow one rule for all methods. A method has one threshold: on the class quality or the
coupled score of instances, on the confidence of pixels, or the share of pixels that U2PL uses at
first. It is chosen from one grid by the score on the tuning split (the base's validation set), in
a run with another seed than the reported ones; a --grid of one value is used as it is. Variants of
a method use that method's threshold. Everything else is as published, or as in the base.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compared_methods import needs_teacher, share_without_labels
from comparison_page import write_page
from run_records import WARM_UP
from study import Study
from tasks import TASKS

from mmpldc.utils.files import write_json
from mmpldc.utils.processes import end_children_on_sigterm

COMMAND = 'python tools/compare/compare_methods.py'
WORK_DIRS = dict(
    instance=Path('work_dirs/comparison'), semantic=Path('work_dirs/semantic_comparison')
)
NOT_OF_RESULTS = ('help', 'jobs', 'threads', 'work_dir', 'out')


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--task', choices=list(TASKS), default='instance')
    parser.add_argument(
        '--methods',
        nargs='+',
        help='default: all that fit the base, but those of configs/comparison/parts',
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[3, 4, 5])
    parser.add_argument(
        '--variant-seeds',
        type=int,
        nargs='+',
        help="of the seeds, those of variants, which use another method's threshold; default: all",
    )
    parser.add_argument('--tuning-seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--grid', type=float, nargs='+', help="default: the task's")
    parser.add_argument(
        '--base', type=Path, help='a config of PL-DC or, of the other task, one without a method'
    )
    parser.add_argument(
        '--steps',
        type=int,
        help="of a run, with burn-in and schedules in proportion; default: the base's",
    )
    parser.add_argument(
        '--hidden',
        nargs='+',
        metavar='PATH',
        help='annotated images for measuring pseudo-labels, below data_root, whose annotations '
        'training does not use: ANN_FILE IMG_PREFIX, and with label maps also their folder; '
        'default: the unlabelled ones of generated scenes, or the validation set',
    )
    parser.add_argument('--num-images', type=int, default=500, help='number of these images')
    parser.add_argument('--cost-steps', type=int, default=40, help='steps for timing a step')
    parser.add_argument('--cost-rounds', type=int, default=3)
    parser.add_argument('--device', default='cpu', help='device of the runs, e.g. cuda')
    parser.add_argument('--jobs', type=int, help='parallel runs; default: one per core, 1 on a GPU')
    parser.add_argument('--threads', type=int, help='of a run; default: cores / jobs')
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='default: work_dirs/comparison or work_dirs/semantic_comparison',
    )
    parser.add_argument('--out', type=Path, help='the page; default: WORK_DIR/comparison.md')
    return parser


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    args = parser().parse_args(arguments)
    task = TASKS[args.task]
    seeds = [*args.seeds, *args.tuning_seeds]
    if len(set(seeds)) < len(seeds):
        parser().error('give each seed once: thresholds are chosen on other seeds')
    if not set(args.variant_seeds or ()) <= set(args.seeds):
        parser().error('--variant-seeds must be some of --seeds, so that they can be compared')
    if args.cost_steps < 2 * WARM_UP:
        parser().error(f'--cost-steps must be at least {2 * WARM_UP}')
    if args.base is None:
        args.base = task.base
    if args.base.resolve() != task.base and args.work_dir is None:
        parser().error('a --base of your own needs its own --work-dir')
    if args.hidden is not None and len(args.hidden) != len(task.hidden_options):
        names = ' '.join(option.removeprefix('--') for option in task.hidden_options)
        parser().error(f'--hidden takes {len(task.hidden_options)} paths here: {names}')
    if args.work_dir is None:
        args.work_dir = WORK_DIRS[args.task]
    if args.out is None:
        args.out = args.work_dir / 'comparison.md'
    args.grid = sorted(args.grid or task.grid)  # the lowest of equal thresholds is chosen
    if args.jobs is None:
        args.jobs = os.cpu_count() if args.device == 'cpu' else 1
    return args


def command_line(args: argparse.Namespace) -> str:
    """Return the command that reproduces the tables, whatever the folders are."""
    task = TASKS[args.task]
    defaults = dict(grid=sorted(task.grid), base=task.base)
    words = [COMMAND]
    for action in parser()._actions:
        default = defaults.get(action.dest, action.default)
        value = getattr(args, action.dest, default)
        if action.dest in NOT_OF_RESULTS or value == default:
            continue
        words.append(action.option_strings[0])
        words += map(str, value if isinstance(value, list) else [value])
    return ' '.join(words)


def content_of(study: Study, chosen: dict, outcomes: dict, costs: dict) -> dict:
    """Return what the page shows of the runs that are done.

    Args:
        study: the runs.
        chosen: thresholds, see :meth:`Study.choose_thresholds`.
        outcomes: folder and results of a run, by method and seed.
        costs: by method, see :meth:`Study.cost`; empty before they are measured.
    """
    args, task = study.args, study.task
    methods = {}
    for name in study.methods:
        done = {seed: outcomes[name, seed] for seed in args.seeds if (name, seed) in outcomes}
        if done:
            methods[name] = dict(
                title=task.methods[name].title,
                setting=task.setting(name, chosen.get(task.chooser(name), {}).get('best')),
                burn_in=share_without_labels(study.configs[name]),
                needs_teacher=needs_teacher(study.configs[name]),
                runs={seed: result for seed, (_, result) in done.items()},
                curves=[study.curve(folder) for folder, _ in done.values()],
                cost=costs.get(name),
            )
    return dict(
        task=args.task,
        command=command_line(args),
        device=args.device,
        tuned_on_test=study.tuned_on_test,
        seeds=args.seeds,
        measured=study.measured,
        chosen=chosen,
        methods=methods,
    )


def main() -> None:
    args = parse_args()
    study = Study(args)
    end_children_on_sigterm()
    if study.tuned_on_test:
        print(f"note: {args.base}'s test set is its tuning split", flush=True)
    pool = ThreadPoolExecutor(args.jobs)
    outcomes: dict[tuple[str, int], tuple[Path, dict]] = {}
    chosen: dict[str, dict] = {}

    def run(case: tuple[str, int]) -> tuple[Path, dict]:
        name, seed = case
        work_dir = study.train(name, seed, chosen.get(study.task.chooser(name), {}).get('best'))
        return work_dir, study.evaluate(work_dir, name, seed)

    def write(costs: dict) -> None:
        content = content_of(study, chosen, outcomes, costs)
        write_json(study.root / 'comparison.json', content, indent=2)
        write_page(json.loads((study.root / 'comparison.json').read_text()), args.out)

    try:
        study.make_data()
        every_seed = [*study.tuning_seeds, *args.seeds]
        list(pool.map(lambda seed: study.train('supervised', seed), every_seed))
        chosen |= study.choose_thresholds(pool)
        cases = study.cases()
        for case, outcome in zip(cases, pool.map(run, cases), strict=True):
            outcomes[case] = outcome
            write({})
        costs = study.cost(
            {name: outcomes[name, seed][0] for name, seed in cases if seed == args.seeds[0]}
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        study.stop()
    write(costs)
    print(args.out.read_text())


if __name__ == '__main__':
    main()
