"""Train a config, and test its checkpoint."""

from collections.abc import Sequence
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

from mmdet.evaluation import CocoMetric, DumpDetResults
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmpldc.datasets.checks import check_settings
from mmpldc.datasets.checks.before_training import check_before_training
from mmpldc.engine.config_options import one_line_build_errors
from mmpldc.engine.console import ShortConsoleRunner, introduction, show_all_from_now_on
from mmpldc.engine.distributed import join_ranks_on_cpu
from mmpldc.engine.dry_run import dry_run_config
from mmpldc.engine.hooks import ProgressHook, SharedMemoryHook
from mmpldc.engine.hooks.resume_hook import CannotResume
from mmpldc.engine.loader_errors import one_line_loader_errors, prepare_loaders
from mmpldc.engine.log_filter import drop_inner_deprecations
from mmpldc.engine.resuming import BrokenCheckpoint
from mmpldc.engine.resuming import resume as resume_runner
from mmpldc.engine.weights import fetch_weights
from mmpldc.models.seg_heads import predict_run_lengths
from mmpldc.utils.checkpoint_loading import MissingWeights

from .fitting import check_checkpoint


def train(
    cfg: Config,
    *,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    check_data: bool = True,
    dry_run: bool = False,
    dry_run_out: str | None = None,
    verbose: bool = False,
    hooks: Sequence[Hook] = (),
) -> Runner:
    """Train a config, as ``tools/train.py`` does.

    Args:
        cfg: see :func:`~mmpldc.apis.open_config`; modified.
        resume: a checkpoint to resume from; ``'auto'``: the newest intact one of the work
            directory, or the beginning if it has none; None: as the config says.
        amp: train with automatic mixed precision, which needs a GPU.
        auto_scale_lr: scale the learning rate with the batch size: images per process x processes
            x accumulative_counts.
        check_data: check settings, annotations and images first.
        dry_run: run two steps of each phase, print the memory, time and disk space that the whole
            run needs, and keep nothing.
        dry_run_out: JSON file for what was measured.
        verbose: print the whole log, with the machine, the config and the hooks.
        hooks: beside those of the config; not in a dry run.

    Returns:
        The Runner after the last step, with the trained ``model``.

    Raises:
        SystemExit: with a line about what the user can mend: settings, data, weights, checkpoints.
    """
    if amp:
        _use_mixed_precision(cfg)
    if auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise SystemExit(
                f'--auto-scale-lr: {cfg.filename} has no auto_scale_lr.base_batch_size, the batch '
                'size that its learning rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True
    if resume is None and cfg.get('resume'):  # resume by these rules, too
        resume = cfg.get('load_from') or 'auto'
        cfg.resume = False

    join_ranks_on_cpu(cfg)
    for word in prepare_loaders(cfg):
        print(word, flush=True)
    if check_data:
        check_settings(cfg)
    fetch_weights(cfg)
    run_cfg = dry_run_config(cfg, dry_run_out) if dry_run else cfg
    with one_line_build_errors(run_cfg), one_line_loader_errors():
        runner = _build(run_cfg, auto_scale_lr=auto_scale_lr, verbose=verbose)
        if not dry_run:
            for hook in hooks:
                runner.register_hook(hook)
            if resume is not None:
                _resume(runner, resume)
        if check_data:
            check_before_training(cfg)
        runner.register_hook(SharedMemoryHook())
        if not dry_run:
            runner.logger.info(introduction(runner, run_cfg))
            runner.register_hook(
                ProgressHook(
                    next_command=lambda path: ['python', 'tools/test.py', cfg.filename, path],
                    on_first_step=lambda runner: show_all_from_now_on(runner.logger),
                )
            )
        try:
            runner.train()
        except (MissingWeights, CannotResume) as error:
            raise SystemExit(f'{cfg.filename}: {error}') from error
    return runner


def evaluate(
    cfg: Config, checkpoint: str | Path, *, out: str | Path | None = None
) -> dict[str, float]:
    """Test a checkpoint on the test set, as ``tools/test.py`` does.

    Of a teacher and a student the teacher is tested, unless ``model.semi_test_cfg.predict_on`` of
    the config is ``'student'``. Masks are kept as run lengths unless a hook draws them.

    Args:
        cfg: see :func:`~mmpldc.apis.open_config`; modified.
        checkpoint: of this config, or published of it.
        out: ``.pkl`` file for the predictions, masks as run lengths.

    Returns:
        Metrics by name, such as ``coco/segm_mAP`` in [0, 1].

    Raises:
        SystemExit: if the checkpoint does not fit the config; with one line.
    """
    cfg.load_from = str(checkpoint)
    # A config that a resumed run left in its work directory would make this test resume too.
    cfg.resume = False
    join_ranks_on_cpu(cfg)
    for word in prepare_loaders(cfg):
        print(word, flush=True)
    with one_line_build_errors(cfg), one_line_loader_errors():
        runner = EvaluationRunner.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
        try:
            check_checkpoint(checkpoint, runner.model, cfg)
        except (ValueError, OSError) as error:
            raise SystemExit(f'tools/test.py: {error}') from None
        metrics = runner.test_evaluator.metrics
        takes_run_lengths = all(isinstance(metric, CocoMetric) for metric in metrics)
        if out is not None:
            metrics.append(DumpRunLengths(out_file_path=str(out)))
        visualization = (cfg.get('default_hooks') or {}).get('visualization') or {}
        if takes_run_lengths and not visualization.get('draw'):
            with predict_run_lengths(runner.model):
                return runner.test()
        return runner.test()


class EvaluationRunner(Runner):
    """A Runner that leaves the config that the training wrote into the work directory."""

    def dump_config(self) -> None:
        """Write nothing: the config of a test is in its own folder, as ``vis_data/config.py``."""


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


def _use_mixed_precision(cfg: Config) -> None:
    """Choose the wrapper with a loss scale, in place.

    Raises:
        SystemExit: without a GPU.
    """
    if get_device() == 'cpu':
        raise SystemExit('--amp needs a GPU: mmengine has no mixed precision on the CPU')
    guarded = cfg.optim_wrapper.type.startswith('mmpldc.Guarded')
    cfg.optim_wrapper.type = 'mmpldc.GuardedAmpOptimWrapper' if guarded else 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def _build(cfg: Config, *, auto_scale_lr: bool, verbose: bool) -> Runner:
    runner_type = Runner if verbose else ShortConsoleRunner
    runner = runner_type.from_cfg(cfg) if 'runner_type' not in cfg else RUNNERS.build(cfg)
    drop_inner_deprecations(runner.logger)
    accumulative_counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    if auto_scale_lr and accumulative_counts > 1:
        # mmengine leaves them out. Not in the config, because a later run may start from it.
        runner.auto_scale_lr['base_batch_size'] /= accumulative_counts
    return runner


def _resume(runner: Runner, path: str) -> None:
    try:
        resume_runner(runner, None if path == 'auto' else path)
    except BrokenCheckpoint as error:
        raise SystemExit(str(error)) from error
