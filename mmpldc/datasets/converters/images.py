"""Images that nobody annotated: the unlabelled part of a data set."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from ..coco_files import read_coco
from .coco import Record, build_coco, first_of
from .image_files import find_images, image_record


def convert_images(
    images: str | Path,
    categories_of: str | Path,
    *,
    exclude: Mapping[str | Path, str | Path] | None = None,
    skip_unreadable: bool = False,
) -> dict:
    """A COCO-format file for images without annotations.

    Args:
        images: folder of the images, which may have subfolders.
        categories_of: COCO-format file whose categories the result gets, usually the labelled
            set's.
        exclude: COCO-format files whose images are left out, so that ``images`` may hold the
            labelled ones too, and the folder that each one's file names are relative to. Paths
            are compared with all links resolved.
        skip_unreadable: leave out files that are no images, with a warning that lists them,
            instead of failing.

    Raises:
        FileNotFoundError: if there is no image.
        ValueError: if an image is unreadable, a json is not COCO-format, the images of one in
            ``exclude`` are not in its folder, or no image remains.
    """
    root = Path(images)
    categories = read_coco(Path(categories_of)).get('categories')
    if not categories:
        raise ValueError(f'{categories_of} has no categories')
    names = _without(find_images(root), root, exclude or {})
    if not names:
        raise ValueError(f'all images below {root} are excluded: none is left')
    records: list[Record] = []
    unreadable = []
    for name in names:
        try:
            records.append((image_record(root, name), []))
        except ValueError:
            if not skip_unreadable:
                raise
            unreadable.append(name)
    if unreadable:
        warnings.warn(
            f'unreadable files are left out: {len(unreadable)}, {", ".join(unreadable)}',
            stacklevel=2,
        )
    return build_coco(records, categories, description=f'unlabelled images of {root.name}')


def _without(names: list[str], root: Path, exclude: Mapping[str | Path, str | Path]) -> list[str]:
    """The images that no file of ``exclude`` lists."""
    if not exclude:
        return names
    files = {name: os.path.realpath(root / name) for name in names}
    known, out = set(files.values()), set()
    for path, folder in exclude.items():
        listed = [image['file_name'] for image in read_coco(Path(path))['images']]
        paths = {os.path.realpath(Path(folder, name)) for name in listed}
        if not any(map(os.path.exists, paths)):
            raise ValueError(
                f'{path} leaves out nothing: none of its images ({first_of(listed, 1)}) is in '
                f'{folder}: are they in another folder?'
            )
        out |= known & paths
    return [name for name in names if files[name] not in out]
