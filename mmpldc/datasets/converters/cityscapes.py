"""Cityscapes' fine annotations, from its label maps or from its polygons."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .coco import Record, build_coco, mask_annotation, ordered_map, read_json
from .image_files import check_size, image_record
from .label_maps import read_label_map, values_of

# The position is Cityscapes' label id (labels.py of its cityscapesScripts).
LABELS = (
    'unlabeled',
    'ego vehicle',
    'rectification border',
    'out of roi',
    'static',
    'dynamic',
    'ground',
    'road',
    'sidewalk',
    'parking',
    'rail track',
    'building',
    'wall',
    'fence',
    'guard rail',
    'bridge',
    'tunnel',
    'pole',
    'polegroup',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'caravan',
    'trailer',
    'train',
    'motorcycle',
    'bicycle',
)
# Those with instances, in mmdet's order.
CLASSES = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
NOT_DRAWN = 'license plate'  # label id -1
CATEGORIES = [
    dict(
        id=LABELS.index(name),
        name=name,
        supercategory='human' if name in ('person', 'rider') else 'vehicle',
    )
    for name in CLASSES
]
CATEGORY_IDS = {category['id'] for category in CATEGORIES}
DIVISOR = 1000  # value = label id * DIVISOR + number of the instance
IMAGE_SUFFIX = '_leftImg8bit.png'


def convert_cityscapes(root: str | Path, split: str, *, workers: int | None = None) -> dict:
    """COCO-format instances of a split of Cityscapes.

    Category ids are Cityscapes' label ids (24 to 33), as mmdet's converter has them: the file
    takes the place of that converter's, and exported predictions carry the ids that Cityscapes'
    own tools want. A group is one crowd per image and class, as in Cityscapes' label maps.

    Args:
        root: has ``leftImg8bit/SPLIT/CITY/*_leftImg8bit.png`` and
            ``gtFine/SPLIT/CITY/*_gtFine_instanceIds.png``; for an image without the latter,
            ``*_gtFine_polygons.json`` is drawn instead.
        split: 'train' or 'val'; that of 'test' has no annotations worth the name.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or one has no annotation file.
        ValueError: if a file is broken, has another size than its image, or a label that
            Cityscapes does not have.
    """
    images, truth = (Path(root) / folder / split for folder in ('leftImg8bit', 'gtFine'))
    names = sorted(
        path.relative_to(images).as_posix() for path in images.glob(f'*/*{IMAGE_SUFFIX}')
    )
    if not names:
        raise FileNotFoundError(f'no image {images}/CITY/*{IMAGE_SUFFIX}')
    records = ordered_map(partial(_record, images=images, truth=truth), names, workers)
    return build_coco(records, CATEGORIES, description=f'Cityscapes gtFine {split}')


def _record(name: str, *, images: Path, truth: Path) -> Record:
    image = image_record(images, name)
    stem = f'{name.removesuffix(IMAGE_SUFFIX)}_gtFine_'
    label_map, polygons = truth / f'{stem}instanceIds.png', truth / f'{stem}polygons.json'
    if label_map.exists():
        path, labels = label_map, read_label_map(label_map, image)
    elif polygons.exists():
        path, labels = polygons, draw_polygons(polygons, image)
    else:
        raise FileNotFoundError(f'{images / name} has neither {label_map} nor {polygons.name}')
    annotations = []
    for value in values_of(labels):
        crowd = value < DIVISOR
        label = value if crowd else value // DIVISOR
        if label >= len(LABELS):
            raise ValueError(f'{path} has the value {value}: Cityscapes has no label {label}')
        if label in CATEGORY_IDS:
            mask = labels == value
            annotations.append(mask_annotation(mask, category_id=label, iscrowd=crowd))
    return image, annotations


def draw_polygons(path: Path, image: dict) -> np.ndarray:
    """Draw the polygons of an image, the later over the earlier ones, as Cityscapes' tool does.

    Args:
        path: ``*_gtFine_polygons.json``.
        image: record of its image.

    Returns:
        ``(H, W)`` int32, with the values of ``*_gtFine_instanceIds.png`` for all classes that have
        instances; groups and other labels have their label id.

    Raises:
        ValueError: see :func:`convert_cityscapes`.
    """
    content = read_json(path, 'imgWidth', 'imgHeight', 'objects')
    width, height = content['imgWidth'], content['imgHeight']
    check_size(path, width, height, image)
    canvas = Image.new('I', (width, height))
    draw = ImageDraw.Draw(canvas)
    instances = dict.fromkeys(CATEGORY_IDS, 0)
    for index, item in enumerate(content['objects']):
        name = item['label']
        if name == NOT_DRAWN or item.get('deleted'):
            continue
        group = name not in LABELS and name.endswith('group')
        single = name.removesuffix('group') if group else name
        if single not in LABELS:
            raise ValueError(
                f'{path}: object {index} has the label {name!r}, unknown to Cityscapes'
            )
        if len(item['polygon']) < 3:
            raise ValueError(f'{path}: object {index} ({name}) has fewer than three points')
        value = LABELS.index(single)
        if value in CATEGORY_IDS and not group:
            instances[value] += 1
            value = value * DIVISOR + instances[value] - 1
        draw.polygon([tuple(point) for point in item['polygon']], fill=value)
    return np.asfortranarray(canvas)
