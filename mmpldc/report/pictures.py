"""Small pictures for the page, and masks as outlines."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from mmpldc.datasets.image_header import open_image

SMALLEST = 160  # longest side, in pixels, below which nothing can be recognised
LARGEST = 448  # more is not seen side by side on a screen
FRAME = 320  # longest side of the frame in which masks of a smaller picture are drawn
TOLERANCE = 0.6  # pixels by which an outline may differ


def small_picture(path: Path, side: int, *, quality: int = 72) -> tuple[str, int, int]:
    """Shrink an image for the page.

    Args:
        path: of the image.
        side: longest side in pixels; smaller images keep their size.
        quality: of WebP, 0 to 100.

    Returns:
        A ``data:`` address, and width and height of the frame for masks: those of the picture, or
        a multiple of them if it is tiny.

    Raises:
        OSError: if the image cannot be read.
    """
    with open_image(path) as image:
        picture = ImageOps.exif_transpose(image).convert('RGB')
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, 'WEBP', quality=quality, method=4)
    text = base64.b64encode(stream.getvalue()).decode()
    scale = max(1, FRAME // max(picture.size))
    return f'data:image/webp;base64,{text}', scale * picture.width, scale * picture.height


def trace(mask: np.ndarray, size: tuple[int, int]) -> tuple[str, int, int]:
    """Trace the outline of a mask in the frame of its picture.

    Args:
        mask: ``(H, W)`` bool.
        size: width and height of the frame, in pixels; the mask is resized to it.

    Returns:
        A path of SVG through the centres of pixels, to be filled by the even-odd rule, and the
        top left corner (x, y) of the mask; an empty path if nothing is left of it.
    """
    smaller = max(size) < max(mask.shape)
    resized = cv2.resize(
        mask.astype(np.uint8) * 255,
        size,
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
    contours, _ = cv2.findContours(
        (resized >= 128).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    parts, points = [], []
    for contour in contours:
        simple = cv2.approxPolyDP(contour, TOLERANCE, closed=True)[:, 0]
        if len(simple) < 3:  # as good as a line or a point
            left, top, wide, tall = cv2.boundingRect(contour)
            right, bottom = left + wide, top + tall
            simple = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        parts.append('M' + 'L'.join(f'{x} {y}' for x, y in simple.tolist()) + 'Z')
        points.append(simple)
    if not parts:
        return '', 0, 0
    left, top = np.concatenate(points).min(axis=0).tolist()
    return ''.join(parts), left, top


def fitting_side(paths: Sequence[Path], budget: int) -> int:
    """Choose the side of small pictures so that all together fit.

    Args:
        paths: images.
        budget: bytes for all of them, as text.

    Returns:
        Side in pixels, at least 160: a page with too many pictures becomes larger than asked for.
    """
    sample = paths[:: max(1, len(paths) // 8)]
    side = LARGEST
    while side > SMALLEST:
        sizes = [len(found[0]) for path in sample if (found := _try(path, side))]
        if not sizes or np.mean(sizes) * len(paths) <= budget:
            break
        side = max(SMALLEST, int(side * 0.85))
    return side


def _try(path: Path, side: int) -> tuple[str, int, int] | None:
    try:
        return small_picture(path, side)
    except OSError:
        return None
