"""Versions that Roboflow makes of one image: it crops and turns, and names the source."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence

from .perceptual_hash import hash_files, turned

MARK = re.compile(
    r'(?P<source>.+)_(jpe?g|png|bmp|tiff?|webp|heic|avif)\.rf\.\w{16,}', re.IGNORECASE
)
# Bits of 256 under the best of eight turns; benchmarks/copies.py measures it. Of different
# photographs 1 pair in 30,000 is as near, and these are bursts; here the names agree as well.
MAX_DISTANCE = 72
MOST_VERSIONS = 50  # of an image, that Roboflow makes


def find_versions(paths: Sequence[str], originals: Sequence[str]) -> dict[str, str]:
    """Files that are, by their names and their pictures, versions of one image.

    Args:
        paths: files to look at, ``NAME_jpg.rf.HASH.jpg`` or ``NAME.jpg``.
        originals: files to compare them with; one of the two has Roboflow's mark.

    Returns:
        Path to original, in the order of ``paths``. Crops of more than a few percent, and turns
        other than by 90 degrees, are not recognised.
    """
    by_source: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for path in dict.fromkeys(originals):
        source, is_marked = source_of(path)
        by_source[source].append((path, is_marked))
    suspects: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        source, is_marked = source_of(path)
        found = [other for other, marked in by_source.get(source, ()) if marked or is_marked]
        found = [other for other in found if other != path]
        if found:
            suspects[path] = found
    involved = list(suspects)
    involved += [other for found in suspects.values() for other in found]
    bits = dict(zip(*hash_files(involved), strict=True))
    versions = {}
    for path, found in suspects.items():
        for other in found:
            if path in bits and other in bits:
                distances = (turned(bits[path]) ^ bits[other]).sum(axis=(1, 2))
                if distances.min() <= MAX_DISTANCE:
                    versions[path] = other
                    break
    return versions


def group_versions(paths: Sequence[str]) -> dict[str, str]:
    """Files of one source by their names alone, whatever Roboflow's augmentation made of it.

    Args:
        paths: of one set. A name of more than 50 files, such as ``image_jpg.rf.HASH.jpg`` of a
            camera that calls all its photographs so, is no source.

    Returns:
        Path to the first one of its source, without those that are the first or the only one.
    """
    by_source: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        source, is_marked = source_of(path)
        by_source[os.path.dirname(path), source].append((path, is_marked))
    return {
        path: found[0][0]
        for found in by_source.values()
        if len(found) <= MOST_VERSIONS and any(is_marked for _, is_marked in found)
        for path, _ in found[1:]
    }


def source_of(path: str) -> tuple[str, bool]:
    """Name of the image that a file was made from, and whether Roboflow's mark says so.

    Roboflow replaces what is neither a letter nor a digit, so these are left out.
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    mark = MARK.fullmatch(stem)
    source = mark['source'] if mark else stem
    return re.sub(r'[\W_]+', '-', source).strip('-').casefold(), mark is not None
