"""Sets drawn from checked labels: annotated images, negatives, and those to validate on."""

import hashlib
import os
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmpldc.utils.text import read_lines

from ..checks.findings import Finding, some
from ..converters.image_files import image_record
from ..listed_images import ImageNames
from ..split import count_instances
from .prepare import Labels

FEW_INSTANCES = 5  # of a class: its AP moves by a fifth or more with each of them


def separate_unannotated(
    labels: Labels, negatives: Collection[str] | None
) -> tuple[list[dict], list[Finding]]:
    """Take images without an annotation out of a set, negatives apart, in place.

    An image that is listed without an annotation may be empty, or nobody has looked at it yet:
    annotation tools list all.

    Args:
        labels: checked.
        negatives: names of images on which nothing is, see :func:`read_negatives`; None if all
            images without an annotation are such.

    Returns:
        The records that were taken out, and findings that count each kind.

    Note:
        An image whose annotations were all left out as invalid shows something: it is no negative.
    """
    coco = labels.coco
    annotated = {annotation['image_id'] for annotation in coco['annotations']}
    empty = [image for image in coco['images'] if image['id'] not in annotated]
    lost = [image for image in empty if image['id'] in labels.lost]
    listed = [image for image in empty if image['id'] not in labels.lost]
    kept = [i for i in listed if negatives is None or i['file_name'] in negatives]
    kept_ids = {image['id'] for image in kept}
    unannotated = [image for image in listed if image['id'] not in kept_ids]
    left = {image['id'] for image in (*lost, *unannotated)}
    findings = []
    for images, what in (
        (unannotated, UNANNOTATED),
        (lost, 'all annotations left out as invalid: taken for images that nobody annotated'),
        (kept, 'negatives: nothing is on them'),
    ):
        if images:
            where = some('image', [image['file_name'] for image in images])
            findings.append(Finding('note', labels.file, where, what))
    coco['images'] = [image for image in coco['images'] if image['id'] not in left]
    return [image for image in empty if image['id'] in left], findings


UNANNOTATED = (
    'listed without an annotation: taken for images that nobody annotated; if nothing is on them, '
    '--negatives all, or --negatives FILE with their names'
)


def read_negatives(path: Path, files: Sequence[Labels]) -> list[set[str]]:
    """Names of images on which nothing is, from a list; those that no file lists are added.

    Args:
        path: of a text with a file name, path or image id in each line.
        files: labelled files, the first of which gets photos that none lists.

    Returns:
        Names of each file.

    Raises:
        ValueError: if a name is no photo, may be any of several, or is annotated.
    """
    if not path.is_file():
        raise ValueError(f"--negatives {path}: no such file; 'all', or a text with file names")
    lines = read_lines(path)
    known = [(labels, ImageNames(labels.coco)) for labels in files]
    annotated = [{one['image_id'] for one in labels.coco['annotations']} for labels in files]
    found: list[set[str]] = [set() for _ in files]
    for line in dict.fromkeys(os.path.normpath(line) for line in lines if line):
        meant = _look_up(line, known)
        photos = {_photo(labels, image) for labels, image in meant.values()}
        if len(photos) > 1:
            raise ValueError(f'{path}: {line} may be {" or ".join(sorted(photos))}: write which')
        if not meant:
            found[0].add(_add(line, *known[0], path))
        for place, (labels, image) in meant.items():
            if image['id'] in annotated[place[0]]:
                raise ValueError(
                    f'{path}: {line} has annotations in {labels.file}: it is no negative'
                )
            found[place[0]].add(image['file_name'])
    return found


def _look_up(
    name: str, known: Sequence[tuple[Labels, ImageNames]]
) -> dict[tuple[int, int], tuple[Labels, dict]]:
    """Images that a name may mean: those of this path, or name, or end of the path.

    A name without a folder may be a part or an id, too, and one of Cityscapes tells the frame.

    Returns:
        File and record of each, by their places.
    """
    found = {
        (place, row): (labels, labels.coco['images'][row])
        for place, (labels, names) in enumerate(known)
        for row in names.matches(name)
    }
    path = os.path.realpath(name)
    here = {key: one for key, one in found.items() if _photo(*one) == path}
    if here or os.path.isabs(name):
        return here
    named = {key: one for key, one in found.items() if one[1]['file_name'] == name}
    ending = {
        key: (labels, image)
        for key, (labels, image) in found.items()
        for photo in (_photo(labels, image), str(labels.folder / image['file_name']))
        if photo.endswith(f'{os.sep}{name}')
    }
    if not os.path.dirname(name):
        return named or ending or found
    frames = {key: one for key, one in found.items() if '_leftImg8bit' in one[1]['file_name']}
    return named or ending or frames


def _photo(labels: Labels, image: dict) -> str:
    return os.path.realpath(labels.folder / image['file_name'])


