"""What is in label maps, and do they fit their images?"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmpldc.datasets.label_maps import (
    IGNORE,
    UnusableLabelMap,
    count_values,
    describe_values,
    read_label_map,
)
from mmpldc.utils.threads import in_threads

from ..image_header import fault_of_shape, read_header
from .findings import Finding, count, some
from .pixels import describe_sizes

MOSTLY_UNLABELED = 0.5  # share of pixels


@dataclass(frozen=True)
class LabelMapSummary:
    """What the report says of a set.

    Attributes:
        name: of the set.
        num_images: in it.
        num_read: label maps that were looked at.
        pixels: ``(256,)`` int64, pixels of each class in these, the last one without a label.
        classes: C names.
    """

    name: str
    num_images: int
    num_read: int
    pixels: np.ndarray
    classes: tuple[str, ...]

    @property
    def unlabeled_share(self) -> float:
        """Share of the pixels that have no label."""
        return self.pixels[IGNORE] / max(1, self.pixels.sum())


@dataclass(frozen=True)
class _Read:
    """A label map that could be read."""

    path: str
    pixels: np.ndarray  # (256,) of each value, after renumbering
    fault: str | None  # why it does not fit its image
    swapped: tuple[int, int] | None  # a class, and the one whose colour the file gives it


def check_label_map_contents(
    images: Sequence[str],
    label_maps: Sequence[str],
    *,
    name: str,
    file: str,
    classes: tuple[str, ...],
    palette: Sequence[Sequence[int]],
    renumbering: np.ndarray,
    limit: int | None,
    is_labeled: bool,
) -> tuple[list[Finding], LabelMapSummary]:
    """Read label maps of a set and compare them with its classes and images.

    Args:
        images: N paths of images that are on disk.
        label_maps: their N label maps, on disk too.
        name: of the set.
        file: which findings name.
        classes: C names.
        palette: RGB of each class.
        renumbering: ``(256,)`` uint8, value in a file -> class.
        limit: label maps to read, spread evenly over the set; None for all.
        is_labeled: whether it is the labelled set, in which each class should be.

    Returns:
        One finding for each kind of fault, and what was counted.
    """
    rows: np.ndarray = np.arange(len(images))
    if limit is not None and limit < len(rows):
        rows = np.linspace(0, len(rows) - 1, limit).astype(np.int64)

    def look(row: int) -> _Read | tuple[str, str]:
        try:
            return _read(images[row], label_maps[row], renumbering, palette)
        except UnusableLabelMap as fault:
            return label_maps[row], str(fault)

    outcomes = in_threads(look, rows.tolist())
    read = [outcome for outcome in outcomes if isinstance(outcome, _Read)]
    faults = defaultdict(list)  # by what is wrong, numbers apart
    for path, text in [
        *(outcome for outcome in outcomes if not isinstance(outcome, _Read)),
        *((one.path, one.fault) for one in read if one.fault),
    ]:
        faults[re.sub(r'\d+', '#', text)].append((path, text))
    findings = [
        Finding('error', file, some('label map', [path for path, _ in found]), found[0][1])
        for found in faults.values()
    ]
    pixels = np.sum([one.pixels for one in read], axis=0, initial=0) + np.zeros(256, np.int64)
    findings += _check_values(read, pixels, file, classes)
    if read and not any(finding.level == 'error' for finding in findings):
        findings += _check_palettes(read, file, classes)
        is_whole = len(read) == len(images)
        findings += _check_shares(read, pixels, file, classes, is_whole and is_labeled)
    return findings, LabelMapSummary(name, len(images), len(read), pixels, classes)


def _read(
    image: str, label_map: str, renumbering: np.ndarray, palette: Sequence[Sequence[int]]
) -> _Read:
    """Read a label map, and the head of its image.

    Raises:
        UnusableLabelMap: if it cannot be used.
    """
    values, colors = read_label_map(label_map)
    fault = None
    try:
        header = read_header(image)
    except ValueError:  # the image's own check says what is wrong
        return _Read(label_map, count_values(renumbering[values]), None, None)
    loaded = header.height, header.width
    is_turned = header.orientation >= 5 and header.height != header.width
    if header.orientation != 1 and not (is_turned and values.shape == loaded):
        fault = (
            "its image's EXIF orientation turns or mirrors the image when it is loaded, but not "
            'the label map: store the image turned and without EXIF'
        )
    if values.shape not in (loaded, loaded[::-1] if is_turned else loaded):
        sizes = describe_sizes(values.shape, loaded)
        fault = f'has another size than its image ({sizes}): they do not belong together'
    if not fault and (shape := fault_of_shape(header.width, header.height)):
        fault = f'has an image of {shape}'
    swapped = None
    if colors is not None:
        swapped = _other_class(np.unique(values), colors, renumbering, palette)
    return _Read(label_map, count_values(renumbering[values]), fault, swapped)


def _other_class(
    values: np.ndarray,
    colors: np.ndarray,
    renumbering: np.ndarray,
    palette: Sequence[Sequence[int]],
) -> tuple[int, int] | None:
    """A class of the map that the file paints in the colour of another one."""
    by_color = {tuple(color): label for label, color in enumerate(palette)}
    if len(by_color) < len(palette):
        return None  # colours tell nothing
    for value in values[values < len(colors)].tolist():
        label, painted = int(renumbering[value]), by_color.get(tuple(colors[value].tolist()))
        if label < len(palette) and painted is not None and painted != label:
            return label, painted
    return None


# ---------------------------------------------------------------- findings


def _check_values(
    read: Sequence[_Read], pixels: np.ndarray, file: str, classes: tuple[str, ...]
) -> list[Finding]:
    """Values that are no class."""
    num_classes = len(classes)
    wrong = np.flatnonzero(pixels[num_classes:IGNORE]) + num_classes
    if len(wrong):
        paths = [one.path for one in read if one.pixels[num_classes:IGNORE].any()]
        message = describe_values(wrong.tolist(), num_classes)
        return [Finding('error', file, some('label map', paths), message)]
    if num_classes > 1 and set(np.flatnonzero(pixels)) == {0, IGNORE}:
        message = (
            'hold nothing but 0 and 255, and 255 means no label: write the number of the class, '
            f'such as 1 for {classes[1]}'
        )
        return [Finding('error', file, count(len(read), 'label map'), message)]
    return []


def _check_palettes(read: Sequence[_Read], file: str, classes: tuple[str, ...]) -> list[Finding]:
    swapped = [(one.path, one.swapped) for one in read if one.swapped]
    if not swapped:
        return []
    label, painted = swapped[0][1]
    message = (
        f"paint class {label} ('{classes[label]}') in the colour of '{classes[painted]}': are the "
        'classes of the files in another order than metainfo.classes?'
    )
    where = some('label map', [path for path, _ in swapped])
    return [Finding('warning', file, where, message)]


def _check_shares(
    read: Sequence[_Read],
    pixels: np.ndarray,
    file: str,
    classes: tuple[str, ...],
    needs_all_classes: bool,
) -> list[Finding]:
    """Pixels without a label, and classes without a pixel."""
    findings = []
    blank = [one.path for one in read if one.pixels[IGNORE] == one.pixels.sum()]
    if blank:
        message = 'no pixel has a label (all are 255): label it, or remove it from the list'
        findings.append(Finding('warning', file, some('label map', blank), message))
    share = pixels[IGNORE] / max(1, pixels.sum())
    if share > MOSTLY_UNLABELED and len(blank) < len(read):
        message = f'{share:.0%} of all pixels have no label (255): make sure that this is meant'
        findings.append(Finding('warning', file, '', message))
    empty = [name for name, number in zip(classes, pixels, strict=False) if not number]
    if len(classes) > 1 and len(empty) == len(classes) - 1:
        shown = next(name for name in classes if name not in empty)
        message = f"show nothing but '{shown}': are these the right files?"
        findings.append(Finding('warning', file, count(len(read), 'label map'), message))
    elif empty and needs_all_classes and len(empty) < len(classes):
        message = 'no pixel in the labelled set: label some, or leave the class out'
        findings.append(Finding('warning', file, some('class', empty), message))
    return findings
