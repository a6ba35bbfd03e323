"""Read a config with the options of a command line, for all tools."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmpldc._compat import check_extras
from mmpldc.engine.config_options import OptionsAction, option_faults
from mmpldc.engine.moved_keys import moved_keys

HELP = (
    'override settings by their keys in the config, e.g. test_dataloader.batch_size=4 '
    'key="[a,b]"; variables of the file are no keys'
)

HOOKS_OF_MMENGINE = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE', help=HELP
    )


def add_labeling_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides about the labels of a teacher: thresholds and the refiner."""
    parser.add_argument(
        '--class-thr', type=float, help='of the labels, instead of the class thresholds in use'
    )
    parser.add_argument(
        '--mask-thr',
        type=float,
        help='likewise of the mask thresholds; both replace a threshold that sets itself',
    )
    parser.add_argument(
        '--refine',
        type=float,
        metavar='WEIGHT',
        help="correct the labels' classes by the config's refiner with this weight in [0, 1]",
    )


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config and merge options into it.

    Args:
        path: of the config.
        options: values by dotted key, from ``--cfg-options``.

    Returns:
        The config.

    Raises:
        SystemExit: with one line for each option that no part of a run would read; if the config
            does not exist or cannot be read, has a key of an earlier version, or needs a package
            that is missing.
    """
    if not Path(path).is_file():
        raise SystemExit(f'{path}: there is no such config')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is code, which may raise anything
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise SystemExit(
            f'{path}: this config, or one of its bases, is faulty: {reason}'
        ) from error
    merge_options(cfg, options)
    check_extras(cfg)
    return cfg


def merge_options(cfg: Config, options: Mapping[str, Any] | None) -> None:
    """Merge options into a config, in place, and remove default hooks that are None.

    Raises:
        SystemExit: see :func:`read_config`.
    """
    options = dict(options or {})
    faults = option_faults(cfg, options)
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, AssertionError) as error:
        faults = faults or [str(error)]
    problem = moved_keys(cfg)
    if problem is None and faults:
        problem = '\n'.join(f'--cfg-options {fault}' for fault in faults)
    if problem:
        raise SystemExit(f'{cfg.filename}: {problem}')
    _leave_out_hooks(cfg)


def _leave_out_hooks(cfg: Config) -> None:
    """Remove hooks that are None; mmengine accepts that for its own alone."""
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if hook is None]:
        if name not in HOOKS_OF_MMENGINE:
            del hooks[name]
