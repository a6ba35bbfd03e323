"""A user's label maps: read, repaired and checked before anything is made of them."""

import os
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmpldc.utils.threads import in_threads

from ..checks.findings import Finding, some
from ..checks.pixels import check_content
from ..converters.image_files import find_images
from ..image_header import ImageHeader, read_header
from ..label_maps import IGNORE, UnusableLabelMap, write_label_map
from .classes import HUGE, Classes, Color
from .fitting import fit_to_image, turned
from .numbering import Decision, Numbering, decide
from .pairing import pair, why_none
from .palettes import settle_palettes
from .reading import Contents, read_contents, read_raw

LONGEST_NAME = 255  # bytes, of file systems


class LabelMapFile(NamedTuple):
    """A label map and what is done to it.

    Attributes:
        image: name of its image, relative to the images' folder.
        path: of the label map.
        size: height and width of the image as it is loaded.
        turn: EXIF orientation by which it is turned, 1 for not at all.
        pixels: ``(256,)`` int64, its pixels of each class, 255 without label.
    """

    image: str
    path: str
    size: tuple[int, int]
    turn: int
    pixels: np.ndarray


@dataclass
class LabelMaps:
    """What was made of a folder of label maps.

    Attributes:
        folder: of the label maps.
        images: folder of their images.
        files: label maps with their images, by image.
        numbering: what values mean.
        by_color: whether colours tell the classes.
        all_files: paths of all label maps, also of those that are not used.
        findings: what was repaired, warnings and errors.
        left_out: a line for each label map that ``drop_invalid`` left out.
        by_grey: whether grey levels of palettes are the numbers.
    """

    folder: Path
    images: Path
    files: list[LabelMapFile]
    numbering: Numbering
    by_color: bool
    all_files: list[str]
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    by_grey: bool = False

    def counts(self, num_classes: int) -> np.ndarray:
        """Pixels of each class in each image, ``(I, C)`` int64."""
        rows = [file.pixels[:num_classes] for file in self.files]
        return np.array(rows, np.int64).reshape(len(rows), num_classes)

    def write(self, folder: Path, palette: Sequence[Color], names: Sequence[str]) -> None:
        """Write label maps with one number for each class, ``folder/IMAGE.png``.

        Args:
            folder: of the new label maps.
            palette: RGB of each class.
            names: images whose label maps are written.
        """
        wanted = set(names)

        def write(file: LabelMapFile) -> None:
            raw = read_raw(file.path, by_color=self.by_color, by_grey=self.by_grey)
            labels = self.numbering.classes_of(raw.values, is_color=raw.is_color)
            values: np.ndarray = np.repeat(labels, raw.lengths).reshape(raw.size)
            if file.turn != 1 or values.shape != file.size:
                label_map = turned(Image.fromarray(values), file.turn)
                height, width = file.size
                label_map = label_map.resize((width, height), Image.Resampling.NEAREST)
                values = np.array(label_map)
            path = folder / f'{file.image}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f'.{uuid.uuid4().hex}.part')  # no longer than a name can be
            write_label_map(part, values, palette)
            os.replace(part, path)

        in_threads(write, [file for file in self.files if file.image in wanted])


def prepare_label_maps(
    folder: Path,
    images: Path,
    classes: Classes,
    *,
    ignored: Sequence[int] = (),
    suffix: str | None = None,
    drop_invalid: bool = False,
    numbering: Numbering | None = None,
    not_below: Sequence[Path] = (),
) -> LabelMaps:
    """Read all label maps of a folder, find out what they mean, and check them.

    Args:
        folder: of the label maps, which may have subfolders.
        images: folder of their images.
        classes: see :func:`~.classes.read_classes`.
        ignored: numbers that mean no label, besides 255.
        suffix: see :func:`~.pairing.pair`.
        drop_invalid: leave out label maps that cannot be repaired.
        numbering: of the first folder, which another one must follow.
        not_below: folders whose files are no images and no label maps, but not those that
            ``images`` or ``folder`` is or lies below. Files in ``images`` are no label maps,
            likewise.

    Raises:
        FileNotFoundError: if there is no image or no label map.
        ValueError: if both are in one folder, and ``suffix`` does not tell them apart; or if no
            label map can have a number in ``ignored``.
    """
    strange = [value for value in ignored if not 0 <= value <= HUGE]
    if strange:
        raise ValueError(f'--ignore has the number {strange[0]}: they are 0 to {HUGE}')
    image_names = _not_below(images, find_images(images), [folder, *not_below])
    map_names = find_images(folder, also=('.gif',))
    map_names = _not_below(folder, map_names, [images, *not_below])
    if not map_names:
        raise FileNotFoundError(
            f'{folder} has no label map but in {images}, the folder of the images: give '
            '--label-maps the folder of the label maps'
        )
    if images.is_dir() and os.path.samefile(folder, images):
        if suffix is None:
            raise ValueError(
                f'{folder} holds images and label maps: tell them apart by --map-suffix, such as '
                '_mask.png, or give them folders of their own'
            )
        image_names = [name for name in image_names if not name.endswith(suffix)]
        map_names = [name for name in map_names if name.endswith(suffix)] or map_names[:1]
    all_files = [str(folder / name) for name in map_names]
    pairs = pair(
        image_names, map_names, folder=str(folder), suffix=suffix, image_folder=str(images)
    )
    findings, faults = list(pairs.findings), dict(pairs.faults)
    if not pairs.maps:
        message = why_none(pairs, image_names, map_names, str(images), suffix)
        findings = [Finding('error', str(folder), '', message)]
        nothing = Numbering(np.zeros(0, np.uint8), {})
        return LabelMaps(folder, images, [], nothing, False, [], findings)

    by_color = bool(classes.colors)
    names = list(pairs.maps)
    outcomes = in_threads(
        lambda name: _read(images / name, folder / pairs.maps[name], by_color), names
    )
    read: dict[str, tuple[Contents, ImageHeader, int]] = {}
    repaired = defaultdict(list)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, str):
            faults[pairs.maps[name]] = outcome
            continue
        turn, what, fault = fit_to_image(outcome[0].size, outcome[1])
        if not fault and len(os.fsencode(f'{PurePosixPath(name).name}.png')) > LONGEST_NAME:
            fault = "its image's name is too long for a label map to be called after it: rename it"
        if fault:
            faults[pairs.maps[name]] = fault
            continue
        if what:
            repaired[what].append(pairs.maps[name])
        read[name] = *outcome, turn
    contents = {pairs.maps[name]: one for name, (one, *_) in read.items()}
    contents, by_grey, found = settle_palettes(
        contents, classes, ignored, str(folder), like=numbering
    )
    findings += found
    read = {name: (contents[pairs.maps[name]], *rest[1:]) for name, rest in read.items()}
    decision = Decision(Numbering(np.zeros(0, np.uint8), {}), [], {})
    while contents:
        decision = decide(contents, classes, ignored, str(folder), like=numbering)
        faults |= decision.faults
        if not (decision.faults and drop_invalid):
            break
        contents = {name: one for name, one in contents.items() if name not in decision.faults}
    findings += decision.findings + _remarks(contents, str(folder))
    files = []
    for name, (one, header, turn) in read.items():
        if pairs.maps[name] in faults:
            continue
        labels = decision.numbering.classes_of(one.values, is_color=one.is_color)
        pixels = np.bincount(labels, weights=one.counts, minlength=256).astype(np.int64)
        size = header.height, header.width
        files.append(LabelMapFile(name, str(folder / pairs.maps[name]), size, turn, pixels))
    for what, of in repaired.items():
        findings.append(Finding('repaired', str(folder), some('label map', of), what))
    result = LabelMaps(folder, images, files, decision.numbering, by_color, all_files, findings)
    result.by_grey = by_grey
    _report(result, faults, drop_invalid)
    if not any(finding.level == 'error' for finding in findings):
        _check_images(result, drop_invalid)
    if drop_invalid and not result.files:
        findings.append(Finding('error', str(folder), '', 'no label map can be used: see above'))
    return result


