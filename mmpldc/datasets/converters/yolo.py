"""YOLO's segmentation format: a text file per image, a polygon per line."""

import math
import warnings
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from mmpldc.utils.text import read_text

from ..folders import files_below
from .coco import build_coco, categories_from, first_of, polygon_annotation
from .image_files import find_images, image_record
from .label_files import annotated_images, by_image, pair, without_suffix

TOLERANCE = 1e-3  # coordinates this far outside are rounding's, and are put on the edge
NO_OUTLINES = {  # what all lines may be that have so many coordinates
    6: 'three corners: if these are boxes with a keypoint each',
    8: 'four corners: if these are oriented boxes',
}
LONGEST_WORD = 20  # characters of what is no number that an error shows


def convert_yolo(
    images: str | Path,
    labels: str | Path,
    classes: Sequence[str],
    *,
    negatives: bool = False,
    skip_boxes: bool = False,
) -> dict:
    """COCO-format instances from YOLO's segmentation labels.

    Args:
        images: folder of the images, which may have subfolders.
        labels: folder with ``STEM.txt`` for each annotated image ``STEM.*``, a line
            ``class x1 y1 x2 y2 ...`` per instance: class from 0 on, coordinates as shares of the
            image's width and height. An image with an empty file has no instances.
        classes: names, in order; class k becomes category k + 1.
        negatives: images without a file have no instances, either. By default they are left out,
            with a warning that counts them: nobody annotated them.
        skip_boxes: leave out lines that have a box instead of a polygon, with a warning that
            counts them, instead of failing.

    Raises:
        FileNotFoundError: if there is no image, or no image has a label file.
        ValueError: if a line is not a polygon of a known class inside the image; it says which.
    """
    images, labels = Path(images), Path(labels)
    categories = categories_from(classes)
    stems = without_suffix(find_images(images))
    files = pair(
        stems,
        by_image(files_below(labels), ('.txt',)),
        'label file',
        passed_over=lambda name: not _has_labels(labels / name),
    )
    if not stems.keys() & files.keys():
        raise FileNotFoundError(
            f'no label file for any image of {images}: not {labels / next(iter(stems))}.txt'
        )
    records, boxes = [], []
    for stem in annotated_images(stems, files, 'label file', negatives=negatives):
        image = image_record(images, stems[stem])
        path = labels / files[stem] if stem in files else None
        found, num_boxes = _annotations(path, image, len(classes), skip_boxes)
        boxes += [stems[stem]] * num_boxes
        records.append((image, found))
    if boxes:
        if not any(found for _, found in records):
            raise ValueError(f'{labels} has boxes only, but masks are needed: export segmentation')
        warnings.warn(f'boxes are left out: {len(boxes)}, in {first_of(boxes)}', stacklevel=2)
    outlines = [one['segmentation'][0] for _, found in records for one in found]
    lengths = {len(outline) for outline in outlines}
    if len(lengths) == 1 and (what := NO_OUTLINES.get(min(lengths))):
        warnings.warn(
            f'{labels}: every outline has {what}, they are no masks: export segmentation labels',
            stacklevel=2,
        )
    return build_coco(records, categories, description=f'YOLO labels of {images.name}')


def _has_labels(path: Path) -> bool:
    """Whether a text's first line begins with a number, as those of label files do."""
    try:
        words = read_text(path).split(maxsplit=1)
        return bool(words) and math.isfinite(float(words[0]))
    except (OSError, ValueError):
        return False


def _annotations(
    path: Path | None, image: dict, num_classes: int, skip_boxes: bool
) -> tuple[list[dict], int]:
    """What a label file says, without ids, and the number of boxes that were left out."""
    annotations, num_boxes = [], 0
    lines = [] if path is None else read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f'{path}, line {number}'
        label, points = _parse(line, where, num_classes)
        if len(points) == 4:
            if not skip_boxes:
                raise ValueError(
                    f'{where}: a box, but masks are needed: export segmentation labels, or leave '
                    'such lines out with --skip-boxes'
                )
            num_boxes += 1
            continue
        polygon = _inside(points, where)
        width, height = image['width'], image['height']
        polygon = [v * side for v, side in zip(polygon, cycle((width, height)), strict=False)]
        annotations.append(
            polygon_annotation([polygon], category_id=label + 1, width=width, height=height)
        )
    return annotations, num_boxes


def _parse(line: str, where: str, num_classes: int) -> tuple[int, list[float]]:
    """Class and coordinates of a line; ``where`` it is goes into the error."""
    words = line.rstrip(' ,;\t').split()
    strange = [word for word in words if not _is_number(word)]
    if strange or not words:
        word = (strange or [line.strip()])[0]
        word = word if len(word) <= LONGEST_WORD else f'{word[:LONGEST_WORD]}...'
        raise ValueError(
            f"{where}: not a class number and coordinates, divided by blanks: '{word}' is no number"
        )
    number, *points = map(float, words)
    if not number.is_integer():
        raise ValueError(f'{where}: class {number:g} is no whole number')
    if not 0 <= number < num_classes:
        raise ValueError(f'{where}: class {number:g}, but the classes are 0 to {num_classes - 1}')
    if len(points) % 2:
        raise ValueError(
            f'{where}: {len(points)} coordinates, an odd number: predictions may end in a '
            'confidence or a track id; write them without'
        )
    return int(number), points


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _inside(points: list[float], where: str) -> list[float]:
    """Coordinates from 0 to 1; what rounding moved out is put on the edge."""
    if len(points) < 6:
        raise ValueError(f'{where}: fewer than three points')
    strange = [value for value in points if not math.isfinite(value)]
    if strange:
        raise ValueError(f'{where}: coordinate {strange[0]:g} is no finite number')
    outside = [value for value in points if not -TOLERANCE <= value <= 1 + TOLERANCE]
    if outside == points[-1:] and outside[0] > 1 and outside[0].is_integer():
        raise ValueError(
            f'{where}: coordinate {outside[0]:g}, the last one, lies outside [0, 1]: predictions '
            'may end in a confidence and a track id; write them without'
        )
    if outside:
        raise ValueError(
            f'{where}: coordinate {outside[0]:g} lies outside [0, 1]: they are shares of width '
            'and height, not pixels'
        )
    return [min(max(value, 0.0), 1.0) for value in points]
