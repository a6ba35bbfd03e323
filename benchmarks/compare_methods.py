"""The methods on equal terms: the tables, plots and choice of thresholds of docs/comparison.md.

    python benchmarks/compare_methods.py
    python benchmarks/compare_methods.py --methods pldc pais --seeds 3 --out pldc_and_pais.md
    python benchmarks/compare_methods.py --base data/mine/pldc.py --work-dir work_dirs/mine \
        --out work_dirs/mine/comparison.md

A method is a config of configs/comparison over one base, by default the quickstart's PL-DC, whose
scenes, labelled share and initial weights are other ones for each seed. Every other base brings its
own data. Calls can be interrupted and repeated: what is done is not done again, the rest goes on.
Runs of another config are refused; that the code is still the same is for the caller to see to.

The rule for thresholds, the same for all: a method has one, on the class quality or the coupled
score. It is chosen from one grid by the AP on the tuning split (the base's validation set), in a
run of another seed than the reported ones. Variants of a method take that method's. Everything else
is as published, or the base's.
"""

import argparse
import fcntl
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from itertools import product
from pathlib import Path

from compared_methods import (
    GRID,
    METHODS,
    chooser,
    phases,
    setting,
    share_without_labels,
    shares_burn_in,
)
from comparison_page import write_page
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mmpldc.utils.files import atomic_write
from mmpldc.visualization import read_scalars

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / 'configs/comparison'
QUICKSTART = ROOT / 'configs/quickstart/pldc.py'
WORK_DIR, PAGE = ROOT / 'work_dirs/comparison', ROOT / 'docs/comparison.md'
COMMAND = 'python benchmarks/compare_methods.py'
AP_KEYS = dict(AP='coco/segm_mAP', AP50='coco/segm_mAP_50', AP75='coco/segm_mAP_75')
TUNING_AP = 'teacher/coco/segm_mAP'
WARM_UP = 5  # steps that are not timed
NEVER = 10**9


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
        help='annotated images to measure pseudo-labels on, below data_root, that training does '
        "not see annotated; default: the quickstart's unlabelled ones, or the validation set",
    )
    parser.add_argument('--num-images', type=int, default=500, help='of these')
    parser.add_argument('--cost-steps', type=int, default=40, help='steps to time a step by')
    parser.add_argument('--cost-rounds', type=int, default=3)
    parser.add_argument('--device', default='cpu', help='that the runs find, e.g. cuda')
    parser.add_argument('--jobs', type=int, help='runs at once; default: one a core, on a GPU one')
    parser.add_argument('--work-dir', type=Path, default=WORK_DIR)
    parser.add_argument('--out', type=Path, default=PAGE, help='default: docs/comparison.md')
    return parser


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    args = parser().parse_args(arguments)
    seeds = [*args.seeds, *args.tuning_seeds]
    if len(set(seeds)) < len(seeds):
        parser().error('each seed once: thresholds are chosen on others than the reported ones')
    if args.cost_steps < 2 * WARM_UP:
        parser().error(f'--cost-steps must be at least {2 * WARM_UP}')
    if args.base.resolve() != QUICKSTART and (args.work_dir == WORK_DIR or args.out == PAGE):
        parser().error('a base of your own needs a --work-dir and an --out of its own')
    if args.out == PAGE and command_line(args) != COMMAND:
        parser().error(f'{PAGE} has what "{COMMAND}" gives: this call needs an --out of its own')
    args.grid = sorted(args.grid)  # the lowest of equal thresholds is chosen
    if args.jobs is None:
        args.jobs = os.cpu_count() if args.device == 'cpu' else 1
    return args


def command_line(args: argparse.Namespace) -> str:
    """What gives the same tables again, whatever the folders are."""
    words = [COMMAND]
    for action in parser()._actions:
        value = getattr(args, action.dest, action.default)
        if action.dest in ('help', 'jobs', 'work_dir', 'out') or value == action.default:
            continue
        words.append(action.option_strings[0])
        words += map(str, value if isinstance(value, list) else [value])
    return ' '.join(words)


