"""Many small pictures on one page."""

from collections.abc import Sequence

import cv2
import numpy as np

CAPTION = 22  # height of the line below a picture, in pixels
GAP = 6


def shrink_to_fit(picture: np.ndarray, side: int) -> np.ndarray:
    """Shrink a picture, or a mask, so that its longer side has at most so many pixels.

    Args:
        picture: ``(H, W, 3)`` uint8, or ``(H, W)`` bool.
        side: in pixels.
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if picture.dtype == bool:
        return cv2.resize(picture.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def contact_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], *, side: int = 320, columns: int = 5
) -> np.ndarray:
    """Lay pictures out in rows, each with a line below.

    Args:
        pictures: at least one, ``(H, W, 3)`` uint8 RGB of any size; larger ones are shrunk.
        captions: one for each; what is too long is cut off at the start, and characters beyond
            ASCII are replaced.
        side: of a cell in pixels.
        columns: cells in a row.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    pitch = side + CAPTION + GAP, side + GAP
    sheet = np.full((rows * pitch[0] + GAP, columns * pitch[1] + GAP, 3), 255, np.uint8)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(place, columns)
        top, left = GAP + row * pitch[0], GAP + column * pitch[1]
        small = shrink_to_fit(picture, side)
        height, width = small.shape[:2]
        sheet[top : top + height, left : left + width] = small
        _write(sheet, caption, (left, top + height + CAPTION - 7), side)
    return sheet


def _write(sheet: np.ndarray, text: str, position: tuple[int, int], width: int) -> None:
    style = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    text = text.encode('ascii', 'replace').decode()
    while len(text) > 4 and cv2.getTextSize(text, *style, 1)[0][0] > width:
        text = f'...{text[4:]}' if text.startswith('...') else f'...{text[1:]}'
    cv2.putText(sheet, text, position, *style, (0, 0, 0), 1, cv2.LINE_AA)
