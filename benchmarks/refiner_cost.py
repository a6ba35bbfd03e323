"""Measure what the refiners of classes (DICC) and of masks cost: their shares of a training step.

    python benchmarks/refiner_cost.py configs/quickstart/pldc.py CHECKPOINT

Continues from the checkpoint (of a teacher that keeps labels) for some steps, with CLIP's weight
fixed at 0.5, and times each refiner that the config has inside each step.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.runner import Runner

from mmpldc.apis import add_cfg_options, read_config
from mmpldc.utils.files import write_json

WARM_UP = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--steps', type=int, default=40)
    parser.add_argument('--out', type=Path, help='write the result as JSON')
    add_cfg_options(parser)
    return parser.parse_args()


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Timed:
    """Wrap a function and record the duration of each call, in seconds."""

    def __init__(self, function) -> None:
        self.function, self.seconds = function, []

    def __call__(self, *args, **kwargs):
        start = now()
        result = self.function(*args, **kwargs)
        self.seconds.append(now() - start)
        return result

    def __getattr__(self, name: str):
        return getattr(self.function, name)


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    cfg.load_from, cfg.work_dir = args.checkpoint, 'work_dirs/refiner_cost'
    steps = WARM_UP + args.steps
    cfg.model.burn_in_iters = 0
    names = [name for name in ('refiner', 'mask_refiner') if cfg.model.get(name)]
    if not names:
        raise SystemExit(f'{args.config} has neither model.refiner nor model.mask_refiner')
    if str(cfg.model.get('refiner', {}).get('type')).endswith('CLIPRefiner'):
        cfg.model.refiner.update(initial_weight=0.5, final_weight=0.5)
    cfg.train_cfg.update(max_iters=steps, val_interval=steps + 1)
    cfg.default_hooks.pop('checkpoint')
    cfg.param_scheduler = None
    runner = Runner.from_cfg(cfg)
    model = runner.model
    refiners = {name: Timed(getattr(model, name)) for name in names}
    for name, timed in refiners.items():
        setattr(model, name, timed)
    model.train_step = step = Timed(model.train_step)
    runner.train()

    results = {}
    for name, timed in refiners.items():
        shares = np.array(timed.seconds[WARM_UP:]) / np.array(step.seconds[WARM_UP:])
        low, median, high = np.percentile(shares, [25, 50, 75])
        results[name] = dict(
            share=median, quartiles=[low, high], steps=args.steps, config=args.config
        )
        print(f'{name}: {median:.1%} of a step (quartiles {low:.1%} to {high:.1%})')
    if args.out:
        write_json(args.out, results, indent=2)


if __name__ == '__main__':
    main()
