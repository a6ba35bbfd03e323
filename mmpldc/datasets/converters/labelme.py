"""Labelme's format: a json per image with shapes."""

import math
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from .coco import build_coco, categories_from, polygon_annotation, read_json
from .image_files import check_size, image_record

MIN_POINTS = {'polygon': 3, 'rectangle': 2, 'circle': 2}  # of the supported shapes
CIRCLE_POINTS = 64  # in between, the polygon is 0.12 % of the radius inside the circle


def convert_labelme(
    annotations: str | Path,
    *,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    skip_unsupported: bool = False,
) -> dict:
    """COCO-format instances from labelme's files.

    Polygons, rectangles and circles count, all as polygons. Shapes of an image with the same
    label and ``group_id`` are one instance, as in labelme's own converter.

    Args:
        annotations: folder with a ``*.json`` per image, which may have subfolders. Images that
            have none are left out.
        images: folder that all images are in and that ``file_name`` is relative to; None: the
            folder of the annotations. An image is where ``imagePath`` says, relative to its json.
        classes: names, in order; None: all labels that occur, sorted.
        skip_unsupported: leave out shapes of other types, with one warning, instead of failing.

    Raises:
        FileNotFoundError: if there is no json.
        ValueError: if a json is none of labelme's; if its image is missing, not below ``images``,
            of another size, or annotated twice; if a shape is unsupported, broken, or of an
            unknown class.
    """
    root = Path(annotations)
    image_root = root if images is None else Path(images)
    read = []
    sources: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    for path in sorted(root.rglob('*.json')):
        image, shapes = _read(path, image_root)
        source = sources.setdefault(image['file_name'], path)
        if source != path:
            raise ValueError(f'{source} and {path} annotate the same image')
        unsupported = [s['shape_type'] for s in shapes if s['shape_type'] not in MIN_POINTS]
        if unsupported and not skip_unsupported:
            raise ValueError(
                f'{path} has a shape of type {unsupported[0]!r}; supported are '
                f'{", ".join(MIN_POINTS)}: draw it anew or skip those shapes'
            )
        skipped.update(unsupported)
        read.append((path, image, [s for s in shapes if s['shape_type'] in MIN_POINTS]))
    if not read:
        raise FileNotFoundError(f'no json below {root}')
    if skipped:
        counts = ', '.join(f'{count} {name}' for name, count in sorted(skipped.items()))
        warnings.warn(f'unsupported shapes are left out: {counts}', stacklevel=2)
    if classes is None:
        classes = sorted({shape['label'] for _, _, shapes in read for shape in shapes})
    categories = categories_from(classes)
    category_ids = {category['name']: category['id'] for category in categories}
    records = [
        (image, _instances(path, image, shapes, category_ids)) for path, image, shapes in read
    ]
    records.sort(key=lambda record: record[0]['file_name'])
    return build_coco(records, categories, description=f'labelme files of {root.name}')


def _read(path: Path, image_root: Path) -> tuple[dict, list[dict]]:
    """The image's record and the shapes; the image that may be embedded is not kept."""
    content = read_json(path, 'shapes', 'imagePath')
    location = os.path.abspath(path.parent / content['imagePath'].replace('\\', '/'))
    if not os.path.isfile(location):
        raise ValueError(f'{path}: its imagePath {content["imagePath"]!r} does not exist')
    name = Path(os.path.relpath(location, image_root)).as_posix()
    if name.startswith('../'):
        raise ValueError(f'{path}: its imagePath {content["imagePath"]!r} is not in {image_root}')
    image = image_record(image_root, name)
    # both are null or missing in files of old versions
    width, height = content.get('imageWidth'), content.get('imageHeight')
    check_size(path, width or image['width'], height or image['height'], image)
    shapes = []
    for index, shape in enumerate(content['shapes']):
        if 'label' not in shape or 'points' not in shape:
            raise ValueError(f"{path}: shape {index} has no 'label' or no 'points'")
        # old versions know polygons only, and no groups
        old = dict(shape_type='polygon', group_id=None)
        shapes.append(dict(old, index=index) | shape)
    return image, shapes


def _instances(path: Path, image: dict, shapes: list[dict], category_ids: dict) -> list[dict]:
    """Annotations without ids, in the order of each one's first shape."""
    instances = defaultdict(list)
    for shape in shapes:
        where = f'{path}: shape {shape["index"]} ({shape["label"]})'
        if shape['label'] not in category_ids:
            raise ValueError(f'{where} is of no known class: {", ".join(category_ids)}')
        alone = ('shape', shape['index'])
        group = alone if shape['group_id'] is None else ('group', shape['group_id'])
        instances[shape['label'], group].append(_outline(shape, where))
    return [
        polygon_annotation(
            polygons,
            category_id=category_ids[label],
            width=image['width'],
            height=image['height'],
        )
        for (label, _), polygons in instances.items()
    ]


def _outline(shape: dict, where: str) -> list[float]:
    """A shape as a polygon ``[x1, y1, x2, y2, ...]``."""
    points, kind = shape['points'], shape['shape_type']
    if len(points) < MIN_POINTS[kind]:
        raise ValueError(f'{where}, a {kind}, has {len(points)} points: too few')
    if kind == 'rectangle':  # two opposite corners, or all four
        xs, ys = zip(*points, strict=True)
        left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == 'circle':  # center and a point on the circle
        (x, y), rim = points[0], points[1]
        radius = math.dist((x, y), rim)
        angles = [2 * math.pi * i / CIRCLE_POINTS for i in range(CIRCLE_POINTS)]
        points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    return [value for point in points for value in point]
