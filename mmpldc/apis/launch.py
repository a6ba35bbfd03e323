"""Command-line arguments and config loading for training and testing."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.device import get_device

from mmpldc.utils.allocator import keep_large_blocks
from mmpldc.utils.config_text import remember_layouts

from .options import add_cfg_options, read_config


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--work-dir``, ``--cfg-options`` and the launcher's arguments."""
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and metrics')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run were started',
    )
    # the old torch.distributed.launch passes --local_rank, torchrun sets the variable
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def load_config(args: argparse.Namespace) -> Config:
    """Read the config of a command line, see :func:`open_config`.

    Sets the environment variable ``LOCAL_RANK`` unless the launcher has set it.

    Args:
        args: ``config``, the path of a config, and those of :func:`add_common_arguments`.

    Raises:
        SystemExit: see :func:`~mmpldc.apis.options.read_config`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return open_config(
        args.config, args.cfg_options, work_dir=args.work_dir, launcher=args.launcher
    )


def open_config(
    config: str | Path,
    options: Mapping[str, Any] | None = None,
    *,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config and prepare this process for a run of it.

    Without a GPU, the allocator keeps memory for reuse
    (:func:`~mmpldc.utils.allocator.keep_large_blocks`). mmengine lays the config out as text once
    (:func:`~mmpldc.utils.config_text.remember_layouts`).

    Args:
        config: path.
        options: values by dotted key, such as ``{'train_cfg.max_iters': 100}``.
        work_dir: folder for logs, checkpoints and metrics; None: that of the config, or else
            ``work_dirs/<name of the config>``.
        launcher: how the processes of a distributed run were started.

    Returns:
        The config with its options, ``launcher`` and ``work_dir``.

    Raises:
        SystemExit: see :func:`~mmpldc.apis.options.read_config`.
    """
    setup_cache_size_limit_of_dynamo()
    remember_layouts()
    if get_device() == 'cpu':
        keep_large_blocks()
    cfg = read_config(config, options)
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config).stem)
    return cfg
