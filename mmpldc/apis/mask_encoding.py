"""A mask as annotation tools want it: COCO's run lengths, polygons, Label Studio's run lengths."""

import cv2
import numpy as np
from pycocotools import mask as coco_mask

# Run lengths are written in the smallest of these numbers of bits that they fit into; the sizes
# are part of the code, these are Label Studio's own.
LENGTH_BITS = (3, 4, 8, 16)
PAINTED = 255  # what a painted pixel's four channels hold


def encode_mask(mask: np.ndarray) -> dict:
    """COCO's compressed RLE.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        ``size`` [H, W] and ``counts``, a str, so that JSON takes it.
    """
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return dict(size=[int(side) for side in rle['size']], counts=rle['counts'].decode())


def decode_mask(rle: dict) -> np.ndarray:
    """The ``(H, W)`` bool mask that :func:`encode_mask` took."""
    return coco_mask.decode(rle).astype(bool)


def mask_to_polygons(mask: np.ndarray, *, tolerance: float) -> list[list[float]]:
    """Outlines along the edges of pixels, in COCO's form.

    A polygon for each part of the mask; parts that touch at a corner are one. Holes are filled:
    COCO's polygons, and those of the annotation tools, are added up and cannot cut out.

    Args:
        mask: ``(H, W)`` bool.
        tolerance: how far, in pixels, the polygon may run off the outline in order to save points.
            At 0 it gives back the mask, but for holes.

    Returns:
        For each polygon x1, y1, x2, y2, ... in pixels, at least three points, where the top left
        pixel covers [0, 1] x [0, 1]; [] for an empty mask.
    """
    # cv2 follows the centres of the outermost pixels, half a pixel within the edge. So each pixel
    # becomes 3 x 3 points on a grid of half pixels, of which neighbours share those on their edge.
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
    """The mask that polygons mean to COCO's tools, as compressed RLE.

    Args:
        polygons: as :func:`mask_to_polygons` returns them, at least one.
        size: (H, W) of the image.
    """
    return coco_mask.merge(coco_mask.frPyObjects(polygons, *size))


def label_studio_rle(mask: np.ndarray) -> list[int]:
    """Label Studio's code for a brush region: the run lengths of an RGBA image.

    A header (32 bits: the number of values; 5 bits: of a value, minus 1; four times 4 bits: of a
    length, minus 1), then for each run a bit 1, two bits that say which of the four sizes the
    length has, the length minus 1, and the value. Rows follow each other, all four channels of a
    pixel are the same.

    Args:
        mask: ``(H, W)`` bool.

    Returns:
        The bits as bytes, ints in [0, 255], the last one filled up with zeros.
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
