"""Runners that train in lock-step."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmpldc.engine.resuming import find_damage, resume, saved_checkpoints
from mmpldc.utils.unwrapping import unwrapped

from .shared_batches import LoaderView, SharedBatches
from .shared_features import SharedFeatures
from .turns import Stopped, Turns

ValidationCallback = Callable[[str, int, dict[str, float]], None]


def train_in_lockstep(
    configs: Mapping[str, Config],
    *,
    checkpoint: str | None = None,
    on_validation: ValidationCallback | None = None,
) -> dict[str, Runner]:
    """Train several configs step by step on the same batches, with one frozen backbone for all.

    Each config is an ordinary Runner in a thread of its own, with all of its hooks; threads run
    one at a time and change at each batch. So each result equals that of ``tools/train.py`` bit for
    bit. What the runs share are the batches, which the first config's data loader makes, and the
    features of each image, which are computed once.

    Args:
        configs: by name, each with a ``work_dir`` of its own. A config may lack the first one's
            unlabelled part or weak labels, otherwise the data loaders must be equal.
        checkpoint: resume all runs from this one, such as that of a common burn-in; ``'auto'``:
            each from its work directory, at the last iteration at which all have an intact one.
        on_validation: called with name, iteration and metrics after each validation.

    Returns:
        The Runners, by name.

    Raises:
        ValueError: if the configs cannot share batches or features, or the runs were saved at
            different iterations only.

    Note:
        The batch of a supervised run has unlabelled images too, which it ignores. Times in the log
        are those of a step of all runs. Signals are not handled: ``PreemptionHook`` has no effect.
    """
    check_configs(configs)
    starts = dict.fromkeys(configs, checkpoint)
    if checkpoint == 'auto':
        starts |= saved_together({name: Path(cfg.work_dir) for name, cfg in configs.items()})
    turns = Turns(list(configs))
    batches: dict[str, SharedBatches] = {}
    features = SharedFeatures()

    def train(name: str) -> Runner:
        with turns.take_part(name):
            cfg = configs[name]
            cfg.experiment_name = cfg.visualizer.name = f'{name}_{id(turns)}'
            runner = _LockStepRunner.from_cfg(cfg)

            def give_way() -> None:
                turns.give_way(name)
                for own in (runner.logger, runner.message_hub, runner.visualizer):
                    type(own)._instance_dict.move_to_end(own.instance_name)  # the "current" one

            def share(kind: str, own: DataLoader) -> LoaderView:
                shared = batches.setdefault(kind, SharedBatches(own, len(configs)))
                return LoaderView(own, shared, name, give_way)

            runner.share = share
            runner.register_hook(_ShareFeatures(features), 'LOWEST')
            if on_validation is not None:
                runner.register_hook(_Report(name, on_validation), 'LOWEST')
            for handler in runner.logger.handlers:  # the log files have the rest
                if type(handler) is logging.StreamHandler:
                    handler.setLevel(logging.WARNING)
            if starts[name] is not None:
                resume(runner, starts[name])
            runner.train()
            return runner

    with ThreadPoolExecutor(len(configs)) as pool:
        futures = {name: pool.submit(train, name) for name in configs}
        try:
            wait(futures.values())
        except BaseException as error:  # an interrupt comes here, to the main thread
            turns.stop(error)
            raise
    failures = [failure for future in futures.values() if (failure := future.exception())]
    if failures:  # the cause, not what it stopped
        raise min(failures, key=lambda failure: isinstance(failure, Stopped))
    return {name: future.result() for name, future in futures.items()}


def saved_together(work_dirs: Mapping[str, Path]) -> dict[str, str | None]:
    """Find the checkpoints from which runs continue in lock-step.

    Args:
        work_dirs: of the runs, by name.

    Returns:
        By name the intact checkpoint at the last iteration at which all runs have one; None for
        all if no run has any, so that they start from the beginning.

    Raises:
        ValueError: if they have none in common.
    """
    saved = {
        name: {path.name: path for path in saved_checkpoints(folder)}
        for name, folder in work_dirs.items()
    }
    if not any(saved.values()):
        return dict.fromkeys(work_dirs)
    for file_name in next(iter(saved.values())):  # newest first
        paths = {name: own.get(file_name) for name, own in saved.items()}
        if all(path is not None and find_damage(path) is None for path in paths.values()):
            return {name: str(path) for name, path in paths.items()}
    found = ''.join(f'\n  {name}: {", ".join(own) or "none"}' for name, own in saved.items())
    raise ValueError(
        f'--resume: the runs have no intact checkpoint of one iteration in common:{found}\n'
        'Remove their folders to start from the beginning, or name a checkpoint: --resume PATH'
    )


def check_configs(configs: Mapping[str, Config]) -> None:
    """Check that runs can share their batches.

    Raises:
        ValueError: naming the first setting that differs from the first config's.
    """
    first_name, first = next(iter(configs.items()))
    for name, cfg in configs.items():
        for key, of_both in dict(
            seed=(first.get('randomness'), cfg.get('randomness')),
            train_cfg=(first.train_cfg, cfg.train_cfg),
            val_dataloader=(first.get('val_dataloader'), cfg.get('val_dataloader')),
            labelled=(_labelled(first), _labelled(cfg)),
            unlabelled=(_unlabelled(first), _unlabelled(cfg) or _unlabelled(first)),
            weak_labels=(_weak_labels(first), _weak_labels(cfg) or _weak_labels(first)),
        ).items():
            if of_both[0] != of_both[1]:
                raise ValueError(
                    f'{name} cannot train on the batches of {first_name}: their settings of {key} '
                    f'differ, {of_both[1]} and {of_both[0]}'
                )
        hooks = [*cfg.get('default_hooks', {}).values(), *cfg.get('custom_hooks', [])]
        if not any(hook and hook['type'] == 'mmpldc.StepSeedHook' for hook in hooks):
            raise ValueError(
                f'{name} has no mmpldc.StepSeedHook: the runs would draw from one random stream'
            )
        if any(hook and hook['type'] == 'mmpldc.EarlyStoppingHook' for hook in hooks):
            raise ValueError(
                f'{name} has an EarlyStoppingHook, and the runs need all batches: leave it out '
                '(early_stopping = None in a config of own data)'
            )


def _labelled(cfg: Config) -> dict[str, Any]:
    """Return what decides a run's labelled batches."""
    loader = cfg.train_dataloader.to_dict()
    sampler = loader['sampler']
    ratio = sampler['source_ratio']
    batch = loader.pop('batch_size') * ratio[0] / sum(ratio)
    sampler = {key: value for key, value in sampler.items() if key != 'source_ratio'}
    others = ('unlabeled', 'weak_labels')
    dataset = {key: value for key, value in loader['dataset'].items() if key not in others}
    return loader | dict(batch=batch, sampler=sampler | dict(batch_size=batch), dataset=dataset)


