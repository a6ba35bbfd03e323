"""Segmentations of annotations: polygons and run lengths."""

from collections.abc import Iterable
from itertools import chain

import numpy as np

from . import rle
from .findings import Level
from .records import INTEGER, NUMBER, Records

CHUNK = 20000  # annotations read at once: bounds memory
# px: pycocotools walks along an outline in steps of a fifth of a pixel, and keeps each of them.
LONGEST_OUTLINE = 4_000_000


def check_masks(records: Records, sizes: np.ndarray) -> tuple[np.ndarray, list]:
    """Check that each segmentation can be read and has its image's size.

    Args:
        records: N annotations; findings are added to it.
        sizes: ``(N, 2)`` int64 height and width of their images, 0 where unknown.

    Returns:
        ``(N, 4)`` float64 x0, y0, x1, y1 of the masks, NaN where unknown, and the N segmentations.
    """
    values = _segmentations(records)
    extents, faults = read_masks(values, sizes)
    if len(faults.get(EMPTY, ())) == len(values):
        faults = {BOXES_ONLY: faults[EMPTY]} if values else {}
    for fault, rows in faults.items():
        level: Level = 'warning' if fault in (SHORT_PART, NO_PIXEL) else 'error'
        records.report(level, rows, 'segmentation', fault)
    return extents, values


def read_masks(values: list, sizes: np.ndarray) -> tuple[np.ndarray, dict[str, list[int]]]:
    """Where masks are, and what is wrong with them.

    A mask without a fault, or with one of :data:`LEFT_OUT`, is safe for pycocotools, which else
    reads and writes beyond its memory.

    Args:
        values: N segmentations; what is neither a list nor a dict is passed over.
        sizes: ``(N, 2)`` int64 height and width of their images, 0 where unknown.

    Returns:
        ``(N, 4)`` float64 x0, y0, x1, y1, NaN where unknown, and the places of each fault.
    """
    extents = np.full((len(values), 4), np.nan)
    polygons = np.array([type(value) is list for value in values], bool)
    run_lengths = np.array([type(value) is dict for value in values], bool)
    faults: dict[str, list[int]] = {}
    for kind, read in ((polygons, _read_polygons), (run_lengths & sizes.all(axis=1), _read_rles)):
        rows = np.flatnonzero(kind)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            boxes, own = read([values[row] for row in chunk], sizes[chunk])
            extents[chunk] = boxes
            for fault, places in own.items():
                if len(places):
                    faults.setdefault(fault, []).extend(chunk[places].tolist())
    return extents, faults


def _segmentations(records: Records) -> list:
    expected = 'a list of polygons or a run-length encoding'
    missing = [record for record in records.records if record.get('segmentation') is None]
    if any(record.get('keypoints') for record in missing):
        expected += ': this is a file for keypoints, take the one for instances'
    elif missing and len(missing) == len(records.records):
        expected += f': {BOXES_ONLY}'
    return records.column('segmentation', {list, dict}, expected)


# ---------------------------------------------------------------- polygons

BOXES_ONLY = 'the file has boxes only, export masks or polygons'
EMPTY = 'no polygon: delete the annotation or draw its mask'
FLAT = 'is a list of numbers: a polygon is a list in a list, [[x, y, x, y, x, y]]'
NOT_NUMBERS = 'a polygon is not a list of numbers [x, y, x, y, x, y]: write it as one'
ODD = 'a polygon has an odd number of coordinates: x and y must alternate'
SHORT = 'a polygon with fewer than 3 points (6 coordinates): draw it anew or delete the annotation'
SHORT_PART = 'one of several polygons has fewer than 3 points and is left out: delete that one'
NOT_FINITE = 'a coordinate is not a finite number: correct it or delete the annotation'
FAR = 'a polygon reaches millions of pixels out of the image: correct it or delete the annotation'
LEFT_OUT = frozenset({ODD, SHORT, SHORT_PART})  # mmdet leaves out such polygons


