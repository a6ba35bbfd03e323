"""Adaptive class-aware thresholds (DF-ACAT)."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmpldc.functional import class_sums, frequency_thresholds, mask_quality, move_thresholds
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress
from mmpldc.structures import LayerOutputs

from .selection import Selection, Thresholds

COUNTED = ('all', 'objects', 'kept')


@MODELS.register_module()
class ClassAwareThresholds(nn.Module):
    """Thresholds on class and mask quality, one of each per class, that follow the teacher.

    They start from the labelled instances of each class and move every step towards the mean
    quality of the teacher's predictions of that class, over all ranks. They are buffers: a
    checkpoint contains them, and the teacher's EMA leaves them alone. Loading a checkpoint, also
    by ``load_from``, takes over its thresholds if the number of classes is the same.

    Args:
        num_classes: N; filled in by :class:`~mmpldc.models.SemiMask2Former`.
        class_range: (T_min, T_max) of the class thresholds.
        mask_range: (T_min, T_max) of the mask thresholds.
        keep_rate: alpha_tau of an update, 0.9996 as released.
        count: predictions whose quality enters the mean: ``'all'`` candidates of the filter, as
            released, which include the many queries without an object; ``'objects'``, those whose
            most likely class is not "no object"; or ``'kept'``, those that became pseudo-labels.

    Note:
        As released, except: thresholds move once per step instead of after every image; their
        state is saved and shared by all ranks; they stay within their range; ``count`` has better
        choices. With ``'all'`` or ``'objects'`` the mask quality is that of the mask at its own
        stride, because upsampling every query would cost more than the filter itself.

        The labelled instances that start the thresholds exclude crowds and ignored instances; the
        released code counts crowds too.
    """

    class_thr: Tensor
    mask_thr: Tensor
    is_started: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        class_range: tuple[float, float],
        mask_range: tuple[float, float],
        keep_rate: float = 0.9996,
        count: str = 'objects',
    ) -> None:
        super().__init__()
        for name, (low, high) in dict(class_range=class_range, mask_range=mask_range).items():
            if not 0 <= low <= high <= 1:
                raise ValueError(f'{name} must be (low, high) within [0, 1], got {(low, high)}')
        if count not in COUNTED:
            raise ValueError(f"count must be one of {COUNTED}, got '{count}'")
        if not 0 <= keep_rate <= 1:
            raise ValueError(f'keep_rate must lie in [0, 1], got {keep_rate}')
        self.num_classes = num_classes
        self.class_range, self.mask_range = class_range, mask_range
        self.keep_rate = keep_rate
        self.count = count
        self.register_buffer('class_thr', torch.full((num_classes,), float(class_range[0])))
        self.register_buffer('mask_thr', torch.full((num_classes,), float(mask_range[0])))
        # A checkpoint's thresholds must not be initialised again.
        self.register_buffer('is_started', torch.tensor(False))

    def start(self, counts: Tensor, num_images: int = 0) -> None:
        """Initialise the thresholds by class frequency, unless a checkpoint has set them.

        Args:
            counts: ``(N,)``, labelled instances of each class, the same on all ranks.
            num_images: labelled images; not used.
        """
        # Host sync: once per run.
        if not self.is_started:
            counts = counts.to(self.class_thr.device)
            for thresholds, (low, high) in self._with_ranges():
                thresholds.copy_(frequency_thresholds(counts, low=low, high=high))
            self.is_started.fill_(True)

    def set_thresholds(
        self, *, class_thr: float | None = None, mask_thr: float | None = None
    ) -> None:
        """Set one threshold for all classes; None leaves those of the other kind.

        Raises:
            ValueError: if the remaining ones were never initialised.
        """
        if not self.is_started and (class_thr is None or mask_thr is None):
            raise ValueError(
                'the config has model.class_thresholds, but the checkpoint has no trained ones: '
                'give both thresholds'
            )
        if class_thr is not None:
            self.class_thr.fill_(class_thr)
        if mask_thr is not None:
            self.mask_thr.fill_(mask_thr)

    def current(self, progress: Progress | None = None) -> Thresholds:
        """Return the thresholds that replace the filter's own, ``(N,)`` float each.

        Args:
            progress: the position of the run, for methods whose thresholds depend on it.
        """
        return Thresholds(self.class_thr, self.mask_thr)

    @torch.no_grad()
    def update(
        self, selection: Selection, outputs: LayerOutputs, progress: Progress | None = None
    ) -> None:
        """Move towards the mean quality of this step's predictions; every rank must call it.

        Args:
            selection: the filter's result for ``outputs``.
            outputs: of the teacher.
            progress: the position of the run, for methods whose update depends on it.
        """
        class_quality, masks_quality, labels, weight = self._counted(selection, outputs)
        step = torch.stack(
            [
                class_sums(values * weight, labels, self.num_classes)
                for values in (class_quality, masks_quality, torch.ones_like(weight))
            ]
        )
        all_reduce(step)
        *sums, counts = step
        for (thresholds, (low, high)), total in zip(self._with_ranges(), sums, strict=True):
            thresholds.copy_(
                move_thresholds(
                    thresholds, total, counts, keep_rate=self.keep_rate, low=low, high=high
                )
            )

    def statistics(self) -> dict[str, Tensor]:
        """Return no numbers for the log of each step: ``ClassThresholdsLogHook`` logs them."""
        return {}

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Load as the parent; those for another number of classes do not count as initialised."""
        given = [state_dict.get(prefix + name) for name in ('class_thr', 'mask_thr')]
        if any(values is None or values.shape != self.class_thr.shape for values in given):
            state_dict.pop(prefix + 'is_started', None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _with_ranges(self) -> list[tuple[Tensor, tuple[float, float]]]:
        return [(self.class_thr, self.class_range), (self.mask_thr, self.mask_range)]

    def _counted(
        self, selection: Selection, outputs: LayerOutputs
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return class and mask quality, label and weight (0 or 1) of M predictions, ``(M,)`` each.

        NaN gets the weight 0; it would otherwise stay in the thresholds for ever.
        """
        if self.count == 'kept':
            kept = InstanceData.cat(selection.pseudo_instances)
            weight = torch.ones_like(kept.class_quality)
            return kept.class_quality, kept.mask_quality, kept.labels, weight
        class_quality, labels, query, masks_quality = selection.candidates
        if masks_quality is None:
            masks_quality = mask_quality(outputs.mask_logits)[0].gather(1, query)
        weight = torch.ones_like(class_quality)
        if self.count == 'objects':
            is_object = outputs.cls_logits.argmax(dim=-1) < self.num_classes
            weight = is_object.gather(1, query).float()
        weight = weight * (class_quality + masks_quality).isfinite()
        return (
            class_quality.nan_to_num().flatten(),
            masks_quality.nan_to_num().flatten(),
            labels.flatten(),
            weight.flatten(),
        )
