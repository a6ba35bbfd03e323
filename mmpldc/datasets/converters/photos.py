"""Which photo a name in an annotation file means, if none has that very name."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..photo_names import Meant, match_names
from .image_files import find_images


def find_meant(names: Sequence[str], folder: Path) -> dict[str, Meant]:
    """Photos that the names without a file stand for, see :func:`match_names`.

    Args:
        names: of images, relative to ``folder``.
        folder: of the photos.
    """
    missing = {name for name in names if not os.path.isfile(os.path.join(folder, name))}
    if not missing:
        return {}
    try:
        photos = find_images(folder)
    except OSError:  # no folder, or no image in it, which the checks report
        return {}
    present = {os.path.normpath(name) for name in names if name not in missing}
    return match_names(missing, photos, folder=folder.absolute().name, taken=present)
