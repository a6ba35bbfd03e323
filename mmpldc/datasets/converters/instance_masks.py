"""Instances as PNG masks: a label map per image."""

import warnings
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ..folders import files_below, suffix_of
from ..mask_names import MASK_SUFFIXES, image_stem
from .coco import Record, build_coco, categories_from, mask_annotation, ordered_map
from .image_files import IMAGE_SUFFIXES, find_images, find_images_beside, image_record
from .label_files import annotated_images, by_image, pair, without_suffix
from .label_maps import read_label_map, values_of

FEW = 3  # masks, of which fewer do not tell whether all are inverted


def convert_label_maps(
    images: str | Path,
    label_maps: str | Path,
    classes: Sequence[str],
    *,
    divisor: int | None = 1000,
    ignore: Collection[int] = (),
    negatives: bool = False,
    workers: int | None = None,
) -> dict:
    """COCO-format instances from one label map per image.

    Args:
        images: folder of the images, which may have subfolders. That of the label maps may be
            one of these.
        label_maps: folder with ``STEM.png``, or ``STEM_mask.png``, for each annotated image
            ``STEM.*``; TIFF and BMP do as well. A pixel's value is class * ``divisor`` + instance,
            0 where no object is; a class' instances may start at 0. 8 or 16 bit, or a palette,
            whose indices count.
        classes: names; the first one is class 1.
        divisor: see above; 1 if each class has at most one instance per image. None: a value is the
            number of an object, and all objects are of one class, as Cellpose, StarDist and ImageJ
            write them.
        ignore: values to take for background, for example 255.
        negatives: nothing is on images without a label map. By default they are left out, with a
            warning that counts them: nobody annotated them.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or none has a label map.
        ValueError: if a label map is broken, has another size than its image, or a value of an
            unknown class; if there are several classes and no divisor.
    """
    images, label_maps = Path(images), Path(label_maps)
    if divisor is None and len(classes) > 1:
        raise ValueError(
            f'values that number the objects tell no classes, and there are {len(classes)}: '
            f'{", ".join(classes)}'
        )
    if divisor is not None and divisor < 1:
        raise ValueError(f'divisor must be 1 or more, got {divisor}')
    categories = categories_from(classes)
    stems, maps = _images_and_maps(images, label_maps)
    if not stems.keys() & maps.keys():
        raise FileNotFoundError(
            f'no label map for any image of {images}: not {label_maps / next(iter(stems))}.png'
            f'{_lossy(label_maps)}'
        )
    read = partial(
        _read_label_map,
        images=images,
        num_classes=len(classes),
        divisor=divisor,
        ignore=frozenset(ignore) | {0},
    )
    chosen = [
        (stems[stem], maps.get(stem))
        for stem in annotated_images(stems, maps, 'label map', negatives=negatives)
    ]
    records = [*ordered_map(read, chosen, workers)]
    if divisor is None and len(records) >= FEW and all(len(found) < 2 for _, found in records):
        warnings.warn(
            f'{label_maps}: no label map has more than one value, so each has one object: if they '
            'show where any object is, number the objects, or write a mask for each',
            stacklevel=2,
        )
    return build_coco(records, categories, description=f'label maps of {images.name}')


def _images_and_maps(images: Path, folder: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """Images and label maps by the images' names without suffix; both may lie in one folder."""
    if folder.resolve() == images.resolve():
        everything = find_images(images)
        names = _masks_among(everything)
        stems = without_suffix([name for name in everything if name not in names])
    else:
        names = set(files_below(folder))
        stems = without_suffix(find_images_beside(images, folder))
    maps = pair(stems, by_image(names, MASK_SUFFIXES, of_masks=True), 'label map')
    return stems, {stem: folder / name for stem, name in maps.items()}


def _masks_among(names: list[str]) -> set[str]:
    """Those of the images in a folder that are named as masks of others."""
    stems = {name: str(PurePosixPath(name).with_suffix('')) for name in names}
    photos = {stem for name, stem in stems.items() if suffix_of(name) not in MASK_SUFFIXES}
    return {
        name
        for name, stem in stems.items()
        if suffix_of(name) in MASK_SUFFIXES
        and (stem in photos or (image_stem(stem) != stem and image_stem(stem) in stems.values()))
    }


def _lossy(folder: Path) -> str:
    """A remark on files that are no masks, if there are any."""
    others = {suffix_of(name) for name in files_below(folder)} & set(IMAGE_SUFFIXES)
    others -= set(MASK_SUFFIXES)
    if not others:
        return ''
    return f'; {" ".join(sorted(others))} cannot hold labels, as saving changes the values'


def _read_label_map(
    name_and_path: tuple[str, Path | None],
    *,
    images: Path,
    num_classes: int,
    divisor: int | None,
    ignore: frozenset[int],
) -> Record:
    name, path = name_and_path
    image = image_record(images, name)
    if path is None:
        return image, []

    def label_of(value: int) -> int:
        return value // divisor if divisor else min(value, 1)

    labels = read_label_map(
        path, image, lambda value: value in ignore or 1 <= label_of(value) <= num_classes
    )
    annotations = []
    for value in values_of(labels):
        if value in ignore:
            continue
        label = label_of(value)
        if not 1 <= label <= num_classes:
            raise ValueError(f'{path} has the value {value}, {_fault(value, num_classes, divisor)}')
        annotations.append(mask_annotation(labels == value, category_id=label))
    return image, annotations


def _fault(value: int, num_classes: int, divisor: int | None) -> str:
    """What is wrong with a value of a class that there is not, and what may help."""
    if divisor is None:
        return f'which numbers no object: --ignore {value} takes it for background'
    label = value // divisor
    numbered = ' If the values number the objects of the one class: --object-ids'
    return (
        f'with divisor {divisor} an instance of class {label}, but the classes are 1 to '
        f'{num_classes}: check divisor and classes, or ignore the value.'
        f'{numbered if num_classes == 1 and label < 1 else ""}'
    )
