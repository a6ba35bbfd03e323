"""Instance PNGs as Pascal VOC has them: one with the objects, one with the classes.

Datumaro reads them, too, but writes each object as a crowd, which training leaves out.
"""

import re
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmpldc.utils.text import read_lines, read_text

from ..folders import files_below
from .coco import Record, build_coco, categories_from, first_of, mask_annotation, ordered_map
from .image_files import check_size, find_images, image_record
from .label_files import annotated_images, by_image, pair, without_suffix
from .label_maps import ONE_CHANNEL, load_mask

# In the order of VOC's own files; class k has value k.
CLASSES = [
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
]
BACKGROUND = 'background'
VOID = 255  # border of an object, or what is too hard; belongs to none
BORDER = 0xE0E0C0  # its colour
# Lists of names and colours, and the form of their lines: of CVAT, and of Supervisely.
COLOR_FILES = {
    'labelmap.txt': (r'([^:]*): *(\d+) *, *(\d+) *, *(\d+) *(?::.*)?', 'NAME:RED,GREEN,BLUE'),
    'colors.txt': (r'(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)', 'NAME RED GREEN BLUE'),
}
NAME_FILE = 'class_names.txt'  # of labelme2voc: names of the values from 0 on


def convert_voc(
    root: str | Path,
    *,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    negatives: bool = False,
    workers: int | None = None,
) -> dict:
    """COCO-format instances from PNGs of objects and classes.

    PNGs may be palette or grey images, whose values count, or in VOC's colours, as CVAT exports
    them. An object has the class that most of its pixels have.

    Args:
        root: has ``JPEGImages``, ``SegmentationObject`` and ``SegmentationClass``; maybe
            ``labelmap.txt`` of CVAT or ``colors.txt`` of Supervisely, which list names and colours
            of classes, or ``class_names.txt`` of labelme2voc.
        split: takes the images in ``ImageSets/Segmentation/SPLIT.txt`` only; None: all.
        classes: names of the values from 1 on; None: those of these lists, else VOC's twenty,
            with a warning.
        negatives: nothing is on images without PNGs. By default they are left out, with a warning
            that counts them: nobody annotated them.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or none has its PNGs.
        ValueError: if a PNG is broken or of another size than its image, or an object has no
            class.
    """
    root = Path(root)
    images, objects, kinds = (
        root / name for name in ('JPEGImages', 'SegmentationObject', 'SegmentationClass')
    )
    for folder in (images, objects, kinds):
        if not folder.is_dir():
            raise FileNotFoundError(f'{folder} is not a folder')
    names, colors = _classes(root, classes)
    stems = all_stems = without_suffix(find_images(images))
    if split is not None:
        stems = _chosen(stems, root / f'ImageSets/Segmentation/{split}.txt')
    object_files, class_files = (
        pair(all_stems, by_image(files_below(folder), ('.png',)), f'{folder.name} PNG')
        for folder in (objects, kinds)
    )
    annotated = object_files.keys() & class_files.keys()
    if not annotated & stems.keys():
        raise FileNotFoundError(
            f'no image of {images} has PNGs in both {objects.name} and {kinds.name}: not '
            f'{next(iter(stems))}.png'
        )
    categories = categories_from([name for name in names if name != BACKGROUND])
    ids = {category['name']: category['id'] for category in categories}
    category_ids = [ids.get(name) for name in names]  # None: background
    read = partial(_read, images=images, colors=colors, category_ids=category_ids)
    chosen = [
        (stems[stem], (objects / object_files[stem], kinds / class_files[stem]))
        if stem in annotated
        else (stems[stem], None)
        for stem in annotated_images(stems, annotated, 'PNG of objects', negatives=negatives)
    ]
    records = ordered_map(read, chosen, workers)
    return build_coco(records, categories, description=f'instance PNGs of {root.name}')


