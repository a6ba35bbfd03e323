"""Draw instances and the teacher's uncertainty side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmpldc.utils.pictures import save_picture

MIN_SIDE = 256  # small images are enlarged to this side, so that outlines and names are legible
MAX_SIDE = 4096  # but the longer side to no more than this


def draw_instances(
    image: np.ndarray,
    masks: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray,
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """Tint each mask, outline it and write its class.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        masks: ``(K, H, W)`` bool, or a sequence of K masks, of which one is held at a time.
        labels: ``(K,)`` int in [0, N).
        classes: N names.
        palette: N RGB colours, 0 to 255.
        scores: ``(K,)`` float, written after the name.

    Returns:
        uint8 RGB, enlarged so that the short side has at least 256 pixels.
    """
    scale = _scale_of(image)
    canvas = _enlarge(image, scale)
    for mask, label in zip(masks, labels, strict=True):
        color = np.array(palette[label], dtype=np.float32)
        large = _enlarge(mask.astype(np.uint8), scale)
        _tint(canvas, large > 0, color)
        contours, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color.tolist(), 2)
    for index, (mask, label) in enumerate(zip(masks, labels, strict=True)):
        in_row = mask.sum(axis=1)  # no list of pixels: a large mask has millions
        if area := in_row.sum():
            text = classes[label] + ('' if scores is None else f' {scores[index]:.2f}')
            left, row = mask.any(axis=0).argmax(), in_row @ np.arange(len(mask)) / area
            _write(canvas, text, (int(left * scale), int(row * scale)))
    return canvas


def draw_uncertainty(image: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Colour an uncertainty map over a darkened image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        uncertainty: ``(H, W)`` float in [0, 1].

    Returns:
        uint8 RGB, enlarged as by :func:`draw_instances`.
    """
    scale = _scale_of(image)
    heat = cv2.applyColorMap((uncertainty * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _enlarge(np.clip(0.35 * gray + 0.9 * heat, 0, 255).astype(np.uint8), scale)


def save_grid(path: Path, rows: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write images as a grid, with a title above each row.

    Args:
        path: PNG to write; its folder is created.
        rows: images by row title, uint8 RGB of equal size, equally many in each row.
    """
    strips = []
    for title, pictures in rows.items():
        cells = [
            cv2.copyMakeBorder(picture, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=(255,) * 3)
            for picture in pictures
        ]
        strip = np.hstack(cells)
        header = np.full((30, strip.shape[1], 3), 255, np.uint8)
        cv2.putText(
            header, title, (6, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA
        )
        strips += [header, strip]
    save_picture(path, np.vstack(strips))


def _scale_of(image: np.ndarray) -> int:
    """By which a small image is enlarged."""
    wanted = -(-MIN_SIDE // min(image.shape[:2]))
    return max(1, min(wanted, MAX_SIDE // max(image.shape[:2])))


def _enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    return np.ascontiguousarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))


def _tint(canvas: np.ndarray, inside: np.ndarray, color: np.ndarray) -> None:
    """Mix a third of a colour into pixels, in place, by tables: large images need no floats."""
    values = 0.65 * np.arange(256, dtype=np.uint8)
    for channel, part in enumerate(0.35 * color):
        plane = canvas[..., channel]
        plane[inside] = (values + part).astype(np.uint8)[plane[inside]]


def _write(canvas: np.ndarray, text: str, position: tuple[int, int]) -> None:
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            canvas, text, position, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, thickness, cv2.LINE_AA
        )