def _not_below(folder: Path, names: Sequence[str], others: Sequence[Path]) -> list[str]:
    """Names below a folder without those in other folders, unless it is or lies below these."""
    around = (folder, *folder.parents)
    inside = tuple(f'{other}{os.sep}' for other in others if other not in around)
    return [name for name in names if not str(folder / name).startswith(inside)]


def _read(image: Path, label_map: Path, by_color: bool) -> tuple[Contents, ImageHeader] | str:
    """A label map and the head of its image, or what is wrong."""
    try:
        return read_contents(label_map, by_color=by_color), read_header(image)
    except UnusableLabelMap as fault:
        return str(fault)
    except ValueError as fault:
        return f'has no image: {fault}'


def _remarks(contents: dict[str, Contents], folder: str) -> list[Finding]:
    by_remark = defaultdict(list)
    for name, one in contents.items():
        for remark in one.remarks:
            by_remark[remark].append(name)
    return [
        Finding('repaired', folder, some('label map', names), remark)
        for remark, names in by_remark.items()
    ]


def _report(labels: LabelMaps, faults: dict[str, str], drop_invalid: bool) -> None:
    """Errors for what cannot be used, or lines of what is left out."""
    if drop_invalid:
        labels.left_out += [f'{labels.folder / name}: {fault}' for name, fault in faults.items()]
        if faults:
            where = some('label map', list(faults))
            message = 'cannot be repaired: left out; their images count as unlabelled'
            labels.findings.append(Finding('note', str(labels.folder), where, message))
        return
    kinds = defaultdict(list)
    for name, fault in faults.items():
        kinds[fault.split('(')[0]].append((name, fault))
    for found in kinds.values():
        where = some('label map', [name for name, _ in found])
        finding = Finding('error', str(labels.folder), where, found[0][1], 'image')
        labels.findings.append(finding)


def _check_images(labels: LabelMaps, drop_invalid: bool) -> None:
    """Look at the images, and take out those whose label map has no label, and broken ones."""
    blank = [file.image for file in labels.files if file.pixels[IGNORE] == file.pixels.sum()]
    if blank:
        message = 'their label maps have no label: taken for images that nobody labelled'
        labels.findings.append(Finding('note', str(labels.folder), some('image', blank), message))
        if len(blank) == len(labels.files):
            message = 'no label map has a label: --values and --ignore say what its numbers mean'
            labels.findings.append(Finding('error', str(labels.folder), '', message))
        labels.files = [file for file in labels.files if file.image not in blank]
    paths: list[str | None] = [str(labels.images / file.image) for file in labels.files]
    sizes = np.array([file.size for file in labels.files], np.int64).reshape(-1, 2)
    limit = None if drop_invalid else 64
    found = check_content(paths, sizes, file=str(labels.images), limit=limit, is_unlabeled=True)
    if drop_invalid:
        broken = {
            labels.files[row].image: finding.message
            for finding in found
            if finding.level == 'error'
            for row in finding.rows
        }
        found = [finding for finding in found if finding.level != 'error' or not finding.rows]
        labels.files = [file for file in labels.files if file.image not in broken]
        labels.left_out += [f'{labels.images / name}: {why}' for name, why in broken.items()]
        if broken:
            message = 'broken: left out of the labelled set with their label maps'
            where = some('image', list(broken))
            found.append(Finding('note', str(labels.images), where, message))
    labels.findings += found
