"""Train a config, with the options of MMDetection's tool of the same name."""

import argparse
import signal

from torch.distributed.elastic.multiprocessing.errors import record

from mmpldc.apis import train
from mmpldc.apis.launch import add_common_arguments, load_config
from mmpldc.engine.distributed import leave_ranks_at_exit
from mmpldc.report.live import ReportHook


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
    train(
        load_config(args),
        resume=args.resume,
        amp=args.amp,
        auto_scale_lr=args.auto_scale_lr,
        check_data=not args.skip_data_check,
        dry_run=args.dry_run,
        dry_run_out=args.dry_run_out,
        verbose=args.verbose,
        hooks=[ReportHook()] if args.report and not args.dry_run else [],
    )


if __name__ == '__main__':
    leave_ranks_at_exit()
    try:
        record(main)()  # a failing rank's traceback reaches torchrun's terminal
    except KeyboardInterrupt:  # before the first step; then mmpldc.PreemptionHook saves
        print('Interrupted: nothing was saved')
        raise SystemExit(128 + signal.SIGINT) from None