def _chosen(stems: dict[str, str], path: Path) -> dict[str, str]:
    """The images that a file of a split lists, one a line."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    # a column with 1 or -1 may follow; names with blanks may be in quotes, as CVAT writes them
    readings = [(line, line.strip('"'), line.split()[0]) for line in lines]
    listed = [next((one for one in some if one in stems), some[-1]) for some in readings]
    missing = [stem for stem in listed if stem not in stems]
    if missing:
        raise ValueError(
            f'{path}: {len(missing)} of {len(listed)} images are missing: {first_of(missing)}'
        )
    return {stem: stems[stem] for stem in sorted(listed)}


def _classes(root: Path, classes: Sequence[str] | None) -> tuple[list[str], np.ndarray | None]:
    """Names of the values from 0 on, and their colours if the data set has its own.

    Returns:
        K names, and ``(K,)`` int64, 0xRRGGBB.
    """
    path = next((one for name in COLOR_FILES if (one := root / name).exists()), None)
    if classes is not None:
        return [BACKGROUND, *classes], None
    if path is None:
        return _names_alone(root), None
    pattern, form = COLOR_FILES[path.name]
    names, colors = [], []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith('#'):
            continue
        match = re.fullmatch(pattern, line.strip())
        if match is None:
            raise ValueError(f'{path}, line {number}: not {form}')
        color = int(match[2]) << 16 | int(match[3]) << 8 | int(match[4])
        if (match[1], color) != ('neutral', BORDER):
            names.append(match[1])
            colors.append(color)
    if path.name == 'colors.txt' and 0 not in colors:
        names, colors = [BACKGROUND, *names], [0, *colors]
    if BACKGROUND not in names:
        raise ValueError(f'{path} has no {BACKGROUND}')
    if set(names) == {BACKGROUND}:
        raise ValueError(f'{path} has no class beside {BACKGROUND}: add a line {form} for each')
    first: dict[int, str] = {}
    for name, color in zip(names, colors, strict=True):
        other = first.setdefault(color, name)
        if other != name:
            raise ValueError(
                f'{path}: {other} and {name} have one colour ({color >> 16},{color >> 8 & 255},'
                f'{color & 255}), which does not tell them apart: export with a colour each'
            )
    return names, np.array(colors)


def _names_alone(root: Path) -> list[str]:
    """Names of the values from 0 on of a data set that lists no colours."""
    path = root / NAME_FILE
    if not path.exists():
        warnings.warn(
            f"{root} has no {', '.join(COLOR_FILES)} or {NAME_FILE}: VOC's twenty classes are "
            f'taken ({first_of(CLASSES)}); if they are others, name them with --classes',
            stacklevel=4,
        )
        return [BACKGROUND, *CLASSES]
    names = [name for name in read_lines(path) if name not in ('', '__ignore__')]
    if names[:1] not in (['_background_'], [BACKGROUND]):
        raise ValueError(
            f'{path}: does not begin with _background_, so that the value of the first class is '
            'not known: add it if that is 1, or give the names from value 1 on with --classes'
        )
    if len(names) < 2:
        raise ValueError(f'{path} has no class beside {names[0]}: add a line for each')
    return [BACKGROUND, *names[1:]]


def _voc_colors() -> np.ndarray:
    """VOC's colour of each value: its bits, by threes, are the highest bits of the channels."""
    values = np.arange(256)
    channels = [
        sum(
            ((values >> (3 * place + channel) & 1) << (7 - place) for place in range(3)),
            np.zeros_like(values),
        )
        for channel in range(3)
    ]
    return channels[0] << 16 | channels[1] << 8 | channels[2]


def _read(
    name_and_paths: tuple[str, tuple[Path, Path] | None],
    *,
    images: Path,
    colors: np.ndarray | None,
    category_ids: list[int | None],
) -> Record:
    name, paths = name_and_paths
    image = image_record(images, name)
    if paths is None:
        return image, []
    objects = _read_values(paths[0], image, None)
    classes = _read_values(paths[1], image, colors)
    background = category_ids.index(None)
    annotations = []
    for value in np.unique(objects).tolist():
        if value in (0, VOID):
            continue
        mask = objects == value
        kinds, counts = np.unique(classes[mask], return_counts=True)
        counts[np.isin(kinds, (background, VOID))] = 0
        where = f'{paths[0]}: object {value}'
        if not counts.any():
            raise ValueError(f'{where} has no class in {paths[1]}')
        kind = int(kinds[counts.argmax()])
        category_id = category_ids[kind] if kind < len(category_ids) else None
        if category_id is None:
            raise ValueError(
                f'{where} has a class in {paths[1]} that has no name (value or colour {kind}): '
                'name all with --classes'
            )
        annotations.append(mask_annotation(mask, category_id=category_id))
    return image, annotations


def _read_values(path: Path, image: dict, colors: np.ndarray | None) -> np.ndarray:
    """Values of a PNG.

    Args:
        path: of the PNG.
        image: record of its image.
        colors: ``(K,)`` of the values; None: VOC's, and the values of a palette image count.

    Returns:
        ``(H, W)`` int64 in column order; a colour without a value is 256 and more.
    """
    png = load_mask(path)
    if png.mode in ('RGB', 'RGBA') or (png.mode == 'P' and colors is not None):
        values = _values_of(np.asarray(png.convert('RGB'), np.int64), colors)
    elif png.mode in ONE_CHANNEL:
        values = np.asarray(png, np.int64)
    else:
        raise ValueError(
            f'{path} cannot be read as a mask: colours ({png.mode}), neither a palette nor RGB'
        )
    height, width = values.shape
    check_size(path, width, height, image)
    return np.asfortranarray(values)


def _values_of(pixels: np.ndarray, colors: np.ndarray | None) -> np.ndarray:
    """Values of the colours in ``(H, W, 3)`` pixels."""
    known = _voc_colors() if colors is None else colors
    found = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    order = np.argsort(known, kind='stable')
    place = order[np.searchsorted(known, found, sorter=order).clip(0, len(known) - 1)]
    values = np.where(known[place] == found, place, found + 256)
    return np.where(values == BORDER + 256, VOID, values)
