"""Core of every method: a student, its teacher and the position of the run."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from torch import Tensor, nn

from mmpldc.phases import BurnIn, Phases
from mmpldc.schedules import Progress, build_schedule, value_at
from mmpldc.utils.unwrapping import unwrapped

from .joint_forward import forward_batches, refuse_training_norms
from .pair import NetworkPair
from .pseudo_label_counter import PseudoLabelCounter
from .shared_geometry import check_views


class TeacherStudent(NetworkPair):
    """A student network and its teacher, of any task.

    The student learns from labels, and after burn-in from pseudo-labels of the teacher.
    :class:`mmpldc.engine.hooks.MeanTeacherHook` updates the teacher and calls
    :meth:`prepare_training` and :meth:`set_progress`. A task derives from this class and from its
    library's base model, and implements :meth:`loss`, :meth:`network_forward` and
    :attr:`num_classes`; docs/add_a_method.md shows where a method's own parts go.

    Batches come in named views (mmdet's ``MultiBranch``). Views of an image share their geometry,
    so predictions on one are targets for another without being moved.

    Args:
        network: config of student and teacher.
        burn_in_iters: t_b, the iterations of burn-in.
        burn_in: kind of burn-in, see :class:`mmpldc.phases.Phases`.
        unsup_weight: lambda, a number or the config of a schedule (:mod:`mmpldc.schedules`). At 0
            the run is supervised, needs no unlabelled view, and the teacher is the student's EMA.
        joint_forward: pass labelled and unlabelled images through the student as one batch if they
            have the same size. Not with batch norms that train: their statistics would mix both.
        semi_test_cfg: ``predict_on='teacher'`` or ``'student'``.
        data_preprocessor: config of ``mmpldc.MultiBranchDataPreprocessor``.
        init_cfg: as in mmengine's ``BaseModule``.

    Attributes:
        views: groups of views that a batch must have; the views of a group show the same pixels.
            The task sets them.
        labels_are: what a class has of labels and pseudo-labels, for warnings.
    """

    labels_are: ClassVar[Literal['instances', 'pixels']] = 'instances'

    def __init__(
        self,
        *,
        network: ConfigType,
        burn_in_iters: int,
        burn_in: BurnIn = 'supervised',
        unsup_weight: float | ConfigType = 1.0,
        joint_forward: bool = False,
        semi_test_cfg: ConfigType | None = None,
        data_preprocessor: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(
            network=network,
            semi_test_cfg=semi_test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.phases = Phases(burn_in_iters, burn_in, build_schedule(unsup_weight))
        self.views: list[tuple[str, ...]] = []
        self.joint_forward = joint_forward
        self.progress: Progress | None = None
        self.pseudo_label_counter = PseudoLabelCounter(self.num_classes)

    # To be implemented by a task

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """N, the number of the networks' classes."""

    @abstractmethod
    def network_forward(self, network: nn.Module, images: Tensor) -> Any:
        """Return the raw outputs of student or teacher, as the losses expect them.

        Args:
            network: :attr:`student` or :attr:`teacher`.
            images: normalised ``(B, 3, H, W)``.

        Returns:
            A tensor, or a list, tuple or named tuple of such things, batch first.
        """

    @abstractmethod
    def loss(
        self, batch_inputs: dict[str, Tensor], batch_data_samples: dict[str, SampleList]
    ) -> dict[str, Tensor]:
        """Run one training step; return losses and statistics by name."""

    def prepare_labeling(
        self,
        classes: Sequence[str],
        class_counts: Callable[[], Tensor],
        device: torch.device,
        num_images: int,
    ) -> None:
        """Prepare the parts that produce pseudo-labels; called only if the run uses them.

        Args:
            classes: the N class names of the data set.
            class_counts: returns the labelled amount of each class, ``(N,)`` int64.
            device: of the model.
            num_images: labelled images.
        """

    def thresholds_by_class(self) -> dict[str, Tensor]:
        """Thresholds to log by name, ``(N,)`` float each; empty if they are not per class."""
        return {}

    def describe_candidates(self, data: dict) -> str:
        """Say how the teacher's predictions spread over the qualities that select pseudo-labels.

        Args:
            data: a training batch as the loader gives it.

        Returns:
            A sentence for a warning, with a space behind it; empty if a task has none.
        """
        return ''

    # Tools for the training step

    def begin_step(self, samples: dict[str, SampleList]) -> Progress:
        """Check a batch and return the position of the run.

        Every view is checked in burn-in too, so that a wrong config fails at the first batch.

        Args:
            samples: data samples by view.

        Raises:
            RuntimeError: without ``MeanTeacherHook``.
            ValueError: if the batch lacks a view, or two views of an image differ in geometry.
        """
        if self.progress is None:
            raise RuntimeError(
                f'{type(self).__name__} does not know the iteration: add '
                "default_hooks.mean_teacher=dict(type='mmpldc.MeanTeacherHook')"
            )
        check_views(samples, self.views)
        return self.progress

    def student_predictions(self, batches: Sequence[Tensor]) -> list[Any]:
        """Run the student on batches of images, in one pass if ``joint_forward`` allows.

        Args:
            batches: normalised images, ``(B_i, 3, H_i, W_i)``.

        Returns:
            For each batch the output of :meth:`network_forward`.
        """
        return forward_batches(
            lambda images: self.network_forward(self.student, images),
            batches,
            jointly=self.joint_forward,
        )

    @property
    def unsup_weight(self) -> float:
        """Lambda at the current position of the run."""
        return value_at(self.phases.unsup_weight, self.progress)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Parse losses as mmengine does, with the log values on the CPU.

        Args:
            losses: see :meth:`loss`; scalars.

        Returns:
            The sum of the entries named as losses, and every entry, detached, float32.
        """
        loss, log_vars = super().parse_losses(losses)
        # Host sync: one for all values; the log would read them one by one.
        values = torch.stack([value.detach().float() for value in log_vars.values()]).cpu()
        return loss, dict(zip(log_vars, values, strict=True))

    # Called by the hook

    def prepare_training(
        self, classes: Sequence[str], class_counts: Callable[[], Tensor], num_images: int
    ) -> None:
        """Check the model against the data and prepare the parts that produce pseudo-labels.

        Args:
            classes: class names of the training data.
            class_counts: returns the labelled amount of each class, ``(N,)`` int64; called only if
                a part depends on it.
            num_images: labelled images.

        Raises:
            ValueError: if the data have another number of classes, or a batch norm trains although
                ``joint_forward`` mixes labelled and unlabelled images.
        """
        if len(classes) != self.num_classes:
            raise ValueError(
                f'the data set has {len(classes)} classes, {classes}, but model.num_classes is '
                f'{self.num_classes}: make them equal'
            )
        if self.phases.is_supervised:
            return
        self.train()  # as the loop does later, so that norms show whether they train
        if self.joint_forward:
            refuse_training_norms(self.student)
        device = next(self.parameters()).device
        self.prepare_labeling(classes, class_counts, device, num_images)

    def set_progress(self, step: int, max_steps: int) -> None:
        """Set the position of the run, before each step."""
        self.progress = self.phases.progress(step, max_steps)

    def end_pseudo_labels(self) -> None:
        """From the next step on, learn from labelled images alone."""
        self.phases = replace(self.phases, burn_in='supervised', unsup_weight=0.0)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """mmengine's entry point.

        Args:
            inputs: as for :meth:`loss` in mode 'loss', else normalised images ``(B, 3, H, W)``.
            data_samples: as for :meth:`loss` in mode 'loss', else B samples.
            mode: 'loss', 'predict' or 'tensor'.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._forward(inputs, data_samples)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")


def as_teacher_student(model: nn.Module) -> TeacherStudent | None:
    """Unwrap a Runner's model and return it if it is a teacher-student pair, else None."""
    model = unwrapped(model)
    return model if isinstance(model, TeacherStudent) else None
