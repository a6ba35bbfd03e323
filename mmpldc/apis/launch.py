"""Command-line arguments and config loading shared by tools/train.py and tools/test.py."""

import argparse
import os
from pathlib import Path

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, DictAction
from mmengine.device import get_device

from mmpldc._compat import check_extras
from mmpldc.engine.moved_keys import moved_keys
from mmpldc.utils.allocator import keep_large_blocks
from mmpldc.utils.config_text import remember_layouts


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--work-dir``, ``--cfg-options`` and the launcher's arguments."""
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and metrics')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings, e.g. test_dataloader.batch_size=4 key="[a,b]"',
    )
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
        SystemExit: if the config has a key of an earlier version, naming the new one, or needs a
            package that is not installed.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()
    remember_layouts()
    if get_device() == 'cpu':
        keep_large_blocks()
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    check_extras(cfg)
    problem = moved_keys(cfg)
    if problem:
        raise SystemExit(f'{args.config}: {problem}')
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return cfg
