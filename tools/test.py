"""Test a checkpoint, with the options of MMDetection's tool of the same name except --tta."""

import argparse
from collections.abc import Sequence

import mmpldc._mmdet  # noqa: F401  before the imports of mmdet below, which would be noisy

# isort: split
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmdet.evaluation import CocoMetric, DumpDetResults
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from mmpldc.apis import check_checkpoint
from mmpldc.apis.launch import add_common_arguments, load_config
from mmpldc.engine.config_options import one_line_build_errors
from mmpldc.engine.distributed import join_ranks_on_cpu, leave_ranks_at_exit
from mmpldc.engine.loader_errors import one_line_loader_errors, prepare_loaders
from mmpldc.models.seg_heads import predict_run_lengths


class DumpRunLengths(DumpDetResults):
    """mmdet's dump, which also takes masks that are run lengths already."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep predictions, with masks as run lengths."""
        masks = [sample.get('pred_instances', {}).get('masks') for sample in data_samples]
        first = len(self.results)
        super().process(data_batch, [_without_run_lengths(sample) for sample in data_samples])
        for sample, own in zip(self.results[first:], masks, strict=True):
            if isinstance(own, list):
                sample['pred_instances']['masks'] = own


def _without_run_lengths(sample: dict) -> dict:
    instances = dict(sample.get('pred_instances', {}))
    if isinstance(instances.get('masks'), list):
        del instances['masks']
        return dict(sample, pred_instances=instances)
    return sample


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
        metrics = runner.test_evaluator.metrics
        takes_run_lengths = all(isinstance(metric, CocoMetric) for metric in metrics)
        if args.out is not None:
            metrics.append(DumpRunLengths(out_file_path=args.out))
        if takes_run_lengths and not (args.show or args.show_dir):
            with predict_run_lengths(runner.model):
                runner.test()
        else:
            runner.test()


if __name__ == '__main__':
    leave_ranks_at_exit()
    record(main)()  # a failing rank's traceback reaches torchrun's terminal
