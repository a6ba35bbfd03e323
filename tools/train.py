"""Train a config, with the options of MMDetection's tool of the same name."""

import argparse
import signal

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from mmpldc.apis.launch import add_common_arguments, load_config
from mmpldc.datasets.checks import check_before_training, check_settings
from mmpldc.engine import ProgressHook, SharedMemoryHook
from mmpldc.engine.config_options import one_line_build_errors
from mmpldc.engine.console import ShortConsoleRunner, introduction, show_all_from_now_on
from mmpldc.engine.distributed import join_ranks_on_cpu, leave_ranks_at_exit
from mmpldc.engine.dry_run import dry_run_config
from mmpldc.engine.hooks.resume_hook import CannotResume
from mmpldc.engine.loader_errors import one_line_loader_errors, prepare_loaders
from mmpldc.engine.log_filter import drop_inner_deprecations
from mmpldc.engine.resuming import BrokenCheckpoint, resume
from mmpldc.engine.weights import fetch_weights
from mmpldc.report.live import ReportHook
from mmpldc.utils.checkpoint_loading import MissingWeights

HOOKS_OF_MMENGINE = (
    'runtime_info',
    'timer',
    'sampler_seed',
    'logger',
    'param_scheduler',
    'checkpoint',
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a detector')
    parser.add_argument('config', help='config file')
    parser.add_argument('--amp', action='store_true', help='train with automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the batch size: images per process x processes x '
        'accumulative_counts',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from this checkpoint; without a path from the newest intact one in the work '
        'directory, or from the beginning if it has none',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='run two steps of each phase and validate one batch, print the memory, time and disk '
        'space that the run will need, and exit; --resume is ignored',
    )
    parser.add_argument('--dry-run-out', metavar='JSON', help="file for --dry-run's measurements")
    parser.add_argument(
        '--skip-data-check',
        action='store_true',
        help='do not check annotations and images first (tools/dataset/check.py checks them alone)',
    )
    parser.add_argument(
        '--report',
        action='store_true',
        help='write WORK_DIR/report.html at each validation: curves, data and settings',
    )
    parser.add_argument(
        '--verbose', action='store_true', help='print the whole log: the machine, config and hooks'
    )
    add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        if get_device() == 'cpu':
            raise SystemExit('--amp needs a GPU: mmengine has no mixed precision on the CPU')
        guarded = cfg.optim_wrapper.type.startswith('mmpldc.Guarded')
        cfg.optim_wrapper.type = 'mmpldc.GuardedAmpOptimWrapper' if guarded else 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise SystemExit(
                f'--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size, the batch '
                'size that its learning rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True

    if args.resume is None and cfg.get('resume'):  # resume by this tool's rules, too
        args.resume = cfg.get('load_from') or 'auto'
        cfg.resume = False
    # mmengine accepts None only for its own hooks
    for name in [name for name, hook in cfg.get('default_hooks', {}).items() if hook is None]:
        if name not in HOOKS_OF_MMENGINE:
            del cfg.default_hooks[name]

    join_ranks_on_cpu(cfg)
    for word in prepare_loaders(cfg):
        print(word, flush=True)
    if not args.skip_data_check:
        check_settings(cfg)
    fetch_weights(cfg)
    full = cfg
    if args.dry_run:
        cfg = dry_run_config(cfg, args.dry_run_out)
    with one_line_build_errors(cfg), one_line_loader_errors():
        train(args, cfg, full)


def train(args: argparse.Namespace, cfg: Config, full: Config) -> None:
    """Build the Runner and train.

    Args:
        args: of the command line.
        cfg: what is run.
        full: the config without the changes of a dry run.
    """
    runner_type = Runner if args.verbose else ShortConsoleRunner
    runner = runner_type.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
    drop_inner_deprecations(runner.logger)
    accumulative_counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if args.auto_scale_lr and accumulative_counts > 1:
        # mmengine leaves them out. Not in the config, because a later run may start from it.
        runner.auto_scale_lr['base_batch_size'] /= accumulative_counts
    if args.report and not args.dry_run:
        runner.register_hook(ReportHook())
    if args.resume is not None and not args.dry_run:
        try:
            resume(runner, None if args.resume == 'auto' else args.resume)
        except BrokenCheckpoint as error:
            raise SystemExit(str(error)) from error
    if not args.skip_data_check:
        check_before_training(full)
    runner.register_hook(SharedMemoryHook())
    if not args.dry_run:
        runner.logger.info(introduction(runner, cfg))
        runner.register_hook(
            ProgressHook(
                next_command=lambda path: ['python', 'tools/test.py', args.config, path],
                on_first_step=lambda runner: show_all_from_now_on(runner.logger),
            )
        )
    try:
        runner.train()
    except (MissingWeights, CannotResume) as error:
        raise SystemExit(f'{args.config}: {error}') from error


if __name__ == '__main__':
    leave_ranks_at_exit()
    try:
        record(main)()  # a failing rank's traceback reaches torchrun's terminal
    except KeyboardInterrupt:  # before the first step; then mmpldc.PreemptionHook saves
        print('Interrupted: nothing was saved')
        raise SystemExit(128 + signal.SIGINT) from None
