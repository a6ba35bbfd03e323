"""Segmentations of a user's file, and the boxes and areas that follow from them."""

import ast
import json
from contextlib import suppress
from itertools import chain, pairwise
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from ..checks import masks as checks
from ..checks.boxes import corners, iou, look_like_corners, read_boxes, visible
from ..checks.geometry import HOLE_OR_NOT, are_shares, has_inner_ring
from ..checks.records import Records
from .axes import XS_AND_YS, are_xs_and_ys
from .stripes import STRIPES, fall_into_stripes
from .values import number, whole_number

NO_PIXEL = 'the mask has no pixel: draw it anew or delete the annotation'
MOST_ROUNDING = 1.0  # px: of a box in whole numbers
LARGEST_IMAGE = 2**31  # pixels: pycocotools counts in 32 bits
PARTS = 'polygons below three points beside others: left out'
POINTS = 'points that are pairs or texts: written as [x, y, x, y, ...]'
WRAPPED = 'a list of numbers: written as a list of one polygon'
NESTED = 'polygons in a list of one list: taken out'
BARE_RUNS = "run lengths without their size: the image's written"
TEXT = 'a text: read as JSON'
IN_LIST = 'a run-length encoding in a list: taken out'
RUNS = "texts, floats or Python's b'...' in a run-length encoding: read as what they stand for"


def repair_masks(annotations: Records, sizes: np.ndarray) -> None:
    """Put segmentations into COCO's form, and compute boxes and areas that cannot be used.

    No mask is changed: what is left out of a segmentation covers no pixel.

    Args:
        annotations: N of them, changed in place; what is put right is added to the findings, and
            masks without a pixel as errors.
        sizes: ``(N, 2)`` int64 height and width of their images, 0 where unknown.
    """
    values = [annotation.get('segmentation') for annotation in annotations.records]
    extents, faults = checks.read_masks(values, sizes)
    _repair_forms(annotations, sizes, extents, faults)
    broken = np.zeros(len(values), bool)
    for fault, rows in faults.items():
        if fault != checks.SHORT_PART:
            broken[rows] = True
    known = ~np.isnan(extents).any(axis=1) & sizes.all(axis=1) & ~broken
    known &= sizes.prod(axis=1) < LARGEST_IMAGE
    known &= ~are_shares(extents, sizes) & _visible_or_flat(extents, sizes)
    annotations.report('error', faults.get(checks.NO_PIXEL, []), 'segmentation', NO_PIXEL)
    _warn_of_xs_and_ys(annotations, sizes, known)
    _repair_boxes_and_areas(annotations, sizes, extents, known)


def _warn_of_xs_and_ys(annotations: Records, sizes: np.ndarray, known: np.ndarray) -> None:
    """Warn if all segmentations may be the x and the y of an outline, and no box tells."""
    if known.all() and not any(annotation.get('bbox') for annotation in annotations.records):
        segmentations = [annotation['segmentation'] for annotation in annotations.records]
        if are_xs_and_ys(segmentations, sizes):
            annotations.report('warning', range(len(segmentations)), 'segmentation', XS_AND_YS)


