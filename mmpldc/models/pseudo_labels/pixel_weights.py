"""Weight the pixels of pseudo-masks in the mask loss."""

from typing import NamedTuple, Protocol

from torch import Tensor

from mmpldc.functional import boundary_map, boundary_weights, mask_uncertainty, point_sample
from mmpldc.registry import TASK_UTILS
from mmpldc.schedules import Progress


class MaskPoints(NamedTuple):
    """Points at which the mask loss is computed, P for each of K masks.

    Attributes:
        student_logits: ``(K, h, w)`` float, the student's masks in the padded batch frame.
        points: ``(K, P, 2)`` float, (x, y) in [0, 1] of that frame.
        teacher_logits: ``(K, P)`` float32, of the pseudo-masks at the points.
        progress: the position of the run; None if the caller does not know it.
    """

    student_logits: Tensor
    points: Tensor
    teacher_logits: Tensor
    progress: Progress | None = None


class WeighsPixels(Protocol):
    """Interface of the parts of ``loss_mask.pixel_weights``."""

    def __call__(self, samples: MaskPoints) -> Tensor:
        """Compute weights ``(K, P)`` float32 of at least 0, without gradient."""


@TASK_UTILS.register_module()
class CertaintyWeights:
    """PMUA: a pixel's weight is the teacher's certainty, 1 - u (Eqs. 10 and 11)."""

    def __call__(self, samples: MaskPoints) -> Tensor:
        """Compute weights in [0, 1], see :class:`WeighsPixels`."""
        return 1 - mask_uncertainty(samples.teacher_logits)


@TASK_UTILS.register_module()
class BoundaryPreservingMap:
    """Noisy Boundaries' map: pixels count where the student sees the mask's boundary.

    Args:
        scale: mean weight of a mask's pixels, 3 in Noisy Boundaries.

    Note:
        Noisy Boundaries averages over the 28 x 28 pixels of a Mask R-CNN mask, which an object
        fills. Here a mask covers the whole image, so the mean is over the loss's own points, most
        of which lie where the prediction is uncertain; with the image's mean a small object would
        get weights in the hundreds. The released code weights labelled masks too; here, as in PMUA,
        only pseudo-masks are weighted. The released code multiplies the loss's mean by the map,
        which amounts to a factor of 3; here each pixel's loss has its own weight.
    """

    def __init__(self, *, scale: float = 3.0) -> None:
        self.scale = scale

    def __call__(self, samples: MaskPoints) -> Tensor:
        """Compute the weights, see :class:`WeighsPixels`."""
        boundary = boundary_map(samples.student_logits)[:, None]
        at_points = point_sample(boundary, samples.points).squeeze(1)
        return boundary_weights(at_points, scale=self.scale)
