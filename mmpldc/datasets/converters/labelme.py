"""Labelme's format: a json per image with shapes."""

import base64
import io
import math
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path

import numpy as np
from PIL import Image

from ..folders import files_below, suffix_of
from ..photo_names import PhotoNames
from .coco import (
    Record,
    build_coco,
    categories_from,
    mask_annotation,
    near,
    polygon_annotation,
    polygons_mask,
    read_json,
)
from .image_files import check_size, find_images, image_record
from .label_files import annotated_images, warn_of_names

# Points that a shape has at least.
MIN_POINTS = {'polygon': 3, 'rectangle': 2, 'oriented_rectangle': 4, 'circle': 2, 'mask': 2}
CIRCLE_POINTS = 64  # in between, the polygon is 0.12 % of the radius inside the circle


def convert_labelme(
    annotations: str | Path,
    *,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    negatives: bool = False,
    skip_unsupported: bool = False,
) -> dict:
    """COCO-format instances from labelme's files.

    Polygons, rectangles and circles become polygons, masks run lengths. Shapes of an image with
    the same label and ``group_id`` are one instance, as in labelme's own converter.

    Args:
        annotations: folder with a ``*.json`` per image, which may have subfolders.
        images: folder that all images are in and that ``file_name`` is relative to; None: the
            folder of the annotations. An image is where ``imagePath`` says, relative to its json,
            or else beside its json, or in this folder, by its name.
        classes: names, in order; None: all labels that occur, sorted.
        negatives: nothing is on images without a json. By default they are left out, with a
            warning that counts them: nobody annotated them.
        skip_unsupported: leave out shapes of other types, with one warning, instead of failing.

    Raises:
        FileNotFoundError: if there is no json.
        ValueError: if a json is none of labelme's; if its image is missing, not below ``images``,
            of another size, or annotated twice; if a shape is unsupported, broken, or of an
            unknown class; if there is no shape.
    """
    root = Path(annotations)
    image_root = root if images is None else Path(images)
    read = []
    sources: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    photos = _Photos(image_root)
    jsons = sorted(name for name in files_below(root) if suffix_of(name) == '.json')
    for path in (root / name for name in jsons):
        image, shapes = _read(path, photos)
        source = sources.setdefault(image['file_name'], path)
        if source != path:
            raise ValueError(f'{source} and {path} annotate the same image')
        unsupported = [s['shape_type'] for s in shapes if s['shape_type'] not in MIN_POINTS]
        if unsupported and not skip_unsupported:
            raise ValueError(
                f'{path} has a shape of type {unsupported[0]!r}; supported are '
                f'{", ".join(MIN_POINTS)}: draw it anew or leave such shapes out with '
                '--skip-unsupported'
            )
        skipped.update(unsupported)
        read.append((path, image, [s for s in shapes if s['shape_type'] in MIN_POINTS]))
    if not read:
        raise FileNotFoundError(f'no json below {root}')
    if photos.guessed:
        warn_of_names(photos.guessed)
    counts = ', '.join(f'{count} {name}' for name, count in sorted(skipped.items()))
    if not any(shapes for _, _, shapes in read):
        others = f' but those of unsupported types ({counts})' if skipped else ''
        raise ValueError(f'no shape in {len(read)} json files below {root}{others}')
    if skipped:
        warnings.warn(f'unsupported shapes are left out: {counts}', stacklevel=2)
    if classes is None:
        classes = sorted({shape['label'] for _, _, shapes in read for shape in shapes})
    categories = categories_from(classes)
    category_ids = {category['name']: category['id'] for category in categories}
    records = [
        (image, _instances(path, image, shapes, category_ids)) for path, image, shapes in read
    ]
    records += _others(image_root, set(sources), negatives)
    records.sort(key=lambda record: record[0]['file_name'])
    return build_coco(records, categories, description=f'labelme files of {root.name}')


def _others(image_root: Path, annotated: set[str], negatives: bool) -> list[Record]:
    """Images without a json, if they count as negatives."""
    names = {name: name for name in find_images(image_root)}
    listed = annotated_images(names, annotated, 'json', negatives=negatives)
    return [(image_record(image_root, name), []) for name in listed if name not in annotated]


def _read(path: Path, photos: '_Photos') -> tuple[dict, list[dict]]:
    """The image's record and the shapes; the image that may be embedded is not kept."""
    content = read_json(path, 'shapes', 'imagePath')
    image = image_record(photos.root, photos.find(path, content['imagePath']))
    # both are null or missing in files of old versions
    width, height = (_side(content.get(name)) for name in ('imageWidth', 'imageHeight'))
    check_size(path, width or image['width'], height or image['height'], image)
    if not isinstance(content['shapes'], list):
        raise ValueError(f"{path}: 'shapes' is no list")
    shapes = []
    for index, shape in enumerate(content['shapes']):
        if not isinstance(shape, dict) or 'label' not in shape or 'points' not in shape:
            raise ValueError(f"{path}: shape {index} has no 'label' or no 'points'")
        if not isinstance(shape['label'], str) or not shape['label'].strip():
            raise ValueError(f'{path}: shape {index} has the label {shape["label"]!r}, no text')
        # old versions know polygons only, and no groups; null, as in labelme, means the same
        old = dict(shape_type='polygon', group_id=None)
        given = {name: shape[name] for name in old if shape.get(name) not in (None, '')}
        for name, value in given.items():
            if isinstance(value, dict | list):
                raise ValueError(f'{path}: shape {index} has the {name} {value}, no text')
        shapes.append(shape | old | given | dict(index=index))
    return image, shapes