class Study:
    """The runs of a comparison, in folders below one.

    Raises:
        SystemExit: if the base does not fit, another process works in the folder, or it was begun
            with another base or measure.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.root = args.work_dir.absolute()
        self.is_quickstart = args.base.resolve() == QUICKSTART
        self.processes: set[subprocess.Popen] = set()
        self.stopped = False
        os.environ['MMPLDC_COMPARISON'] = str(args.base.resolve())
        MMLogger.get_current_instance().setLevel('WARNING')  # not each variable of each config
        self.base = Config.fromfile(args.base)
        self.methods = fitting_methods(self.base, args.methods)
        self.configs = {
            name: Config.fromfile(CONFIGS / f'{name}.py')
            for name in dict.fromkeys([*self.methods, *map(chooser, self.methods)])
        }
        self.max_iters, self.burn_in = self.base.train_cfg.max_iters, self.base.model.burn_in_iters
        interval = self.base.default_hooks.checkpoint.interval
        if self.burn_in % interval:
            raise SystemExit(
                f'{args.base}: model.burn_in_iters ({self.burn_in}) must be a multiple of '
                f'default_hooks.checkpoint.interval ({interval}), so that runs can go on from there'
            )
        # iterations whose teacher's pseudo-labels are measured
        halfway = self.max_iters // 2 // interval * interval
        self.measured = (halfway,) * (halfway > self.burn_in) + (self.max_iters,)
        self.hidden = args.hidden
        if self.hidden is None and self.is_quickstart:
            self.hidden = ['annotations/unlabeled_hidden.json', 'images/train/']
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock()
        measure = dict(hidden=self.hidden, num_images=args.num_images, cost_steps=args.cost_steps)
        guard_settings(self.root, experiment(self.base) | measure)

    def _lock(self) -> None:
        """For as long as this process lives."""
        self.lock = (self.root / '.lock').open('w')
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f'another comparison is at work in {self.root}') from None

    @property
    def tuned_on_test(self) -> bool:
        """Whether thresholds are chosen on the images whose AP is reported."""
        return self.base.val_evaluator.ann_file == self.base.test_evaluator.ann_file

    def call(self, command: Iterable[object], log: Path, seed: int, threads: int) -> int:
        """Run one of our commands with its output in ``log``.

        Returns:
            Its largest resident set, in bytes.

        Raises:
            SystemExit: if it fails, or the comparison has been stopped.
        """
        if self.stopped:
            raise SystemExit('the comparison has been stopped')
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | dict(OMP_NUM_THREADS=str(threads))
        if self.is_quickstart:
            environment |= dict(
                MMPLDC_SHAPES=f'{self.root}/data{seed}/', MMPLDC_CLIP=f'{self.root}/clip'
            )
        if self.args.device == 'cpu':
            environment['CUDA_VISIBLE_DEVICES'] = ''
        command = [sys.executable, *map(str, command)]
        with log.open('a') as file:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
            self.processes.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.processes.discard(process)
        if process.returncode:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise SystemExit(f'{tail}\n{" ".join(command)} failed; the whole log is {log}')
        return usage.ru_maxrss * 1024

    def stop(self) -> None:
        """End what still runs; trainings leave a checkpoint from which the next call goes on."""
        self.stopped = True
        for process in list(self.processes):
            process.terminate()

    @property
    def threads(self) -> int:
        return max(1, os.cpu_count() // self.args.jobs)

    def make_data(self) -> None:
        """The quickstart's scenes of each seed, and the CLIP that all share."""
        if not self.is_quickstart:
            return
        for seed in (*self.args.seeds, *self.args.tuning_seeds):
            command = ['tools/dataset/generate_shapes.py', f'{self.root}/data{seed}']
            self.call([*command, '--seed', seed], self.root / f'data{seed}.log', seed, self.threads)
        if not (self.root / 'clip/open_clip_model.safetensors').exists():
            command = ['tools/quickstart_clip.py', f'{self.root}/clip']
            self.call(command, self.root / 'clip.log', 0, os.cpu_count())

    def folder(self, name: str, seed: int, threshold: float | None) -> Path:
        suffix = '' if threshold is None else f'@{threshold}'
        return self.root / f'seed{seed}' / f'{name}{suffix}'

    def train(self, name: str, seed: int, threshold: float | None = None) -> Path:
        """Train, or go on with a run, unless it is done; the run's folder.

        Raises:
            SystemExit: as :meth:`call`, and if the folder's run had another config.
        """
        work_dir = self.folder(name, seed, threshold)
        guard_settings(work_dir, experiment(self.configs[name]))
        if (work_dir / 'finished').exists():
            return work_dir
        print(work_dir, flush=True)
        options = {
            'randomness.seed': seed,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'default_hooks.checkpoint.save_best': None,
            **setting(name, threshold),
        }
        config, start = self.configs[name], None
        supervised = self.folder('supervised', seed, None)
        if phases(config).is_guided:
            options['custom_hooks.0.teacher_checkpoint'] = supervised / f'iter_{self.max_iters}.pth'
        elif name != 'supervised' and shares_burn_in(config):
            start = supervised / f'iter_{self.burn_in}.pth'
        command = ['tools/train.py', CONFIGS / f'{name}.py', '--work-dir', work_dir]
        if (work_dir / 'last_checkpoint').exists():
            command += ['--resume']
        elif start is not None:
            command += ['--resume', start]
        command += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
        self.call(command, work_dir / 'stdout.log', seed, self.threads)
        needed = {self.burn_in, *self.measured}
        for checkpoint in work_dir.glob('iter_*.pth'):
            if int(checkpoint.stem.removeprefix('iter_')) not in needed:
                checkpoint.unlink()
        (work_dir / 'finished').touch()
        return work_dir

    def evaluate(self, work_dir: Path, name: str, seed: int) -> dict:
        """Test AP of a run's teacher in percent, and its pseudo-labels."""
        result = work_dir / 'evaluation.json'
        if not result.exists():
            config, last = work_dir / f'{name}.py', work_dir / f'iter_{self.max_iters}.pth'
            test, log = work_dir / 'test', work_dir / 'evaluation.log'
            self.call(['tools/test.py', config, last, '--work-dir', test], log, seed, self.threads)
            metrics = json.loads(max(test.glob('*/*.json')).read_text())
            found = dict(ap={column: 100 * metrics[key] for column, key in AP_KEYS.items()})
            if name != 'supervised':
                found['pseudo_labels'] = {
                    step: self.measure(work_dir, config, step, seed) for step in self.measured
                }
            write_json(result, found)
        return json.loads(result.read_text())

    def measure(self, work_dir: Path, config: Path, step: int, seed: int) -> dict:
        """How many pseudo-labels the teacher keeps, and how many of them are right."""
        out = work_dir / f'pseudo_labels_{step}.json'
        command = ['tools/analysis/pseudo_label_quality.py', config, work_dir / f'iter_{step}.pth']
        command += ['--num-images', self.args.num_images, '--out', out]
        command += ['--device', self.args.device]
        if self.hidden:
            command += ['--ann-file', self.hidden[0], '--img-prefix', self.hidden[1]]
        self.call(command, work_dir / 'evaluation.log', seed, self.threads)
        return json.loads(out.read_text())

    def choose_thresholds(self, pool: ThreadPoolExecutor) -> dict[str, dict]:
        """By method, AP on the tuning split at each threshold of the grid, and the best one."""
        methods = dict.fromkeys(map(chooser, self.methods))
        tuned = [name for name in methods if METHODS[name].threshold is not None]
        runs = list(product(tuned, self.args.grid, self.args.tuning_seeds))
        folders = pool.map(lambda run: self.train(run[0], run[2], run[1]), runs)
        ap: dict[str, dict[float, list[float]]] = {name: {} for name in tuned}
        for (name, threshold, _), folder in zip(runs, folders, strict=True):
            ap[name].setdefault(threshold, []).append(100 * tuning_curve(folder)[-1][1])
        means = {
            name: {threshold: statistics.mean(values) for threshold, values in by.items()}
            for name, by in ap.items()
        }
        return {name: dict(ap=by, best=max(by, key=by.get)) for name, by in means.items()}

    def cost(self, runs: dict[str, Path]) -> dict[str, dict]:
        """Time and memory of a step when training ends, of each method's first seed.

        One run at a time, in rounds, so that a busy machine slows all of them.

        Returns:
            By method ``step``, seconds, a median for each round; ``memory``, the largest, bytes.
        """
        found: dict[str, dict] = {name: dict(step=[], memory=0) for name in runs}
        options = {
            'train_cfg.max_iters': self.max_iters + self.args.cost_steps,
            'train_cfg.val_begin': NEVER,
            'log_processor.window_size': 1,  # a step's own time
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.interval': NEVER,
            'default_hooks.checkpoint.save_last': False,
        }
        for number, (name, work_dir) in product(range(self.args.cost_rounds), runs.items()):
            out = self.root / f'cost/{work_dir.name}_{number}'
            result = out / 'cost.json'
            if not result.exists():
                command = ['tools/train.py', work_dir / f'{name}.py', '--work-dir', out]
                command += ['--resume', work_dir / f'iter_{self.max_iters}.pth', '--cfg-options']
                command += [f'{key}={value}' for key, value in options.items()]
                seed = self.args.seeds[0]
                resident = self.call(command, out / 'stdout.log', seed, os.cpu_count())
                write_json(result, step_cost(read_scalars(out), resident))
            one = json.loads(result.read_text())
            found[name]['step'].append(one['step'])
            found[name]['memory'] = max(found[name]['memory'], one['memory'])
        return found


