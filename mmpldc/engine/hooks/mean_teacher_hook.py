"""The teacher's side of a training step: what it starts as, mirror, moving average."""

from itertools import chain

import torch
from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmpldc.utils.checkpoints import TEACHER, check_weights, read_checkpoint, teacher_weights
from mmpldc.engine.runner import AccumulatingTrainLoop, accumulative_counts
from mmpldc.utils.unwrapping import unwrapped
from mmpldc.functional import ema_update_, ramped_keep_rate
from mmpldc.phases import TeacherUpdate
from mmpldc.registry import HOOKS


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Keep the teacher of a :class:`~mmpldc.models.SemiMask2Former`.

    Until burn-in ends the teacher mirrors the student (so that it can be validated, and equals the
    student at the boundary, parameters and buffers). From there on it is the student's exponential
    moving average. A teacher that a checkpoint brought along (``load_from``) is not overwritten:
    it stays as it is until burn-in ends, and is averaged from there.

    A guided burn-in (Guided Distillation) needs such a teacher. When it ends the teacher becomes a
    copy of the student, and is its average from there.

    The phases are the model's (:class:`~mmpldc.phases.Phases`); the hook also tells the model the
    progress. State lives in the model (``teacher_is_set``), so a resumed run goes on as it was.

    Frozen parameters, such as the whole backbone in the paper, are one tensor for both networks
    from the first step on, and no part of the average.

    On several ranks the running statistics of batch norms that train are averaged over the ranks
    at each step, for each sees its own images: so the teacher is the same on all.

    Args:
        keep_rate: alpha, the share of the teacher that an update keeps; 0.9996 in the paper.
            mmdet's ``momentum`` is 1 - alpha.
        ramp_up: start with a keep rate of 0 that grows with the iteration, 1 - 1/(n + 1) after n of
            them, until it reaches ``keep_rate`` (PAIS, whose keep rate is 0.999).
        teacher_checkpoint: path or address of the weights that the teacher alone starts with: of a
            ``Mask2Former``, or of a ``SemiMask2Former``, whose teacher is taken. A resumed run does
            not read it again.

    Note:
        The paper trains the teacher in burn-in and copies it to the student. Here, as released, the
        student trains; that the teacher mirrors it before the boundary changes no weight after it.
    """

    def __init__(
        self,
        *,
        keep_rate: float = 0.9996,
        ramp_up: bool = False,
        teacher_checkpoint: str | None = None,
    ) -> None:
        if not 0 <= keep_rate <= 1:
            raise ValueError(f'keep_rate must lie in [0, 1], got {keep_rate}')
        self.keep_rate = keep_rate
        self.ramp_up = ramp_up
        self.teacher_checkpoint = teacher_checkpoint

    def before_run(self, runner: Runner) -> None:
        """Refuse a second hook of this kind, which would average the teacher twice a step.

        Raises:
            ValueError: if there is one.
        """
        if sum(isinstance(hook, MeanTeacherHook) for hook in runner.hooks) > 1:
            raise ValueError(
                'there are two MeanTeacherHooks: keep default_hooks.mean_teacher, write the '
                'settings there, and remove the one in custom_hooks'
            )

    def before_train(self, runner: Runner) -> None:
        """Start from the student if no teacher was given, and let the model get ready.

        Raises:
            ValueError: if gradients are accumulated in a loop whose iterations are micro-batches,
                the teacher's checkpoint is not of this model, or a guided burn-in has no teacher.
            FileNotFoundError: if there is no such checkpoint.
        """
        count = accumulative_counts(runner.optim_wrapper)
        if count > 1 and not isinstance(runner.train_loop, AccumulatingTrainLoop):
            raise ValueError(
                f'optim_wrapper.accumulative_counts={count}: burn-in, teacher and schedules would '
                "count micro-batches. Set train_cfg.type='mmpldc.AccumulatingTrainLoop', whose "
                'iterations are optimiser steps'
            )
        model = unwrapped(runner.model)
        model.prepare_training(runner.train_dataloader.dataset)
        if self.teacher_checkpoint is not None and runner.iter == 0:
            _load_teacher(model, self.teacher_checkpoint)
        # Host sync: once a run. The flag is read here and kept in step below.
        self.teacher_is_set = bool(model.teacher_is_set)
        if not self.teacher_is_set:
            if model.phases.is_guided:
                raise ValueError(
                    "model.burn_in='guided' needs a teacher that has been trained on the labelled "
                    'images: set default_hooks.mean_teacher.teacher_checkpoint to its checkpoint'
                )
            _move(_tensors(model.teacher), _tensors(model.student), keep_rate=0.0)
        _share_frozen_parameters(model.teacher, model.student)
        runner.model.train()  # as the loop will do, so that norms show whether they train
        self.running_statistics = _running_statistics(model.student)
        pairs = zip(_tensors(model.teacher), _tensors(model.student), strict=True)
        own = [pair for pair in pairs if pair[0].data_ptr() != pair[1].data_ptr()]
        self.teacher, self.student = map(list, zip(*own, strict=True))

    def after_train(self, runner: Runner) -> None:
        """Give the teacher a backbone of its own again: what loads weights next may change one."""
        for parameter in unwrapped(runner.model).teacher.parameters():
            parameter.data = parameter.data.clone()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Tell the model where training stands."""
        unwrapped(runner.model).set_progress(runner.iter, runner.max_iters)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Keep, copy or average, as the phase says: alpha * teacher + (1 - alpha) * student."""
        model = unwrapped(runner.model)
        all_reduce_params(self.running_statistics, op='mean')
        update = model.phases.teacher_update(runner.iter, is_given=self.teacher_is_set)
        if update is TeacherUpdate.COPY:
            _move(self.teacher, self.student, keep_rate=0.0)
        elif update is TeacherUpdate.AVERAGE:
            keep_rate = self.keep_rate
            if self.ramp_up:
                keep_rate = ramped_keep_rate(runner.iter + 1, keep_rate=keep_rate)
            _move(self.teacher, self.student, keep_rate=keep_rate)
            if not self.teacher_is_set:
                self.teacher_is_set = True
                model.teacher_is_set.fill_(True)


def _load_teacher(model: nn.Module, path: str) -> None:
    """Give the teacher weights of its own."""
    weights = read_checkpoint(path)['state_dict']
    try:
        if any(name.startswith(TEACHER) for name in weights):
            weights = teacher_weights(weights)
        check_weights(weights, model.teacher)
    except ValueError as error:
        raise ValueError(f'teacher_checkpoint={path!r}: {error}') from error
    model.teacher.load_state_dict(weights)
    model.teacher_is_set.fill_(True)


def _share_frozen_parameters(teacher: nn.Module, student: nn.Module) -> None:
    """Let frozen parameters with the same values share their memory."""
    for mine, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
        # Host sync, once a run: a checkpoint may have brought a teacher with another backbone.
        if not theirs.requires_grad and torch.equal(mine, theirs):
            mine.data = theirs.data


def _running_statistics(module: nn.Module) -> list[Tensor]:
    """Means and variances that differ between ranks once they train."""
    return [
        statistic
        for norm in module.modules()
        if isinstance(norm, _BatchNorm)
        and not isinstance(norm, nn.SyncBatchNorm)
        and norm.training
        and norm.track_running_stats
        for statistic in (norm.running_mean, norm.running_var)
    ]


def _tensors(module: nn.Module) -> list[Tensor]:
    return list(chain(module.parameters(), module.buffers()))


def _move(teacher: list[Tensor], student: list[Tensor], *, keep_rate: float) -> None:
    """The values are taken anew each time: a parameter may have got other memory meanwhile."""
    ema_update_([t.detach() for t in teacher], [s.detach() for s in student], keep_rate=keep_rate)