def _add(name: str, labels: Labels, names: ImageNames, path: Path) -> str:
    """Add a photo to the images of a file; its name there."""
    alike = [labels.coco['images'][row]['file_name'] for row in sorted(names.matches(name))]
    hint = f'; if {" or ".join(alike[:3])} is meant, write that' if alike else ''
    if os.path.isabs(name) and Path(name).is_relative_to(labels.folder):
        name = Path(name).relative_to(labels.folder).as_posix()
    try:
        image = image_record(labels.folder, name)
    except ValueError as error:
        raise ValueError(f'{path}: {name} is listed nowhere: {error}{hint}') from None
    identity = max((other['id'] for other in labels.coco['images']), default=0) + 1
    labels.coco['images'].append(dict(id=identity, **image))
    return name


# ---------------------------------------------------------------- validation


def _place(name: str, seed: int) -> float:
    """A number in [0, 1) for a name, alike for both Unicode forms."""
    text = f'{seed}/{unicodedata.normalize("NFC", name)}'.encode(errors='surrogatepass')
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), 'big') / 2**64


def draw_held_out(
    coco: dict,
    percent: float,
    seed: int,
    *,
    keep: Collection[str] = (),
    same: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Choose images to validate on.

    Each image's name decides, so that more labels never move an image from validation to training,
    with two exceptions: training keeps an instance of each class, and each class that more than one
    image has is validated on. Images that only the latter put there are in ``keep`` next time.

    Args:
        coco: checked content of a file.
        percent: share of images, above 0 and below 100.
        seed: of the choice.
        keep: names of images that were validated on before.
        same: names of images that show the same as another one -> that one's name: they stay
            together.

    Returns:
        ``(I,)`` bool, True for at least one and not for all.

    Raises:
        ValueError: if there are fewer than two images, or ``percent`` is out of range.
    """
    own = [image['file_name'] for image in coco['images']]
    return draw_held_out_names(own, count_instances(coco) > 0, percent, seed, keep=keep, same=same)


def draw_held_out_names(
    own: Sequence[str],
    shows: np.ndarray,
    percent: float,
    seed: int,
    *,
    keep: Collection[str] = (),
    same: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Choose images to validate on, of any task; see :func:`draw_held_out`.

    Args:
        own: names of I images.
        shows: ``(I, N)`` bool, which classes each one shows.
        percent, seed, keep, same: see :func:`draw_held_out`.
    """
    if not 0 < percent < 100:
        raise ValueError(f'--val-percent must be above 0 and below 100, got {percent:g}')
    names, group = np.unique([(same or {}).get(name, name) for name in own], return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f'{len(names)} annotated image is too few to hold some out: give a validation set '
            '(--val, or --val-label-maps)'
        )
    kept = {(same or {}).get(name, name) for name in keep}
    places = np.array([_place(name, seed) for name in names])
    held_out = (places < percent / 100) | np.array([name in kept for name in names])
    has = np.zeros((len(names), shows.shape[1]), bool)
    np.logical_or.at(has, group, shows)
    _cover_classes(held_out, has, places)
    return held_out[group]


def _cover_classes(held_out: np.ndarray, has: np.ndarray, places: np.ndarray) -> None:
    """Move images so that both sets have each class, if that is possible, and neither is empty.

    Args:
        held_out: ``(I,)`` bool, changed in place.
        has: ``(I, N)`` bool, classes of each image.
        places: ``(I,)``, by which images are preferred.
    """
    for label in np.argsort(has.sum(axis=0), kind='stable'):
        rows = np.flatnonzero(has[:, label])
        if len(rows) and held_out[rows].all():
            held_out[rows[places[rows].argmax()]] = False
    for label in np.argsort(has.sum(axis=0), kind='stable'):
        rows = np.flatnonzero(has[:, label])
        if len(rows) > 1 and not held_out[rows].any():
            for row in rows[np.argsort(places[rows])]:
                others = ~held_out
                others[row] = False
                if has[others].any(axis=0)[has[row]].all():  # training loses no class
                    held_out[row] = True
                    break
    if not held_out.any():
        held_out[places.argmin()] = True
    if held_out.all():
        held_out[places.argmax()] = False


def warn_of_few(coco: dict, file: str, name: str) -> list[Finding]:
    """Warn of classes with too few instances for their AP to say something.

    Args:
        coco: content of an evaluated set.
        file: its path.
        name: ``'validation'`` or ``'test'``.
    """
    instances = count_instances(coco).sum(axis=0).tolist()
    counts = dict(zip((c['name'] for c in coco['categories']), instances, strict=True))
    absent = [label for label, number in counts.items() if number == 0]
    few = [f'{label} ({n})' for label, n in counts.items() if 0 < n < FEW_INSTANCES]
    findings = []
    if absent:
        message = f'no instance in the {name} set: the AP is the mean of the other classes'
        findings.append(Finding('warning', file, some('class', absent), message))
    if few:
        message = (
            f'fewer than {FEW_INSTANCES} instances in the {name} set: a single one moves the '
            'AP of the class by a fifth or more'
        )
        findings.append(Finding('warning', file, some('class', few), message))
    return findings
