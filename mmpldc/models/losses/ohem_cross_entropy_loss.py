"""Online hard example mining as U2PL, iMAS and UniMatch train on Cityscapes."""

from torch import Tensor, nn

from mmpldc.functional import hard_pixel_mean
from mmpldc.registry import MODELS


@MODELS.register_module()
class OHEMCrossEntropyLoss(nn.Module):
    """Cross-entropy of hard pixels, for ``loss_decode`` of mmsegmentation's decode heads.

    See :func:`mmpldc.functional.hard_pixel_mean`, which tells it from mmsegmentation's
    ``OHEMPixelSampler``.

    Args:
        max_probability: pixels whose label has at most this are hard; 0.7 in the papers.
        min_kept: pixels of a rank's batch that are kept in any case; 100,000 in U2PL and iMAS,
            200,000 in UniMatch.
        loss_weight: what the loss is multiplied by.
        loss_name: in the log; it must begin with ``loss_`` to be trained on.
    """

    def __init__(
        self,
        *,
        max_probability: float = 0.7,
        min_kept: int = 100_000,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        self.max_probability = max_probability
        self.min_kept = min_kept
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """The loss.

        Args:
            logits: ``(B, C, H, W)`` float.
            labels: ``(B, H, W)`` int64 in [0, C) or ``ignore_index``.
            weight: of a pixel sampler; must be None, as this loss chooses pixels itself.
            ignore_index: label of pixels without one.

        Returns:
            Scalar.

        Raises:
            ValueError: with a ``weight``.
        """
        if weight is not None:
            raise ValueError(
                'OHEMCrossEntropyLoss chooses its pixels: set decode_head.sampler=None'
            )
        labels = labels.masked_fill(labels == ignore_index, 255)
        return self.loss_weight * hard_pixel_mean(
            logits, labels, max_probability=self.max_probability, min_kept=self.min_kept
        )
