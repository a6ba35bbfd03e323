"""List the images to label, from a folder or from a COCO-format file."""

from pathlib import Path

from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.converters.image_files import find_images


def folder_images(folder: Path) -> list[dict]:
    """List the images of a folder and its subfolders as entries of a COCO-format file.

    Returns:
        For each image its ``id``, counted from 1, and its ``file_name``, relative to the folder.
        Entries are sorted by file name.

    Raises:
        FileNotFoundError: if the folder does not exist or holds no image.
    """
    return [dict(id=number, file_name=name) for number, name in enumerate(find_images(folder), 1)]


def list_images(path: Path) -> list[dict]:
    """Read the ``images`` of a COCO-format file.

    Raises:
        ValueError: if the list is missing or empty, or an image lacks a unique id or a file name.
    """
    images = read_coco(path)['images']
    if not images:
        raise ValueError(f'{path} lists no images')
    for image in images:
        number, name = image.get('id'), image.get('file_name')
        if not isinstance(number, int | str) or not isinstance(name, str):
            raise ValueError(f'{path}: an image needs an id and a file_name, got {image}')
    if len({image['id'] for image in images}) < len(images):
        raise ValueError(f'{path}: two images have the same id')
    return images


def read_categories(path: Path, classes: tuple[str, ...]) -> list[dict]:
    """Find the ``categories`` of a COCO-format file that match a model's classes by name.

    Returns:
        One entry per class.

    Raises:
        ValueError: if a class is missing, or two categories have the same name.
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
