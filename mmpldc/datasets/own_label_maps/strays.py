"""Label maps whose names fit one image, while folders or the other names say that it is another."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..checks.findings import Finding, some

Parts = tuple[str, ...]
SPLITS = dict(train='train', training='train', val='val', valid='val', validation='val', dev='val')
SPLITS |= dict(test='test', testing='test')
OF_MASKS = re.compile(
    'mask|label|lbl|gt|seg|annot|target|truth|manual|matte|class|colou?r|json|instance|panoptic|'
    'semantic|ids?$',
    re.IGNORECASE,
)
FEW = 0.1  # of all label maps


def common_parts(own: Parts, theirs: Parts) -> tuple[int, int]:
    """How many last parts two folders share, and how many parts at all."""
    pairs = zip(reversed(own), reversed(theirs), strict=False)
    last = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(own), len(theirs)))
    return last, len(set(own) & set(theirs))


def stray_endings(endings: Mapping[str, str]) -> dict[str, str]:
    """Label maps with an ending of their own, such as ``_left``, that is no word for masks.

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
        if ending and times[ending] <= few and not OF_MASKS.search(ending)
    }


def stray_folders(
    pairs: Mapping[str, str], images: Sequence[str], image_folder: str
) -> dict[str, str]:
    """Label maps whose image lies in the folder of other label maps, or of another split.

    Args:
        pairs: image -> label map.
        images: all names, relative to their folder.
        image_folder: of the images, whose name counts as well.
    """
    folders = {_parent(image) for image in images}
    moves = Counter((_parent(name), _parent(image)) for image, name in pairs.items())
    root = (PurePosixPath(image_folder).name,)
    faults = {}
    for image, name in pairs.items():
        own, theirs = _parent(name), _parent(image)
        if own and (
            _is_of_other_images(own, theirs, folders, moves)
            or _is_beside_others(own, theirs, root, moves)
            or _is_of_another_split(_splits(own), _splits(root + theirs))
        ):
            faults[name] = (
                f'its folder holds label maps of other images than the one of its name ({name}: '
                f'{image}): put it where the label maps of its image are, or remove it'
            )
    return faults


def _parent(name: str) -> Parts:
    return PurePosixPath(name).parent.parts


def _is_below(folder: Parts, other: Parts) -> bool:
    """Whether one of two folders is or lies below the other."""
    length = min(len(folder), len(other))
    return folder[:length] == other[:length]


def _is_of_other_images(
    own: Parts, theirs: Parts, folders: set[Parts], moves: Counter[tuple[Parts, Parts]]
) -> bool:
    """Whether images in another folder fit a folder of label maps better."""
    fit = common_parts(own, theirs)
    return any(
        common_parts(own, folder) > fit
        and (common_parts(own, folder)[0] > fit[0] or moves[own, folder] > moves[own, theirs])
        for folder in folders
        if not _is_below(folder, theirs)
    )


def _is_beside_others(
    own: Parts, theirs: Parts, root: Parts, moves: Counter[tuple[Parts, Parts]]
) -> bool:
    """Whether other label maps of a folder of images lie in a folder of its name, most of all."""
    fit = common_parts(own, root + theirs)
    return any(
        common_parts(other, root + theirs)[0] > fit[0]
        and moves[other, theirs] >= moves[own, theirs]
        for other, folder in moves
        if folder == theirs and not _is_below(other, own)
    )


def _is_of_another_split(own: set[str], theirs: set[str]) -> bool:
    return bool(own and theirs and not own & theirs)


def _splits(folder: Parts) -> set[str]:
    """Which of training, validation and test set the names of folders say."""
    words = re.findall('[a-z]+', '/'.join(folder).casefold())
    return {SPLITS[word] for word in words if word in SPLITS}


def split_findings(pairs: Mapping[str, str], image_folder: str, folder: str) -> list[Finding]:
    """A note where label maps of several splits belong to images of one folder.

    Args:
        pairs, image_folder: see :func:`stray_folders`.
        folder: of the label maps.
    """
    root = (PurePosixPath(image_folder).name,)
    of: dict[Parts, dict[str, set[str]]] = {}
    for image, name in pairs.items():
        if not _splits(root + _parent(image)):
            for split in _splits(_parent(name)):
                folders = of.setdefault(_parent(image), {}).setdefault(split, set())
                folders.add('/'.join(_parent(name)))
    several = [splits for splits in of.values() if len(splits) > 1]
    mixed = {path for splits in several for paths in splits.values() for path in paths}
    if not mixed:
        return []
    message = (
        'label maps of several splits belong to images of one folder: make sure that images of '
        'one name are the same image; --label-maps and --val-label-maps take a folder each'
    )
    return [Finding('note', folder, some('folder', sorted(mixed)), message)]
