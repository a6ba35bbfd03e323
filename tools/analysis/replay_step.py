"""Repeat a training step that was not finite, from the dump that NonFiniteHook wrote.

Prints every loss, the first module whose output is not finite and the first parameter whose
gradient is not (all gradients are NaN if a loss is). Random numbers are those of the run. Values
that ranks exchange in a step, such as the number of targets, are this rank's alone.

A dump contains the run's config, which is Python code, and this tool EXECUTES it: give --trust-dump
only for a dump from an author you trust, as you would run a script of theirs.
"""

import argparse

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.utils import apply_to
from torch import Tensor

from mmpldc.engine.step_dump import load_step
from mmpldc.models import TeacherStudent
from mmpldc.models.detectors.instance_labeling import InstanceLabeling
from mmpldc.utils.randomness import Purpose, seed_process


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dump', help='nonfinite_iter_N_rank_R.pth')
    parser.add_argument(
        '--trust-dump', action='store_true', help='execute the config in the dump; required'
    )
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    if not args.trust_dump:
        parser.error(
            f'the config in {args.dump} is Python code that this tool executes: if you trust '
            'whoever made the dump, repeat the command with --trust-dump'
        )
    return args


def main() -> None:
    args = parse_args()
    step = load_step(args.dump)
    cfg = Config.fromstring(step['config'], '.py')
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = build_model(cfg, step, torch.device(args.device))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    wrapper.load_state_dict(step['optimizer'])
    broken = watch(model)

    print(f'iteration {step["iteration"] + 1}, rank {step["rank"]} of {step["world_size"]}')
    seed_process(step['seed'], Purpose.STEP, step['rank'], step['iteration'])
    for batch in step['batches']:
        for name, value in model.train_step(batch, wrapper).items():
            print(f'{name}: {value.item():.6g}')
    for what, where in broken.items():
        print(f'first {what} that is not finite: {where}')
    print('the step is skipped' if wrapper.skipped else 'the step is finite here')


def build_model(cfg: Config, step: dict, device: torch.device) -> TeacherStudent:
    """Build the model with its state at the start of the step."""
    model = MODELS.build(cfg.model).to(device)
    model.load_state_dict(step['state_dict'])
    model.train()
    model.set_progress(step['iteration'], step['max_iters'])
    if step.get('is_supervised'):  # also if the supervised guard had ended them
        model.end_pseudo_labels()
    elif isinstance(model, InstanceLabeling):
        model.prepare_refiners(step['classes'], device)
    return model


def watch(model: TeacherStudent) -> dict[str, str]:
    """Record the names of the first module and first parameter with a bad value, during a step."""
    broken: dict[str, str] = {}

    def look(name: str, result) -> None:
        bad = []
        apply_to(result, is_bad, bad.append)
        if bad:
            broken.setdefault("module's output", name)

    def look_at_gradient(name: str, gradient: Tensor) -> None:
        if is_bad(gradient):
            broken.setdefault("parameter's gradient", name)

    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, __, result, name=name: look(name, result))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.register_hook(lambda gradient, name=name: look_at_gradient(name, gradient))
    return broken


def is_bad(value) -> bool:
    """Whether the value is a tensor with a NaN or an infinity."""
    return isinstance(value, Tensor) and not bool(value.isfinite().all())


if __name__ == '__main__':
    main()
