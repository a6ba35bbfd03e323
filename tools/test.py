"""Test a checkpoint, with the options of MMDetection's tool of this name (but test-time flips)."""

import argparse
import os
from pathlib import Path

from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from mmpldc._compat import check_extras
from mmpldc.engine.distributed import join_ranks_on_cpu


def pickle_path(value: str) -> str:
    if not value.endswith(('.pkl', '.pickle')):
        raise argparse.ArgumentTypeError(f"must end in .pkl or .pickle, got '{value}'")
    return value


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Test a detector. Of a teacher and student the teacher is tested, unless '
        '--cfg-options model.semi_test_cfg.predict_on=student'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='where logs and metrics go')
    parser.add_argument(
        '--out', type=pickle_path, help='write the predictions to this .pkl, masks as RLE'
    )
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument(
        '--show-dir', help='write painted images to this folder in WORK_DIR/<timestamp>'
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between shown images')
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
    # torch.distributed.launch of old passes --local_rank, torchrun sets the variable
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()

    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    check_extras(cfg)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)

    cfg.load_from = args.checkpoint
    # The config that a resumed run left in its work directory would resume here too.
    cfg.resume = False
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)

    join_ranks_on_cpu(cfg)
    runner = Runner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
    if args.out is not None:
        runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
    runner.test()


if __name__ == '__main__':
    record(main)()  # a failing rank's traceback reaches torchrun's terminal
