"""The state of adaptive class-aware thresholds (DF-ACAT)."""

import torch
from mmengine.dist import all_reduce
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmpldc.functional import class_sums, frequency_thresholds, mask_quality, move_thresholds
from mmpldc.registry import MODELS

COUNTED = ('all', 'objects', 'kept')


@MODELS.register_module()
class ClassAwareThresholds(nn.Module):
    """Thresholds on class and mask quality, one of each per class, that follow the teacher.

    They start from the labelled instances of each class and move every step towards the mean
    quality of the teacher's predictions of that class, on all ranks together. They are buffers:
    a checkpoint holds them, and the teacher's EMA does not touch them. Loading a checkpoint, also
    by ``load_from``, takes over its thresholds if the number of classes is the same.

    Args:
        num_classes: N; filled in by :class:`~mmpldc.models.SemiMask2Former`.
        class_range: (T_min, T_max) of the class thresholds.
        mask_range: those of the mask thresholds.
        keep_rate: alpha_tau of an update, 0.9996 as released.
        count: whose quality enters the mean: ``'all'`` candidates of the filter, as released,
            which include the many queries that see nothing; ``'objects'``, those whose likeliest
            class is not "no object"; or ``'kept'``, those that became pseudo-labels.

    Note:
        As released, except: state is saved and shared by all ranks, thresholds stay within their
        range, ``count`` has better choices, and with ``'all'`` or ``'objects'`` mask quality is
        that of the mask at its own stride, for upsampling every query would cost more than the
        filter itself.
    """

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
        # A checkpoint's thresholds must not be started anew.
        self.register_buffer('is_started', torch.tensor(False))

    def start(self, counts: Tensor) -> None:
        """Set the thresholds by class frequency, unless a checkpoint brought some.

        Args:
            counts: ``(N,)``, labelled instances of each class, the same on all ranks.
        """
        # Host sync: once a run.
        if not self.is_started:
            counts = counts.to(self.class_thr.device)
            for thresholds, (low, high) in self._with_ranges():
                thresholds.copy_(frequency_thresholds(counts, low=low, high=high))
            self.is_started.fill_(True)

    def current(self) -> dict[str, Tensor]:
        """What :class:`~mmpldc.models.PseudoLabelFilter` takes: ``class_thr``, ``mask_thr``."""
        return dict(class_thr=self.class_thr, mask_thr=self.mask_thr)

    @torch.no_grad()
    def update(self, results: dict) -> None:
        """Move towards the mean quality of this step's predictions; every rank must call it.

        Args:
            results: of :class:`~mmpldc.models.PseudoLabelFilter`.
        """
        class_quality, masks_quality, labels, weight = self._counted(results)
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

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """As the parent; thresholds of another number of classes do not count as started."""
        given = [state_dict.get(prefix + name) for name in ('class_thr', 'mask_thr')]
        if any(values is None or values.shape != self.class_thr.shape for values in given):
            state_dict.pop(prefix + 'is_started', None)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _with_ranges(self) -> list[tuple[Tensor, tuple[float, float]]]:
        return [(self.class_thr, self.class_range), (self.mask_thr, self.mask_range)]

    def _counted(self, results: dict) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Class and mask quality, label and weight (0 or 1) of M predictions, each ``(M,)``.

        A NaN, which would stay in the thresholds for ever, counts for nothing.
        """
        if self.count == 'kept':
            kept = InstanceData.cat(results['pseudo_instances'])
            weight = torch.ones_like(kept.class_quality)
            return kept.class_quality, kept.mask_quality, kept.labels, weight
        class_quality, labels, query = results['candidates']
        if 'candidate_mask_quality' in results:
            masks_quality = results['candidate_mask_quality']
        else:
            masks_quality = mask_quality(results['mask_logits'])[0].gather(1, query)
        weight = torch.ones_like(class_quality)
        if self.count == 'objects':
            is_object = results['cls_logits'].argmax(dim=-1) < self.num_classes
            weight = is_object.gather(1, query).float()
        weight = weight * (class_quality + masks_quality).isfinite()
        return (
            class_quality.nan_to_num().flatten(),
            masks_quality.nan_to_num().flatten(),
            labels.flatten(),
            weight.flatten(),
        )
