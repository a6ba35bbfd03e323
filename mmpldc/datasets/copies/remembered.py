"""What was computed of files before: each is read once, as long as it does not change."""

import warnings
from collections.abc import Callable, MutableMapping, Sequence

from mmpldc.utils.files import FileIdentity, file_identity

CHUNK = 1024  # files at a time

Known = MutableMapping[FileIdentity, bytes | None]


def remembered(
    paths: Sequence[str], compute: Callable[[list[str]], list[bytes | None]], known: Known
) -> dict[str, bytes]:
    """Compute something of files, unless it is known.

    Args:
        paths: of files.
        compute: for up to 1,024 of them; None for a file of which it cannot be told.
        known: what was computed before; it is added to.

    Returns:
        Path to what was computed, without those of which it cannot be told.
    """
    paths = list(dict.fromkeys(paths))
    files = [file_identity(path) for path in paths]
    new = [
        (path, file)
        for path, file in zip(paths, files, strict=True)
        if file is not None and file not in known
    ]
    for start in range(0, len(new), CHUNK):
        some = new[start : start + CHUNK]
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow's, of broken EXIF and of many pixels
            computed = compute([path for path, _ in some])
        for (_, file), value in zip(some, computed, strict=True):
            known[file] = value
    return {
        path: value
        for path, file in zip(paths, files, strict=True)
        if file is not None and (value := known[file]) is not None
    }