def _side(value: object) -> object:
    """A side of an image, which may be a text."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


class _Photos:
    """Images that annotations are for.

    Args:
        root: folder that all are in.

    Attributes:
        guessed: those whose names differ from their files', in words.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.guessed: list[str] = []

    @cached_property
    def names(self) -> PhotoNames:
        return PhotoNames(find_images(self.root))

    def find(self, path: Path, image_path: object) -> str:
        """Name, below the root, of the image that a json is for."""
        given = str(image_path or '').replace('\\', '/')
        base = given.rpartition('/')[2]
        places = (path.parent / given, path.parent / base, self.root / base)
        location = next((place for place in places if base and os.path.isfile(place)), None)
        if location is None:
            meant = self.names.find(base) if base else None
            if meant is None:
                raise ValueError(
                    f'{path}: its imagePath {image_path!r} does not exist, and {base!r} is neither '
                    f'beside it nor in {self.root}: give the folder of the images with --images'
                )
            location = self.root / meant.name
            self.guessed.append(f'{base} of {path.name}, which is {meant.name}')
        name = Path(os.path.relpath(location, self.root)).as_posix()
        if name.startswith('../'):
            raise ValueError(
                f'{path}: its imagePath {image_path!r} is not in {self.root}: give the folder of '
                'the images with --images'
            )
        return name


def _instances(path: Path, image: dict, shapes: list[dict], category_ids: dict) -> list[dict]:
    """Annotations without ids, in the order of each one's first shape."""
    instances = defaultdict(list)
    for shape in shapes:
        where = f'{path}: shape {shape["index"]} ({shape["label"]})'
        if shape['label'] not in category_ids:
            raise ValueError(f'{where} is of no known class: {", ".join(category_ids)}')
        _check_points(shape, where)
        alone = ('shape', shape['index'])
        group = alone if shape['group_id'] is None else ('group', shape['group_id'])
        instances[shape['label'], group].append((shape, where))
    width, height = image['width'], image['height']
    annotations = []
    for (label, _), parts in instances.items():
        category_id = category_ids[label]
        outlines = [_outline(*part) for part in parts if part[0]['shape_type'] != 'mask']
        masks = [
            _mask(shape, where, width, height)
            for shape, where in parts
            if shape['shape_type'] == 'mask'
        ]
        if masks:
            if outlines:
                masks.append(polygons_mask(outlines, width=width, height=height))
            one = mask_annotation(np.any(masks, axis=0), category_id=category_id)
        else:
            one = polygon_annotation(outlines, category_id=category_id, width=width, height=height)
        annotations.append(one)
    return annotations


def _check_points(shape: dict, where: str) -> None:
    """Raise ValueError if a shape has too few points, or one that is not two numbers."""
    points, kind = shape['points'], shape['shape_type']
    if not isinstance(points, list) or len(points) < MIN_POINTS[kind]:
        found = len(points) if isinstance(points, list) else 'no'
        raise ValueError(f'{where}, a {kind}, has {found} points: too few')
    for number, point in enumerate(points):
        is_pair = isinstance(point, list) and len(point) == 2
        if not is_pair or not all(isinstance(v, Real) and math.isfinite(v) for v in point):
            raise ValueError(f'{where}: point {number} is {point}, not two numbers')


def _outline(shape: dict, where: str) -> list[float]:
    """A shape as a polygon ``[x1, y1, x2, y2, ...]``; ``where`` it is goes into the error."""
    points, kind = shape['points'], shape['shape_type']
    if kind == 'rectangle':  # two opposite corners, or all four
        xs, ys = zip(*points, strict=True)
        left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == 'circle':  # center and a point on the circle
        (x, y), rim = points[0], points[1]
        radius = math.dist((x, y), rim)
        angles = [2 * math.pi * i / CIRCLE_POINTS for i in range(CIRCLE_POINTS)]
        points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    return near([value for point in points for value in point], where)


def _mask(shape: dict, where: str, width: int, height: int) -> np.ndarray:
    """A mask, which labelme stores as a PNG of its box, in the frame of the image.

    Returns:
        ``(height, width)`` bool; what lies outside the image is cut off.
    """
    try:
        content = base64.b64decode(shape['mask'], validate=True)
        with Image.open(io.BytesIO(content)) as image:
            part = np.asarray(image.convert('L')) > 0
    except Exception as error:  # a missing or broken text, or a broken PNG
        raise ValueError(f"{where}: its 'mask' is not a PNG in base64 ({error})") from None
    left, top = (round(value) for value in shape['points'][0])
    mask = np.zeros((height, width), bool)
    x, y = max(left, 0), max(top, 0)
    part = part[y - top : max(height - top, 0), x - left : max(width - left, 0)]
    mask[y : y + part.shape[0], x : x + part.shape[1]] = part
    return mask
