"""Predict instances of an image that is much larger than those of the training, tile by tile."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask
from torch import Tensor

from mmpldc.utils.run_lengths import encode_in_frame

MIN_SCORE = 0.05  # ours: fainter predictions do not join others
MIN_IOU = 0.5  # ours: of two masks within what both tiles show
MOST_VALUES = 2**24  # of the masks that are compared at a time


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, in pixels; bottom and right are not in it."""

    top: int
    left: int
    bottom: int
    right: int

    def overlap(self, other: 'Window') -> 'Window | None':
        """What both have, or None."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window(top, left, bottom, right) if top < bottom and left < right else None


@dataclass(frozen=True)
class Part:
    """An instance that a tile shows, maybe a part of an object.

    Attributes:
        tile: number of the tile.
        label: class.
        score: in [0, 1].
        window: tight box of the mask, in the image.
        packed: the mask in that box, not empty: ``(h, ceil(w / 8))`` uint8, of eight pixels each,
            because a large image may have thousands of masks.
    """

    tile: int
    label: int
    score: float
    window: Window
    packed: np.ndarray

    def within(self, window: Window) -> np.ndarray:
        """The mask within a rectangle of the image, ``(H, W)`` bool of its size."""
        canvas = np.zeros((window.bottom - window.top, window.right - window.left), bool)
        common = self.window.overlap(window)
        if common is not None:
            rows = self.packed[common.top - self.window.top : common.bottom - self.window.top]
            own = np.unpackbits(rows, axis=1, count=self.window.right - self.window.left)[
                :, common.left - self.window.left : common.right - self.window.left
            ]
            canvas[
                common.top - window.top : common.bottom - window.top,
                common.left - window.left : common.right - window.left,
            ] = own
        return canvas


def tile_windows(height: int, width: int, tile: int, overlap: float) -> list[Window]:
    """Cover an image with tiles, evenly, each inside the image.

    Args:
        height, width: of the image.
        tile: side of a tile; a shorter side of the image is covered by one.
        overlap: least share of a tile's side that it shares with the next one, in [0, 1).

    Examples:
        >>> [(w.left, w.right) for w in tile_windows(10, 25, 10, 0.2)]
        [(0, 10), (8, 18), (15, 25)]
    """
    if tile < 1 or not 0 <= overlap < 1:
        raise ValueError(f'a tile of {tile} pixels with an overlap of {overlap} covers no image')
    rows, columns = (_starts(side, tile, overlap) for side in (height, width))
    return [
        Window(top, left, min(top + tile, height), min(left + tile, width))
        for top in rows
        for left in columns
    ]


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    last = max(0, side - tile)
    step = max(1, int(tile * (1 - overlap)))
    number = -(-last // step) + 1
    return [round(place) for place in np.linspace(0, last, number)]


def predict_tiles(
    image: np.ndarray,
    predict: Callable[[Sequence[np.ndarray]], Sequence[InstanceData]],
    *,
    tile: int,
    overlap: float = 0.2,
    batch_size: int = 1,
) -> InstanceData:
    """Predict the instances of a large image.

    Memory holds the image, one batch of tiles, and each mask within its box, one bit a pixel.

    Args:
        image: ``(H, W, 3)`` uint8.
        predict: from tiles to their ``bboxes``, ``labels``, ``scores`` and ``masks`` (bool or run
            lengths), in each tile's frame.
        tile: side of a tile in pixels; about that of the images in training.
        overlap: least share of a tile that it has in common with its neighbours; objects that are
            smaller than the overlap are whole in at least one tile.
        batch_size: tiles at once.

    Returns:
        ``bboxes`` ``(K, 4)`` float, ``labels``, ``scores`` and ``masks``, a list of run lengths, in
        the image's frame, best score first; those below 0.05 are left out.
    """
    height, width = image.shape[:2]
    windows = tile_windows(height, width, tile, overlap)
    parts: list[Part] = []
    numbered = iter(enumerate(windows))
    while batch := list(islice(numbered, batch_size)):
        tiles = [np.ascontiguousarray(image[w.top : w.bottom, w.left : w.right]) for _, w in batch]
        for (number, window), instances in zip(batch, predict(tiles), strict=True):
            parts += _parts_of(instances, number, window)
    groups = group_parts(parts, windows)
    return _instances(sorted(groups, key=_best_score, reverse=True), (height, width))


def _parts_of(instances: InstanceData, tile: int, window: Window) -> Iterator[Part]:
    for label, score, mask in zip(
        instances.labels.tolist(), instances.scores.tolist(), instances.masks, strict=True
    ):
        if score < MIN_SCORE:
            continue
        is_tensor = isinstance(mask, Tensor)
        pixels = mask.cpu().numpy() if is_tensor else coco_mask.decode(mask).astype(bool)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        if len(rows):
            top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            own = Window(
                *(int(window.top + top), int(window.left + left)),
                *(int(window.top + bottom), int(window.left + right)),
            )
            packed = np.packbits(pixels[top:bottom, left:right], axis=1)
            yield Part(tile, label, score, own, packed)


def group_parts(parts: Sequence[Part], windows: Sequence[Window]) -> list[list[Part]]:
    """Find the parts that are of one object.

    Two parts are if they have the same class, and their masks an IoU of at least 0.5 within what
    both of their tiles show. The most alike join first, and a group has one part of a tile, so two
    objects that one tile tells apart stay two.

    Args:
        parts: of all tiles.
        windows: of the tiles.

    Returns:
        Groups of at least one part.
    """
    alike = sorted(_pairs(parts, windows), reverse=True)
    group_of = list(range(len(parts)))
    members = {number: [number] for number in group_of}
    for _, first, second in alike:
        one, other = group_of[first], group_of[second]
        tiles = [parts[i].tile for i in members[one] + members[other]]
        if one == other or len(set(tiles)) < len(tiles):
            continue
        for number in members[other]:
            group_of[number] = one
        members[one] += members.pop(other)
    return [[parts[i] for i in group] for group in members.values()]


def _pairs(parts: Sequence[Part], windows: Sequence[Window]) -> Iterator[tuple[float, int, int]]:
    """IoU and numbers of parts that may be of one object."""
    by_tile: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        by_tile.setdefault(part.tile, []).append(number)
    for one, other in combinations(by_tile, 2):
        shared = windows[one].overlap(windows[other])
        if shared is None:
            continue
        own, theirs = (
            [i for i in by_tile[tile] if parts[i].window.overlap(shared)] for tile in (one, other)
        )
        ious = _ious_within([parts[i] for i in own], [parts[j] for j in theirs], shared)
        for row, column in zip(*np.nonzero(ious >= MIN_IOU), strict=True):
            i, j = own[row], theirs[column]
            if parts[i].label == parts[j].label:
                yield float(ious[row, column]), i, j


def _ious_within(own: Sequence[Part], theirs: Sequence[Part], shared: Window) -> np.ndarray:
    """IoUs ``(len(own), len(theirs))`` of masks within a rectangle; 0 if neither is in it."""
    shape = len(own), len(theirs)
    common, areas = np.zeros(shape), (np.zeros((shape[0], 1)), np.zeros((1, shape[1])))
    if not all(shape):
        return common
    rows = max(1, MOST_VALUES // ((shared.right - shared.left) * max(shape)))
    for top in range(shared.top, shared.bottom, rows):  # strip by strip, to bound memory
        strip = Window(top, shared.left, min(top + rows, shared.bottom), shared.right)
        first, second = (
            np.stack([part.within(strip).ravel() for part in parts]).astype(np.float32)
            for parts in (own, theirs)
        )
        common += first @ second.T
        areas[0][:, 0] += first.sum(axis=1)
        areas[1][0] += second.sum(axis=1)
    return common / np.maximum(1, areas[0] + areas[1] - common)


def _around(windows: Sequence[Window]) -> Window:
    return Window(
        min(w.top for w in windows),
        min(w.left for w in windows),
        max(w.bottom for w in windows),
        max(w.right for w in windows),
    )


def _best_score(group: Sequence[Part]) -> float:
    return max(part.score for part in group)


def _instances(groups: Sequence[Sequence[Part]], size: tuple[int, int]) -> InstanceData:
    """One instance of each group: the union of its masks, with its best score."""
    boxes, masks = [], []
    for group in groups:
        window = _around([part.window for part in group])
        mask = np.zeros((window.bottom - window.top, window.right - window.left), bool)
        for part in group:
            mask |= part.within(window)
        boxes.append([window.left, window.top, window.right, window.bottom])
        masks.append(encode_in_frame(mask, (window.top, window.left), size))
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor([group[0].label for group in groups], dtype=torch.long),
        scores=torch.tensor([_best_score(group) for group in groups], dtype=torch.float32),
        masks=masks,
    )
