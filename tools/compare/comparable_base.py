"""What a base config must be, so that methods over it can be compared."""

from pathlib import Path

from mmengine.config import Config

from mmpldc.engine.moved_keys import moved_keys

EARLY_STOPPING = 'EarlyStoppingHook'


def refuse_moved_keys(base: Config, path: Path) -> None:
    """Refuse keys of an earlier version.

    Raises:
        SystemExit: if there is one; the message names the new key.
    """
    problem = moved_keys(base)
    if problem:
        raise SystemExit(f'{path}: {problem}')


def refuse_unlike_ends(base: Config, path: Path) -> None:
    """Refuse runs that could not start at the end of one burn-in, or end at different steps.

    Raises:
        SystemExit: if burn-in ends between checkpoints, or runs stop early.
    """
    burn_in, interval = base.model.burn_in_iters, base.default_hooks.checkpoint.interval
    if burn_in % interval:
        raise SystemExit(
            f'{path}: model.burn_in_iters ({burn_in}) must be a multiple of '
            f'default_hooks.checkpoint.interval ({interval}), so that runs can continue there'
        )
    hooks = [*base.get('default_hooks', {}).values(), *base.get('custom_hooks', [])]
    if any(str(hook.get('type')).endswith(EARLY_STOPPING) for hook in hooks if hook):
        raise SystemExit(
            f'{path}: the base has a {EARLY_STOPPING}, and methods are compared at the same number '
            'of steps: leave it out (early_stopping = None in a config of own data)'
        )


def evaluated_images(base: Config, split: str) -> object:
    """Return what names the images of a split: the evaluator's annotations, or the data set's."""
    evaluator, dataset = base[f'{split}_evaluator'], base[f'{split}_dataloader'].dataset
    return evaluator.get('ann_file') or (dataset.get('ann_file'), dataset.get('data_prefix'))
