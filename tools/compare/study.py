"""Run a comparison: training, evaluation and timing of all methods, below one folder."""

import json
import os
import statistics
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from comparable_base import evaluated_images, refuse_moved_keys, refuse_unlike_ends
from compared_methods import needs_teacher
from mmengine.config import Config
from mmengine.logging import MMLogger
from run_length import write_base
from run_records import experiment, step_cost, tuning_curve
from tasks import TASKS

from mmpldc.utils.files import write_json
from mmpldc.utils.processes import lock_folder
from mmpldc.utils.settings import guard_settings
from mmpldc.visualization import read_scalars

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
NEVER = 10**9


class Study:
    """The runs of a comparison, in one folder.

    Raises:
        SystemExit: if the base does not fit, another process works in the folder, or the folder was
            started with another base or metric.
    """

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.root = args.work_dir.absolute()
        self.task = TASKS[args.task]
        self.is_generated = args.base.resolve() == self.task.base
        self.processes: set[subprocess.Popen] = set()
        self.stopped = False
        MMLogger.get_current_instance().setLevel('WARNING')  # not each variable of each config
        self.base = Config.fromfile(args.base)
        refuse_moved_keys(self.base, args.base)
        self.methods = self.task.fitting_methods(self.base, args.methods)
        lock_folder(self.root, 'comparison')
        base = args.base
        if args.steps is not None:
            base = write_base(base, args.steps, self.root / 'configs/base.py')
            self.base = Config.fromfile(base)
        self.max_iters, self.burn_in = self.base.train_cfg.max_iters, self.base.model.burn_in_iters
        refuse_unlike_ends(self.base, args.base)
        # iterations at which the teacher's pseudo-labels are measured
        interval = self.base.default_hooks.checkpoint.interval
        halfway = self.max_iters // 2 // interval * interval
        self.measured = (halfway,) * (halfway > self.burn_in) + (self.max_iters,)
        self.hidden = args.hidden
        if self.hidden is None and self.is_generated:
            self.hidden = list(self.task.hidden)
        measure = dict(hidden=self.hidden, num_images=args.num_images, cost_steps=args.cost_steps)
        _guard(self.root, experiment(self.base) | measure)
        names = dict.fromkeys([*self.methods, *map(self.task.chooser, self.methods)])
        configs = self.root / 'configs'
        self.paths = {name: self.task.write_config(name, base, configs) for name in names}
        self.configs = {name: Config.fromfile(path) for name, path in self.paths.items()}

    @property
    def tuning_seeds(self) -> list[int]:
        """Return the seeds of runs that choose thresholds; none if there is nothing to choose."""
        has_choice = len(self.args.grid) > 1 and self.tuned
        return self.args.tuning_seeds if has_choice else []

    @property
    def tuned(self) -> list[str]:
        """Return the methods whose threshold is chosen."""
        methods = dict.fromkeys(map(self.task.chooser, self.methods))
        return [name for name in methods if self.task.methods[name].options is not None]

    @property
    def tuned_on_test(self) -> bool:
        """Whether thresholds are chosen on the images that results are reported for."""
        tuning, test = (evaluated_images(self.base, split) for split in ('val', 'test'))
        return bool(self.tuning_seeds) and tuning == test

    def call(self, command: Iterable[object], log: Path, seed: int, threads: int) -> int:
        """Run a command of this project with its output in ``log``.

        Returns:
            Its largest resident set, in bytes.

        Raises:
            SystemExit: if it fails, or the comparison was stopped.
        """
        if self.stopped:
            raise SystemExit('the comparison was stopped')
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | dict(OMP_NUM_THREADS=str(threads))
        if self.is_generated:
            environment |= dict(
                MMPLDC_SHAPES=f'{self.root}/data{seed}/', MMPLDC_CLIP=f'{self.root}/clip'
            )
        if self.args.device == 'cpu':
            environment['CUDA_VISIBLE_DEVICES'] = ''
        command = [sys.executable, *map(str, command)]
        with log.open('a') as file:
            process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
            self.processes.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.processes.discard(process)
        if process.returncode:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise SystemExit(f'{tail}\n{" ".join(command)} failed; the full log is {log}')
        return usage.ru_maxrss * 1024

    def stop(self) -> None:
        """Stop running commands; a run leaves a checkpoint from which the next call continues."""
        self.stopped = True
        for process in list(self.processes):
            process.terminate()

    @property
    def threads(self) -> int:
        return self.args.threads or max(1, os.cpu_count() // self.args.jobs)

    def make_data(self) -> None:
        """Generate the scenes of each seed, and what methods and base need: weak labels, a CLIP."""
        if not self.is_generated:
            return
        for seed in (*self.args.seeds, *self.tuning_seeds):
            command = [TOOLS / 'dataset/generate_shapes.py', f'{self.root}/data{seed}']
            self.call([*command, '--seed', seed], self.root / f'data{seed}.log', seed, self.threads)
            weak = Path(f'{self.root}/data{seed}/annotations/weak_labels.json')
            if 'weak_labels' in self.methods and not weak.exists():
                command = [TOOLS / 'dataset/make_noisy_labels.py']
                command += [weak.with_name('unlabeled_hidden.json'), weak, '--seed', seed]
                self.call(command, self.root / f'data{seed}.log', seed, self.threads)
        has_clip = self.base.model.get('refiner') is not None
        if has_clip and not (self.root / 'clip/open_clip_model.safetensors').exists():
            command = [TOOLS / 'quickstart_clip.py', f'{self.root}/clip']
            self.call(command, self.root / 'clip.log', 0, os.cpu_count())

    def folder(self, name: str, seed: int, threshold: float | None) -> Path:
        suffix = '' if threshold is None else f'@{threshold}'
        return self.root / f'seed{seed}' / f'{name}{suffix}'

    def train(self, name: str, seed: int, threshold: float | None = None) -> Path:
        """Train or resume a run unless it is done; return its folder.

        Raises:
            SystemExit: as :meth:`call`, and if the folder's run has another config.
        """
        work_dir = self.folder(name, seed, threshold)
        _guard(work_dir, experiment(self.configs[name]))
        if (work_dir / 'finished').exists():
            return work_dir
        print(work_dir, flush=True)
        options = {
            'randomness.seed': seed,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'default_hooks.checkpoint.save_best': None,
            **self.task.setting(name, threshold),
        }
        if self.base.default_hooks.get('supervised_guard'):  # pseudo-labels of a method never end
            options['default_hooks.supervised_guard.patience'] = None
        config, start = self.configs[name], None
        supervised = self.folder('supervised', seed, None)
        if needs_teacher(config):
            last = supervised / f'iter_{self.max_iters}.pth'
            options['default_hooks.mean_teacher.teacher_checkpoint'] = last
        elif name != 'supervised' and self.task.shares_burn_in(config, self.configs['supervised']):
            start = supervised / f'iter_{self.burn_in}.pth'
        command = [TOOLS / 'train.py', self.paths[name], '--work-dir', work_dir]
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
        """Evaluate a run's teacher: percent on the test split, and its pseudo-labels."""
        result = work_dir / 'evaluation.json'
        if not result.exists():
            config, last = work_dir / f'{name}.py', work_dir / f'iter_{self.max_iters}.pth'
            test, log = work_dir / 'test', work_dir / 'evaluation.log'
            command = [TOOLS / 'test.py', config, last, '--work-dir', test]
            self.call(command, log, seed, self.threads)
            metrics = json.loads(max(test.glob('*/*.json')).read_text())
            scores = {
                column: factor * metrics[key] for column, (key, factor) in self.task.metrics.items()
            }
            found: dict = dict(scores=scores)
            if name != 'supervised':
                found['pseudo_labels'] = {
                    step: self.measure(work_dir, config, step, seed) for step in self.measured
                }
            write_json(result, found, indent=2)
        return json.loads(result.read_text())

    def measure(self, work_dir: Path, config: Path, step: int, seed: int) -> dict:
        """Count the pseudo-labels that the teacher keeps, and the correct ones among them."""
        out = work_dir / f'pseudo_labels_{step}.json'
        command = [TOOLS / self.task.quality_tool, config]
        command += [work_dir / f'iter_{step}.pth']
        command += ['--num-images', self.args.num_images, '--out', out]
        command += ['--device', self.args.device]
        if self.hidden:
            for option, value in zip(self.task.hidden_options, self.hidden, strict=True):
                command += [option, value]
        self.call(command, work_dir / 'evaluation.log', seed, self.threads)
        return json.loads(out.read_text())

    def cases(self) -> list[tuple[str, int]]:
        """List the runs to report: each seed of all methods, then of their variants."""
        of_variants = self.args.variant_seeds or self.args.seeds
        methods = [name for name in self.methods if self.task.chooser(name) == name]
        variants = [name for name in self.methods if name not in methods]
        return [
            (name, seed)
            for names, seeds in ((methods, self.args.seeds), (variants, of_variants))
            for seed, name in product(seeds, names)
        ]

    def choose_thresholds(self, pool: ThreadPoolExecutor) -> dict[str, dict]:
        """Return per method the score on the tuning split at each threshold, and the best one.

        Of a single threshold there is nothing to choose, and no run.
        """
        tuned = self.tuned
        if not self.tuning_seeds:
            return {name: dict(scores={}, best=self.args.grid[0]) for name in tuned}
        runs = list(product(tuned, self.args.grid, self.tuning_seeds))
        folders = pool.map(lambda run: self.train(run[0], run[2], run[1]), runs)
        scores: dict[str, dict[float, list[float]]] = {name: {} for name in tuned}
        for (name, threshold, _), folder in zip(runs, folders, strict=True):
            scores[name].setdefault(threshold, []).append(self.curve(folder)[-1][1])
        means = {
            name: {threshold: statistics.mean(values) for threshold, values in by.items()}
            for name, by in scores.items()
        }
        return {name: dict(scores=by, best=max(by, key=by.get)) for name, by in means.items()}

    def curve(self, work_dir: Path) -> list[tuple[int, float]]:
        """Return iterations and percent of a run's teacher on the tuning split."""
        return tuning_curve(work_dir, self.task.validated, self.task.factor)

    def cost(self, runs: dict[str, Path]) -> dict[str, dict]:
        """Measure time and memory of a step at the end of training, for each method's first seed.

        Runs are timed one at a time, in rounds, so that a busy machine slows all of them.

        Returns:
            By method ``step``, seconds, a median per round; ``memory``, the largest, in bytes.
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
                command = [TOOLS / 'train.py', work_dir / f'{name}.py', '--work-dir', out]
                command += ['--resume', work_dir / f'iter_{self.max_iters}.pth', '--cfg-options']
                command += [f'{key}={value}' for key, value in options.items()]
                seed = self.args.seeds[0]
                resident = self.call(command, out / 'stdout.log', seed, os.cpu_count())
                write_json(result, step_cost(read_scalars(out), resident))
            one = json.loads(result.read_text())
            found[name]['step'].append(one['step'])
            found[name]['memory'] = max(found[name]['memory'], one['memory'])
        return found


def _guard(folder: Path, settings: dict) -> None:
    """Call :func:`guard_settings`; its error ends the comparison."""
    try:
        guard_settings(folder, settings)
    except ValueError as error:
        raise SystemExit(str(error)) from None
