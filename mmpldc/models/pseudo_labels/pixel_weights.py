"""What each pixel of a pseudo-mask counts in the mask loss, by the student's prediction."""

from mmcv.ops import point_sample
from torch import Tensor

from mmpldc.functional import boundary_map, boundary_weights
from mmpldc.registry import TASK_UTILS


@TASK_UTILS.register_module()
class BoundaryPreservingMap:
    """Noisy Boundaries' map: the pixels count where the student sees the mask's boundary.

    Args:
        scale: mean weight of a mask's pixels, 3 in Noisy Boundaries.

    Note:
        Noisy Boundaries takes its mean over the 28 x 28 pixels of a Mask R-CNN mask, which an
        object fills. Here a mask is the whole image's, so the mean is over the loss's own points,
        most of which lie where the prediction is uncertain; with the image's mean a small object
        would have weights in the hundreds. As released it weighs labelled masks too, here
        pseudo-masks alone, as PMUA does. The released code multiplies the loss's mean by the map,
        which comes to a factor of 3; here each pixel's loss has its own weight.
    """

    def __init__(self, *, scale: float = 3.0) -> None:
        self.scale = scale

    def __call__(self, mask_logits: Tensor, points: Tensor) -> Tensor:
        """Weights at the loss's points.

        Args:
            mask_logits: of the student, ``(K, h, w)`` float.
            points: ``(K, P, 2)`` float, (x, y) in [0, 1] of the padded batch frame.

        Returns:
            ``(K, P)`` float32, without gradient.
        """
        boundary = point_sample(boundary_map(mask_logits)[:, None], points).squeeze(1)
        return boundary_weights(boundary, scale=self.scale)
