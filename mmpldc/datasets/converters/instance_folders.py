"""Instances as PNG masks: a folder per image with a mask for each."""

import re
import warnings
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ..folders import files_below, suffix_of
from ..mask_names import MASK_SUFFIXES, MASK_WORDS
from .coco import Record, build_coco, categories_from, first_of, mask_annotation, ordered_map
from .image_files import IMAGE_SUFFIXES, find_images, find_images_beside, image_record
from .label_files import annotated_images, pair, without_suffix
from .label_maps import read_binary_mask

# Words behind the class in a mask's name that make it no other class, as car_wheel may be.
OF_MASKS = re.compile(rf'{MASK_WORDS}|object|obj|inst|id', re.IGNORECASE)
# Words of a mask's name that tell no class: numbers, identifiers, and those for masks.
NAMELESS = re.compile(rf'\d+|[0-9a-f]{{8,}}|({OF_MASKS.pattern})\d*', re.IGNORECASE)
UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE)
FEW = 3  # masks, of which fewer do not tell whether all are inverted


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
            an empty folder has no instances. If it is ``images``, the masks of the only image below
            ``DIR`` are in ``DIR/masks``, as DSB2018 has them: ``DIR/images/STEM.png``.
        classes: names; of several that fit a file, the longest one counts. Names of masks need not
            have the only class, if they are numbers, identifiers, or words such as ``mask``.
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
    if folders.resolve() == images.resolve():
        stems, annotated = _folders_among(images)
    else:
        stems = without_suffix(find_images_beside(images, folders))
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
    _warn_of_words(folders, [file for _, files, _ in read_all for file in files])
    nameless = [file for _, _, files in read_all for file in files]
    if nameless:
        warnings.warn(
            f'{folders}: names of {len(nameless)} masks have no class, such as {nameless[0]}: '
            f"taken for '{classes[0]}', the only one",
            stacklevel=2,
        )
    records = [record for record, _, _ in read_all]
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


def _folders_among(images: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Images by their names without suffix, and the folders of their masks, of one folder."""
    names = find_images(images)
    known = {str(PurePosixPath(name).with_suffix('')) for name in names}
    inside = {name: _mask_folder(name, known) for name in names}
    stems = without_suffix([name for name in names if not inside[name]])
    annotated: dict[str, str] = {}
    for folder in sorted(set(filter(None, inside.values()))):
        around = PurePosixPath(folder).parent
        below = [stem for stem in stems if around in PurePosixPath(stem).parents]
        own = [folder] if folder in stems else below
        if len(own) != 1 or own[0] in annotated:
            raise ValueError(
                f'{images / folder}: {len(below)} images are below {images / around}, so whose '
                'masks these are is not known: write DIR/masks for each image DIR/images/STEM.*'
            )
        annotated[own[0]] = folder
    return stems, annotated


def _mask_folder(name: str, stems: Collection[str]) -> str:
    """The folder of masks that a file is in: called so, or as an image; empty if there is none."""
    folders = PurePosixPath(name).parents
    found = (str(one) for one in folders if one.name.lower() == 'masks' or str(one) in stems)
    return next(found, '')


def _read_folder(
    names: tuple[str, str | None], *, images: Path, folders: Path, category_ids: dict[str, int]
) -> tuple[Record, list[str], list[str]]:
    """An image and its annotations, masks that may be of another class, and masks without one."""
    name, inside = names
    image = image_record(images, name)
    if inside is None:
        return (image, []), [], []
    folder = folders / inside
    annotations, doubtful, nameless = [], [], []
    for file in sorted(files_below(folder)):
        if suffix_of(file) not in IMAGE_SUFFIXES:
            continue
        path = folder / file
        if suffix_of(file) not in MASK_SUFFIXES:
            raise ValueError(f'{path}: saving a mask in this format changes it: use PNG')
        fitting = [c for c in category_ids if path.stem == c or path.stem.startswith(f'{c}_')]
        if not fitting and len(category_ids) == 1 and _has_no_class(path.stem, Path(name).stem):
            fitting = list(category_ids)
            nameless.append(f'{inside}/{file}')
        elif not fitting:
            raise ValueError(
                f'{path} is of no known class (CLASS_*.png): {first_of(list(category_ids))}'
            )
        mask = read_binary_mask(path, image)
        label = max(fitting, key=len)
        word = re.split(r'[\W_]', path.stem[len(label) + 1 :])[0]
        if len(word) > 1 and word.isalpha() and not OF_MASKS.fullmatch(word):
            doubtful.append(f'{inside}/{file} ({label})')
        annotations.append(mask_annotation(mask, category_id=category_ids[label]))
    return (image, annotations), doubtful, nameless


def _has_no_class(mask: str, image: str) -> bool:
    """Whether a mask's name has nothing but its image's, numbers, and words for masks."""
    words = re.split(r'[\W_]+', mask.removeprefix(image))
    return bool(UUID.fullmatch(mask)) or all(map(NAMELESS.fullmatch, filter(None, words)))
