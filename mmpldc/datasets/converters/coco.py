"""What the converters share: annotations, the COCO-format dict around them, and a summary."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from pycocotools import mask as mask_utils

from .. import coco_files

Record = tuple[dict, list[dict]]  # an image and its annotations, all without ids
Item = TypeVar('Item')
Result = TypeVar('Result')
FARTHEST = 1e6  # pixels


def categories_from(names: Sequence[str]) -> list[dict]:
    """COCO categories with ids from 1, in the order of the names.

    Raises:
        ValueError: if there is no name, an empty one, one that appears twice, or a file alone.
    """
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f'classes need a name each, got {list(names)}')
    if len(names) == 1 and os.path.isfile(names[0]):
        raise ValueError(
            f"the class '{names[0]}' is a file: give the names of the classes themselves (of YOLO, "
            '--data reads a file)'
        )
    if len(names) == 1 and ',' in names[0]:
        warnings.warn(
            f"'{names[0]}' is taken for one class: if they are several, divide them by blanks",
            stacklevel=3,
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f'classes are named twice: {", ".join(twice)}')
    return [dict(id=index, name=name) for index, name in enumerate(names, start=1)]


def mask_annotation(mask: np.ndarray, *, category_id: int, iscrowd: bool = False) -> dict:
    """An annotation that holds a mask exactly, with all its holes and parts.

    Args:
        mask: ``(H, W)`` bool or 0/1, in the frame of the image.
        category_id: of its class.
        iscrowd: it covers a group of objects that nobody told apart.

    Returns:
        Its fields beside the ids; the segmentation is compressed RLE. An empty mask has area 0.
    """
    rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
    segmentation = dict(size=list(mask.shape), counts=rle['counts'].decode())
    return _annotation(segmentation, rle, category_id, iscrowd)


def polygon_annotation(
    polygons: Sequence[Sequence[float]], *, category_id: int, width: int, height: int
) -> dict:
    """An annotation made of polygons; a pixel in any of them belongs to the object.

    Args:
        polygons: each ``[x1, y1, x2, y2, ...]`` of at least three points, in pixels, the origin
            at the image's upper left corner. Stored with two decimals, as COCO does.
        category_id: of its class.
        width: of the image.
        height: of the image. What lies outside counts for neither area nor box.

    Returns:
        As :func:`mask_annotation`, but the segmentation is the list of polygons.
    """
    segmentation = [[round(float(value), 2) for value in polygon] for polygon in polygons]
    rle = mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
    return _annotation(segmentation, rle, category_id, False)


def near(polygon: list[float], where: str) -> list[float]:
    """A polygon whose points pycocotools can draw: it keeps each pixel on the way to them.

    Args:
        polygon: ``[x1, y1, x2, y2, ...]``.
        where: it is, for the message.

    Raises:
        ValueError: if a point is far outside of all images.
    """
    if max(map(abs, polygon)) > FARTHEST:
        raise ValueError(f'{where}: a point lies millions of pixels outside: draw the shape anew')
    return polygon


def polygons_mask(polygons: Sequence[Sequence[float]], *, width: int, height: int) -> np.ndarray:
    """``(height, width)`` bool: the pixels in any of the polygons."""
    rles = mask_utils.frPyObjects([list(polygon) for polygon in polygons], height, width)
    return mask_utils.decode(mask_utils.merge(rles)).astype(bool)


def _annotation(segmentation: dict | list, rle: dict, category_id: int, iscrowd: bool) -> dict:
    return dict(
        category_id=category_id,
        segmentation=segmentation,
        area=int(mask_utils.area(rle)),
        bbox=mask_utils.toBbox(rle).tolist(),
        iscrowd=int(iscrowd),
    )


def build_coco(records: Iterable[Record], categories: list[dict], *, description: str) -> dict:
    """Number images and annotations from 1 in their order and put the COCO-format dict together.

    Args:
        records: images with ``file_name``, ``width`` and ``height``, each with its annotations.
            An annotation without a pixel (area 0) is left out, with one warning for all.
        categories: in the order of the data set's classes, which is the order that mmdet's
            ``CocoDataset`` numbers labels in.
        description: what was converted.

    Note:
        Ids start at 1 because pycocotools' evaluation takes an annotation whose id is 0 for one
        that nothing matches.
    """
    images, empty = [], []
    annotations: list[dict] = []
    for image_id, (image, found) in enumerate(records, start=1):
        images.append(dict(id=image_id, **image))
        for annotation in found:
            if annotation['area'] > 0:
                annotations.append(dict(id=len(annotations) + 1, image_id=image_id, **annotation))
            else:
                empty.append(image['file_name'])
    if empty:
        warnings.warn(
            f'instances without a pixel are left out: {len(empty)}, in {first_of(empty)}',
            stacklevel=2,
        )
    return dict(
        info=dict(description=description),
        images=images,
        annotations=annotations,
        categories=categories,
    )


def first_of(names: Sequence[str], count: int = 5) -> str:
    """The first different names in words, and whether there are more."""
    different = list(dict.fromkeys(names))
    return ', '.join(different[:count]) + (', ...' if len(different) > count else '')


def summary(coco: dict) -> str:
    """Number of images, of instances (also by class) and of crowds, in words."""
    names = {category['id']: category['name'] for category in coco['categories']}
    counts = Counter(names[a['category_id']] for a in coco['annotations'] if not a['iscrowd'])
    crowds = sum(a['iscrowd'] for a in coco['annotations'])
    text = f'{len(coco["images"])} images, {counts.total()} instances'
    if counts:
        text += f' ({", ".join(f"{name}: {counts[name]}" for name in names.values())})'
    return text + (f', {crowds} crowds' if crowds else '')


def read_json(path: str | Path, *keys: str) -> dict:
    """Read a json file that has to be a dict with some keys.

    Raises:
        ValueError: if it is not JSON or lacks a key.
    """
    content = coco_files.read_json(path)
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise ValueError(f'{path} has no {", ".join(map(repr, missing))}: is it another file?')
    return content


def ordered_map(
    read: Callable[[Item], Result], items: Sequence[Item], workers: int | None
) -> Iterator[Result]:
    """``read(item)`` of all items in their order, by ``workers`` processes; None: one per core."""
    if workers == 1 or len(items) == 1:
        yield from map(read, items)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(read, items, chunksize=16)
