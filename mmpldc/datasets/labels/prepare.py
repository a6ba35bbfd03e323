"""A user's annotation file: read, repaired and checked before anything is made of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmpldc.utils.garbage import without_garbage_collection

from ..checks.annotations import Role, check_coco
from ..checks.findings import Finding, count
from ..checks.images import Folders, find_images
from ..checks.pixels import check_content, find_unreadable
from ..checks.records import Names, Records
from ..coco_files import UnusableFile, outline_fault, read_json
from .annotations import (
    drop_repeated,
    repair_flags,
    repair_ids,
    repair_references,
    repair_scores,
)
from .categories import repair_categories
from .images import repair_images
from .label_studio import coco_of_tasks, is_label_studio
from .masks import repair_masks
from .values import drop_nulls

# kinds of records that Options.drop_invalid leaves out, Label Studio's among them
RECORDS = ('image', 'annotation', 'task', 'region')
DROPPED_KINDS = {'image': 'images', 'annotation': 'annotations'}


@dataclass(frozen=True)
class Options:
    """What a user says of a file.

    Attributes:
        drop_invalid: leave out images and annotations that cannot be repaired.
        crowds_as_instances: crowds are single objects, drawn with a brush.
        ignored_as_instances: the flag ``ignore`` means nothing.
        score: of weak labels that have none; None: each must have one.
        decode: images to decode, see :func:`~mmpldc.datasets.checks.check_content`.
    """

    drop_invalid: bool = False
    crowds_as_instances: bool = False
    ignored_as_instances: bool = False
    score: float | None = None
    decode: int | None = 64


@dataclass
class Labels:
    """What was made of a file.

    Attributes:
        file: its path.
        folder: of its photos.
        coco: its content, repaired; it can be relied on if there is no error.
        names: what records were called whose ids were changed.
        findings: what was repaired, warnings and errors.
        left_out: a line for each record that ``drop_invalid`` left out.
        unreadable: paths of photos among them that cannot be read.
        lists_annotated_only: whether somebody has looked at all of its images, so that one without
            an annotation shows nothing; as in Label Studio's own JSON.
        lost: ids of images of which ``drop_invalid`` left out an annotation.
    """

    file: str
    folder: Path
    coco: dict
    names: Names
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    lists_annotated_only: bool = False
    lost: set[int] = field(default_factory=set)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == 'error']


def prepare(file: Path, folder: Path, *, role: Role, options: Options = Options()) -> Labels:
    """Read a file, repair what follows from its data, and check it.

    Args:
        file: COCO-format json, or Label Studio's own.
        folder: of its photos.
        role: what the file is for.
        options: of the user.

    Raises:
        UnusableFile: if the file holds no COCO-format data set.
        OSError: if it cannot be read.
    """
    with without_garbage_collection():
        coco = read_json(file)
        exported = None
        if is_label_studio(coco):
            exported = coco_of_tasks(coco, str(file), drop_invalid=options.drop_invalid)
            coco = exported.coco
        nulls = drop_nulls(coco, str(file))
        problem = outline_fault(coco)
        if problem:
            raise UnusableFile(file, problem)
        labels = Labels(str(file), folder, coco, Names())
        if exported is not None:
            labels.lists_annotated_only = True
            labels.left_out += exported.left_out
            labels.lost |= exported.lost
        repaired = [] if exported is None else exported.findings
        repaired += nulls
        while True:
            repaired += _repair(labels, role, options)
            found, paths = _check(labels, role)
            labels.findings = [*repaired, *found]
            if not labels.errors:
                sizes = np.array([[i['height'], i['width']] for i in coco['images']]).reshape(-1, 2)
                content = check_content(paths, sizes, file=labels.file, limit=options.decode)
                labels.findings += content
                rows = [row for one in content if one.level == 'error' for row in one.rows]
                labels.unreadable += find_unreadable([path for row in rows if (path := paths[row])])
            if not (options.drop_invalid and _drop(labels, paths)):
                break
            repaired = [one for one in repaired if one.level in ('repaired', 'note')]
    if labels.left_out:
        message = f'{count(len(labels.left_out), "record")} that cannot be repaired: left out'
        labels.findings.append(Finding('note', labels.file, '', message))
    return labels


def _repair(labels: Labels, role: Role, options: Options) -> list[Finding]:
    """Repair what follows from the data, in place; a second time finds nothing to do."""
    coco, file, names = labels.coco, labels.file, labels.names
    merged, findings = repair_categories(coco, file, names)
    moved, found = repair_images(coco, file, names, labels.folder)
    findings += found
    annotations = Records(coco['annotations'], 'annotation', file, names)
    images = {_key(image.get('id')): image for image in coco['images']}
    by_name = _ids_by(coco['images'], 'file_name')
    repair_references(annotations, 'image_id', set(images), moved, by_name)
    categories = {_key(category.get('id')) for category in coco['categories']}
    by_name = _ids_by(coco['categories'], 'name')
    repair_references(annotations, 'category_id', categories, merged, by_name)
    repair_flags(annotations)
    if role == 'weak':
        repair_scores(annotations, options.score)
    for wanted, name, what in (
        (options.crowds_as_instances, 'iscrowd', 'taken for single objects'),
        (options.ignored_as_instances, 'ignore', 'taken for objects like others'),
    ):
        rows = [row for row, one in enumerate(annotations.records) if wanted and one.get(name) == 1]
        for row in rows:
            annotations.records[row][name] = 0
        annotations.report('repaired', rows, name, f'1: {what}, as was asked')
    drop_repeated(annotations)
    repair_ids(annotations)
    repair_masks(annotations, _sizes(annotations.records, images))
    return [*findings, *annotations.findings]


def _ids_by(records: list[dict], field: str) -> dict[str, int]:
    """Ids of records by a field that is a text, if no other has the same."""
    values = [_key(record.get(field)) for record in records]
    counts = Counter(values)
    return {
        value: record['id']
        for value, record in zip(values, records, strict=True)
        if type(value) is str and counts[value] == 1 and type(record.get('id')) is int
    }


def _key(value: object) -> object:
    return value if type(value) in (int, str) else None


def _sizes(annotations: list[dict], images: dict) -> np.ndarray:
    """``(N, 2)`` height and width of each annotation's image, 0 where unknown."""
    sizes = {}
    for identity, image in images.items():
        sides = image.get('height'), image.get('width')
        if all(type(side) is int and 0 < side < 2**31 for side in sides):
            sizes[identity] = sides
    found = [sizes.get(_key(annotation.get('image_id')), (0, 0)) for annotation in annotations]
    return np.array(found, np.int64).reshape(-1, 2)