def fitting_methods(base: Config, wanted: Sequence[str] | None) -> list[str]:
    """The methods to compare; the supervised run, every gain's reference, among them.

    Raises:
        SystemExit: if the base has moving thresholds, or no CLIP for what is wanted.
    """
    if base.model.get('class_thresholds') is not None:
        raise SystemExit(
            'the base has model.class_thresholds, which would take the place of every threshold: '
            'give a config of PL-DC without (DF-ACAT is one of the methods)'
        )
    lacking = [name for name, method in METHODS.items() if method.is_of_dicc]
    if base.model.get('refiner') is not None:
        lacking = []
    unfit = [name for name in wanted or () if name in lacking]
    if unfit:
        raise SystemExit(
            f'{", ".join(unfit)}: the base has no model.refiner (CLIP) to compare with'
        )
    fitting = [name for name in METHODS if name not in lacking]
    return [name for name in METHODS if name in ('supervised', *(wanted or fitting))]


def tuning_curve(work_dir: Path) -> list[tuple[int, float]]:
    """Iterations and AP in [0, 1] of the teacher on the tuning split."""
    records = read_scalars(work_dir)
    return [(record['step'], record[TUNING_AP]) for record in records if TUNING_AP in record]


def step_cost(records: Sequence[dict], resident: int) -> dict[str, float]:
    """A step's time and memory, from the log of its own steps.

    Args:
        records: see :func:`mmpldc.visualization.read_scalars`.
        resident: the process's largest resident set, bytes.

    Returns:
        ``step``, median seconds of all but the first steps, which load what others find; and
        ``memory``, bytes: of the GPU if there was one, else ``resident``.
    """
    steps = [record for record in records if 'loss' in record][WARM_UP:]
    on_gpu = [record['memory'] * 2**20 for record in steps if 'memory' in record]
    return dict(
        step=statistics.median(record['time'] for record in steps),
        memory=max(on_gpu, default=resident),
    )


