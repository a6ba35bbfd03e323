"""The methods on equal terms: the table, plots and choice of thresholds of docs/comparison.md.

    python benchmarks/compare_methods.py
    python benchmarks/compare_methods.py --methods pldc pais --seeds 3
    python benchmarks/compare_methods.py --base data/mine/pldc.py --work-dir work_dirs/mine \
        --out work_dirs/mine/comparison.md

A method is a config of configs/comparison over one base, by default the quickstart's PL-DC, whose
scenes, labelled share and initial weights are other ones for each seed. Every other base brings its
own data. Calls can be interrupted and repeated: runs that are done are not done again.

The rule for thresholds, the same for all: a method has one, on the class quality or the coupled
score. It is chosen from one grid by the AP on the tuning split (the base's validation set), in a
run of another seed than the reported ones. Variants of a method take that method's. Everything else
is as published, or the base's. By default that seed is 0, on which the base's own numbers were
chosen too (docs/quickstart.md); nothing has been chosen on the reported ones.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import gcd
from pathlib import Path

from comparison_page import write_page
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmpldc.visualization import read_scalars

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / 'configs/comparison'
QUICKSTART = ROOT / 'configs/quickstart/pldc.py'
CLASS_THR = 'model.pseudo_label_filter.class_thr'
SCORE_THR = 'model.pseudo_label_filter.score_thr'
CLASS_RANGE = 'model.class_thresholds.class_range'


@dataclass(frozen=True)
class Method:
    """A config of configs/comparison.

    Attributes:
        title: in the table.
        threshold: the setting that is chosen; None: there is none.
        chosen_by: the method whose choice it takes; None: its own.
        is_of_dicc: it says something about CLIP, so that the base needs a refiner.
    """

    title: str
    threshold: str | None = CLASS_THR
    chosen_by: str | None = None
    is_of_dicc: bool = False


METHODS = {
    'supervised': Method('supervised (EMA)', None),
    'mean_teacher': Method('mean teacher, coupled threshold', SCORE_THR),
    'guided_distillation': Method('Guided Distillation'),
    'pais': Method('PAIS'),
    'pldc': Method('PL-DC, arXiv'),
    'pldc_aaai': Method('PL-DC, AAAI-26 (DF-ACAT)', CLASS_RANGE),
    'pldc_without_ddtf': Method('PL-DC − DDTF', SCORE_THR, 'mean_teacher'),
    'pldc_without_dicc': Method('PL-DC − DICC', chosen_by='pldc', is_of_dicc=True),
    'pldc_without_pmua': Method('PL-DC − PMUA', chosen_by='pldc'),
    'pldc_boundary_map': Method("PL-DC, Noisy Boundaries' map for PMUA", chosen_by='pldc'),
    'pldc_plepi': Method("PL-DC, PLePI's product for DICC", chosen_by='pldc', is_of_dicc=True),
    'pldc_predicted_iou': Method("PL-DC, PAIS's predicted IoU for m", chosen_by='pldc'),
    'pldc_polite_gate': Method("PL-DC, Polite Teacher's gate for m_t", chosen_by='pldc'),
    'pldc_dynamic_aligning': Method("PL-DC + PAIS's aligning loss", chosen_by='pldc'),
}
GRID = (0.35, 0.5, 0.7, 0.85)  # PAIS's, the middle, Guided Distillation's, PL-DC's
AP_KEYS = dict(AP='coco/segm_mAP', AP50='coco/segm_mAP_50', AP75='coco/segm_mAP_75')
TUNING_AP = 'teacher/coco/segm_mAP'


def parse_args() -> argparse.Namespace:
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
    parser.add_argument('--device', default='cpu', help='that the runs find, e.g. cuda')
    parser.add_argument('--jobs', type=int, help='runs at once; default: one a core, on a GPU one')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/comparison')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/comparison.md')
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
    args = parser.parse_args()
    if args.jobs is None:
        args.jobs = os.cpu_count() if args.device == 'cpu' else 1
    if set(args.seeds) & set(args.tuning_seeds):
        parser.error('thresholds are chosen on other seeds than the reported ones')
    return args


class Study:
    """The runs of a comparison, in folders below one."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.root = args.work_dir.absolute()
        self.is_quickstart = args.base.resolve() == QUICKSTART
        os.environ['MMPLDC_COMPARISON'] = str(args.base.resolve())
        MMLogger.get_instance('mmengine', log_level='WARNING')  # not each variable of each config
        base = Config.fromfile(args.base)
        lacking = [name for name, method in METHODS.items() if method.is_of_dicc]
        if base.model.get('refiner') is not None:
            lacking = []
        unfit = [name for name in args.methods or () if name in lacking]
        if unfit:
            raise SystemExit(f'{unfit}: {args.base} has no model.refiner (CLIP) to compare with')
        # the supervised run is every gain's reference, burn-in and Guided Distillation's teacher
        fitting = [name for name in METHODS if name not in lacking]
        self.methods = list(dict.fromkeys(['supervised', *(args.methods or fitting)]))
        self.configs = {
            name: Config.fromfile(CONFIGS / f'{name}.py')
            for name in dict.fromkeys([*self.methods, *map(chooser, self.methods)])
        }
        self.max_iters, self.burn_in = base.train_cfg.max_iters, base.model.burn_in_iters
        # iterations whose teacher's pseudo-labels are measured
        halfway, end = self.max_iters // 2, self.max_iters
        self.measured = (halfway, end) if halfway > self.burn_in else (end,)
        self.needed = {self.burn_in, *self.measured}
        self.hidden = args.hidden
        if self.hidden is None and self.is_quickstart:
            self.hidden = ['annotations/unlabeled_hidden.json', 'images/train/']

    def call(self, command: Iterable[object], log: Path, seed: int, threads: int) -> int:
        """Run one of our commands with its output in ``log``.

        Returns:
            Its largest resident set, in bytes.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | dict(OMP_NUM_THREADS=str(threads))
        if self.is_quickstart:
            environment |= dict(
                MMPLDC_SHAPES=f'{self.root}/data{seed}/', MMPLDC_CLIP=f'{self.root}/clip'
            )
        if self.args.device == 'cpu':
            environment['CUDA_VISIBLE_DEVICES'] = ''
        with open(log, 'a') as file:
            command = [sys.executable, *map(str, command)]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise SystemExit(f'{tail}\n{" ".join(command)} failed; the whole log is {log}')
        return usage.ru_maxrss * 1024

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
        """Train, or go on with a run, unless it is done; the run's folder."""
        work_dir = self.folder(name, seed, threshold)
        if (work_dir / 'finished').exists():
            return work_dir
        print(work_dir, flush=True)
        interval = gcd(self.burn_in, *self.measured)
        options = {
            'randomness.seed': seed,
            'default_hooks.checkpoint.interval': interval,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'default_hooks.checkpoint.save_best': None,
            **setting(name, threshold),
        }
        config = self.configs[name]
        start = None
        supervised = self.folder('supervised', seed, None)
        if config.model.get('burn_in') == 'guided':
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
        for checkpoint in work_dir.glob('iter_*.pth'):
            if int(checkpoint.stem.removeprefix('iter_')) not in self.needed:
                checkpoint.unlink()
        (work_dir / 'finished').touch()
        return work_dir

    def evaluate(self, work_dir: Path, name: str, seed: int) -> dict:
        """Test AP of a run's teacher in percent, and its pseudo-labels at two times."""
        result = work_dir / 'evaluation.json'
        if result.exists():
            return json.loads(result.read_text())
        config = work_dir / f'{name}.py'
        last = work_dir / f'iter_{self.max_iters}.pth'
        test = work_dir / 'test'
        log = work_dir / 'evaluation.log'
        self.call(['tools/test.py', config, last, '--work-dir', test], log, seed, self.threads)
        metrics = json.loads(max(test.glob('*/*.json')).read_text())
        found = dict(ap={column: 100 * metrics[key] for column, key in AP_KEYS.items()})
        if name != 'supervised':
            found['pseudo_labels'] = {
                step: self.measure(work_dir, config, step, seed) for step in self.measured
            }
        result.write_text(json.dumps(found, indent=2))
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
            By method ``step``, seconds, a median for each round; ``memory``, bytes: of the GPU or
            the process's largest resident set.
        """
        seed = self.args.seeds[0]
        found: dict[str, dict] = {name: dict(step=[], memory=0) for name in runs}
        for number, (name, work_dir) in product(range(self.args.cost_rounds), runs.items()):
            out = self.root / f'cost/{name}_{number}'
            if not (out / 'cost.json').exists():
                command = ['tools/train.py', work_dir / f'{name}.py', '--work-dir', out]
                command += ['--resume', work_dir / f'iter_{self.max_iters}.pth', '--cfg-options']
                command += [f'train_cfg.max_iters={self.max_iters + self.args.cost_steps}']
                command += ['train_cfg.val_interval=1000000', 'default_hooks.logger.interval=1']
                command += ['default_hooks.checkpoint.interval=1000000']
                command += ['default_hooks.checkpoint.save_last=False']
                memory = self.call(command, out / 'stdout.log', seed, os.cpu_count())
                records = [record for record in read_scalars(out) if 'time' in record]
                # the first steps also load what later ones have
                step = statistics.median(record['time'] for record in records[5:])
                if 'memory' in records[-1]:  # MiB
                    memory = records[-1]['memory'] * 2**20
                (out / 'cost.json').write_text(json.dumps(dict(step=step, memory=memory)))
            one = json.loads((out / 'cost.json').read_text())
            found[name]['step'].append(one['step'])
            found[name]['memory'] = max(found[name]['memory'], one['memory'])
        return found

    def share_of_burn_in(self, name: str) -> float:
        """Of a run's steps, those that see labelled images alone."""
        config = self.configs[name]
        if config.model.unsup_weight == 0:
            return 1.0
        supervised = config.model.get('burn_in', 'supervised') == 'supervised'
        return self.burn_in / self.max_iters if supervised and config.model.burn_in_iters else 0.0


