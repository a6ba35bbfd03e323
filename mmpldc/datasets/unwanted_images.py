"""Images in a folder that are no photographs to learn from: copies, masks, thumbnails, drawings."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmpldc.utils.threads import in_threads

from .copies import Copy, find_copies, find_same_pictures
from .image_header import read_headers
from .mask_names import MASK_SUFFIXES, MASK_WORDS, image_stem
from .painted_pictures import Headers, find_overlays, find_painted, folders_of, stem_of

COPIES = 'copies of annotated images'
HOW = {
    'equal': 'a copy of',
    'stored anew': 'stored anew, or mirrored, from',
    'version': "Roboflow's version of",
}
# Folders of masks; what is in them is looked at.
MASK_FOLDER = re.compile(
    rf'(\w+[ _.-])?({MASK_WORDS}|annotations?|segmentation_?(class|object)|semantic|trimaps?)'
    '([ _.-]?(images|maps|png))?',
    re.IGNORECASE,
)
THUMBNAIL = re.compile(r'(^|[ _.-])(thumb(nail)?s?|previews?|small)(?=[ _.-]|$)', re.IGNORECASE)
LARGEST_THUMBNAIL = 0.5  # of the width of the image
# To look at a photograph of 384 pixels takes 0.3 ms of a processor, at one of 12 megapixels 25 ms.
FIRST_PICTURES, MOST_PICTURES = 5_000, 100_000
# What a label map is like: few values, equal to those of the pixels beside them.
SAMPLED_ROWS = 64
MAX_VALUES = 256
MIN_EQUAL = 0.95
# Of 64 grey levels, in a mask that was saved with loss: a common one has this share, and those next
# to each other are few.
MIN_SHARE, WIDEST_RUN, MIN_IN_FEW = 0.005, 4, 0.95


class Unwanted(NamedTuple):
    """Why an image should not be in an unlabelled set.

    Attributes:
        kind: of such images, in the plural.
        why: in words, such as ``'a copy of photos/0001.jpg'``.
    """

    kind: str
    why: str


def find_unwanted(
    headers: Headers, known: Collection[str], *, all_pictures: bool = True
) -> tuple[dict[str, Unwanted], int]:
    """Images that should not be in an unlabelled set.

    Args:
        headers: of the images in a folder by their paths, without symbolic links; see
            :func:`~mmpldc.datasets.image_header.read_headers`.
        known: paths of annotated images, likewise.
        all_pictures: look for copies that were stored anew among all images. Else among 5,000,
            spread evenly over them, and among all up to 100,000 if that finds any.

    Returns:
        Path to reason, in the order of ``headers``; and how many of the others were looked at for
        copies that were stored anew.
    """
    known = sorted(set(known))
    found: dict[str, Unwanted] = {}
    for kind, find in (
        ('pictures painted by a tool', find_painted),
        ('pictures painted by a tool', find_overlays),
        ('masks', _masks),
        ('thumbnails', _thumbnails),
    ):
        reasons = find([path for path in headers if path not in found], known, headers)
        found |= {path: Unwanted(kind, why) for path, why in reasons.items()}
    left = [path for path in headers if path not in found]
    copies, compared = _copies(left, known, all_pictures)
    for copy in copies:
        why = f'{HOW[copy.how]} {copy.original}'
        found[copy.path] = Unwanted(COPIES, why)
    return {path: found[path] for path in headers if path in found}, compared


def by_kind(found: Mapping[str, Unwanted], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Unwanted images in words, such as ``'b.jpg, a copy of photos/0001.jpg'``, by their kind.

    Args:
        found: reasons by path.
        names: of the images, by path.
    """
    lines = defaultdict(list)
    for path, reason in found.items():
        lines[reason.kind].append(f'{names[path]}, {reason.why}')
    return dict(lines)


def _copies(
    paths: Sequence[str], known: Sequence[str], all_pictures: bool
) -> tuple[list[Copy], int]:
    """Copies of known images, and how many pictures were compared."""
    if all_pictures or len(paths) <= FIRST_PICTURES:
        return find_copies(paths, known), len(paths)
    copies = find_copies(paths, known, most_pictures=FIRST_PICTURES)
    if len(paths) <= MOST_PICTURES and any(copy.how == 'stored anew' for copy in copies):
        return find_copies(paths, known), len(paths)
    return copies, FIRST_PICTURES


# ---------------------------------------------------------------- masks


