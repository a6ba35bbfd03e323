"""The ranking as a table, and the chosen images on contact sheets."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmdet.visualization import get_palette

from mmpldc.datasets.checks.findings import printable
from mmpldc.utils.files import atomic_write
from mmpldc.utils.pictures import save_picture
from mmpldc.visualization import contact_sheet, draw_instances, shrink_to_fit

from .image_ranking import Ranking
from .mask_encoding import decode_mask
from .pseudo_labels import LabeledImage

ON_A_SHEET = 40  # pictures
CELL = 320  # pixels


def write_ranking(path: Path, ranking: Ranking, chosen: Sequence[int]) -> None:
    """Write the scores of all images as CSV, best first.

    Args:
        path: file to write.
        ranking: of the images.
        chosen: places of the chosen ones in their order, which stands in the column ``chosen``.
    """
    places = {place: number for number, place in enumerate(chosen, 1)}
    order = ranking.scores.argsort(descending=True, stable=True).tolist()
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['rank', 'chosen', 'file_name', 'score', *ranking.names])
        for rank, place in enumerate(order, 1):
            numbers = [ranking.scores[place].item(), *ranking.values[place].tolist()]
            name = printable(ranking.images[place]['file_name'])
            writer.writerow(
                [rank, places.get(place, ''), name, *(f'{number:.5g}' for number in numbers)]
            )


def draw_sheets(
    folder: Path,
    labeled: Sequence[LabeledImage],
    scores: Sequence[float],
    img_root: Path,
    meta: Mapping[str, Any],
) -> list[Path]:
    """Draw images with their labels, 40 on a sheet.

    Args:
        folder: of the pictures, ``contact_sheet.jpg``, ``contact_sheet_2.jpg`` and so on.
        labeled: images with labels.
        scores: of the images, for the captions.
        img_root: folder of the image files.
        meta: ``classes``, their names, and ``palette`` if known.

    Returns:
        The pictures.
    """
    classes = meta['classes']
    palette = meta.get('palette') or get_palette('random', len(classes))
    paths: list[Path] = []
    for start in range(0, len(labeled), ON_A_SHEET):
        part = labeled[start : start + ON_A_SHEET]
        pictures = [_draw(one, img_root, classes, palette) for one in part]
        captions = [
            f'{number}  {score:.2f}  {one.image["file_name"]}'
            for number, (one, score) in enumerate(
                zip(part, scores[start:], strict=False), start + 1
            )
        ]
        number = f'_{len(paths) + 1}' if paths else ''
        paths.append(folder / f'contact_sheet{number}.jpg')
        save_picture(paths[-1], contact_sheet(pictures, captions, side=CELL))
    return paths


def _draw(
    labeled: LabeledImage, img_root: Path, classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> np.ndarray:
    """A small picture of an image with its labels; masks of full size are held one at a time."""
    pixels = mmcv.imread(str(img_root / labeled.image['file_name']), channel_order='rgb')
    masks = [shrink_to_fit(decode_mask(label.rle), CELL) for label in labeled.labels]
    labels = np.array([label.label for label in labeled.labels], np.int64)
    small = shrink_to_fit(pixels, CELL)
    return draw_instances(small, masks, labels, classes=classes, palette=palette)
