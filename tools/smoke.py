"""Try in three minutes whether a config does all that a run does: python tools/smoke.py CONFIG

Trains eight steps on small images, of which six use pseudo-labels; validates; resumes from the
fourth step and compares the weights; publishes the teacher. Each step is a call of the tool that
does it in earnest. Results go to a temporary folder, or to --work-dir.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device

from mmpldc.apis.stages import Stages
from mmpldc.engine.smoke_run import SAVED, STEPS, smoke_config
from mmpldc.utils.checkpoints import read_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--work-dir', type=Path, help='default: a temporary folder')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def differing(first: Path, second: Path) -> list[str]:
    """Names of the weights in which two checkpoints differ."""
    mine, theirs = (read_checkpoint(path)['state_dict'] for path in (first, second))
    return [name for name, value in mine.items() if not torch.equal(value, theirs[name])]


def smoke(cfg: Config, folder: Path) -> None:
    """Run all stages.

    Raises:
        RuntimeError: if one fails, or the resumed run differs.
    """
    config = folder / 'smoke.py'
    folder.mkdir(parents=True, exist_ok=True)
    smoke_config(cfg).dump(config)
    once, resumed = folder / 'once', folder / 'resumed'
    stages = Stages(folder, 3)
    stages.run('train', 'train, label, validate', 'train.py', config, '--work-dir', once)
    checkpoint = once / f'iter_{SAVED}.pth'
    words = [config, '--work-dir', resumed, '--resume', checkpoint, '--skip-data-check']
    stages.run('resume', f'resume from step {SAVED}', 'train.py', *words)
    last = f'iter_{STEPS}.pth'
    different = differing(once / last, resumed / last)
    if different and get_device() == 'cpu':  # a GPU's sums may change in their last digits
        raise RuntimeError(
            f'the resumed run differs from the uninterrupted one in {len(different)} weights, such '
            f'as {different[0]}: some state is not in the checkpoint'
        )
    words = [once / last, folder / 'published', '--config', config]
    stages.run('publish', 'publish', 'publish_model.py', *words)
    print('All of it works: training, pseudo-labels, validation, resuming, publishing.')


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        if (args.work_dir / 'stages.json').exists():
            raise ValueError(f'{args.work_dir} has results: choose another --work-dir')
        return smoke(cfg, args.work_dir.absolute())
    with tempfile.TemporaryDirectory(prefix='smoke_') as folder:
        smoke(cfg, Path(folder))


if __name__ == '__main__':
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        raise SystemExit(f'smoke.py: {error}') from None
