"""Move the edges of pseudo-masks to those in the image, by OpenCV's GrabCut."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mmpldc.functional import context_boxes, mask_boxes
from mmpldc.registry import MODELS

from .mask_refiner import MaskProposals, MaskRefiner

MIN_PIXELS = 20  # inside and outside: GrabCut fits five Gaussians to either
MIN_BAND = 1.5  # px of the crop


@MODELS.register_module()
class GrabCutRefiner(MaskRefiner):
    """Cut each object out anew by the colours inside and outside of its mask (GrabCut).

    Only a band around the edge of the teacher's mask may change; what is further inside is the
    object for sure, and what is further outside is not. No weights and no package beyond OpenCV
    are needed. The result depends on nothing but the image and the mask. It is for scenes whose
    objects differ from their surroundings in colour.

    Args:
        band: half the width of the band, as a share of the square root of the mask's area.
        context: factor on the sides of the mask's box, whose crop is cut.
        iterations: of GrabCut.
        max_side: a larger crop is made smaller to this many pixels, which bounds the time.
        **acceptance: see :class:`MaskRefiner`.

    Note:
        Ours, with GrabCut (Rother, Kolmogorov, Blake 2004) as OpenCV has it. Its quality is the IoU
        with the teacher's mask. OpenCV cuts one object at a time on the host: the masks leave the
        device, and there is a loop over labels.
    """

    def __init__(
        self,
        *,
        band: float = 0.15,
        context: float = 1.5,
        iterations: int = 2,
        max_side: int = 128,
        **acceptance: Any,
    ) -> None:
        super().__init__(**acceptance)
        self.band, self.context = band, context
        self.iterations, self.max_side = iterations, max_side

    def propose(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> MaskProposals:
        """See the parent."""
        frame = np.array(images.shape[-2:])
        shape = np.array(mask_logits.shape[-2:])
        boxes = mask_boxes(mask_logits > 0)
        stride = torch.from_numpy((frame / shape)[[1, 0, 1, 0]]).to(boxes)
        boxes = context_boxes(boxes * stride, square=False, context=self.context)
        # Host syncs: OpenCV has no other place to work.
        pixels = (255 * images).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        logits = mask_logits.float().cpu().numpy()
        found = [
            self._cut(pixels[index], sizes[index], mask, box)
            for index, mask, box in zip(
                image_index.tolist(), logits, boxes.cpu().numpy(), strict=True
            )
        ]
        probabilities, quality = zip(*found, strict=True)
        device = mask_logits.device
        qualities = torch.tensor(quality, dtype=torch.float32).to(device)
        return MaskProposals(
            torch.from_numpy(np.stack(probabilities)).to(device), qualities, qualities > 0
        )

    def _cut(
        self, image: np.ndarray, size: tuple[int, int], logits: np.ndarray, box: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Cut one object.

        Args:
            image: ``(H, W, 3)`` uint8, padded.
            size: (height, width) of its content.
            logits: ``(h, w)`` float32 of its mask, in the same frame.
            box: ``(4,)`` x1, y1, x2, y2 of the crop, in pixels of the image.

        Returns:
            ``(h, w)`` float32 in [0, 1], and the IoU with the given mask, 0 if nothing can be cut.
        """
        left, top = np.floor(box[:2].clip(0)).astype(int)
        right, bottom = np.ceil(np.minimum(box[2:], size[::-1])).astype(int)
        nothing = np.zeros(logits.shape, np.float32), 0.0
        if right - left < 2 or bottom - top < 2:
            return nothing
        crop = image[top:bottom, left:right]
        factor = min(1.0, self.max_side / max(crop.shape[:2]))
        if factor < 1:
            crop = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        inside = _at_pixels(logits, image.shape, (left, top, right, bottom), crop.shape) > 0
        if min(inside.sum(), (~inside).sum()) < MIN_PIXELS:
            return nothing
        seeds = self._seeds(inside)
        cv2.setRNGSeed(0)  # its mixtures start at random
        of_ground, of_object = np.zeros((1, 65)), np.zeros((1, 65))
        no_rectangle = (0, 0, 1, 1)  # not read: the seeds are given
        cv2.grabCut(
            np.ascontiguousarray(crop),
            seeds,
            no_rectangle,
            of_ground,
            of_object,
            self.iterations,
            cv2.GC_INIT_WITH_MASK,
        )
        cut = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
        iou = (cut & inside).sum() / (cut | inside).sum()
        whole = np.zeros(image.shape[:2], np.float32)
        whole[top:bottom, left:right] = cv2.resize(
            cut.astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
        )
        small = cv2.resize(whole, logits.shape[::-1], interpolation=cv2.INTER_AREA)
        return small.astype(np.float32), float(iou)

    def _seeds(self, inside: np.ndarray) -> np.ndarray:
        """GrabCut's four kinds of pixels, ``(h, w)`` uint8, of a mask ``(h, w)`` bool."""
        band = max(MIN_BAND, self.band * float(np.sqrt(inside.sum())))
        depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
        distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
        seeds = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        seeds[depth > band] = cv2.GC_FGD
        seeds[distance > band] = cv2.GC_BGD
        return seeds


def _at_pixels(
    logits: np.ndarray,
    frame: tuple[int, ...],
    box: tuple[int, int, int, int],
    shape: tuple[int, ...],
) -> np.ndarray:
    """Read a map at the centres of a crop's pixels, bilinearly.

    Args:
        logits: ``(h, w)`` float32.
        frame: (H, W, ...) in pixels, which the map covers.
        box: left, top, right, bottom of the crop, in these pixels.
        shape: (rows, columns, ...) of the crop, which may have been made smaller.

    Returns:
        ``(rows, columns)`` float32.
    """
    left, top, right, bottom = box
    scale = logits.shape[1] / frame[1], logits.shape[0] / frame[0]
    step = (right - left) / shape[1] * scale[0], (bottom - top) / shape[0] * scale[1]
    to_map = np.array(
        [
            [step[0], 0, left * scale[0] + step[0] / 2 - 0.5],
            [0, step[1], top * scale[1] + step[1] / 2 - 0.5],
        ]
    )
    return cv2.warpAffine(
        logits,
        to_map,
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
