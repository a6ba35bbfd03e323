"""Test a checkpoint, with the options of MMDetection's tool of the same name except --tta."""

import argparse

from mmpldc.apis import evaluate
from mmpldc.apis.launch import add_common_arguments, load_config
from mmpldc.engine.distributed import leave_ranks_at_exit

# isort: split
import mmpldc._mmdet  # noqa: F401

from mmdet.engine.hooks.utils import trigger_visualization_hook
from torch.distributed.elastic.multiprocessing.errors import record


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
    parser.add_argument(
        '--out', type=pickle_path, help='write the predictions to this .pkl, masks as RLE'
    )
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument(
        '--show-dir', help='write images with predictions to this folder in WORK_DIR/<timestamp>'
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between shown images')
    add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)
    evaluate(cfg, args.checkpoint, out=args.out)


if __name__ == '__main__':
    leave_ranks_at_exit()
    record(main)()  # a failing rank's traceback reaches torchrun's terminal