def _visible_or_flat(extents: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: masks that are not outside their images."""
    flat = (extents[:, 2:] <= extents[:, :2]).any(axis=1)
    return flat | (visible(extents, sizes) > 0)


# ---------------------------------------------------------------- forms


def _repair_forms(
    annotations: Records, sizes: np.ndarray, extents: np.ndarray, faults: dict[str, list[int]]
) -> None:
    """Write segmentations of other forms as COCO's; ``extents`` and ``faults`` are updated."""
    texts = [
        row
        for row, annotation in enumerate(annotations.records)
        if type(annotation.get('segmentation')) is str
    ]
    done: dict[str, list[int]] = {}
    for row in sorted({*texts, *chain.from_iterable(faults.values())}):
        annotation = annotations.records[row]
        for value, what in _forms(annotation, sizes[row].tolist()):
            own, fault = checks.read_masks([value], sizes[row : row + 1])
            if any(map(len, fault.values())):
                continue
            if what in (WRAPPED, BARE_RUNS) and not _fits(annotation, own[0], sizes[row], what):
                continue
            annotation['segmentation'] = value
            extents[row] = own[0]
            for rows in faults.values():
                if row in rows:
                    rows.remove(row)
            done.setdefault(what, []).append(row)
            break
    for what, rows in done.items():
        annotations.report('repaired', rows, 'segmentation', what)


def _forms(annotation: dict, size: list[int]) -> list[tuple[object, str]]:
    """What a segmentation may stand for, in COCO's form, and how it differs."""
    value = annotation['segmentation']
    if type(value) is str:
        try:
            value = json.loads(value)
        except ValueError:
            return []
        return [
            (value, TEXT),
            *((other, TEXT) for other, _ in _forms({'segmentation': value}, size)),
        ]
    if type(value) is dict:
        return [(_run_lengths(value), RUNS)]
    if type(value) is not list or not value:
        return []
    numbers = [number(part) for part in value]
    flat = [part for part in numbers if part is not None]
    if len(flat) == len(numbers):
        if sum(flat) == size[0] * size[1]:
            return [(_run_lengths(dict(size=size, counts=value)), BARE_RUNS)]
        return [([flat], WRAPPED)]
    forms: list[tuple[object, str]] = []
    if len(value) == 1 and type(value[0]) is list and all(map(_is_outline, value[0])):
        forms = [(value[0], NESTED)]
    if len(value) == 1 and type(value[0]) is dict:
        forms = [(_run_lengths(value[0]), IN_LIST)]
    parts = [points for points in map(_points, value) if points is not None]
    if len(parts) == len(value):
        if len(parts) > 2 and all(len(part) == 2 for part in parts):
            forms.append(([list(chain.from_iterable(parts))], POINTS))
        forms.append((parts, POINTS))
        if all(len(part) % 2 == 0 for part in parts):
            forms.append(([part for part in parts if len(part) >= 6], PARTS))
    return forms


def _points(part: object) -> list[float] | None:
    """x, y, x, y, ... of a polygon whose numbers may be texts and its points pairs."""
    if type(part) is not list:
        part = [part.get('x'), part.get('y')] if type(part) is dict else part
    if type(part) is not list:
        return None
    if any(type(value) in (list, dict) for value in part):
        nested = [points for points in map(_points, part) if points is not None]
        if len(nested) < len(part) or (len(nested) > 1 and any(len(pair) != 2 for pair in nested)):
            return None
        return list(chain.from_iterable(nested))
    numbers: list[Any] = [value if type(value) in (int, float) else number(value) for value in part]
    return None if None in numbers else numbers


def _run_lengths(value: dict) -> dict:
    size, counts = value.get('size'), value.get('counts')
    if type(size) is list:
        size = [whole_number(side) for side in size]
    if type(counts) is list:
        counts = [whole_number(run) for run in counts]
    elif type(counts) is str:
        counts = counts.strip()
        if counts[:2] in ("b'", 'b"'):
            with suppress(ValueError, SyntaxError):
                counts = ast.literal_eval(counts).decode()
    return value | dict(size=size, counts=counts)


def _is_outline(part: object) -> bool:
    return type(part) is list and len(part) >= 6 and {type(one) for one in part} <= {int, float}


def _fits(annotation: dict, extent: np.ndarray, size: np.ndarray, what: str) -> bool:
    """Whether a mask is where its box says; without a box, whether an outline is in the image."""
    box = annotation.get('bbox')
    if box is None or box == []:
        inside = (extent[:2] >= -0.5).all() and (extent[2:] <= size[::-1] + 0.5).all()
        return what == WRAPPED and bool(inside)
    own = corners(read_boxes([box if type(box) is list else None]))
    is_near = bool((np.abs(own[0] - extent) <= MOST_ROUNDING).all())
    return is_near or bool(iou(own, extent[None])[0] > 0.9)


# ---------------------------------------------------------------- boxes and areas


def _repair_boxes_and_areas(
    annotations: Records, sizes: np.ndarray, extents: np.ndarray, known: np.ndarray
) -> None:
    boxes = read_boxes(_read_boxes(annotations))
    areas = [number(record.get('area')) or 0 for record in annotations.records]
    given = np.array(
        [type(record.get('area')) in (int, float) for record in annotations.records], bool
    )
    are_corners = known & look_like_corners(boxes, extents)
    with np.errstate(invalid='ignore'):
        unusable = np.isnan(boxes).any(axis=1) | (boxes[:, 2:] < 1).any(axis=1)
        unusable |= visible(corners(boxes), sizes) == 0
        flat = (extents[:, 2:] - extents[:, :2] < 1).any(axis=1)
    segmentations = [record.get('segmentation') for record in annotations.records]
    are_runs = np.array([type(value) is dict for value in segmentations], bool)
    unboxed = np.flatnonzero(known & unusable & are_runs)
    if fall_into_stripes([segmentations[row] for row in unboxed], sizes[unboxed], _rasterise):
        annotations.report('error', unboxed, 'segmentation', STRIPES)
    lines = [_is_line(annotations.records[row]['segmentation']) for row in np.flatnonzero(known)]
    flat[known] |= np.array(lines, bool)
    without_area = ~given | (np.array(areas) <= 0)
    done: dict[tuple[str, str], list[int]] = {}
    empty = []
    for row in np.flatnonzero(known & (unusable | are_corners | without_area | flat)):
        annotation = annotations.records[row]
        height, width = sizes[row].tolist()
        x0, y0, x1, y1 = np.clip(extents[row], 0, [width, height, width, height])
        box = [x0, y0, x1 - x0, y1 - y0]
        mask = None
        if without_area[row] or flat[row] or min(box[2:]) < 1:
            mask = _rasterise(annotation['segmentation'], height, width)
            if not mask_utils.area(mask):
                empty.append(row)
                continue
        if unusable[row] or are_corners[row]:
            if min(box[2:]) < 1:
                box = mask_utils.toBbox(mask).tolist()
            what = _fault_of_box(annotation.get('bbox'), boxes[row])
            done.setdefault(('bbox', what), []).append(row)
            annotation['bbox'] = [round(float(value), 2) for value in box]
        if without_area[row]:
            what = 'missing' if annotation.get('area') is None else 'not a number above 0'
            done.setdefault(('area', what), []).append(row)
            annotation['area'] = int(mask_utils.area(mask))
    for (field, what), rows in done.items():
        annotations.report('repaired', rows, field, f'{what}: computed from the mask')
    annotations.report('error', empty, 'segmentation', NO_PIXEL)
    unsized = np.flatnonzero(known & without_area)
    inside = has_inner_ring([annotations.records[row] for row in unsized])
    annotations.report('warning', unsized[inside], 'segmentation', HOLE_OR_NOT)


def _fault_of_box(given: object, box: np.ndarray) -> str:
    if given is None or given == []:
        return 'missing'
    if np.isnan(box).any():
        return 'not four numbers'
    if (box[2:] < 0).any():
        return 'a negative side'
    if (box[2:] < 1).any():
        return 'a side below 1'
    return '[x0, y0, x1, y1], or outside the image'


def _is_line(segmentation: object) -> bool:
    """Whether a segmentation of three or four points is on a line."""
    if type(segmentation) is not list or len(segmentation) != 1 or len(segmentation[0]) > 8:
        return False
    x0, y0, *others = segmentation[0]
    return all(
        (x - x0) * (v - y0) == (u - x0) * (y - y0)
        for (x, y), (u, v) in pairwise(zip(others[::2], others[1::2], strict=False))
    )


def _read_boxes(annotations: Records) -> list[list | None]:
    """The boxes as lists; texts in them are replaced by the numbers that they stand for."""
    boxes, texts = [], []
    for row, annotation in enumerate(annotations.records):
        box = annotation.get('bbox')
        box = box if type(box) is list else None
        if box and str in map(type, box):
            box = [number(value) for value in box]
            if None not in box:
                annotation['bbox'] = box
                texts.append(row)
        boxes.append(box)
    annotations.report('repaired', texts, 'bbox', 'texts: read as numbers')
    return boxes


def _rasterise(segmentation: list | dict, height: int, width: int) -> dict:
    """Compressed run lengths of a segmentation that has no fault."""
    if type(segmentation) is dict and type(segmentation['counts']) is str:
        return segmentation
    if type(segmentation) is dict:
        return mask_utils.frPyObjects(segmentation, height, width)
    parts = [part for part in segmentation if len(part) >= 6]
    return mask_utils.merge(mask_utils.frPyObjects(parts, height, width))
