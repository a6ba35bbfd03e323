"""Images that nobody annotated: the unlabelled part of a data set."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from ..checks.structure import read_categories
from ..coco_files import names_of_images
from ..image_header import ImageHeader, read_headers
from ..unwanted_images import by_kind, find_unwanted
from .coco import Record, build_coco, first_of
from .image_files import find_images, one_name_each, real_paths, without_hard_links
from .label_files import warn_of_names
from .photos import find_meant

NAMED = 3  # images that a warning names


def convert_images(
    images: str | Path,
    categories_of: str | Path,
    *,
    exclude: Mapping[str | Path, str | Path] | None = None,
    skip_unreadable: bool = False,
    keep_all: bool = False,
) -> dict:
    """A COCO-format file for images without annotations.

    Images of the excluded files are left out, and their copies, whatever name and format these
    have; and what is no photograph: masks, thumbnails, pictures that tools painted. A warning
    counts them, and ``info.left_out`` of the result lists each with the reason.

    Args:
        images: folder of the images, which may have subfolders.
        categories_of: COCO-format file whose categories the result gets, usually the labelled
            set's.
        exclude: COCO-format files whose images are left out, so that ``images`` may hold the
            labelled ones too, and the folder that each one's file names are relative to. Paths
            are compared with all links resolved.
        skip_unreadable: leave out files that are no images, with a warning that lists them,
            instead of failing.
        keep_all: leave out the excluded images themselves only.

    Raises:
        FileNotFoundError: if there is no image.
        ValueError: if an image is unreadable, a json is not COCO-format, the images of one in
            ``exclude`` are not in its folder, or no image remains.
    """
    root = Path(images)
    categories = read_categories(categories_of)
    paths = one_name_each(real_paths(root, find_images(root)))
    known = _excluded(exclude or {})
    paths = without_hard_links({n: path for n, path in paths.items() if path not in known})
    headers = read_headers(list(paths.values()))
    unwanted = {} if keep_all else find_unwanted(headers, known)[0]
    for kind, lines in by_kind(unwanted, {path: name for name, path in paths.items()}).items():
        more = '; ...' if len(lines) > NAMED else ''
        warnings.warn(
            f'{len(lines)} images are left out as {kind}: {"; ".join(lines[:NAMED])}{more}; '
            '--keep-all keeps them',
            stacklevel=2,
        )
    names = [name for name, path in paths.items() if path not in unwanted]
    left_out = {name: unwanted[path].why for name, path in paths.items() if path in unwanted}
    if not names:
        raise ValueError(f'all images below {root} are excluded: none is left')
    records: list[Record] = []
    unreadable = []
    for name in names:
        header = headers[paths[name]]
        if isinstance(header, ImageHeader):
            records.append((dict(file_name=name, width=header.width, height=header.height), []))
        elif skip_unreadable:
            unreadable.append(name)
        else:
            raise ValueError(f'{header}; --skip-unreadable leaves such files out')
    if unreadable:
        left_out |= dict.fromkeys(unreadable, 'cannot be read as an image')
        warnings.warn(
            f'unreadable files are left out: {len(unreadable)}, {first_of(unreadable)}',
            stacklevel=2,
        )
    coco = build_coco(records, categories, description=f'unlabelled images of {root.name}')
    if left_out:
        coco['info']['left_out'] = left_out
    return coco


def _excluded(exclude: Mapping[str | Path, str | Path]) -> set[str]:
    """Paths of the images that the files list, links resolved."""
    known = set()
    for path, folder in exclude.items():
        listed = names_of_images(path)
        meant = find_meant(listed, Path(folder))
        if meant:
            warn_of_names([f'{name}, which is {one.name}' for name, one in meant.items()])
        names = [meant[name].name if name in meant else name for name in listed]
        paths = real_paths(Path(folder), names)
        lost = [name for name, real in paths.items() if not os.path.exists(real)]
        if len(lost) == len(paths):
            raise ValueError(
                f'{path} leaves out nothing: none of its images ({first_of(listed, 1)}) is in '
                f'{folder}: are they in another folder?'
            )
        if lost:
            warnings.warn(
                f'{len(lost)} of {len(paths)} images of {path} are not in {folder}, such as '
                f'{lost[0]}: if they lie there under other names, they are not left out',
                stacklevel=3,
            )
        known |= set(paths.values())
    return known
