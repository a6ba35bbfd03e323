"""Pseudo-labels of pixels: which of them count."""

from typing import NamedTuple, Protocol

from torch import Tensor

from mmpldc.functional import pixel_entropy, reliable_pixels
from mmpldc.registry import TASK_UTILS
from mmpldc.schedules import Progress, Schedule, build_schedule, value_at


class DenseLabels(NamedTuple):
    """The teacher's view of B unlabelled images, padded batch frame.

    Attributes:
        logits: ``(B, C, H, W)`` float32.
        labels: ``(B, H, W)`` int64 in [0, C), the likeliest class.
        confidence: ``(B, H, W)`` float32 in (0, 1], its probability.
        valid: ``(B, H, W)`` bool, False for padding and for images whose logits hold a NaN.
    """

    logits: Tensor
    labels: Tensor
    confidence: Tensor
    valid: Tensor


class ChoosesPixels(Protocol):
    """Interface of ``model.reliability``."""

    def __call__(self, teacher: DenseLabels, progress: Progress) -> tuple[Tensor, Tensor]:
        """Reliable and unreliable pixels, each ``(B, H, W)`` bool; padding is neither."""


@TASK_UTILS.register_module()
class ConfidentPixels:
    """Pixels count whose class is probable enough (FixMatch's rule; iMAS, UniMatch).

    Args:
        threshold: tau, in [0, 1]; a number or the config of a schedule. At 0 all pixels count.
    """

    def __init__(self, *, threshold: float | dict) -> None:
        self.threshold: float | Schedule = build_schedule(threshold)

    def __call__(self, teacher: DenseLabels, progress: Progress) -> tuple[Tensor, Tensor]:
        """See :class:`ChoosesPixels`."""
        sure = teacher.confidence >= value_at(self.threshold, progress)
        return sure & teacher.valid, ~sure & teacher.valid


@TASK_UTILS.register_module()
class EntropyPercentile:
    """All pixels count but the share with the highest entropy (U2PL, Eqs. 5 and 6).

    Args:
        unreliable_share: alpha_t; a number or the config of a schedule. U2PL's falls linearly from
            0.2 to 0 over the run (Eq. 7), which is
            ``dict(type='mmpldc.Ramp', start=0.2, end=0.0, begin=0)``.

    Note:
        The percentile is each rank's own, as released. alpha_t falls by iterations, where the
        paper counts epochs.
    """

    def __init__(self, *, unreliable_share: float | dict) -> None:
        self.unreliable_share: float | Schedule = build_schedule(unreliable_share)

    def __call__(self, teacher: DenseLabels, progress: Progress) -> tuple[Tensor, Tensor]:
        """See :class:`ChoosesPixels`."""
        share = value_at(self.unreliable_share, progress)
        return reliable_pixels(pixel_entropy(teacher.logits), teacher.valid, share)
