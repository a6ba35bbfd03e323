"""Command-line arguments and config loading shared by tools/train.py and tools/test.py."""

import argparse
import os
from pathlib import Path

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
    """Read the config and prepare this process for a run.

    Sets the environment variable ``LOCAL_RANK`` unless the launcher has set it. Without a GPU, the
    allocator keeps memory for reuse (:func:`~mmpldc.utils.allocator.keep_large_blocks`). mmengine
    lays the config out as text once (:func:`~mmpldc.utils.config_text.remember_layouts`).

    Args:
        args: ``config``, the path of a config, and those of :func:`add_common_arguments`.

    Returns:
        The config with its options, ``launcher`` and ``work_dir``. The work directory comes from
        the arguments, else from the config, else it is ``work_dirs/<name of the config>``.

    Raises:
        SystemExit: see :func:`~mmpldc.apis.options.read_config`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()
    remember_layouts()
    if get_device() == 'cpu':
        keep_large_blocks()
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return cfg
