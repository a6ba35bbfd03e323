"""A base config with another number of steps."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmpldc.utils.files import atomic_write

IN_ITERATIONS = ('begin', 'end', 'T_max', 'milestones')


def write_base(base: Path, steps: int, path: Path) -> Path:
    """Write a config whose run has a given number of steps and is otherwise the base's.

    Burn-in, schedules of the learning rate, validations and checkpoints keep their shares of the
    run. What else a base counts in iterations stays as it is.

    Args:
        base: a config with ``train_cfg.max_iters``.
        steps: of the run.
        path: to write.

    Returns:
        ``path``.
    """
    config = Config.fromfile(base)
    ratio = steps / config.train_cfg.max_iters

    def scaled(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [scaled(one) for one in value]
        return max(1, round(value * ratio)) if value else value

    schedulers = config.get('param_scheduler') or []
    is_list = isinstance(schedulers, list)
    schedulers = [
        {key: scaled(value) if key in IN_ITERATIONS else value for key, value in one.items()}
        for one in (schedulers if is_list else [schedulers])
    ]
    settings = dict(
        _base_=str(base.resolve()),
        max_iters=steps,
        train_cfg=dict(max_iters=steps, val_interval=scaled(config.train_cfg.val_interval)),
        model=dict(burn_in_iters=scaled(config.model.burn_in_iters)),
        default_hooks=dict(
            checkpoint=dict(interval=scaled(config.default_hooks.checkpoint.interval))
        ),
    )
    if schedulers:
        settings['param_scheduler'] = schedulers if is_list else schedulers[0]
    with atomic_write(path) as file:
        file.writelines(f'{key} = {value!r}\n' for key, value in settings.items())
    return path
