"""Instances as PNG masks: a label map per image, or a folder per image with a mask for each."""

import re
import warnings
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ..folders import files_below, suffix_of
from ..mask_names import MASK_SUFFIXES, MASK_WORDS, image_stem
from .coco import Record, build_coco, categories_from, first_of, mask_annotation, ordered_map
from .image_files import IMAGE_SUFFIXES, find_images, image_record
from .label_files import annotated_images, by_image, pair, without_suffix
from .label_maps import read_binary_mask, read_label_map, values_of

# Words behind the class in a mask's name that make it no other class, as car_wheel may be.
OF_MASKS = re.compile(rf'{MASK_WORDS}|object|obj|inst|id', re.IGNORECASE)
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
        stems = _images_beside(images, folder)
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


def _images_beside(images: Path, masks: Path) -> dict[str, str]:
    """Images by their names without suffix, without the masks that lie in a folder among them."""
    inside = masks.resolve()
    names = [
        name for name in find_images(images) if inside not in (images / name).resolve().parents
    ]
    if not names:
        raise FileNotFoundError(f'no image below {images} but what is in {masks}')
    return without_suffix(names)


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


def convert_instance_folders(
    images: str | Path,
    folders: str | Path,
    classes: Sequence[str],
    *,
    negatives: bool = False,
    workers: int | None = None,
) -> dict:
    """COCO-format instances from one binary mask per instance.

    Args:
        images: folder of the images, which may have subfolders.
        folders: has ``STEM/CLASS.png`` or ``STEM/CLASS_*.png`` for each instance of an image
            ``STEM.*``, 0 or black where the object is not; TIFF and BMP do as well. An image with
            an empty folder has no instances.
        classes: names; of several that fit a file, the longest one counts.
        negatives: images without a folder have none, either. By default they are left out, with a
            warning that counts them: nobody annotated them.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or no image has a folder.
        ValueError: if a mask is broken, has another size than its image, more than two values,
            two of which none is 0, or the name of an unknown class.
    """
    images, folders = Path(images), Path(folders)
    categories = categories_from(classes)
    stems = _images_beside(images, folders)
    annotated = pair(stems, _folders_of_masks(folders, stems), 'mask folder')
    if not annotated:
        raise FileNotFoundError(
            f'no folder of masks for any image of {images}: not {folders / next(iter(stems))}/'
        )
    ids = {category['name']: category['id'] for category in categories}
    read = partial(_read_folder, images=images, folders=folders, category_ids=ids)
    chosen = [
        (stems[stem], annotated.get(stem))
        for stem in annotated_images(stems, annotated, 'folder of masks', negatives=negatives)
    ]
    read_all = list(ordered_map(read, chosen, workers))
    _warn_of_words(folders, [file for _, files in read_all for file in files])
    records = [record for record, _ in read_all]
    masks = [(image, one) for image, annotations in records for one in annotations]
    if len(masks) >= FEW and all(map(_looks_inverted, *zip(*masks, strict=True))):
        warnings.warn(
            f'{folders}: every mask reaches all sides of its image and covers most of it: if '
            'objects are black in them, invert them',
            stacklevel=2,
        )
    return build_coco(records, categories, description=f'masks of {images.name}')


def _warn_of_words(folders: Path, files: Sequence[str]) -> None:
    """Warn of masks whose names go on with a word behind the class."""
    if files:
        warnings.warn(
            f'{folders}: names of {len(files)} masks go on with a word behind the class, such as '
            f'{files[0]}: if that is another class, name it with --classes, or move them away',
            stacklevel=3,
        )


def _looks_inverted(image: dict, annotation: dict) -> bool:
    """Whether a mask may be of what is around an object."""
    sides = [image['width'], image['height']]
    return annotation['bbox'] == [0, 0, *sides] and 2 * annotation['area'] > sides[0] * sides[1]


def _folders_of_masks(folders: Path, stems: Collection[str]) -> dict[str, str]:
    """Folders named as images, which may be empty, and others with files; each by itself."""
    own = {stem for stem in stems if (folders / stem).is_dir()}
    parents = (PurePosixPath(name).parent for name in files_below(folders))
    others = {str(parent) for parent in parents if own.isdisjoint(map(str, parent.parents))}
    return {name: name for name in sorted(own | others - {'.'})}


def _read_folder(
    names: tuple[str, str | None], *, images: Path, folders: Path, category_ids: dict[str, int]
) -> tuple[Record, list[str]]:
    """An image and its annotations, and masks whose names may be of another class."""
    name, inside = names
    image = image_record(images, name)
    if inside is None:
        return (image, []), []
    folder = folders / inside
    annotations, doubtful = [], []
    for file in sorted(files_below(folder)):
        if suffix_of(file) not in IMAGE_SUFFIXES:
            continue
        path = folder / file
        if suffix_of(file) not in MASK_SUFFIXES:
            raise ValueError(f'{path}: saving a mask in this format changes it: use PNG')
        fitting = [c for c in category_ids if path.stem == c or path.stem.startswith(f'{c}_')]
        if not fitting:
            raise ValueError(
                f'{path} is of no known class (CLASS_*.png): {first_of(list(category_ids))}'
            )
        mask = read_binary_mask(path, image)
        label = max(fitting, key=len)
        word = re.split(r'[\W_]', path.stem[len(label) + 1 :])[0]
        if len(word) > 1 and word.isalpha() and not OF_MASKS.fullmatch(word):
            doubtful.append(f'{inside}/{file} ({label})')
        annotations.append(mask_annotation(mask, category_id=category_ids[label]))
    return (image, annotations), doubtful
