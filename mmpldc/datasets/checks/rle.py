"""COCO's run-length encoding, many masks at once.

pycocotools reads beyond the end of a damaged encoding, so it must not see one that was not checked.
"""

from typing import NamedTuple

import numpy as np

MAX_CHARACTERS = 7  # of a run in a compressed encoding: 5 bits each
OVERLONG = -(1 << 60)  # stands for a run of more characters; no mask has that many pixels


class Runs(NamedTuple):
    """Run lengths of K masks, one after the other.

    Attributes:
        counts: ``(R,)`` int64 pixels, background first, then in turns; column by column.
        lengths: ``(K,)`` int64 number of runs of each mask, above 0.
    """

    counts: np.ndarray
    lengths: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """``(K,)`` int64 index of each mask's first run."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def places(self) -> np.ndarray:
        """``(R,)`` int64 place of each run in its mask, from 0."""
        return np.arange(len(self.counts)) - np.repeat(self.starts, self.lengths)


def are_sound(strings: list[bytes]) -> np.ndarray:
    """``(K,)`` bool: compressed encodings that consist of whole numbers."""
    sizes = np.array([len(string) for string in strings])
    sound = sizes > 0
    codes = np.frombuffer(b''.join(strings), np.uint8)
    if not len(codes):
        return sound
    legal = (codes >= 48) & (codes < 112)
    starts = (np.cumsum(sizes) - sizes)[sound]
    sound[sound] = np.logical_and.reduceat(legal, starts)
    last = np.cumsum(sizes)[sound] - 1
    sound[sound] = ((codes[last] - 48) & 32) == 0  # no bit that says "goes on"
    return sound


def read_compressed(strings: list[bytes]) -> Runs:
    """Decode compressed encodings.

    Args:
        strings: of K masks, K > 0, all of them sound, see :func:`are_sound`.

    Returns:
        Their runs. A damaged encoding may have negative ones.
    """
    sizes = np.array([len(string) for string in strings])
    codes = np.frombuffer(b''.join(strings), np.uint8).astype(np.int64) - 48
    is_last = (codes & 32) == 0
    ends = np.flatnonzero(is_last)
    begins = np.append(0, ends[:-1] + 1)
    places = np.arange(len(codes)) - np.repeat(begins, ends - begins + 1)
    bits = 5 * np.minimum(places, MAX_CHARACTERS)
    values = np.add.reduceat((codes & 31) << bits, begins)
    values -= np.where(codes[ends] & 16, 1 << (bits[ends] + 5), 0)  # two's complement
    values[ends - begins >= MAX_CHARACTERS] = OVERLONG
    runs = Runs(values, np.add.reduceat(is_last, np.cumsum(sizes) - sizes, dtype=np.int64))

    # From its fourth run on, a mask stores the difference to the run before the last one.
    mask = np.repeat(np.arange(len(strings)), runs.lengths)
    series = np.where(runs.places == 0, 0, 1 + (runs.places + 1) % 2)  # first, odd, even
    key = 3 * mask + series
    order = np.argsort(key, kind='stable')
    sums = np.cumsum(values[order])
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    before = (sums - values[order])[first]
    counts = np.empty_like(values)
    counts[order] = sums - np.repeat(before, np.diff(first, append=len(values)))
    return Runs(counts, runs.lengths)


def fill(runs: Runs, sizes: np.ndarray) -> np.ndarray:
    """``(K,)`` bool: masks whose runs add up to their pixels; ``sizes`` is ``(K, 2)`` (H, W)."""
    total = np.add.reduceat(runs.counts, runs.starts)
    positive = np.minimum.reduceat(runs.counts, runs.starts) >= 0
    return positive & (total == sizes.prod(axis=1))


def extents(runs: Runs, sizes: np.ndarray) -> np.ndarray:
    """The masks' bounding boxes.

    Args:
        runs: of K masks that :func:`fill` their size.
        sizes: ``(K, 2)`` int64 height and width, above 0.

    Returns:
        ``(K, 4)`` float64 x0, y0, x1, y1 in pixels, right and bottom edge outside; zeros for an
        empty mask.
    """
    mask = np.repeat(np.arange(len(runs.lengths)), runs.lengths)
    ends = np.cumsum(runs.counts)
    ends -= np.repeat((ends - runs.counts)[runs.starts], runs.lengths)
    foreground = (runs.places % 2 == 1) & (runs.counts > 0)
    mask, last = mask[foreground], ends[foreground] - 1
    first = ends[foreground] - runs.counts[foreground]
    height = sizes[mask, 0]
    left, right = first // height, last // height
    several = left < right  # columns: then the run touches the top and the bottom
    top = np.where(several, 0, first % height)
    bottom = np.where(several, height - 1, last % height)

    boxes = np.zeros((len(sizes), 4))
    owners, starts = np.unique(mask, return_index=True)
    if len(owners):
        for column, reduce, values in (
            (0, np.minimum, left),
            (1, np.minimum, top),
            (2, np.maximum, right + 1),
            (3, np.maximum, bottom + 1),
        ):
            boxes[owners, column] = reduce.reduceat(values, starts)
    return boxes
