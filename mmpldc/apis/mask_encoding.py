"""Encode masks for annotation tools: COCO RLE, polygons and Label Studio RLE."""

import cv2
import numpy as np
from pycocotools import mask as coco_mask

# Sizes, in bits, for run lengths; each is written in the smallest that fits. The sizes are part of
# the code; these are Label Studio's own.
LENGTH_BITS = (3, 4, 8, 16)
PAINTED = 255  # value of a painted pixel's four channels


def encode_mask(mask: np.ndarray) -> dict:
    """Encode a mask as COCO's compressed RLE.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        ``size`` [H, W] and ``counts`` as a str, which JSON accepts.
    """
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return dict(size=[int(side) for side in rle['size']], counts=rle['counts'].decode())


def decode_mask(rle: dict) -> np.ndarray:
    """Return the ``(H, W)`` bool mask that was passed to :func:`encode_mask`."""
    return coco_mask.decode(rle).astype(bool)


def mask_to_polygons(mask: np.ndarray, *, tolerance: float) -> list[list[float]]:
    """Trace outlines along pixel edges, in COCO's polygon format.

    Each part of the mask gives one polygon; parts that touch at a corner count as one. Holes are
    filled: the polygons of COCO and of annotation tools are added up and cannot cut out.

    Args:
        mask: ``(H, W)`` bool.
        tolerance: how far, in pixels, the polygon may deviate from the outline to save points.
            At 0 it reproduces the mask except for holes.

    Returns:
        For each polygon x1, y1, x2, y2, ... in pixels, at least three points, where the top left
        pixel covers [0, 1] x [0, 1]; [] for an empty mask.
    """
    # cv2 follows the centres of the outermost pixels, half a pixel inside the edge. So each pixel
    # becomes 3 x 3 points on a half-pixel grid; neighbours share the points on their common edge.
    height, width = mask.shape
    points = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    points[1::2, 1::2] = mask
    points = cv2.dilate(points, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(points, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = []
    for contour in contours:
        simplified = cv2.approxPolyDP(contour, 2 * tolerance, closed=True)
        if len(simplified) < 3:  # smaller than the tolerance
            simplified = contour
        polygons.append((simplified.ravel() / 2).tolist())
    return polygons


def polygons_to_rle(polygons: list[list[float]], size: tuple[int, int]) -> dict:
    """Encode the mask that COCO's tools read from polygons, as compressed RLE.

    Args:
        polygons: as :func:`mask_to_polygons` returns them, at least one.
        size: (H, W) of the image.
    """
    return coco_mask.merge(coco_mask.frPyObjects(polygons, *size))


def label_studio_rle(mask: np.ndarray) -> list[int]:
    """Encode a brush region for Label Studio: the run lengths of an RGBA image.

    The code is a header (32 bits: number of values; 5 bits: bits per value, minus 1; four times
    4 bits: bits per length, minus 1), then for each run a 1 bit, two bits that select one of the
    four length sizes, the length minus 1, and the value. Rows follow each other; all four channels
    of a pixel are the same.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        The bits as bytes, ints in [0, 255]; the last byte is padded with zeros.
    """
    values = np.asarray(mask, bool).ravel()
    starts = np.flatnonzero(np.diff(values, prepend=~values[:1]))
    lengths = 4 * np.diff(starts, append=len(values))
    code = [f'{4 * len(values):032b}', f'{8 - 1:05b}', *(f'{bits - 1:04b}' for bits in LENGTH_BITS)]
    longest = 1 << LENGTH_BITS[-1]
    for painted, length in zip(values[starts].tolist(), lengths.tolist(), strict=True):
        value = PAINTED if painted else 0
        for part in [longest] * (length // longest) + [length % longest]:
            if part:
                index, bits = next(
                    (index, bits) for index, bits in enumerate(LENGTH_BITS) if part <= 1 << bits
                )
                code.append(f'1{index:02b}{part - 1:0{bits}b}{value:08b}')
    joined = ''.join(code)
    num_bytes = -(-len(joined) // 8)
    return list(int(joined.ljust(8 * num_bytes, '0'), 2).to_bytes(num_bytes, 'big'))
