"""Test a checkpoint, with the options of MMDetection's tool of the same name except --tta."""

import argparse

import mmpldc._mmdet  # noqa: F401  before the imports of mmdet below, which would be noisy

# isort: split
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import DumpDetResults
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from mmpldc.apis import check_checkpoint
from mmpldc.apis.launch import add_common_arguments, load_config
from mmpldc.engine.config_options import one_line_build_errors
from mmpldc.engine.distributed import join_ranks_on_cpu, leave_ranks_at_exit
from mmpldc.engine.loader_errors import one_line_loader_errors, prepare_loaders


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
    cfg.load_from = args.checkpoint
    # A config that a resumed run left in its work directory would make this test resume too.
    cfg.resume = False
    if args.show or args.show_dir:
        cfg = trigger_visualization_hook(cfg, args)

    join_ranks_on_cpu(cfg)
    for word in prepare_loaders(cfg):
        print(word, flush=True)
    with one_line_build_errors(cfg), one_line_loader_errors():
        runner = Runner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
        try:
            check_checkpoint(args.checkpoint, runner.model, cfg)
        except (ValueError, OSError) as error:
            raise SystemExit(f'tools/test.py: {error}') from None
        if args.out is not None:
            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        runner.test()


if __name__ == '__main__':
    leave_ranks_at_exit()
    record(main)()  # a failing rank's traceback reaches torchrun's terminal
