"""Which photo a name in an annotation file means, if none has that very name."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..photo_names import Meant, fitting_photos, match_below_a_folder, match_names
from .image_files import find_images


def find_meant(names: Sequence[str], folder: Path) -> dict[str, Meant]:
    """Photos that the names without a file stand for, see :func:`match_names`.

    Args:
        names: of images, relative to ``folder``.
        folder: of the photos.
    """
    return _find(names, folder)[0]


def find_photos(names: Sequence[str], folder: Path) -> tuple[dict[str, Meant], dict[str, Meant]]:
    """Photos of the names without a file, and those that such a name shares with another one.

    A folder that is in front of all names, and not there, is seen through
    (:func:`match_below_a_folder`).

    Args:
        names, folder: see :func:`find_meant`.

    Returns:
        What each name stands for; and the photos of names that are not alone in fitting them.
    """
    meant, shared, photos = _find(names, folder)
    if (
        len(photos)
        and not meant
        and not any(os.path.isfile(os.path.join(folder, name)) for name in names)
    ):
        meant = match_below_a_folder(names, photos)
    return meant, {name: one for name, one in shared.items() if name not in meant}


def _find(
    names: Sequence[str], folder: Path
) -> tuple[dict[str, Meant], dict[str, Meant], list[str]]:
    """What names stand for, the photos that they share, and all photos if a name has none."""
    missing = {name for name in names if not os.path.isfile(os.path.join(folder, name))}
    if not missing:
        return {}, {}, []
    try:
        photos = find_images(folder)
    except OSError:  # no folder, or no image in it, which the checks report
        return {}, {}, []
    present = {os.path.normpath(name) for name in names if name not in missing}
    own = folder.absolute().name
    meant = match_names(missing, photos, folder=own, taken=present)
    fitting = fitting_photos(missing, photos, folder=own)
    return meant, {name: one for name, one in fitting.items() if name not in meant}, list(photos)
