"""Files with the same bytes, whatever their names."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from mmpldc.utils.threads import in_threads

SAMPLE = 4096  # bytes; three such samples tell uncompressed images of one size apart
SMALL = 8 * SAMPLE  # bytes; reading less takes as long
CHUNK = 2**20  # bytes

Keys = dict[str, Hashable]  # path to what is known of the file's content


def find_equal_files(paths: Sequence[str], originals: Sequence[str]) -> dict[str, str]:
    """Files that are another file once more.

    Sizes are compared first, then samples of the files of equal size, then their whole content.

    Args:
        paths: files to look at; those that cannot be read are passed over.
        originals: files to compare them with. Both may be the same list: all but the first one of
            equal files are found then.

    Returns:
        Path to original, in the order of ``paths``; a file is no copy of itself.
    """
    own, others = _of_equal_size(paths, originals)
    for read in (_sample, _digest):
        own, others = _with_equals(own, others, read)
    first: dict[Hashable, str] = {}
    for path, key in others.items():
        first.setdefault(key, path)
    return {path: first[key] for path, key in own.items() if first[key] != path}


def _of_equal_size(paths: Sequence[str], originals: Sequence[str]) -> tuple[Keys, Keys]:
    """Those files of either side that have the size of another one of the other side.

    Most of a million files have not, so that only sizes are kept of them.
    """
    own, others = list(dict.fromkeys(paths)), list(dict.fromkeys(originals))
    if not own or not others:
        return {}, {}
    sizes, their_sizes = (
        np.array(in_threads(_size, side, keeps_lock=True), np.int64) for side in (own, others)
    )
    wanted = np.intersect1d(sizes, their_sizes)
    wanted = wanted[wanted > 0]
    rows, columns = (np.flatnonzero(np.isin(side, wanted)) for side in (sizes, their_sizes))
    found: Keys = {own[row]: int(sizes[row]) for row in rows}
    their: Keys = {others[column]: int(their_sizes[column]) for column in columns}
    counts = Counter((found | their).values())
    return (
        {path: size for path, size in found.items() if counts[size] > 1},
        {path: size for path, size in their.items() if counts[size] > 1},
    )


def _with_equals(
    own: Keys, others: Keys, read: Callable[[str], Hashable | None]
) -> tuple[Keys, Keys]:
    """Those files of either side that have an equal on the other side, so far as ``read`` tells."""
    known = own | others
    found = in_threads(read, list(known))
    keys = {
        path: (key, value)
        for (path, key), value in zip(known.items(), found, strict=True)
        if value is not None
    }
    sharing: dict[Hashable, set[str]] = defaultdict(set)
    for path, key in keys.items():
        sharing[key].add(path)
    common = {keys[p] for p in own if p in keys} & {keys[p] for p in others if p in keys}
    wanted = {key for key in common if len(sharing[key]) > 1}
    return (
        {path: keys[path] for path in own if keys.get(path) in wanted},
        {path: keys[path] for path in others if keys.get(path) in wanted},
    )


def _size(path: str) -> int:
    """Size in bytes; 0, which no image has, if there is no such file."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _sample(path: str) -> bytes | None:
    """Digest of start, middle and end of a file, of a small one of all."""
    try:
        with open(path, 'rb', buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size <= SMALL:
                return _of([file.read()])
            parts = []
            for place in (0, size // 2, size - SAMPLE):
                file.seek(place)
                parts.append(file.read(SAMPLE))
            return _of(parts)
    except OSError:
        return None


def _digest(path: str) -> bytes | None:
    """Digest of all of a file, unless its sample was all."""
    try:
        if os.stat(path).st_size <= SMALL:
            return b''
        with open(path, 'rb', buffering=0) as file:
            return _of(iter(lambda: file.read(CHUNK), b''))
    except OSError:
        return None


def _of(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()
