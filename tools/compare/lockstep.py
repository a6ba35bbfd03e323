"""Train several configs at once, on the same batches and with one frozen backbone for all.

    python tools/compare/lockstep.py work_dirs/few configs/comparison/supervised.py \\
        configs/comparison/pldc.py --base configs/few_labels/photographs.py

Each config trains as by tools/train.py, with the same result, below WORK_DIR in a folder named
after it. The features of each image are computed once, so on a CPU many configs with a small head
cost little more than one. Model, data, seed and steps must be those of the first config, except for
the parts that a method changes (docs/few_labels.md).
"""

import argparse
import json
import time
from argparse import Namespace
from pathlib import Path

from compared_methods import rebase_config
from mmengine.config import Config

from mmpldc.apis import add_cfg_options, open_config
from mmpldc.engine.loader_errors import prepare_loaders
from mmpldc.engine.lockstep import train_in_lockstep

AP_KEYS = dict(AP='segm_mAP', AP50='segm_mAP_50', AP75='segm_mAP_75')


def parse_args() -> Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, metavar='WORK_DIR')
    parser.add_argument('configs', type=Path, nargs='+', metavar='CONFIG')
    parser.add_argument(
        '--base',
        type=Path,
        help='put this config in the place of _base_ of each config, as for those of '
        'configs/comparison; the written ones are in WORK_DIR/configs',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume all from this checkpoint, such as that of a burn-in that they share; without '
        'a path each from its own newest one',
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    names = [path.stem for path in args.configs]
    if len(set(names)) < len(names):
        parser.error(f'the names of the configs must differ, got {", ".join(names)}')
    return args


def load(args: Namespace, path: Path) -> Config:
    """Load a config over the base, with a work directory named after it."""
    if args.base is not None:
        path = rebase_config(path, args.base, args.folder / 'configs')
    cfg = open_config(path, args.cfg_options, work_dir=args.folder / path.stem)
    prepare_loaders(cfg)
    if 'supervised_guard' in cfg.default_hooks:  # pseudo-labels of a method never end
        cfg.default_hooks.supervised_guard.patience = None
    return cfg


def main() -> None:
    args = parse_args()
    configs = {path.stem: load(args, path) for path in args.configs}
    log = args.folder / 'validations.jsonl'

    def report(name: str, step: int, metrics: dict[str, float]) -> None:
        found = {
            column: round(100 * metrics[f'teacher/coco/{key}'], 2)
            for column, key in AP_KEYS.items()
        }
        cpu_s = round(time.thread_time(), 1)  # of this run's own thread
        record = dict(config=name, step=step, **found, cpu_s=cpu_s)
        print(json.dumps(record), flush=True)
        with log.open('a') as file:
            file.write(json.dumps(record) + '\n')

    args.folder.mkdir(parents=True, exist_ok=True)
    train_in_lockstep(configs, checkpoint=args.resume, on_validation=report)


if __name__ == '__main__':
    main()
