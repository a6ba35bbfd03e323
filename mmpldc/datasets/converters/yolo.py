"""YOLO's segmentation format: a text file per image, a polygon per line."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import yaml

from .coco import build_coco, categories_from, polygon_annotation
from .image_files import find_images, image_record, without_suffix


def read_class_names(path: str | Path) -> list[str]:
    """Class names in a YOLO ``data.yaml``: ``names``, a list or a dict from 0 on.

    Raises:
        ValueError: if there are none, or numbers are left out.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not yaml: {error}') from error
    names = content.get('names') if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise ValueError(f'{path}: names must be numbered from 0 on, got {list(names)}')
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(f"{path} has no 'names' of classes")
    return [str(name) for name in names]


def convert_yolo(images: str | Path, labels: str | Path, classes: Sequence[str]) -> dict:
    """COCO-format instances from YOLO's segmentation labels.

    Args:
        images: folder of the images, which may have subfolders.
        labels: folder with ``STEM.txt`` for each image ``STEM.*``, a line
            ``class x1 y1 x2 y2 ...`` per instance: class from 0 on, coordinates as shares of the
            image's width and height. An image without the file has no instances.
        classes: names, in order; class k becomes category k + 1.

    Raises:
        FileNotFoundError: if there is no image, or no image has a label file.
        ValueError: if a line is not a polygon of a known class inside the image; it says which.
    """
    images, labels = Path(images), Path(labels)
    categories = categories_from(classes)
    stems = without_suffix(find_images(images))
    if not any((labels / f'{stem}.txt').exists() for stem in stems):
        raise FileNotFoundError(
            f'no label file for any image of {images}: not {labels / next(iter(stems))}.txt'
        )
    records = []
    for stem, name in stems.items():
        image = image_record(images, name)
        records.append((image, _annotations(labels / f'{stem}.txt', image, len(classes))))
    return build_coco(records, categories, description=f'YOLO labels of {images.name}')


def _annotations(path: Path, image: dict, num_classes: int) -> list[dict]:
    """What a label file says, without ids."""
    annotations = []
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, points = _parse(line, f'{path}, line {number}', num_classes)
        width, height = image['width'], image['height']
        polygon = [v * side for v, side in zip(points, cycle((width, height)), strict=False)]
        annotations.append(
            polygon_annotation([polygon], category_id=label + 1, width=width, height=height)
        )
    return annotations


def _parse(line: str, where: str, num_classes: int) -> tuple[int, list[float]]:
    """Class and coordinates of a line; ``where`` it is goes into the error."""
    try:
        first, *others = line.split()
        label, points = int(first), [float(value) for value in others]
    except ValueError:
        raise ValueError(f'{where}: not a class number and coordinates') from None
    if not 0 <= label < num_classes:
        raise ValueError(f'{where}: class {label}, but the classes are 0 to {num_classes - 1}')
    if len(points) == 4:
        raise ValueError(f'{where}: a box, but masks are needed: export segmentation labels')
    if len(points) % 2:
        raise ValueError(f'{where}: {len(points)} coordinates, an odd number')
    if len(points) < 6:
        raise ValueError(f'{where}: fewer than three points')
    outside = [value for value in points if not 0 <= value <= 1]
    if outside:
        raise ValueError(
            f'{where}: coordinate {outside[0]:g} lies outside [0, 1]: they are shares of width '
            'and height'
        )
    return label, points