def _read_polygons(polygons: list[list], sizes: np.ndarray) -> tuple[np.ndarray, dict]:
    """Extents ``(K, 4)`` of K annotations' polygons, and a list of places for each fault."""
    del sizes
    extents = np.full((len(polygons), 4), np.nan)
    faults: dict[str, list[int]] = {}
    good = list(range(len(polygons)))
    if not _are_sound(polygons):
        found = [_fault(parts) for parts in polygons]
        for place, fault in enumerate(found):
            if fault is not None:
                faults.setdefault(fault, []).append(place)
        good = [place for place, fault in enumerate(found) if fault in (None, SHORT_PART)]
        polygons = [[part for part in polygons[place] if len(part) >= 6] for place in good]
    if good:
        points = np.fromiter(_coordinates(polygons), float).reshape(-1, 2)
        counts = np.array([sum(map(len, parts)) // 2 for parts in polygons])
        starts = np.cumsum(counts) - counts
        extents[good, :2] = np.minimum.reduceat(points, starts)
        extents[good, 2:] = np.maximum.reduceat(points, starts)
        reach = np.maximum(_outlines(points, polygons, starts), np.abs(extents[good]).max(axis=1))
        far = np.array(good)[reach > LONGEST_OUTLINE]
        extents[far] = np.nan
        faults[FAR] = far.tolist()
    return extents, faults


def _outlines(points: np.ndarray, polygons: list[list], starts: np.ndarray) -> np.ndarray:
    """``(K,)`` pixels that pycocotools walks along the outlines of each annotation.

    Args:
        points: ``(P, 2)`` x and y of all annotations.
        polygons: of K annotations.
        starts: ``(K,)`` index of each annotation's first point.
    """
    parts = np.fromiter((len(part) // 2 for part in chain.from_iterable(polygons)), np.int64)
    with np.errstate(over='ignore'):  # infinitely far, then
        steps = np.abs(np.diff(points, axis=0, prepend=points[:1])).max(axis=1)
        steps[np.cumsum(parts) - parts] = 0  # from the end of the part before
        return np.add.reduceat(steps, starts)


def _coordinates(polygons: list[list]) -> chain:
    return chain.from_iterable(chain.from_iterable(polygons))


def _are_sound(polygons: list[list]) -> bool:
    """Whether none of the annotations has a fault; fast, for that is the rule."""
    parts = list(chain.from_iterable(polygons))
    return (
        all(polygons)
        and set(map(type, parts)) <= {list}
        and all(size >= 6 and size % 2 == 0 for size in set(map(len, parts)))
        and set(map(type, _coordinates(polygons))) <= NUMBER
        and _are_finite(_coordinates(polygons))
    )


def _are_finite(numbers: Iterable) -> bool:
    try:
        return bool(np.isfinite(np.fromiter(numbers, float)).all())
    except OverflowError:  # an integer beyond all floats
        return False


def _fault(parts: list) -> str | None:
    """What is wrong with one annotation's polygons."""
    kinds = set(map(type, parts))
    if not parts:
        return EMPTY
    if kinds <= NUMBER:
        return FLAT
    if kinds != {list} or not set(map(type, chain.from_iterable(parts))) <= NUMBER:
        return NOT_NUMBERS
    if not _are_finite(chain.from_iterable(parts)):
        return NOT_FINITE
    if any(len(part) % 2 for part in parts):
        return ODD
    short = [len(part) < 6 for part in parts]
    if all(short):
        return SHORT
    return SHORT_PART if any(short) else None


# ---------------------------------------------------------------- run lengths

NOT_RLE = (
    'is not a run-length encoding: it needs "size": [height, width] and "counts", a list of whole '
    'numbers or a string (pycocotools gives bytes: .decode() them)'
)
SIZE = (
    'the size of the run-length encoding is not [height, width] of its image: encode the mask at '
    "the image's size, or correct the image's height and width"
)
SWAPPED = (
    'the size of the run-length encoding is [width, height]: it must be [height, width], and the '
    'runs go down the columns'
)
DAMAGED = 'the counts of the run-length encoding cannot be decoded: encode the mask anew'
SUM = 'the counts of the run-length encoding do not add up to height * width: encode the mask anew'
NO_PIXEL = 'the mask of the run-length encoding has no pixel: delete the annotation'


def _read_rles(values: list[dict], sizes: np.ndarray) -> tuple[np.ndarray, dict]:
    """Extents ``(K, 4)`` of K run-length encodings, and a list of places for each fault."""
    extents = np.full((len(values), 4), np.nan)
    found = [_rle_fault(value, size) for value, size in zip(values, sizes.tolist(), strict=True)]
    faults: dict[str, list[int]] = {}
    for place, fault in enumerate(found):
        if fault is not None:
            faults.setdefault(fault, []).append(place)
    for kind in (str, list):
        places = np.array(
            [
                place
                for place, (value, fault) in enumerate(zip(values, found, strict=True))
                if fault is None and type(value['counts']) is kind
            ],
            dtype=np.int64,
        )
        counts = [values[place]['counts'] for place in places]
        if kind is str:
            encoded = [text.encode(errors='surrogatepass') for text in counts]
            sound = rle.are_sound(encoded) if encoded else np.zeros(0, bool)
            faults.setdefault(DAMAGED, []).extend(places[~sound])
            places = places[sound]
            counts = [text for text, is_sound in zip(encoded, sound, strict=True) if is_sound]
        if not counts:
            continue
        if kind is str:
            runs = rle.read_compressed(counts)
        else:
            runs = rle.Runs(
                np.fromiter(chain.from_iterable(counts), np.int64),
                np.array([len(own) for own in counts]),
            )
        full = rle.fill(runs, sizes[places])
        faults.setdefault(SUM, []).extend(places[~full])
        kept = rle.Runs(runs.counts[np.repeat(full, runs.lengths)], runs.lengths[full])
        places = places[full]
        if len(places):
            extents[places] = rle.extents(kept, sizes[places])
            empty = extents[places, 2] == 0
            faults.setdefault(NO_PIXEL, []).extend(places[empty])
            extents[places[empty]] = np.nan
    return extents, faults


def _rle_fault(value: dict, size: list[int]) -> str | None:
    """What is wrong with one encoding, its counts apart; ``size`` is [height, width]."""
    own, counts = value.get('size'), value.get('counts')
    if type(own) is not list or len(own) != 2 or not set(map(type, own)) <= INTEGER:
        return NOT_RLE
    if type(counts) is list:
        if not counts or not set(map(type, counts)) <= INTEGER:
            return NOT_RLE
    elif type(counts) is not str:
        return NOT_RLE
    if own != size:
        return SWAPPED if own == size[::-1] else SIZE
    if type(counts) is list and not 0 <= min(counts) <= max(counts) <= size[0] * size[1]:
        return SUM
    return None
