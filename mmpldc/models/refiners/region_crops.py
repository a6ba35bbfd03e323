"""Crop masked objects for an image classifier or CLIP."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmpldc.functional import (
    content_mask,
    context_boxes,
    crop_regions,
    mask_boxes,
    normalize,
    resize_masks,
)


class RegionCrops:
    """Run a network on the crops around masks, in chunks.

    Args:
        size: side of the network's input, pixels.
        mean: the network's, per RGB channel, for pixels in [0, 1].
        std: likewise.
        square: extend each box to a square around its centre, else the crop is squeezed.
        context: factor on the sides of the box.
        max_pixels: limit on the pixels of crops in the network, and of full-size masks, at once.
    """

    def __init__(
        self,
        *,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        square: bool,
        context: float,
        max_pixels: int,
    ) -> None:
        self.size = size
        self.mean, self.std = tuple(mean), tuple(std)
        self.square, self.context = square, context
        self.max_pixels = max_pixels

    def __call__(
        self,
        network: Callable[[Tensor], Tensor],
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Compute the network's outputs for all masks.

        Args:
            network: from normalised crops ``(k, 3, size, size)`` to ``(k, D)``.
            images: see :meth:`RegionScorer.score`, as for the other arguments.
            sizes: likewise.
            mask_logits: likewise.
            image_index: likewise.

        Returns:
            ``(K, D)``, and ``(K,)`` bool that is false for masks without a pixel in the image.

        Note:
            Padding and everything outside of the image get the network's mean colour.
        """
        frame = images.shape[-2], images.shape[-1]
        content = content_mask(sizes, padded=frame, shape=frame, device=images.device)
        images = normalize(images, mean=self.mean, std=self.std) * content[:, None]
        pairs = zip(self._split(mask_logits, *frame), self._split(image_index, *frame), strict=True)
        boxes = torch.cat(
            [mask_boxes(resize_masks(some, frame) & content[index]) for some, index in pairs]
        )
        valid = boxes[:, 2] > boxes[:, 0]
        boxes = context_boxes(boxes, square=self.square, context=self.context)
        chunks = (self._split(rows, self.size, self.size) for rows in (boxes, image_index))
        outputs = [
            network(crop_regions(images, some, index, self.size))
            for some, index in zip(*chunks, strict=True)
        ]
        return torch.cat(outputs), valid

    def _split(self, rows: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
        """Split rows into chunks for images of that size."""
        return rows.split(max(1, self.max_pixels // (height * width)))
