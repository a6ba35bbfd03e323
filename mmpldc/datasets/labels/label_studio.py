"""Label Studio's own JSON as COCO-format content."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from mmpldc.utils.label_studio_rle import decode_label_studio_rle

from ..checks.findings import Finding, some
from ..converters.coco import mask_annotation, near, polygon_annotation
from .label_studio_images import TaskFault, address_of_image, tags_of
from .values import is_id, number, whole_number

LONGEST_SIDE = 2**15  # pixels: a longer one is no image, and would not fit into memory
MASKS = {'brush', 'brushlabels', 'polygon', 'polygonlabels'}
NO_MASKS = {
    'bitmask',
    'bitmasklabels',
    'ellipse',
    'ellipselabels',
    'keypoint',
    'keypointlabels',
    'rectangle',
    'rectanglelabels',
    'vector',
    'vectorlabels',
}

OUTLINES = {'points', 'rle', 'vertices', 'imageDataURL'}  # in the value of a region


class Exported(NamedTuple):
    """What an export holds.

    Attributes:
        coco: images with a submitted annotation, those on which nothing is among them, with the
            addresses that the tasks have for ``file_name``.
        findings: errors, and what was decided.
        left_out: a line for each region that was left out.
        lost: ids of their images.
    """

    coco: dict
    findings: list[Finding]
    left_out: list[str]
    lost: set[int]


def is_label_studio(content: object) -> bool:
    """Whether a json is a list of Label Studio's tasks with annotations."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {'data', 'annotations'} <= first.keys()


def coco_of_tasks(tasks: list, file: str, *, drop_invalid: bool = False) -> Exported:
    """Read the tasks of Label Studio's export "JSON".

    Brush regions and polygons become annotations; choices, texts and the like are passed over. A
    task without a submitted annotation is left out: nobody has corrected it yet. Of several
    annotations the ground truth counts, else the newest.

    Args:
        tasks: content of the file.
        file: its path, for findings.
        drop_invalid: leave out regions with errors.

    Returns:
        Categories are the regions' labels, sorted, with ids from 1 on; image ids are the tasks'.
    """
    reader = _Tasks(file, tags_of(_all_shapes(tasks)))
    for row, task in enumerate(tasks):
        reader.read(task, row)
    findings = []
    errors = reader.errors
    if errors and not drop_invalid:
        findings = _by_kind(file, errors)
        errors = []
    for names, kind, message in (
        (reader.waiting, 'task', 'no submitted annotation: left out, as not corrected yet'),
        (reader.several, 'task', 'several annotations: the ground truth or the newest is taken'),
        (reader.empty, 'region', 'no pixel is painted: left out'),
    ):
        if names:
            findings.append(Finding('note', file, some(kind, names), message))
    left_out = [f'{file}: {kind} {name}: {what}' for kind, name, what in errors]
    return Exported(reader.coco(), findings, left_out, reader.lost)


def _by_kind(file: str, errors: list[tuple[str, object, str]]) -> list[Finding]:
    """One finding for the records of each fault."""
    names: dict[tuple[str, str], list[object]] = {}
    for kind, name, what in errors:
        names.setdefault((kind, what), []).append(name)
    return [
        Finding('error', file, some(kind, records), what, kind=kind)
        for (kind, what), records in names.items()
    ]


def _all_shapes(tasks: list) -> list[dict]:
    """The entries of all annotations that are shapes."""
    given = [task.get('annotations') for task in tasks if isinstance(task, dict)]
    lists = [one for one in given if isinstance(one, list)]
    annotations = [one for own in lists for one in own if isinstance(one, dict)]
    return [entry for one in annotations for entry in _shapes(one.get('result'))]


def _shapes(result: Any) -> list[dict]:
    entries = result if isinstance(result, list) else []
    return [one for one in entries if isinstance(one, dict) and _is_shape(one)]


def _is_shape(entry: dict) -> bool:
    kind = entry.get('type')
    return isinstance(kind, str) and kind in MASKS | NO_MASKS


