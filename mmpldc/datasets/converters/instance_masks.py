"""Instances as PNG masks: a label map per image, or a folder per image with a mask for each."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from .coco import Record, build_coco, categories_from, first_of, mask_annotation, ordered_map
from .image_files import find_images, image_record, read_label_map, values_of, without_suffix


def convert_label_maps(
    images: str | Path,
    label_maps: str | Path,
    classes: Sequence[str],
    *,
    divisor: int = 1000,
    ignore: Collection[int] = (),
    workers: int | None = None,
) -> dict:
    """COCO-format instances from one label map per image.

    Args:
        images: folder of the images, which may have subfolders.
        label_maps: folder with ``STEM.png`` for each image ``STEM.*``. A pixel's value is
            class * ``divisor`` + instance, 0 where no object is; a class' instances may start at 0.
            8 or 16 bit, or a palette, whose indices count.
        classes: names; the first one is class 1.
        divisor: see above; 1 if each class has at most one instance per image.
        ignore: values to take for background, for example 255.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or one has no label map.
        ValueError: if a label map is broken, has another size than its image, or a value of an
            unknown class.
    """
    images, label_maps = Path(images), Path(label_maps)
    if divisor < 1:
        raise ValueError(f'divisor must be 1 or more, got {divisor}')
    read = partial(
        _read_label_map,
        images=images,
        label_maps=label_maps,
        num_classes=len(classes),
        divisor=divisor,
        ignore=frozenset(ignore) | {0},
    )
    categories = categories_from(classes)
    stems = without_suffix(find_images(images))
    records = ordered_map(read, list(stems.items()), workers)
    return build_coco(records, categories, description=f'label maps of {images.name}')


def _read_label_map(
    stem_and_name: tuple[str, str],
    *,
    images: Path,
    label_maps: Path,
    num_classes: int,
    divisor: int,
    ignore: frozenset[int],
) -> Record:
    stem, name = stem_and_name
    path = label_maps / f'{stem}.png'
    if not path.exists():
        raise FileNotFoundError(f'{path} is missing, the label map of {images / name}')
    image = image_record(images, name)
    labels = read_label_map(path, image)
    annotations = []
    for value in values_of(labels):
        if value in ignore:
            continue
        label = value // divisor
        if not 1 <= label <= num_classes:
            raise ValueError(
                f'{path} has the value {value}, with divisor {divisor} an instance of class '
                f'{label}, but the classes are 1 to {num_classes}: check divisor and classes, or '
                'ignore the value'
            )
        annotations.append(mask_annotation(labels == value, category_id=label))
    return image, annotations


def convert_instance_folders(
    images: str | Path,
    folders: str | Path,
    classes: Sequence[str],
    *,
    workers: int | None = None,
) -> dict:
    """COCO-format instances from one binary mask per instance.

    Args:
        images: folder of the images, which may have subfolders.
        folders: has ``STEM/CLASS.png`` or ``STEM/CLASS_*.png`` for each instance of an image
            ``STEM.*``, not 0 where the object is. An image without a folder has no instances.
        classes: names; of several that fit a file, the longest one counts.
        workers: processes; None: one per core.

    Raises:
        FileNotFoundError: if there is no image, or no image has a folder.
        ValueError: if a mask is broken, has another size than its image, more than two values, or
            the name of an unknown class.
    """
    images, folders = Path(images), Path(folders)
    categories = categories_from(classes)
    stems = without_suffix(find_images(images))
    if not any((folders / stem).is_dir() for stem in stems):
        raise FileNotFoundError(
            f'no folder of masks for any image of {images}: not {folders / next(iter(stems))}/'
        )
    ids = {category['name']: category['id'] for category in categories}
    read = partial(_read_folder, images=images, folders=folders, category_ids=ids)
    records = ordered_map(read, list(stems.items()), workers)
    return build_coco(records, categories, description=f'masks of {images.name}')


def _read_folder(
    stem_and_name: tuple[str, str], *, images: Path, folders: Path, category_ids: dict[str, int]
) -> Record:
    stem, name = stem_and_name
    image = image_record(images, name)
    annotations = []
    for path in sorted((folders / stem).glob('*.png')):
        fitting = [c for c in category_ids if path.stem == c or path.stem.startswith(f'{c}_')]
        if not fitting:
            raise ValueError(
                f'{path} is of no known class (CLASS_*.png): {first_of(list(category_ids))}'
            )
        mask = read_label_map(path, image)
        if len(values_of(mask)) > 2:
            raise ValueError(f'{path} has more than two values: a mask has 0 and another one')
        category_id = category_ids[max(fitting, key=len)]
        annotations.append(mask_annotation(mask != 0, category_id=category_id))
    return image, annotations
