"""Update the teacher: copy the student in burn-in, then average it."""

from typing import Any, Literal, get_args

import torch
from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmpldc.datasets.class_counts import class_counts, labeled_part
from mmpldc.engine.runner import AccumulatingTrainLoop, accumulative_counts
from mmpldc.functional import ema_update_, ramped_keep_rate
from mmpldc.models.teacher_student import TeacherStudent, as_teacher_student
from mmpldc.phases import TeacherUpdate
from mmpldc.registry import HOOKS
from mmpldc.utils.checkpoints import (
    TEACHER,
    check_weights,
    read_checkpoint,
    teacher_weights,
)

RampUp = Literal['iterations', 'updates']
Buffers = Literal['average', 'copy', 'keep']


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Update the teacher of a :class:`~mmpldc.models.TeacherStudent`.

    Until burn-in ends the teacher mirrors the student: it can then be validated, and its parameters
    and buffers equal the student's at the boundary. From there on it is the student's exponential
    moving average. A teacher that comes from a checkpoint (``load_from``) is not overwritten: it
    does not change until burn-in ends, and is averaged from there.

    A guided burn-in (Guided Distillation) needs such a teacher. When it ends, the teacher becomes a
    copy of the student, and is its average from there.

    The model defines the phases (:class:`~mmpldc.phases.Phases`); the hook also passes the position
    of the run to the model. State lives in the model (``teacher_is_set``), so a resumed run
    continues exactly.

    Frozen parameters, such as the whole backbone in the paper, are one tensor for both networks
    from the first step on, and are not averaged.

    On several ranks the running statistics of batch norms that train are averaged over the ranks
    at each step, because each rank sees its own images. The teacher is therefore the same on all.

    Args:
        keep_rate: alpha, the share of the teacher that an update keeps; 0.9996 in the paper. Other
            codes call it EMA decay; mmdet's ``momentum`` is 1 - alpha.
        ramp_up: start with a low keep rate that grows until it reaches ``keep_rate``.
            ``'iterations'`` (or True): 1 - 1 / (n + 1) after n iterations of the run (PAIS, whose
            keep rate is 0.999). ``'updates'``: 1 - 1 / n at the n-th update after burn-in (U2PL,
            iMAS). None (or False): no ramp.
        buffers: what happens to float buffers, such as a batch norm's running statistics, when
            parameters are averaged: ``'average'`` them too (the paper), ``'copy'`` the student's,
            or ``'keep'`` the teacher's own.
        teacher_checkpoint: path or URL of the initial weights of the teacher alone: those of a
            plain network, or of a pair, whose teacher is used. A resumed run does not read it
            again.

    Raises:
        ValueError: if an option is out of range.

    Note:
        The paper trains the teacher in burn-in and copies it to the student. Here, as released, the
        student trains; that the teacher mirrors it before the boundary changes no weight after it.
        U2PL averages parameters only, and its teacher's norms have statistics of their own passes
        in train mode; here buffers are averaged for all methods.
    """

    def __init__(
        self,
        *,
        keep_rate: float = 0.9996,
        ramp_up: RampUp | bool | None = None,
        buffers: Buffers = 'average',
        teacher_checkpoint: str | None = None,
    ) -> None:
        if not 0 <= keep_rate <= 1:
            raise ValueError(f'keep_rate must lie in [0, 1], got {keep_rate}')
        if isinstance(ramp_up, bool):
            ramp_up = 'iterations' if ramp_up else None
        if ramp_up is not None and ramp_up not in get_args(RampUp):
            raise ValueError(f'ramp_up must be None or one of {get_args(RampUp)}, got {ramp_up!r}')
        if buffers not in get_args(Buffers):
            raise ValueError(f'buffers must be one of {get_args(Buffers)}, got {buffers!r}')
        self.keep_rate = keep_rate
        self.ramp_up = ramp_up
        self.buffers = buffers
        self.teacher_checkpoint = teacher_checkpoint

    def before_run(self, runner: Runner) -> None:
        """Refuse a second hook of this kind, which would average the teacher twice per step.

        Raises:
            ValueError: if a second one exists.
        """
        if sum(isinstance(hook, MeanTeacherHook) for hook in runner.hooks) > 1:
            raise ValueError(
                'the config has two MeanTeacherHooks: keep default_hooks.mean_teacher, write the '
                'settings there, and remove the one in custom_hooks'
            )

    def before_train(self, runner: Runner) -> None:
        """Prepare the model, and initialise the teacher from the student unless one was given.

        Raises:
            TypeError: if the model is not a teacher-student pair.
            ValueError: if gradients are accumulated in a loop whose iterations are micro-batches,
                the teacher's checkpoint does not fit the model, or a guided burn-in has no teacher.
            FileNotFoundError: if the teacher's checkpoint does not exist.
        """
        _refuse_micro_batches(runner)
        model = as_teacher_student(runner.model)
        if model is None:
            raise TypeError(
                'MeanTeacherHook needs a teacher-student model of mmpldc, such as '
                f'mmpldc.SemiMask2Former, not {type(runner.model).__name__}'
            )
        self.model = model
        dataset = runner.train_dataloader.dataset
        model.prepare_training(
            dataset.metainfo['classes'],
            lambda: class_counts(dataset),
            len(labeled_part(dataset)),
        )
        if self.teacher_checkpoint is not None and runner.iter == 0:
            _load_teacher(model, self.teacher_checkpoint)
        # Host sync: once per run. The flag is read here and kept up to date below.
        self.teacher_is_set = bool(model.teacher_is_set)
        if not self.teacher_is_set:
            if model.phases.is_guided:
                raise ValueError(
                    "model.burn_in='guided' needs a teacher that has been trained on the labelled "
                    'images: set default_hooks.mean_teacher.teacher_checkpoint to its checkpoint'
                )
            _copy(model.paired_tensors())
        model.share_frozen_parameters()
        runner.model.train()  # as the loop does later, so that norms show if they train
        self.running_statistics = _running_statistics(model.student)
        self.pairs = model.paired_tensors()
        kept = set()
        if self.buffers != 'average':
            kept = {id(buffer) for buffer in model.teacher.buffers()}
        self.averaged = [pair for pair in self.pairs if id(pair[0]) not in kept]
        self.others = [pair for pair in self.pairs if id(pair[0]) in kept]

    def after_train(self, runner: Runner) -> None:
        """Give the teacher its own backbone again."""
        self.model.unshare_parameters()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Pass the position of the run to the model."""
        self.model.set_progress(runner.iter, runner.max_iters)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep, copy or average according to the phase: alpha * teacher + (1 - alpha) * student."""
        all_reduce_params(self.running_statistics, op='mean')
        phases = self.model.phases
        update = phases.teacher_update(runner.iter, has_own_teacher=self.teacher_is_set)
        if update is TeacherUpdate.COPY:
            _copy(self.pairs)
        elif update is TeacherUpdate.AVERAGE:
            keep_rate = self._keep_rate_at(runner.iter, phases.burn_in_iters)
            _average(self.averaged, keep_rate)
            if self.buffers == 'copy':
                _copy(self.others)
            if not self.teacher_is_set:
                self.teacher_is_set = True
                self.model.teacher_is_set.fill_(True)

    def _keep_rate_at(self, step: int, burn_in_iters: int) -> float:
        if self.ramp_up is None:
            return self.keep_rate
        num_steps = step + 1 if self.ramp_up == 'iterations' else step - burn_in_iters
        return ramped_keep_rate(num_steps, keep_rate=self.keep_rate)


def _refuse_micro_batches(runner: Runner) -> None:
    """Raise an error if gradients are accumulated by a loop that counts micro-batches."""
    count = accumulative_counts(runner.optim_wrapper)
    if count > 1 and not isinstance(runner.train_loop, AccumulatingTrainLoop):
        raise ValueError(
            f'optim_wrapper.accumulative_counts={count}: burn-in, teacher and schedules would '
            "count micro-batches. Set train_cfg.type='mmpldc.AccumulatingTrainLoop', whose "
            'iterations are optimiser steps'
        )


def _load_teacher(model: TeacherStudent, path: str) -> None:
    """Load weights into the teacher alone."""
    weights = read_checkpoint(path)['state_dict']
    try:
        if any(name.startswith(TEACHER) for name in weights):
            weights = teacher_weights(weights)
        check_weights(weights, model.teacher)
    except ValueError as error:
        raise ValueError(f'teacher_checkpoint={path!r}: {error}') from error
    model.load_teacher(weights)


def _running_statistics(module: nn.Module) -> list[Tensor]:
    """Return the means and variances that differ between ranks once they train."""
    return [
        statistic
        for norm in module.modules()
        if isinstance(norm, _BatchNorm)
        and not isinstance(norm, nn.SyncBatchNorm)
        and norm.training
        and norm.track_running_stats
        for statistic in (norm.running_mean, norm.running_var)
        if statistic is not None
    ]


@torch.no_grad()
def _average(pairs: list[tuple[Tensor, Tensor]], keep_rate: float) -> None:
    """teacher := keep_rate * teacher + (1 - keep_rate) * student, for (teacher, student) pairs.

    Values are read anew each time: a parameter's memory may have been replaced meanwhile.
    """
    ema_update_(
        [teacher.detach() for teacher, _ in pairs],
        [student.detach() for _, student in pairs],
        keep_rate=keep_rate,
    )


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """teacher := student, exactly."""
    _average(pairs, 0.0)
