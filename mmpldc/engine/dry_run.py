"""Rehearse a run in a few steps before queueing days of it: ``tools/train.py --dry-run``."""

import atexit
import copy
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmpldc.phases import Phases

from .projection import Plan

STEPS = 2  # of each phase; the first one warms up
LOCAL_BACKENDS = ('LocalVisBackend', 'TensorboardVisBackend')  # others log to a service


def plan_of(cfg: Config) -> Plan:
    """Read the plan of a run from its config, see :class:`~mmpldc.engine.projection.Plan`.

    Raises:
        ValueError: if the config trains by epochs.
    """
    train = cfg.train_cfg
    if 'max_iters' not in train:
        raise ValueError('--dry-run needs train_cfg.max_iters: training by epochs is not supported')
    validated = {}
    if cfg.get('val_cfg') is not None:
        validated = {'model': 1}
        if 'TeacherStudentValLoop' in str(cfg.val_cfg.get('type')):
            every = cfg.val_cfg.get('student_interval', 0)
            validated = dict(teacher=1) | (dict(student=every) if every else {})
    hook = _checkpoint_hook(cfg)
    best = hook.get('save_best') or []
    return Plan(
        phases=_phases(cfg.model, train.max_iters),
        validated=validated,
        val_interval=train.get('val_interval', 1000),
        val_begin=train.get('val_begin', 1),
        checkpoint_interval=0 if hook.get('by_epoch', True) else max(hook.get('interval', 0), 0),
        max_keep=max(hook.get('max_keep_ckpts', 0), 0),
        best=1 if isinstance(best, str) else len(best),
        log_interval=(cfg.get('default_hooks', {}).get('logger') or {}).get('interval', 10),
    )


def _phases(model: ConfigDict, max_iters: int) -> dict[str, int]:
    if 'burn_in_iters' not in model:  # not a teacher-student model of ours
        return {'training': max_iters}
    return {phase.name: phase.iters for phase in Phases.from_config(model).split(max_iters)}


def rehearsed_steps(plan: Plan) -> dict[str, int]:
    """Number of iterations to run in each phase."""
    return {name: min(STEPS, iters) for name, iters in plan.phases.items()}


def dry_run_config(cfg: Config, out: str | None = None) -> Config:
    """Return a config that runs a few steps of each phase, validates one batch and reports.

    Models, data, optimiser and schedules stay the same, and so does the length of the run, which
    determines CLIP's weight. Output goes to a folder on the disk of the work directory; the folder
    is removed when the process ends.

    Args:
        cfg: config of the full run, with ``work_dir``; not modified.
        out: file for the measurements, see :class:`~mmpldc.engine.hooks.DryRunHook`.

    Raises:
        ValueError: if the config trains by epochs.
        OSError: if the disk of the work directory is not writable.
    """
    plan = plan_of(cfg)
    steps = rehearsed_steps(plan)
    own = copy.deepcopy(cfg)
    own.work_dir = _temporary_folder(Path(_checkpoint_hook(cfg).get('out_dir') or cfg.work_dir))
    own.resume = False
    own.train_cfg.update(val_interval=sum(steps.values()), val_begin=1, dynamic_intervals=None)
    if plan.validated.get('student'):
        own.val_cfg.student_interval = 1
    if 'burn_in_iters' in own.model:
        phases = Phases.from_config(own.model).split(cfg.train_cfg.max_iters)
        burn_in = sum(steps[phase.name] for phase in phases if phase.is_burn_in)
        if any(not phase.is_burn_in for phase in phases):
            own.model.burn_in_iters = burn_in
    hooks = own.setdefault('default_hooks', ConfigDict())
    hooks.logger = (hooks.get('logger') or dict(type='LoggerHook')) | dict(interval=1)
    saving = _checkpoint_hook(own)
    if saving:
        saving.update(interval=sum(steps.values()), by_epoch=False, save_begin=0, out_dir=None)
        saving.pop('published_keys', None)
        hooks.checkpoint = saving
    if 'vis_backends' in own.get('visualizer', {}):
        backends = own.visualizer.vis_backends
        own.visualizer.vis_backends = [b for b in backends if b.type in LOCAL_BACKENDS]
    hook = dict(type='mmpldc.DryRunHook', plan=asdict(plan), steps=list(steps.values()), out=out)
    own.custom_hooks = [*(own.get('custom_hooks') or []), hook]
    return own


def _checkpoint_hook(cfg: Config) -> ConfigDict:
    """Return its config; empty if the hook is missing."""
    own = cfg.get('default_hooks', {}).get('checkpoint', dict(type='CheckpointHook', interval=1))
    return ConfigDict(own or {})


def _temporary_folder(place: Path) -> str:
    """Create a folder in ``place``, or in the nearest existing parent."""
    place = place.absolute()
    while not place.is_dir():
        place = place.parent
    folder = tempfile.mkdtemp(prefix='.dry_run_', dir=place)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # not in a forked worker
        shutil.rmtree(folder, ignore_errors=True)
