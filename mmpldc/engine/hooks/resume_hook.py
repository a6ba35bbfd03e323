"""Run the validation that an interrupted run missed, and refuse checkpoints of another run."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmpldc.registry import HOOKS

VALIDATED = 'last_val_iter'  # mmengine logs names that begin with the mode, such as 'val'

SECTIONS = 'train_dataloader', 'optim_wrapper'  # have the number of images a step


class CannotResume(ValueError):
    """A checkpoint cannot continue this run."""


@HOOKS.register_module()
class ResumeHook(Hook):
    """Validate first if the resumed run was interrupted before or during a validation.

    A checkpoint is written after the last step before a validation. From there mmengine would
    continue with the next step: the validation, and perhaps the best checkpoint, would be missing.

    A run that continues another one's checkpoint leaves that run's best checkpoint alone, and keeps
    a best one of its own.

    The hook also refuses checkpoints that cannot continue a run: weights alone, or other classes.
    A run that goes on with another number of images a step is told so.

    Note:
        A run that was interrupted after a validation, and before its next checkpoint, repeats the
        validation, because the checkpoint is older. Its metrics are the same.
    """

    priority = 'HIGH'  # before the checkpoint of a new best is written

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check that the checkpoint can continue a run.

        Raises:
            CannotResume: if the checkpoint has weights alone, which mmengine would resume with a
                newly initialised optimiser, or was trained on other classes.
        """
        if not runner._resume:
            return
        _compare_classes(runner, checkpoint.get('meta') or {})
        _compare_batches(runner, checkpoint.get('meta') or {})
        if 'optimizer' not in checkpoint:
            raise CannotResume(
                f'{runner._load_from} cannot be resumed: it has no optimiser state. It holds '
                "weights only (a best or published checkpoint): start from it with load_from='...' "
                'instead'
            )
        _forget_foreign_best(runner, checkpoint.get('message_hub') or {})

    def before_train_epoch(self, runner: Runner) -> None:
        """Run the validation that is due at the iteration of the checkpoint."""
        loop = runner.train_loop
        if not isinstance(loop, IterBasedTrainLoop) or loop.iter == 0 or runner.val_loop is None:
            return
        loop._decide_current_val_interval()  # as the loop does after each iteration
        is_due = loop.iter % loop.val_interval == 0 or loop.iter == loop.max_iters
        is_done = runner.message_hub.get_info(VALIDATED) == loop.iter
        if loop.iter >= loop.val_begin and is_due and not is_done:
            runner.logger.info(f'Validation at iteration {loop.iter}, missed by an interruption')
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Record that this validation is done."""
        if isinstance(runner._train_loop, IterBasedTrainLoop):  # not when only validating
            runner.message_hub.update_info(VALIDATED, runner.iter)


def _forget_foreign_best(runner: Runner, message_hub: dict) -> None:
    """Leave another run's best checkpoint alone, which mmengine would replace by a better one.

    That is one outside this run's folder, unless the folder was moved.
    """
    info = message_hub.get('runtime_info') or {}
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        folder = Path(runner.work_dir)
        if hook.out_dir is not None:
            folder = Path(hook.out_dir) / folder.name
        for name in [name for name in info if name.startswith('best_ckpt')]:
            best = Path(str(info[name]))
            if best.parent.absolute() == folder.absolute():
                continue
            if (folder / best.name).exists():
                info[name] = str(folder / best.name)
            else:
                del info[name]
                info.pop(name.replace('ckpt', 'score'), None)


def _compare_classes(runner: Runner, meta: dict) -> None:
    """Refuse a checkpoint of other classes, if both have names."""
    before = (meta.get('dataset_meta') or {}).get('classes')
    now = (getattr(runner.train_dataloader.dataset, 'metainfo', None) or {}).get('classes')
    if not before or not now or list(before) == list(now):
        return
    names = [name for name in now if name not in before] + [n for n in before if n not in now]
    difference = f'the difference is {", ".join(names)}' if names else 'their order differs'
    raise CannotResume(
        f'{runner._load_from} cannot be resumed: it was trained on {len(before)} classes, '
        f'{tuple(before)}, and this run has {len(now)}, {tuple(now)}; {difference}. Start anew in '
        f"another --work-dir; load_from='{runner._load_from}' then takes the weights that fit"
    )


def _compare_batches(runner: Runner, meta: dict) -> None:
    """Warn of another number of images a step than the checkpoint's.

    A run on labels alone is the burn-in of one with unlabelled images: it is compared with their
    labelled images.
    """
    text = str(meta.get('cfg') or '')
    before = [_saved_section(text, section) for section in SECTIONS]
    now = [runner.cfg.get(section) or {} for section in SECTIONS]
    of_labels = len(_sources(before[0])) == 1
    old, new = (_images_a_step(*sections, of_labels=of_labels) for sections in (before, now))
    if None not in (old, new) and old != new:
        kind = 'labelled images' if of_labels else 'images'
        runner.logger.warning(
            f'Resuming with {new:g} {kind} a step of each process (train_dataloader.batch_size '
            f'times optim_wrapper.accumulative_counts); before, it was {old:g}. Unless the number '
            'of processes changed with it, so that a step has as many images as before, the run '
            'draws other images from here on than it would have'
        )


def _sources(loader: Mapping) -> list[int]:
    """Parts of a batch that are of each source, the labelled images' first."""
    sampler = loader.get('sampler')
    return (isinstance(sampler, Mapping) and sampler.get('source_ratio')) or [1]


def _images_a_step(loader: Mapping, wrapper: Mapping, *, of_labels: bool) -> float | None:
    """Images of a step, or its labelled ones; None if that is not known."""
    batch, ratio = loader.get('batch_size'), _sources(loader)
    if not isinstance(batch, int):
        return None
    share = ratio[0] / sum(ratio) if of_labels else 1
    return batch * share * (wrapper.get('accumulative_counts') or 1)


def _saved_section(text: str, name: str) -> dict:
    """Read the plain values of a config's section from its text, without executing it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target, found = statement.targets[0], _plain(statement.value)
            if isinstance(target, ast.Name) and target.id == name and isinstance(found, dict):
                return found
    return {}


def _plain(node: ast.expr) -> Any:
    """The value of ``dict(...)``, a list or a constant; None for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        return {keyword.arg: _plain(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(element) for element in node.elts]
    return node.value if isinstance(node, ast.Constant) else None