def _unlabelled(cfg: Config) -> tuple[Any, Any] | None:
    """Return what decides a run's unlabelled images; None if it has none."""
    dataset, ratio = cfg.train_dataloader.dataset, cfg.train_dataloader.sampler.source_ratio
    return (dataset.unlabeled.to_dict(), ratio) if dataset.get('unlabeled') else None


def _weak_labels(cfg: Config) -> str | None:
    """Return the weak labels that unlabelled images carry; they change nothing else of a batch."""
    return cfg.train_dataloader.dataset.get('weak_labels')


class _LockStepRunner(Runner):
    """A Runner whose data loaders are views of shared ones."""

    share: Callable[[str, DataLoader], LoaderView]

    def build_dataloader(self, dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build a data loader as the parent, and share it."""
        kind = 'train' if dataloader is self._train_dataloader else 'val'
        return self.share(kind, super().build_dataloader(dataloader, *args, **kwargs))


class _ShareFeatures(Hook):
    """Share the features of the frozen backbones, after all weights are loaded."""

    def __init__(self, features: SharedFeatures) -> None:
        self.features = features

    def before_train(self, runner: Runner) -> None:
        """Attach the backbones of student and teacher."""
        model: Any = unwrapped(runner.model)
        runner.model.train()  # as the loop does later, so that norms show whether they train
        for network in (model.student, model.teacher):
            self.features.attach(network.backbone)


class _Report(Hook):
    """Call a function after each validation."""

    def __init__(self, name: str, on_validation: ValidationCallback) -> None:
        self.name, self.on_validation = name, on_validation

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Pass on the metrics."""
        self.on_validation(self.name, runner.iter, metrics or {})
