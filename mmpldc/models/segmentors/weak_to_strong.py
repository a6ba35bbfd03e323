"""The loss on pseudo-labels of pixels that several methods share."""

from typing import Literal, get_args

import torch
from mmdet.utils import reduce_mean
from torch import Tensor

from mmpldc.functional import image_mean, pixel_cross_entropy, reliable_mean, valid_mean
from mmpldc.registry import TASK_UTILS

Average = Literal['reliable', 'image', 'valid']


@TASK_UTILS.register_module()
class WeakToStrongLoss:
    """Cross-entropy of a student's view to the teacher's labels of the weak view.

    Args:
        average: ``'reliable'``: over reliable pixels, times valid / reliable ones (U2PL);
            ``'image'``: over the valid pixels of each image, times its ease (iMAS); ``'valid'``:
            over the valid pixels of the batch (UniMatch, mean teacher).

    Raises:
        ValueError: for an unknown average.
    """

    def __init__(self, *, average: Average = 'valid') -> None:
        if average not in get_args(Average):
            raise ValueError(f'average must be one of {get_args(Average)}, got {average!r}')
        self.average = average

    def __call__(
        self,
        logits: Tensor,
        labels: Tensor,
        reliable: Tensor,
        valid: Tensor,
        ease: Tensor | None = None,
    ) -> Tensor:
        """The loss of this rank; the mean over ranks is that of one batch.

        Args:
            logits: of the student, ``(B, C, H, W)`` float.
            labels: ``(B, H, W)`` int64 in [0, C), 255 where there is none.
            reliable: ``(B, H, W)`` bool, pixels that count.
            valid: ``(B, H, W)`` bool, False for padding.
            ease: ``(B,)`` float, weights of the images; only with ``'image'``.

        Returns:
            Scalar float32.
        """
        losses = pixel_cross_entropy(logits, labels)
        if self.average == 'image':
            return image_mean(losses, reliable, valid, ease)
        numbers = torch.stack([valid.sum(), reliable.sum()]).float()
        num_valid, num_reliable = reduce_mean(numbers)
        if self.average == 'reliable':
            return reliable_mean(losses, reliable, num_valid=num_valid, num_reliable=num_reliable)
        return valid_mean(losses, reliable & valid, num_valid=num_valid)
