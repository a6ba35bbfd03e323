"""Which images to label: those of a folder, or those that a COCO-format file lists."""

from pathlib import Path

from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.converters.image_files import find_images


def folder_images(folder: Path) -> list[dict]:
    """Images of a folder and its subfolders, as a COCO-format file would list them.

    Returns:
        For each ``id``, from 1 on, and ``file_name``, relative to the folder, in the order of
        these names.

    Raises:
        FileNotFoundError: if there is no such folder, or no image in it.
    """
    return [dict(id=number, file_name=name) for number, name in enumerate(find_images(folder), 1)]


def list_images(path: Path) -> list[dict]:
    """The ``images`` of a COCO-format file.

    Raises:
        ValueError: if it is none, is empty, or its images lack an id of their own or a file name.
    """
    images = read_coco(path)['images']
    if not images:
        raise ValueError(f'{path} lists no image')
    for image in images:
        if not isinstance(image.get('id'), int) or not isinstance(image.get('file_name'), str):
            raise ValueError(f'{path}: an image needs an integer id and a file_name, got {image}')
    if len({image['id'] for image in images}) < len(images):
        raise ValueError(f'{path}: two images have the same id')
    return images


def read_categories(path: Path, classes: tuple[str, ...]) -> list[dict]:
    """The ``categories`` of a COCO-format file that the classes of a model stand for, by name.

    Returns:
        For each class its entry.

    Raises:
        ValueError: if a class is not among them, or two have the same name.
    """
    categories = read_coco(path).get('categories') or []
    by_name = {category['name']: category for category in categories}
    missing = [name for name in classes if name not in by_name]
    if missing:
        raise ValueError(
            f'{path} has no category {", ".join(missing)}: it has {", ".join(by_name) or "none"}'
        )
    if len(by_name) < len(categories):
        raise ValueError(f'{path}: two categories have the same name')
    return [by_name[name] for name in classes]
