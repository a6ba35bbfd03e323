"""PL-DC's parts on the quickstart's scenes, over several seeds: the table of docs/.

    python benchmarks/quickstart_ablation.py

Each seed has its own images, labelled share and initial weights. A seed's rows continue the same
burn-in, so that they differ in one part only. Runs that are done are not done again.
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
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / 'configs/quickstart'
sys.path.insert(0, str(ROOT / 'tools'))

BASELINE = 'supervised (EMA)'
ROWS = {
    'PL-DC': 'pldc.py',
    'without DDTF (coupled 0.765)': 'ablation/without_ddtf.py',
    'without DICC': 'ablation/without_dicc.py',
    'without PMUA': 'ablation/without_pmua.py',
    'with DF-ACAT': 'ablation/with_df_acat.py',
    'labels by CLIP alone': 'ablation/labels_by_clip.py',
}
METRICS = ('AP', 'AP50', 'AP75')
PSEUDO = {
    'kept_per_image': ('kept', 2),
    'mask_precision': ('mask right', 3),
    'teacher_class_accuracy': ('class right, teacher', 3),
    'class_accuracy': ('class right, after DICC', 3),
    'precision': ('precision', 3),
    'recall': ('recall', 3),
    'mask_iou': ('mask IoU', 3),
}
MEASURED_AT = (800, 2000)  # iterations whose teacher's pseudo-labels are measured


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--rows', nargs='+', choices=list(ROWS), default=list(ROWS))
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at once')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/quickstart_ablation')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/quickstart_results.md')
    parser.add_argument('--evaluate', type=Path, help=argparse.SUPPRESS)  # one run, internally
    parser.add_argument('--correct', type=Path, help=argparse.SUPPRESS)  # one seed, internally
    return parser.parse_args()


class Study:
    """The commands of all runs, in folders below one."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.root = args.work_dir.absolute()
        self.threads = max(1, os.cpu_count() // args.jobs)

    def call(self, command: list[str], log: Path, seed: int) -> None:
        """Run one of our commands with its output in ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | dict(
            MMPLDC_SHAPES=f'{self.root}/data{seed}/',
            MMPLDC_CLIP=f'{self.root}/clip',
            OMP_NUM_THREADS=str(self.threads),
        )
        with open(log, 'a') as file:
            process = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if process.returncode:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise SystemExit(f'{tail}\n{" ".join(command)} failed; the whole log is {log}')

    def make_clip(self) -> None:
        """One for all seeds, as there is one for all users."""
        if not (self.root / 'clip/open_clip_model.safetensors').exists():
            self.call(['tools/quickstart_clip.py', f'{self.root}/clip'], self.root / 'clip.log', 0)

    def train(self, config: str, seed: int, start: Path | None = None) -> Path:
        """Train or resume, and evaluate, unless that is done; the run's folder."""
        work_dir = self.root / f'seed{seed}' / Path(config).stem
        log = work_dir / 'stdout.log'
        if not (work_dir / 'finished').exists():
            print(f'{work_dir}', flush=True)
            command = ['tools/train.py', f'{CONFIGS}/{config}', '--work-dir', str(work_dir)]
            if (work_dir / 'last_checkpoint').exists():
                command += ['--resume']
            elif start is not None:
                command += ['--resume', str(start)]
            self.call([*command, '--cfg-options', f'randomness.seed={seed}'], log, seed)
            (work_dir / 'finished').touch()
        if not (work_dir / 'evaluation.json').exists():
            self.call([__file__, '--evaluate', str(work_dir)], log, seed)
        return work_dir

    def baseline(self, seed: int) -> Path:
        """The data and the supervised run of a seed."""
        generate = ['tools/dataset/generate_shapes.py', f'{self.root}/data{seed}']
        self.call([*generate, '--seed', str(seed)], self.root / f'data{seed}.log', seed)
        return self.train('supervised.py', seed)

    def correction(self, seed: int) -> dict:
        """Class accuracy of a seed's labels when mutual learning begins, corrected or not."""
        folder = self.root / f'seed{seed}'
        if not (folder / 'correction.json').exists():
            self.call([__file__, '--correct', str(folder)], folder / 'correction.log', seed)
        return json.loads((folder / 'correction.json').read_text())

    def row(self, name: str, seed: int) -> dict:
        """A row's result for one seed."""
        from quickstart import burn_in_checkpoint

        start = burn_in_checkpoint(self.root / f'seed{seed}' / 'supervised')
        return read(self.train(ROWS[name], seed, start))


def evaluate(work_dir: Path) -> None:
    """Test AP of a run's teacher, and its pseudo-labels, as ``evaluation.json``."""
    from quickstart_report import evaluate, load_run, pseudo_label_quality

    result = dict(ap=evaluate(work_dir, 'teacher'))
    config, _ = load_run(work_dir)
    if config.model.unsup_weight > 0:
        result['pseudo_labels'] = {
            step: pseudo_label_quality(config, work_dir / f'iter_{step}.pth')
            for step in MEASURED_AT
        }
    (work_dir / 'evaluation.json').write_text(json.dumps(result, indent=2, default=float))


def correct(folder: Path) -> None:
    """CLIP's knowledge and the labels of the burn-in's teacher, as ``correction.json``."""
    from quickstart_report import clip_accuracy, correction_table, load_run

    config, checkpoint = load_run(folder / 'pldc')
    result = dict(
        clip=clip_accuracy(config, Path(checkpoint)),
        labels=correction_table(folder / 'supervised', folder / 'pldc'),
    )
    (folder / 'correction.json').write_text(json.dumps(result, indent=2, default=float))


def read(work_dir: Path) -> dict:
    return json.loads((work_dir / 'evaluation.json').read_text())


def mean_and_deviation(values: list[float], digits: int) -> str:
    mean = f'{np.mean(values):.{digits}f}'
    return mean if len(values) == 1 else f'{mean} ± {np.std(values, ddof=1):.{digits}f}'


def markdown_table(header: list[str], rows: dict[str, list[str]]) -> list[str]:
    lines = ['| | ' + ' | '.join(header) + ' |', '|---|' + '---:|' * len(header)]
    return lines + [f'| {name} | ' + ' | '.join(cells) + ' |' for name, cells in rows.items()]


def markdown(
    baselines: list[dict], results: dict[str, list[dict]], corrections: list[dict], seeds: list[int]
) -> str:
    """The page: AP on the test split, and what the pseudo-labels are worth."""
    base = np.array([result['ap']['AP'] for result in baselines])
    ap_rows, single = {}, {}
    for name, runs in {BASELINE: baselines, **results}.items():
        cells = [mean_and_deviation([run['ap'][metric] for run in runs], 1) for metric in METRICS]
        gains = np.array([run['ap']['AP'] for run in runs]) - base
        ap_rows[name] = [*cells, '' if name == BASELINE else mean_and_deviation(gains, 1)]
        single[name] = [f'{run["ap"]["AP"]:.1f}' for run in runs]
    lines = [
        '# The quickstart over several seeds',
        '',
        f'Made by `python benchmarks/quickstart_ablation.py` on {date.today()}, '
        f'{platform.machine()}, {os.cpu_count()} CPU cores, Python {platform.python_version()}, '
        f'torch {version("torch")}. Mean ± sample standard deviation over seeds '
        f'{", ".join(map(str, seeds))}; every seed has its own images, labelled share and initial '
        'weights, and its rows continue the same burn-in.',
        '',
        '## Mask AP of the teacher on the test split',
        '',
        *markdown_table([*METRICS, 'AP gained over supervised'], ap_rows),
        '',
        'Single seeds, AP:',
        '',
        *markdown_table([f'seed {seed}' for seed in seeds], single),
        '',
        *correction_section(corrections, seeds),
        '## Pseudo-labels during training',
        '',
        'Measured on 500 unlabelled images against the annotations hidden from training. A mask is '
        'right above an IoU of 0.5; "class right" is the share of labels with a right mask whose '
        'class is right, by the teacher and after correction; precision and recall count labels '
        'right in both, each object once; mask IoU is the mean of right masks. At the last '
        "iteration CLIP's weight is 0, unless CLIP decides alone.",
    ]
    for step in map(str, MEASURED_AT):
        rows = {
            name: [
                mean_and_deviation([run['pseudo_labels'][step][key] for run in runs], digits)
                for key, (_, digits) in PSEUDO.items()
            ]
            for name, runs in results.items()
        }
        header = [title for title, _ in PSEUDO.values()]
        lines += ['', f'After {step} iterations:', '', *markdown_table(header, rows)]
    return '\n'.join(lines) + '\n'


def correction_rows(corrections: list[dict]) -> dict[str, list[str]]:
    rows = {}
    for name in corrections[0]['labels']:
        values = [correction['labels'][name]['class_accuracy'] for correction in corrections]
        rows[name] = [*(f'{value:.3f}' for value in values), mean_and_deviation(values, 3)]
    return rows


def correction_section(corrections: list[dict], seeds: list[int]) -> list[str]:
    if not corrections:
        return []
    return [
        '## DICC where it weighs most: the labels of the burn-in teacher',
        '',
        'Share of labels with a right mask whose class is right, when mutual learning begins, on '
        f'500 unlabelled images. {clip_sentence(corrections)}',
        '',
        *markdown_table(
            [*(f'seed {seed}' for seed in seeds), 'mean'], correction_rows(corrections)
        ),
        '',
    ]


def clip_sentence(corrections: list[dict]) -> str:
    """What CLIP knows by itself, means over the seeds."""
    clips = [correction['clip'] for correction in corrections]
    precision, recall = (np.mean([clip[key] for clip in clips]) for key in ('precision', 'recall'))
    by_class = {
        name: np.mean([clip['recall_by_class'][name] for clip in clips])
        for name in clips[0]['recall_by_class']
    }
    worst = min(by_class, key=by_class.get)
    return (
        f'By itself CLIP names annotated objects with a precision of {precision:.2f} and a recall '
        f'of {recall:.2f} (means over classes); the class that it knows least is {worst} with a '
        f'recall of {by_class[worst]:.2f}.'
    )


def main() -> None:
    args = parse_args()
    if args.evaluate:
        evaluate(args.evaluate)
        return
    if args.correct:
        correct(args.correct)
        return
    study = Study(args)
    study.make_clip()
    with ThreadPoolExecutor(args.jobs) as pool:
        baselines = [read(work_dir) for work_dir in pool.map(study.baseline, args.seeds)]
        runs = list(product(args.rows, args.seeds))
        outcomes = dict(zip(runs, pool.map(lambda run: study.row(*run), runs), strict=True))
        corrections = []
        if 'PL-DC' in args.rows:
            corrections = list(pool.map(study.correction, args.seeds))
    results = {name: [outcomes[name, seed] for seed in args.seeds] for name in args.rows}
    page = markdown(baselines, results, corrections, args.seeds)
    args.out.write_text(page)
    print(page)


if __name__ == '__main__':
    main()
