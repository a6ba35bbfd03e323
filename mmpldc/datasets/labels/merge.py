"""Add corrected images to a labelled set."""

import os
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ..checks.annotations import Role
from ..checks.findings import Finding, some
from ..checks.leaks import Listed, check_leaks
from ..copies import find_copies
from .prepare import Labels

MERGED_BEFORE = (
    'labelled already: --replace takes the corrected annotations instead of those that there are'
)


class Merged(NamedTuple):
    """A labelled set with corrected images.

    Attributes:
        coco: its content.
        added: entries of the images that are new.
        replaced: entries of those whose annotations were replaced.
        findings: errors, in which case nothing was merged, and what was decided.
    """

    coco: dict
    added: list[dict]
    replaced: list[dict]
    findings: list[Finding]


def find_leaks(corrected: Labels, evaluated: Sequence[tuple[Role, Labels]]) -> list[Finding]:
    """Look for corrected images in the sets that are evaluated on, whatever their names.

    Args:
        corrected: checked.
        evaluated: role, 'val' or 'test', and content of each such set, checked.

    Returns:
        An error for each pair of sets and kind of copies, see
        :func:`mmpldc.datasets.checks.check_leaks`.
    """
    own = _listed('corrected', 'labeled', corrected)
    return [
        finding
        for role, labels in evaluated
        for finding in check_leaks([own, _listed(role, role, labels)])
        if finding.level == 'error'
    ]


def _listed(name: str, role: Role, labels: Labels) -> Listed:
    images = labels.coco['images']
    return Listed(
        name,
        role,
        labels.file,
        [image['id'] for image in images],
        [image['file_name'] for image in images],
        [path_of(labels.folder, image) for image in images],
    )


def path_of(folder: Path, image: dict) -> str:
    """Path of an image's file without symbolic links."""
    return os.path.realpath(os.path.join(folder, image['file_name']))


def merge_labels(
    labeled: Labels,
    corrected: Labels,
    *,
    wanted_ids: dict[str, int] | None = None,
    taken_ids: Collection[int] = (),
    replace: bool = False,
) -> Merged:
    """Put the images and annotations of a corrected file behind those of a labelled one.

    Images and annotations of the labelled set keep their ids, and its other fields stay. New images
    get the id that they had in the unlabelled set, if no other image has it, else a free one.

    Args:
        labeled: checked; not modified.
        corrected: checked, with the categories of ``labeled``
            (:func:`~mmpldc.datasets.labels.match_categories`), without images that nobody has
            looked at.
        wanted_ids: ids of images by path without symbolic links.
        taken_ids: ids of other sets, which no new image gets.
        replace: take the corrected annotations of images that are labelled already; otherwise such
            images are an error.

    Returns:
        The merged set.
    """
    own = {path_of(labeled.folder, image): image for image in labeled.coco['images']}
    found = {path_of(corrected.folder, image): image for image in corrected.coco['images']}
    again = [path for path in found if path in own]
    findings: list[Finding] = []
    if again and not replace:
        where = some('image', [own[path]['file_name'] for path in again])
        findings.append(Finding('error', corrected.file, where, MERGED_BEFORE))
        return Merged(labeled.coco, [], [], findings)
    copies = find_copies([path for path in found if path not in own], list(own))
    if copies:
        where = some('image', [f'{os.path.basename(c.path)} = {own[c.original]["file_name"]}'
                               for c in copies])  # fmt: skip
        message = 'a copy of an image that is labelled already: it counts twice'
        findings.append(Finding('warning', corrected.file, where, message))

    taken = {*taken_ids, *(image['id'] for image in labeled.coco['images'])}
    free = (number for number in count(max(taken, default=0) + 1) if number not in taken)
    ids_by_path = {path: image['id'] for path, image in own.items()}
    added = []
    for path, image in found.items():
        if path in own:
            continue
        identity = (wanted_ids or {}).get(path)
        if identity is None or identity in taken:
            identity = next(free)
        taken.add(identity)
        ids_by_path[path] = identity
        name = os.path.relpath(os.path.join(corrected.folder, image['file_name']), labeled.folder)
        added.append(image | dict(id=identity, file_name=Path(name).as_posix()))
    new_ids = {
        image['id']: ids_by_path[path_of(corrected.folder, image)]
        for image in corrected.coco['images']
    }
    replaced = [own[path] for path in again]
    gone = {image['id'] for image in replaced}
    kept = [one for one in labeled.coco['annotations'] if one['image_id'] not in gone]
    ids = count(max((one['id'] for one in labeled.coco['annotations']), default=0) + 1)
    new = [
        one | dict(id=next(ids), image_id=new_ids[one['image_id']])
        for one in corrected.coco['annotations']
    ]
    coco = labeled.coco | dict(images=[*labeled.coco['images'], *added], annotations=[*kept, *new])
    return Merged(coco, added, replaced, findings)


def without_labelled(
    unlabeled: dict, folder: Path, labelled_paths: Sequence[str]
) -> tuple[dict, list[str]]:
    """Take labelled images, and their copies, out of an unlabelled set.

    Args:
        unlabeled: content of a COCO-format file; not modified.
        folder: of its images.
        labelled_paths: paths without symbolic links.

    Returns:
        The content without them, and the file names that were taken out.
    """
    paths = [path_of(folder, image) for image in unlabeled['images']]
    gone = {*labelled_paths, *(copy.path for copy in find_copies(paths, labelled_paths))}
    left = [
        image for image, path in zip(unlabeled['images'], paths, strict=True) if path not in gone
    ]
    names = [
        image['file_name']
        for image, path in zip(unlabeled['images'], paths, strict=True)
        if path in gone
    ]
    return unlabeled | dict(images=left), names
