"""Labelme's format: a json per image with shapes."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..folders import files_below, suffix_of
from .coco import (
    Record,
    build_coco,
    categories_from,
    mask_annotation,
    polygon_annotation,
    polygons_mask,
    read_json,
)
from .image_files import check_size, find_images, image_record
from .label_files import annotated_images, warn_of_names
from .labelme_photos import Photos
from .labelme_shapes import MIN_POINTS, REMEDY, check_points, mask_of, outline_of, unsupported

NO_CLASSES = ('__ignore__', '_background_')  # in labelme's lists of labels, before the classes


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
    the same label and ``group_id`` are one instance, as in labelme's own converter. Shapes labelled
    :data:`NO_CLASSES` are left out, with a warning that counts them.

    Args:
        annotations: folder with a ``*.json`` per image, which may have subfolders.
        images: folder that all images are in and that ``file_name`` is relative to; None: the
            folder of the annotations. An image is where ``imagePath`` says, relative to its json,
            or else beside its json, or in this folder: where the end of ``imagePath`` says, or in
            the subfolder that its json has in its own, or right here, unless that may be another
            one. Without ``imagePath`` its name is the json's.
        classes: names, in order; None: all labels that occur, sorted.
        negatives: nothing is on images without a json. By default they are left out, with a
            warning that counts them: nobody annotated them.
        skip_unsupported: leave out shapes of other types, or with too few points, with one
            warning, instead of failing.

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
    classless: Counter[str] = Counter()
    photos = Photos(image_root, root)
    jsons = sorted(name for name in files_below(root) if suffix_of(name) == '.json')
    for path in (root / name for name in jsons):
        image, shapes = _read(path, photos)
        source = sources.setdefault(image['file_name'], path)
        if source != path:
            raise ValueError(f'{source} and {path} annotate the same image')
        classless.update(s['label'] for s in shapes if s['label'] in NO_CLASSES)
        shapes = [s for s in shapes if s['label'] not in NO_CLASSES]
        others = [s['shape_type'] for s in shapes if s['shape_type'] not in MIN_POINTS]
        if others and not skip_unsupported:
            raise ValueError(
                f'{path} has a shape of type {others[0]!r}; supported are {", ".join(MIN_POINTS)}: '
                f'{REMEDY}'
            )
        if skip_unsupported:
            skipped.update(fault for s in shapes if (fault := unsupported(s)))
            shapes = [s for s in shapes if not unsupported(s)]
        read.append((path, image, shapes))
    if not read:
        raise FileNotFoundError(f'no json below {root}')
    if photos.guessed:
        warn_of_names(photos.guessed)
    if not any(shapes for _, _, shapes in read):
        counts = _counts(skipped + classless)
        left_out = f' but those of unsupported types ({counts})' if counts else ''
        raise ValueError(f'no shape in {len(read)} json files below {root}{left_out}')
    if skipped:
        warnings.warn(f'unsupported shapes are left out: {_counts(skipped)}', stacklevel=2)
    if classless:
        warnings.warn(
            f'shapes whose labels are no classes are left out: {_counts(classless)}', stacklevel=2
        )
    if classes is None:
        classes = sorted({shape['label'] for _, _, shapes in read for shape in shapes})
    categories = categories_from([name for name in classes if name not in NO_CLASSES])
    category_ids = {category['name']: category['id'] for category in categories}
    records = [
        (image, _instances(path, image, shapes, category_ids)) for path, image, shapes in read
    ]
    _warn_of_one_group(root, [shapes for _, _, shapes in read], sum(len(one) for _, one in records))
    records += _others(image_root, set(sources), negatives)
    records.sort(key=lambda record: record[0]['file_name'])
    return build_coco(records, categories, description=f'labelme files of {root.name}')


def _warn_of_one_group(root: Path, shapes_of: Sequence[list[dict]], num_instances: int) -> None:
    """Warn if a group that all shapes have, as some tools write one, joins single objects."""
    groups = [shape['group_id'] for shapes in shapes_of for shape in shapes]
    if None not in groups and len(set(groups)) == 1 and num_instances < len(groups):
        warnings.warn(
            f'{root}: every shape has the group_id {groups[0]}, so that shapes of one label in an '
            f'image are one instance ({len(groups)} shapes, {num_instances} instances): if they '
            'are objects of their own, write null for it',
            stacklevel=3,
        )


def _counts(counter: Counter[str]) -> str:
    return ', '.join(f'{count} {name}' for name, count in sorted(counter.items()))


def _others(image_root: Path, annotated: set[str], negatives: bool) -> list[Record]:
    """Images without a json, if they count as negatives."""
    names = {name: name for name in find_images(image_root)}
    listed = annotated_images(names, annotated, 'json', negatives=negatives)
    return [(image_record(image_root, name), []) for name in listed if name not in annotated]


def _read(path: Path, photos: Photos) -> tuple[dict, list[dict]]:
    """The image's record and the shapes; the image that may be embedded is not kept."""
    content = read_json(path, 'shapes', 'imagePath')
    image = image_record(photos.root, photos.find(path, content))
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
            if isinstance(value, dict | list) or (name == 'shape_type' and type(value) is not str):
                raise ValueError(f'{path}: shape {index} has the {name} {value}, no text')
        shapes.append(shape | old | given | dict(index=index))
    return image, shapes


def _side(value: object) -> object:
    """A side of an image, which may be a text."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _instances(path: Path, image: dict, shapes: list[dict], category_ids: dict) -> list[dict]:
    """Annotations without ids, in the order of each one's first shape."""
    instances = defaultdict(list)
    for shape in shapes:
        where = f'{path}: shape {shape["index"]} ({shape["label"]})'
        if shape['label'] not in category_ids:
            raise ValueError(f'{where} is of no known class: {", ".join(category_ids)}')
        check_points(shape, where)
        alone = ('shape', shape['index'])
        group = alone if shape['group_id'] is None else ('group', shape['group_id'])
        instances[shape['label'], group].append((shape, where))
    width, height = image['width'], image['height']
    annotations = []
    for (label, _), parts in instances.items():
        category_id = category_ids[label]
        outlines = [outline_of(*part) for part in parts if part[0]['shape_type'] != 'mask']
        masks = [
            mask_of(shape, where, width, height)
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
