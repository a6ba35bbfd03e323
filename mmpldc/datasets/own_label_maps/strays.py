"""Label maps whose names fit one image, while folders or the other names say that it is another."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..checks.findings import Finding, some

Parts = tuple[str, ...]
SPLITS = dict(train='train', training='train', val='val', valid='val', validation='val')
SPLITS |= dict(test='test', testing='test')
# Endings that say which of several images of a scene it is.
VIEWS = re.compile(
    r'[\W_]*(left|right|front|back|rear|top|bottom|side|prev|next|depth|disp|flow|thermal|n?ir|'
    r'\d+)[\W_]*',
    re.IGNORECASE,
)
FEW = 0.1  # of all label maps


def common_parts(own: Parts, theirs: Parts) -> tuple[int, int]:
    """How many last parts two folders share, and how many parts at all."""
    pairs = zip(reversed(own), reversed(theirs), strict=False)
    last = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(own), len(theirs)))
    return last, len(set(own) & set(theirs))


def stray_endings(endings: Mapping[str, str]) -> dict[str, str]:
    """Label maps of another view of the scene than their image, such as ``_left``.

    Args:
        endings: label map -> what its name has that its image's has not.
    """
    times = Counter(endings.values())
    few = max(1, int(FEW * len(endings)))
    if len(endings) <= 3 or 2 * max(times.values()) < len(endings):
        return {}
    return {
        name: f"has an end that few label maps have ('{ending}'): give it the name of its image, "
        'or remove it'
        for name, ending in endings.items()
        if times[ending] <= few and VIEWS.fullmatch(PurePosixPath(ending).stem)
    }


def stray_folders(
    pairs: Mapping[str, str], images: Sequence[str], image_folder: str
) -> dict[str, str]:
    """Label maps whose folder fits other images better, or is of another split.

    Args:
        pairs: image -> label map.
        images: all names, relative to their folder.
        image_folder: of the images, whose name counts as well.
    """
    having: dict[str, set[Parts]] = {}
    for folder in {_parent(image) for image in images}:
        for part in folder:
            having.setdefault(part, set()).add(folder)
    moves = Counter((_parent(name), _parent(image)) for image, name in pairs.items())
    root = (PurePosixPath(image_folder).name,)
    wrong = {
        (own, theirs)
        for own, theirs in moves
        if own
        and (
            _is_of_other_images(own, theirs, having, moves)
            or _is_of_another_split(_splits(own), _splits(root + theirs))
        )
    }
    return {
        name: f'its folder holds label maps of other images than the one of its name ({name}: '
        f'{image}): put it where the label maps of its image are, give --label-maps the very '
        'folder, or remove it'
        for image, name in pairs.items()
        if (_parent(name), _parent(image)) in wrong
    }


def _parent(name: str) -> Parts:
    return PurePosixPath(name).parent.parts


def _is_below(folder: Parts, other: Parts) -> bool:
    """Whether one of two folders is or lies below the other."""
    length = min(len(folder), len(other))
    return folder[:length] == other[:length]


def _is_of_other_images(
    own: Parts,
    theirs: Parts,
    having: Mapping[str, set[Parts]],
    moves: Counter[tuple[Parts, Parts]],
) -> bool:
    """Whether images in another folder, of those that have a part, fit label maps better."""
    fit = common_parts(own, theirs)
    return any(
        common_parts(own, folder) > fit
        and (common_parts(own, folder)[0] > fit[0] or moves[own, folder] > moves[own, theirs])
        for folder in set().union(*(having.get(part, ()) for part in own))
        if not _is_below(folder, theirs)
    )


def _is_of_another_split(own: set[str], theirs: set[str]) -> bool:
    return bool(own and theirs and not own & theirs)


def _splits(folder: Parts) -> set[str]:
    """Which of training, validation and test set the names of folders say."""
    words = re.findall('[a-z]+', '/'.join(folder).casefold())
    return {SPLITS[word] for word in words if word in SPLITS}


def doubtful_folders(pairs: Mapping[str, str], image_folder: str, folder: str) -> list[Finding]:
    """Where names alone say that label maps of several folders belong to images of one folder.

    Args:
        pairs, image_folder: see :func:`stray_folders`.
        folder: of the label maps.
    """
    root = PurePosixPath(image_folder).name
    of: dict[Parts, set[Parts]] = {}
    for image, name in pairs.items():
        of.setdefault(_parent(image), set()).add(_parent(name))
    mixed: set[Parts] = set()
    for theirs, owns in of.items():
        splits = {own for own in owns if _splits(own)} if not _splits((root, *theirs)) else set()
        mixed |= splits if len({frozenset(_splits(own)) for own in splits}) > 1 else set()
        same = {own for own in owns if own[-1:] == (root,)}
        mixed |= {own for own in owns - same if own} if same else set()
    if not mixed:
        return []
    message = (
        'label maps of other splits or folders belong to images of one folder: make sure that '
        'images of one name are the same image; --label-maps and --val-label-maps take a folder '
        'each'
    )
    paths = sorted('/'.join(own) for own in mixed)
    return [Finding('warning', folder, some('folder', paths), message)]
