"""Labels that come with a score from elsewhere, in the form of a teacher's outputs."""

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-6  # of a probability: its logit is finite


def class_logits_of(labels: Tensor, quality: Tensor, *, num_classes: int) -> Tensor:
    """Class logits whose softmax gives each label its quality.

    The rest is spread evenly over the other classes, so that a second opinion on the class (DICC)
    can outvote a doubtful label; of a single class it goes to "no object".

    Args:
        labels: ``(K,)`` int64 in [0, N).
        quality: ``(K,)`` float in [0, 1].
        num_classes: N.

    Returns:
        ``(K, N + 1)`` float32, the last column is "no object".

    Examples:
        >>> logits = class_logits_of(torch.tensor([1]), torch.tensor([0.8]), num_classes=3)
        >>> logits.softmax(dim=-1)
        tensor([[1.0000e-01, 8.0000e-01, 1.0000e-01, 1.0000e-06]])
    """
    quality = quality.float()[:, None]
    probability = torch.zeros(len(labels), num_classes + 1, device=labels.device)
    probability[:, :num_classes] = (1 - quality) / max(num_classes - 1, 1)
    if num_classes == 1:
        probability[:, 1:] = 1 - quality
    probability.scatter_(1, labels[:, None], quality)
    return probability.clamp(min=SMALLEST).log()


def mask_logits_of(masks: Tensor, quality: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits of binary masks at a coarser stride, as certain as the masks are good.

    A pixel inside gets the probability m and one outside 1 - m, so that the mean probability of the
    mask's pixels (Eq. 4) is m again, and PMUA weighs a doubtful mask less.

    Args:
        masks: ``(K, H, W)`` uint8 or bool.
        quality: m, ``(K,)`` float in (0.5, 1].
        size: (h, w) of the result, in the same frame; a pixel there is inside by its share.

    Returns:
        ``(K, h, w)`` float32, finite.

    Examples:
        >>> masks = torch.tensor([[[1, 1, 0, 0], [1, 1, 0, 0]]])
        >>> mask_logits_of(masks, torch.tensor([0.9]), (1, 2)).sigmoid()
        tensor([[[0.9000, 0.1000]]])
    """
    if not len(masks):  # interpolate takes no empty batch
        return quality.new_zeros(0, *size, dtype=torch.float32)
    share = F.interpolate(masks[None].float(), size, mode='area')[0]
    certainty = quality.float().clamp(0.5 + SMALLEST, 1 - SMALLEST).logit()
    return (2 * share - 1) * certainty[:, None, None]