def chooser(name: str) -> str:
    """The method whose threshold a method takes, often itself."""
    return METHODS[name].chosen_by or name


def setting(name: str, threshold: float | None) -> dict[str, object]:
    """The options that give a method its threshold."""
    key = METHODS[name].threshold
    if key is None or threshold is None:
        return {}
    if key == CLASS_RANGE:  # as far around it as the config's is around the fixed threshold
        return {key: f'({threshold - 0.10:.2f},{threshold + 0.05:.2f})'}
    return {key: threshold}


def shares_burn_in(config: Config) -> bool:
    """Whether a method's burn-in is the supervised run's: the same network and losses."""
    has_burn_in = config.model.burn_in_iters > 0 and config.model.get('burn_in') != 'guided'
    return has_burn_in and config.model.detector.panoptic_head.get('iou_head') is None


def tuning_curve(work_dir: Path) -> list[tuple[int, float]]:
    """Iterations and AP in [0, 1] of the teacher on the tuning split."""
    records = read_scalars(work_dir)
    return [(record['step'], record[TUNING_AP]) for record in records if TUNING_AP in record]


def main() -> None:
    args = parse_args()
    study = Study(args)
    study.make_data()
    cases = list(product(study.methods, args.seeds))
    pool = ThreadPoolExecutor(args.jobs)
    try:
        every_seed = [*args.tuning_seeds, *args.seeds]
        list(pool.map(lambda seed: study.train('supervised', seed), every_seed))
        chosen = study.choose_thresholds(pool)

        def run(case: tuple[str, int]) -> tuple[Path, dict]:
            name, seed = case
            own = chosen.get(chooser(name))
            work_dir = study.train(name, seed, None if own is None else own['best'])
            return work_dir, study.evaluate(work_dir, name, seed)

        outcomes = dict(zip(cases, pool.map(run, cases), strict=True))
    finally:  # after an error the runs that have begun go on to their end, no other begins
        pool.shutdown(cancel_futures=True)
    costs = study.cost({name: outcomes[name, args.seeds[0]][0] for name in study.methods})
    content = dict(
        seeds=args.seeds,
        tuning_seeds=args.tuning_seeds,
        steps=study.max_iters,
        measured=study.measured,
        chosen=chosen,
        methods={
            name: dict(
                title=METHODS[name].title,
                chosen_by=chooser(name),
                burn_in=study.share_of_burn_in(name),
                needs_teacher=name == 'guided_distillation',
                runs=[outcomes[name, seed][1] for seed in args.seeds],
                curves=[tuning_curve(outcomes[name, seed][0]) for seed in args.seeds],
                cost=costs[name],
            )
            for name in study.methods
        },
    )
    (study.root / 'comparison.json').write_text(json.dumps(content, indent=2))
    write_page(json.loads((study.root / 'comparison.json').read_text()), args.out)


if __name__ == '__main__':
    main()