def experiment(config: Config) -> dict:
    """What is run: not the variables that configs pass to one another."""
    return {key: config[key] for key in signature(Runner).parameters if key in config}


def guard_settings(folder: Path, settings: dict) -> None:
    """Note what a folder's results are made with, or compare it with what was noted.

    Raises:
        SystemExit: naming what is another now.
    """
    settings = json.loads(json.dumps(settings))
    path = folder / 'settings.json'
    if path.exists():
        before = json.loads(path.read_text())
        other = [key for key in settings if settings[key] != before.get(key)]
        if other:
            raise SystemExit(
                f'{folder} was begun with another {", ".join(other)} (settings.json): '
                'choose another --work-dir, or remove it'
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def write_json(path: Path, content: object) -> None:
    with atomic_write(path) as file:
        json.dump(content, file, indent=2)


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
                needs_teacher=phases(study.configs[name]).is_guided,
                runs=[outcomes[name, seed][1] for seed in args.seeds],
                curves=[tuning_curve(outcomes[name, seed][0]) for seed in args.seeds],
                cost=costs[name],
            )
            for name in study.methods
        },
    )
    write_json(study.root / 'comparison.json', content)
    write_page(json.loads((study.root / 'comparison.json').read_text()), args.out)


if __name__ == '__main__':
    main()
