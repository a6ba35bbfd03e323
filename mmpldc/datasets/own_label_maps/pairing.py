"""Which label map belongs to which image."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from ..checks.findings import Finding, some
from ..name_lists import SUFFIXES

PREFIX = re.compile(r'^(?:mask|label|labels|gt|seg|annotation)[_-](?=.)', re.IGNORECASE)


class Pairs(NamedTuple):
    """Images and their label maps.

    Attributes:
        maps: image -> label map, in the order of the images.
        without_image: label maps of no image.
        findings: what was seen through, and what could not be told.
    """

    maps: dict[str, str]
    without_image: list[str]
    findings: list[Finding]


def pair(
    images: Sequence[str], label_maps: Sequence[str], *, folder: str, suffix: str | None = None
) -> Pairs:
    """Find the image of each label map by their names.

    Both have the same name apart from the extension, or the label map's has more: an end such as
    ``_mask`` or ``_gtFine_labelIds``, or a beginning such as ``mask_``. Folders count only where
    the names alone do not tell.

    Args:
        images: names relative to their folder, with ``/``.
        label_maps: likewise.
        folder: of the label maps, for messages.
        suffix: end of the names of the label maps that count, such as ``'_labelIds.png'``.
    """
    if suffix is not None:
        label_maps = [name for name in label_maps if name.endswith(suffix)]
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_stem[_image_stem(image)].append(image)
    found: dict[str, list[str]] = defaultdict(list)
    endings: dict[str, list[str]] = defaultdict(list)
    without, doubtful = [], []
    for label_map in label_maps:
        stem, ending = _image_of(PurePosixPath(label_map).stem, by_stem)
        candidates = by_stem.get(stem, []) if stem is not None else []
        if len(candidates) > 1:
            candidates = _same_folder(candidates, label_map)
        if len(candidates) > 1:
            doubtful.append(label_map)
        elif candidates:
            found[candidates[0]].append(label_map)
            if ending:
                endings[ending].append(label_map)
        else:
            without.append(label_map)
    findings = []
    if doubtful:
        message = 'several images have this name: put label maps into folders like the images'
        findings.append(Finding('error', folder, some('label map', doubtful), message, 'image'))
    several = [(image, maps) for image, maps in found.items() if len(maps) > 1]
    if several:
        image, maps = several[0]
        message = (
            f'{len(maps)} label maps ({", ".join(maps[:3])}): --map-suffix with the end of the '
            'right ones, such as _labelIds.png'
        )
        findings.append(
            Finding('error', folder, some('image', [name for name, _ in several]), message)
        )
    for ending, names in endings.items():
        message = f"'{ending}' in their names is not in those of the images: seen through"
        findings.append(Finding('repaired', folder, some('label map', names), message))
    chosen = {image: found[image][0] for image in images if image in found}
    return Pairs(chosen, without, findings)


def _image_stem(name: str) -> str:
    return PurePosixPath(name).stem.removesuffix(SUFFIXES[0])


def _image_of(stem: str, known: dict[str, list[str]]) -> tuple[str | None, str]:
    """Stem of the image that a label map's stem means, and what else is in it."""
    if stem in known:
        return stem, ''
    for length in range(len(stem) - 1, 0, -1):
        start, ending = stem[:length], stem[length:]
        if start in known and re.match(r'[._ -]+(?=.*[A-Za-z])', ending):
            return start, ending
    match = PREFIX.match(stem)
    if match and stem[match.end() :] in known:
        return stem[match.end() :], match[0]
    return None, ''


def _same_folder(images: list[str], label_map: str) -> list[str]:
    """The image whose folders end like the label map's, if one does."""
    own = PurePosixPath(label_map).parent.parts

    def common(image: str) -> int:
        theirs = PurePosixPath(image).parent.parts
        pairs = zip(reversed(own), reversed(theirs), strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(own), len(theirs)))

    most = max(map(common, images))
    best = [image for image in images if common(image) == most]
    if len(best) > 1:
        best = [image for image in best if PurePosixPath(image).parent.parts == own] or best
    return best
