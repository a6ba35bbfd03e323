"""Train the supervised baseline and PL-DC on generated scenes, then compare them.

PL-DC corrects classes by CLIP. By default this script trains a small CLIP first, because no weights
can be assumed to be available; --clip selects a real one.

Each step is an ordinary command that is printed before it runs. Finished steps are skipped, and an
interrupted run is resumed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from mmpldc.utils.processes import end_children_on_sigterm
from mmpldc.utils.settings import guard_settings

ROOT = Path(__file__).resolve().parent.parent
SUPERVISED = 'configs/quickstart/supervised.py'
PLDC = 'configs/quickstart/pldc.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=0, help='seed of the data and of the runs')
    parser.add_argument('--data-root', default='data/shapes', help='folder for the images')
    parser.add_argument('--clip-dir', default='data/shapes_clip', help='folder for the small CLIP')
    parser.add_argument(
        '--clip',
        metavar='MODEL:TAG',
        help='use this open_clip model instead, e.g. RN50-quickgelu:openai (downloaded once)',
    )
    parser.add_argument('--work-dir', default='work_dirs/quickstart')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], help='for both runs, as in tools/train.py'
    )
    args = parser.parse_args()
    if args.clip and not all(args.clip.partition(':')):
        parser.error(f'--clip takes MODEL:TAG, got {args.clip}')
    return args


class Step:
    """A numbered step that runs a command and reports its title and duration."""

    total = 5
    number = 0

    def __init__(self, title: str) -> None:
        Step.number += 1
        self.title = f'[{Step.number}/{Step.total}] {title}'

    def skip(self) -> None:
        print(f'{self.title}: already done', flush=True)

    def run(self, command: list[str], log: Path, environment: dict) -> None:
        print(f'{self.title}\n      {" ".join(command)}', flush=True)
        start = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, 'a') as file:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            try:
                for line in process.stdout:
                    file.write(line)
                    progress = shorten(line)
                    if progress:
                        print(f'      {progress}', flush=True)
            except BaseException:  # Ctrl-C, or SIGTERM: the tool saves and ends
                process.terminate()
                process.wait()
                raise
        if process.wait():
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise SystemExit(f'{tail}\n{self.title} failed; the full log is {log}')
        print(f'      took {(time.monotonic() - start) / 60:.1f} min', flush=True)


def shorten(line: str) -> str | None:
    """Shorten a log line to position, time left, loss, pseudo-labels and AP; None to hide it."""
    if 'Iter(train)' in line:
        keep = r'Iter\(train\) \[ *\d+/\d+\]|eta: [\d:]+|\bloss: [\d.]+|pseudo_per_image: [\d.]+'
    elif 'Iter(val)' in line and 'segm_mAP' in line:
        keep = r'Iter\(val\)|(?:teacher|student)/coco/segm_mAP: [\d.]+'
    elif line.startswith(('|', 'step ')):
        return line.rstrip()
    else:
        return None
    return '  '.join(re.findall(keep, line))


def train(
    step: Step, config: str, work_dir: Path, start: Path | None, options: list[str], environment
) -> None:
    """Train, or resume, unless the last iteration's checkpoint exists.

    Args:
        step: reports the progress.
        config: path of the config.
        work_dir: of this run.
        start: checkpoint of a run to continue under this config; None starts a new run.
        options: for the config, as in tools/train.py.
        environment: environment variables of the process.
    """
    done = work_dir / 'finished'
    if done.exists():
        return step.skip()
    command = ['tools/train.py', config, '--work-dir', str(work_dir)]
    if (work_dir / 'last_checkpoint').exists():
        command += ['--resume']
    elif start is not None:
        command += ['--resume', str(start)]
    step.run([*command, '--cfg-options', *options], work_dir / 'stdout.log', environment)
    done.touch()


def real_clip(name: str) -> list[str]:
    """Options that use a CLIP of open_clip instead of the small one, which is then not trained."""
    model, _, tag = name.partition(':')
    scorer = dict(model=model, pretrained=tag, templates='templates', logit_scale=None)
    return [f'model.refiner.scorer.{key}={value}' for key, value in scorer.items()]


def burn_in_checkpoint(work_dir: Path) -> Path:
    """Return the baseline's checkpoint at the end of burn-in, from which PL-DC continues."""
    from mmengine.config import Config

    config = Config.fromfile(work_dir / Path(SUPERVISED).name)  # the config of the actual run
    path = work_dir / f'iter_{config.model.burn_in_iters}.pth'
    if not path.exists():
        raise SystemExit(
            f'{path} is missing: model.burn_in_iters ({config.model.burn_in_iters}) must be a '
            'multiple of default_hooks.checkpoint.interval '
            f'({config.default_hooks.checkpoint.interval})'
        )
    return path


def main() -> None:
    end_children_on_sigterm()
    args = parse_args()
    data_root = Path(args.data_root).absolute()
    work_dir = Path(args.work_dir).absolute()
    clip_dir = Path(args.clip_dir).absolute()
    settings = dict(
        seed=args.seed,
        data_root=str(data_root),
        clip=args.clip or str(clip_dir),
        cfg_options=args.cfg_options,
    )
    try:
        guard_settings(work_dir, settings)
    except ValueError as error:
        raise SystemExit(f'quickstart.py: {error}') from None
    environment = os.environ | dict(
        MMPLDC_SHAPES=f'{data_root}/', MMPLDC_CLIP=str(clip_dir), PYTHONUNBUFFERED='1'
    )
    environment.setdefault('OMP_NUM_THREADS', str(os.cpu_count()))

    generate = ['tools/dataset/generate_shapes.py', str(data_root), '--seed', str(args.seed)]
    Step('data: 3,800 scenes, half a minute').run(generate, work_dir / 'data.log', environment)
    step = Step('a small CLIP, two minutes')
    if args.clip or (clip_dir / 'open_clip_model.safetensors').exists():
        step.skip()
    else:
        step.run(['tools/quickstart_clip.py', str(clip_dir)], work_dir / 'clip.log', environment)
    supervised, pldc = work_dir / 'supervised', work_dir / 'pldc'
    options = [f'randomness.seed={args.seed}', *args.cfg_options]
    own = [option for option in options if not option.startswith('model.refiner')]
    train(Step('supervised baseline'), SUPERVISED, supervised, None, own, environment)
    start = burn_in_checkpoint(supervised)
    options += real_clip(args.clip) if args.clip else []
    train(Step('PL-DC, from the same burn-in'), PLDC, pldc, start, options, environment)
    report = ['tools/quickstart_report.py', str(supervised), str(pldc), '--out', str(work_dir)]
    Step('results on the test split').run(report, work_dir / 'report.log', environment)
    results = json.loads((work_dir / 'results.json').read_text())
    print(f"\nPL-DC's teacher gains {results['gain']:+.1f} mask AP. Figures: {work_dir}/*.png")


if __name__ == '__main__':
    main()