def _masks(paths: Sequence[str], known: Sequence[str], headers: Headers) -> dict[str, str]:
    """Label maps and masks: by their names, their folders or their depth, and their pixels."""
    of_masks = {
        folder
        for folder, names in folders_of(paths).items()
        if any(map(MASK_FOLDER.fullmatch, names))
    }
    stems = defaultdict(list)
    for path in [*paths, *known]:
        stems[stem_of(path)].append(path)
    suspects: dict[str, str] = {}
    for path in paths:
        stem, is_lossless = stem_of(path), path.lower().endswith(MASK_SUFFIXES)
        of_image = image_stem(stem)
        partners = [other for other in stems.get(of_image, ()) if other != path]
        if partners and (is_lossless or of_image != stem):
            suspects[path] = f'a mask of {partners[0]}'
        elif of_image != stem or (of_masks and os.path.dirname(path) in of_masks):
            suspects[path] = 'a mask'
        elif is_lossless and getattr(headers[path], 'has_one_channel', False):
            suspects[path] = 'like a label map: few values over large areas'
    if suspects and any(in_threads(is_flat, _spread(known))):
        return {}  # the annotated images are as flat themselves
    flat = in_threads(is_flat, list(suspects))
    return {path: why for (path, why), yes in zip(suspects.items(), flat, strict=True) if yes}


def is_flat(path: str) -> bool:
    """Whether an image has few values, and the same one over large areas, as label maps have.

    Args:
        path: of the image. In a JPEG, whose values are not exact, few grey levels have to do.
    """
    try:
        with Image.open(path) as image:
            is_lossy = image.format in ('JPEG', 'WEBP', 'MPO')
            if image.mode == 'F' and (np.asarray(image) % 1).any():
                return False  # measured values, which conversion would cut off
            if is_lossy or image.mode in ('CMYK', 'F'):
                pixels = np.asarray(image.convert('L'))
            else:
                pixels = np.asarray(image)
    except Exception:  # decoders raise many types; the checks of images say what is wrong
        return False
    if is_lossy:
        shares = np.bincount(pixels.ravel() // 4, minlength=64) / pixels.size
        common = shares >= MIN_SHARE
        # runs of levels: narrow ones around each value, where a photograph has wide ones
        runs = ''.join('x' if one else ' ' for one in common).split()
        return shares[common].sum() >= MIN_IN_FEW and max(map(len, runs)) <= WIDEST_RUN
    rows = np.linspace(0, len(pixels) - 1, min(SAMPLED_ROWS, len(pixels))).astype(int)
    sampled = pixels[rows].reshape(len(rows), pixels.shape[1], -1)
    equal = (sampled[:, 1:] == sampled[:, :-1]).all(axis=2)
    values = np.unique(sampled.reshape(-1, sampled.shape[2]), axis=0)
    return bool(len(values) <= MAX_VALUES and equal.size and equal.mean() >= MIN_EQUAL)


def _spread(paths: Sequence[str], count: int = 16) -> list[str]:
    return list(paths[:: 1 + len(paths) // count])


# ---------------------------------------------------------------- thumbnails


def _thumbnails(paths: Sequence[str], known: Sequence[str], headers: Headers) -> dict[str, str]:
    """Small versions of images of the same name, which must show the same."""
    all_named = defaultdict(list)
    for path in [*paths, *known]:
        all_named[_full_name(path)].append(path)
    by_name = {name: named for name, named in all_named.items() if len(named) > 1}
    same_named = list(chain.from_iterable(by_name.values()))
    others = read_headers([path for path in same_named if path not in headers])
    widths = {path: getattr(headers.get(path) or others[path], 'width', 0) for path in same_named}
    widest = {name: max(map(widths.__getitem__, named)) for name, named in by_name.items()}
    found = {}
    for path in paths:
        name = _full_name(path)
        width = widths.get(path, 0)
        if not 0 < width <= LARGEST_THUMBNAIL * widest.get(name, 0):
            continue
        larger = [other for other in by_name[name] if width <= LARGEST_THUMBNAIL * widths[other]]
        for original in find_same_pictures([path], larger).values():
            found[path] = f'a thumbnail of {original}'
    return found


def _full_name(path: str) -> str:
    """Name without suffix of the image that a thumbnail may be of."""
    return THUMBNAIL.sub('', stem_of(path)).strip(' _.-').casefold()
