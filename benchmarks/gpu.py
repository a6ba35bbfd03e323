"""Run the GPU's tests and benchmarks one after the other, within a given time.

Each stage is a command of its own that writes its table to OUT at once. After each one OUT/gpu.md
lists all stages: passed, failed, cut off or left out for want of time, with the seconds they took;
OUT/STAGE.log has their output. `bash benchmarks/gpu.sh OUT` calls this script.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mmpldc.utils.machine import machine
from mmpldc.utils.markdown import table

ROOT = Path(__file__).parents[1]
# After burn-in from the first step, and nothing to download. A new teacher is unsure of everything,
# so the threshold has no floor.
TRAINING = (
    *('model.burn_in_iters=0', 'model.backbone.init_cfg=None'),
    *('model.class_thresholds.share=1', 'model.class_thresholds.floor=0.0'),
    'model.class_thresholds.window=16',
)


@dataclass(frozen=True)
class Stage:
    """A command, and how long it must at least have to be worth starting."""

    name: str
    command: Sequence[str]
    least_seconds: float = 20


def stages(out: Path, device: str, tiny: bool) -> list[Stage]:
    """List the stages in order of importance; ``tiny`` shrinks all, to try the script itself."""
    data, config = out / 'scenes', out / 'scenes/own/pldc.py'
    size = '96' if tiny else '1024'
    images = ('--labeled', '20', '--train', '24') if tiny else ('--labeled', '48', '--train', '160')
    steps = ('--steps', '2', '--warm-up', '1') if tiny else ('--steps', '200')
    few_steps = ('--steps', '2', '--warm-up', '1') if tiny else ('--steps', '30')
    batches = ('2', '4') if tiny else ('2', '4', '8', '16')
    once = ('--runs', '1', '--warm-up', '0') if tiny else ()
    small = ('--size', '64') if tiny else ()

    def script(name: str, *options: str) -> list[str]:
        return [sys.executable, f'benchmarks/{name}.py', '--out', str(out), *options]

    def timed(name: str, *options: str) -> list[str]:
        return script(name, '--device', device, *once, *options)

    def training(name: str, *options: str) -> list[str]:
        return script('training', str(config), '--name', name, *options, '--cfg-options', *TRAINING)

    python = sys.executable
    result = [
        Stage('environment', timed('deformable_attention', *small)),
        Stage('tests', [python, '-m', 'pytest', '-m', 'gpu', '-q', '-x', '-p', 'no:cacheprovider']),
        Stage(
            'data',
            [
                *(python, 'tools/dataset/generate_shapes.py', str(data), '--image-size', size),
                *('--tuning', '8', '--test', '8', *images),
            ],
        ),
        Stage(
            'config',
            [
                *(python, 'tools/dataset/new_config.py', '--out-dir', str(config.parent)),
                *('--labeled', str(data / 'annotations/labeled.json')),
                *('--images', str(data / 'images/train')),
            ],
        ),
        Stage('training', training('training', *steps, '--batch-size', batches[1])),
        Stage(
            'training_amp', training('training_amp', *steps, '--batch-size', batches[1], '--amp')
        ),
        Stage('step', timed('step', *(small or ('--size', '1024', '--images', '2')))),
        Stage('criterion', timed('criterion', *small, *(('--cases', '1x2') if tiny else ()))),
        Stage('pseudo_labels', timed('pseudo_labels', *small)),
        Stage('attention', timed('attention', *small)),
        Stage('batches', training('batches', *few_steps, '--batch-size', *batches, '--amp')),
        Stage('network_options', timed('network_options', *small)),
    ]
    if device == 'cpu':  # mmengine has no mixed precision there
        result = [
            Stage(s.name, [word for word in s.command if word != '--amp'])
            for s in result
            if s.name not in ('tests', 'training_amp')
        ]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='folder for the results')
    parser.add_argument('--minutes', type=float, default=8, help='for all stages together')
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda')
    parser.add_argument('--tiny', action='store_true', help='try the script with tiny inputs')
    parser.add_argument('--only', nargs='+', help='names of stages')
    args = parser.parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise SystemExit('PyTorch finds no CUDA device here (--device cpu --tiny tries the script)')
    deadline = time.monotonic() + 60 * args.minutes
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for stage in stages(out, args.device, args.tiny):
        if args.only and stage.name not in args.only:
            continue
        start = time.monotonic()
        result = run(stage, out, deadline - start)
        rows.append([stage.name, result, f'{time.monotonic() - start:.0f}'])
        facts = machine(torch.device(args.device))
        text = table(['stage', 'result', 's'], rows)
        text += '\n\n' + ', '.join(f'{key} {value}' for key, value in facts.items()) + '\n'
        (out / 'gpu.md').write_text(text)
        print(f'{stage.name}: {result}', flush=True)
    if any(result.startswith('failed') for _, result, _ in rows):
        raise SystemExit(f'a stage has failed: see its log in {args.out}')


def run(stage: Stage, out: Path, seconds: float) -> str:
    """Run a stage, and say in a few words how it ended."""
    if seconds < stage.least_seconds:
        return 'left out: no time'
    log = out / f'{stage.name}.log'
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    with log.open('w') as stream:
        try:
            code = subprocess.run(
                stage.command,
                cwd=ROOT,
                env=os.environ | dict(PYTHONPATH=path),
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=seconds,
            ).returncode
        except subprocess.TimeoutExpired:
            return 'cut off: no time'
    return 'passed' if code == 0 else f'failed ({code}): {log.name}'


if __name__ == '__main__':
    main()