class _Tasks:
    """Reads tasks one by one.

    Args:
        file: path of the export.
        tags: names of the image tags that its regions are on.
    """

    def __init__(self, file: str, tags: set[str]) -> None:
        self.file = file
        self.tags = tags
        self.images: list[dict] = []
        self.annotations: list[tuple[int, str, dict]] = []  # image, class, the others
        self.errors: list[tuple[str, object, str]] = []  # kind of record, its name, what
        self.waiting: list[object] = []
        self.several: list[object] = []
        self.empty: list[str] = []
        self.ids: set[int] = set()
        self.lost: set[int] = set()

    def coco(self) -> dict:
        """Everything that was read."""
        names = sorted({name for _, name, _ in self.annotations})
        ids = {name: identity for identity, name in enumerate(names, start=1)}
        annotations = [
            dict(id=place, image_id=image, **(shape | dict(category_id=ids[name])))
            for place, (image, name, shape) in enumerate(self.annotations, start=1)
        ]
        categories = [dict(id=identity, name=name) for name, identity in ids.items()]
        return dict(images=self.images, annotations=annotations, categories=categories)

    def read(self, task: Any, row: int) -> None:
        """Read a task; faults go to :attr:`errors`."""
        name: object = task.get('id') if isinstance(task, dict) else None
        place = name if is_id(name) else f'[{row}]'
        try:
            result = self._result(task, place)
            if result is None:
                return
            address = address_of_image(task, _shapes(result), tags=self.tags)
        except TaskFault as fault:
            self.errors.append(('task', place, str(fault)))
            return
        image = self._image(address, name)
        for identity, region, label in _regions(result):
            try:
                self._add(image, region, label, f'{place}/{identity}')
            except TaskFault as fault:
                self.errors.append(('region', f'{place}/{identity}', str(fault)))
                self.lost.add(image['id'])
        self.images.append(image)

    def _result(self, task: Any, name: object) -> list | None:
        """The regions that count; None if nobody has submitted any."""
        if not isinstance(task, dict) or not isinstance(task.get('annotations'), list):
            raise TaskFault('no list "annotations": export as JSON, not as JSON-MIN')
        submitted = [
            one
            for one in task['annotations']
            if isinstance(one, dict) and not one.get('was_cancelled')
        ]
        if not submitted:
            self.waiting.append(name)
            return None
        if len(submitted) > 1:
            self.several.append(name)
        chosen = max(submitted, key=_preference)
        if not isinstance(chosen.get('result'), list):
            raise TaskFault('an annotation has no list "result"')
        return chosen['result']

    def _image(self, address: str, name: object) -> dict:
        identity = whole_number(name)
        if type(identity) is not int or identity in self.ids:
            identity = max(self.ids, default=0) + 1
        self.ids.add(identity)
        return dict(id=identity, file_name=address)

    def _add(self, image: dict, region: dict, label: str | None, name: str) -> None:
        kind, value = region.get('type'), region.get('value')
        if not isinstance(kind, str) or kind not in MASKS:
            raise TaskFault(f'a {kind} is no mask: draw it with the brush or as a polygon')
        if label is None:
            raise TaskFault('has no label, or several: give it one')
        if region.get('image_rotation'):
            raise TaskFault('the image was rotated in Label Studio: rotate it back there')
        height, width = _side(region, 'height'), _side(region, 'width')
        if image.get('height', height) != height or image.get('width', width) != width:
            raise TaskFault(
                f'is of an image of {width} x {height}, others of the task are of '
                f'{image["width"]} x {image["height"]}'
            )
        shape = _shape(kind, value if isinstance(value, dict) else {}, height, width)
        image.update(height=height, width=width)
        if not shape['area']:
            self.empty.append(name)
            return
        self.annotations.append((image['id'], label, shape))


def _side(region: dict, side: str) -> int:
    pixels = whole_number(region.get(f'original_{side}'))
    if type(pixels) is not int or not 0 < pixels < LONGEST_SIDE:
        raise TaskFault(f'original_{side} is missing, or no number of pixels')
    return pixels


def _preference(annotation: dict) -> tuple[bool, str]:
    """By which the annotation of several is chosen."""
    when = annotation.get('updated_at') or annotation.get('created_at')
    return bool(annotation.get('ground_truth')), str(when or '')


def _regions(result: list) -> Iterator[tuple[object, dict, str | None]]:
    """Id, region and label of each shape; shape and label may be two entries of the same id.

    What has an outline or a mask is a shape, too, whatever its type.
    """
    entries = [one for one in result if isinstance(one, dict)]
    known = {_identity(entry, place) for place, entry in enumerate(entries) if _is_shape(entry)}
    labels: dict[object, list[str]] = {}
    for place, entry in enumerate(entries):
        value = entry.get('value')
        for key, names in value.items() if isinstance(value, dict) else ():
            if key.endswith('labels') and isinstance(names, list):
                texts = [name for name in names if isinstance(name, str) and name.strip()]
                labels.setdefault(_identity(entry, place), []).extend(texts)
    for place, entry in enumerate(entries):
        identity = _identity(entry, place)
        if _is_shape(entry) or (identity not in known and _has_outline(entry.get('value'))):
            own = list(dict.fromkeys(labels.get(identity, [])))
            yield identity, entry, own[0] if len(own) == 1 else None


def _has_outline(value: object) -> bool:
    return isinstance(value, dict) and not OUTLINES.isdisjoint(value)


def _identity(entry: dict, place: int) -> object:
    identity = entry.get('id')
    return identity if is_id(identity) else f'[{place}]'


def _shape(kind: str, value: dict, height: int, width: int) -> dict:
    """A region as an annotation without ids."""
    if kind.startswith('brush'):
        if value.get('format', 'rle') != 'rle':
            raise TaskFault(f'a brush region of format {value["format"]!r}, not rle')
        try:
            mask = decode_label_studio_rle(value.get('rle') or [], (height, width))
        except ValueError as error:
            raise TaskFault(str(error)) from None
        return mask_annotation(mask, category_id=0)
    points = value.get('points')
    if not isinstance(points, list) or len(points) < 3:
        raise TaskFault('a polygon needs three points or more')
    outline: list[float] = []
    for point in points:
        pair = [number(part) for part in point] if isinstance(point, list | tuple) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            raise TaskFault('a point of the polygon is no pair of numbers')
        outline += [pair[0] * width / 100, pair[1] * height / 100]
    try:
        near(outline, 'the polygon')
    except ValueError as error:
        raise TaskFault(str(error)) from None
    return polygon_annotation([outline], category_id=0, width=width, height=height)
