"""Masks as COCO's run lengths."""

from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from torch import Tensor


def encode_masks(masks: Tensor) -> list[dict]:
    """Encode masks as COCO's compressed RLE, like mmdet's ``encode_mask_results``.

    COCO's run lengths follow the columns. OpenCV transposes a mask to that order block by block;
    NumPy does it byte by byte, which takes longer than the encoding.

    Args:
        masks: ``(K, H, W)`` bool, on any device.

    Returns:
        For each mask ``size`` [H, W] and ``counts`` as bytes.

    Note:
        Encoding runs in this thread: pycocotools blocks all others while it encodes.
    """
    pixels = masks.detach().cpu().bool().numpy().view(np.uint8)
    return [coco_mask.encode(cv2.transpose(mask).T) for mask in pixels]


def encode_in_frame(crop: np.ndarray, corner: Sequence[int], size: Sequence[int]) -> dict:
    """Encode a part of a large mask that is empty elsewhere, without the large mask.

    Args:
        crop: ``(h, w)`` bool.
        corner: (top, left) of the part, in pixels of the frame.
        size: (H, W) of the frame, which holds the part.

    Returns:
        As :func:`encode_masks`, of the whole frame.
    """
    (top, left), (height, width) = corner, size
    # COCO counts down the columns: the run of a column's pixels begins and ends at these places.
    edges = np.diff(np.pad(crop.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    places = []
    for sign in (1, -1):
        column, row = np.nonzero(edges == sign)
        places.append((left + column) * height + top + row)
    bounds: np.ndarray = np.stack(places, axis=1).ravel()
    # a run to the end of a column goes on at the top of the next one
    touching = np.flatnonzero(bounds[1:-1:2] == bounds[2::2])
    bounds = np.delete(bounds, np.concatenate([2 * touching + 1, 2 * touching + 2]))
    counts = np.diff(bounds, prepend=0, append=height * width).tolist()
    return coco_mask.frPyObjects(dict(size=[height, width], counts=counts), height, width)
