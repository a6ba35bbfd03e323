"""Which photo a name in an annotation file means, if none has that very name."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..photo_names import Meant, candidates, match_names
from .image_files import find_images


def find_meant(names: Sequence[str], folder: Path) -> dict[str, Meant]:
    """Photos that the names without a file stand for, see :func:`match_names`.

    Args:
        names: of images, relative to ``folder``.
        folder: of the photos.
    """
    missing, photos = _without_file(names, folder)
    present = {os.path.normpath(name) for name in names if name not in missing}
    return match_names(missing, photos, folder=folder.absolute().name, taken=present)


def find_shared(names: Sequence[str], folder: Path) -> dict[str, Meant]:
    """Photos that names without a file fit, as another name does: whose they are is not clear.

    Args:
        names, folder: see :func:`find_meant`.
    """
    missing, photos = _without_file(names, folder)
    fitting = candidates(missing, photos, folder=folder.absolute().name)
    meant = find_meant(names, folder)
    return {name: one for name, one in fitting.items() if name not in meant}


def _without_file(names: Sequence[str], folder: Path) -> tuple[set[str], list[str]]:
    """Names without a file; and the photos, if there is such a name."""
    missing = {name for name in names if not os.path.isfile(os.path.join(folder, name))}
    try:
        return missing, list(find_images(folder)) if missing else []
    except OSError:  # no folder, or no image in it, which the checks report
        return missing, []