def _check(labels: Labels, role: Role) -> tuple[list[Finding], list[str | None]]:
    """Findings about records and names, and the path of each image."""
    findings, contents = check_coco(
        labels.coco, file=labels.file, role=role, names=labels.names, most_crowds=0
    )
    paths, missing = find_images(
        contents.file_names,
        str(labels.folder),
        file=labels.file,
        folders=Folders(),
        settings=('the folder of images',),
    )
    return [*findings, *missing], paths


def _drop(labels: Labels, paths: list[str | None]) -> bool:
    """Leave out the records that have errors, and images that are not on disk; whether any was."""
    coco = labels.coco
    faults: dict[str, dict[int, Finding]] = {kind: {} for kind in DROPPED_KINDS}
    for finding in labels.errors:
        if finding.kind in faults:
            for row in finding.rows:
                faults[finding.kind].setdefault(row, finding)
    if any(paths):
        for row in (row for row, path in enumerate(paths) if path is None):
            lost = Finding('error', labels.file, 'file_name', 'the photo is not on disk')
            faults['image'].setdefault(row, lost)
    if len(faults['image']) == len(coco['images']):  # then the file is wrong, or the folder
        return False
    dropped = {_key(coco['images'][row].get('id')) for row in faults['image']} - {None}
    for row, image in enumerate(coco['images']):
        if _key(image.get('id')) in dropped:  # an id twice: whose annotations are whose is unknown
            shared = Finding('error', labels.file, 'id', 'not unique')
            faults['image'].setdefault(row, shared)
    of_dropped = [coco['annotations'][row].get('image_id') for row in faults['annotation']]
    labels.lost |= {identity for identity in of_dropped if type(identity) is int}
    for kind, rows in faults.items():
        records = coco[DROPPED_KINDS[kind]]
        for row, finding in sorted(rows.items()):
            name = labels.names.of(records[row], row)
            _, field_known, about = finding.where.rpartition(': ')
            about = f'{about}: ' if field_known else ''
            labels.left_out.append(f'{labels.file}: {kind} {name}: {about}{finding.message}')
        records[:] = [record for row, record in enumerate(records) if row not in rows]
    return any(faults.values())
