"""The json of VGG Image Annotator, version 2: regions by image, with free attributes."""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

from .coco import build_coco, categories_from, near, polygon_annotation, read_json
from .image_files import find_images, image_record
from .label_files import annotated_images, warn_of_names
from .via_photos import ViaPhotos

CURVE_POINTS = 64  # of a circle or an ellipse
SHAPES = ('polygon', 'rect', 'circle', 'ellipse')


def convert_via(
    annotations: str | Path,
    *,
    images: str | Path,
    attribute: str | None = None,
    classes: Sequence[str] | None = None,
    negatives: bool = False,
    skip_unsupported: bool = False,
) -> dict:
    """COCO-format instances from a json of VGG Image Annotator 2.

    Takes a saved project as well as exported annotations. Polygons, rectangles, circles and
    ellipses become polygons, one instance each.

    Args:
        annotations: the json.
        images: folder of the images. An image is where ``filename`` says; without folders, or with
            those of another computer, it is the only one of that name in the folder.
        attribute: region attribute that holds the class; None: the only one that there is.
        classes: names, in order; None: all values that occur, sorted. A single name is the class
            of all regions if these have no attribute.
        negatives: nothing is on images without a region. By default they are left out, with a
            warning that counts them: VIA lists all images that were opened.
        skip_unsupported: leave out other shapes (points, lines), with one warning, instead of
            failing.

    Raises:
        ValueError: if the file is no such json; if an image is missing or named twice; if a region
            is unsupported, broken, or has no or an unknown class; if there is no region.
    """
    path, root = Path(annotations), Path(images)
    entries, attributes = _read(path)
    given = [str(entry.get('filename')) for entry in entries.values()]
    names = ViaPhotos(find_images(root), given, root)
    regions: dict[str, list[dict]] = {}
    skipped: Counter[str] = Counter()
    for (key, entry), called in zip(entries.items(), given, strict=True):
        where = f'{path}: image {key!r}'
        name = names.find(called, where)
        if name in regions:
            raise ValueError(f'{where}: {name} is in the file twice')
        own = [
            dict(region, where=f'{where}, region {index}')
            for index, region in enumerate(_regions(entry, where))
        ]
        kinds = [_kind(region) for region in own]
        unsupported = [kind for kind in kinds if kind not in SHAPES]
        if unsupported and not skip_unsupported:
            raise ValueError(
                f'{where} has a region of type {unsupported[0]!r}; supported are '
                f'{", ".join(SHAPES)}: draw it anew or leave such regions out with '
                '--skip-unsupported'
            )
        skipped.update(unsupported)
        regions[name] = [one for one, kind in zip(own, kinds, strict=True) if kind in SHAPES]
    if names.guessed:
        warn_of_names(names.guessed)
    everything = [region for own in regions.values() for region in own]
    counts = ', '.join(f'{count} {kind}' for kind, count in sorted(skipped.items()))
    if not everything:
        others = f' but those of unsupported types ({counts})' if skipped else ''
        raise ValueError(f'{path} has no region{others}')
    if skipped:
        warnings.warn(f'unsupported regions are left out: {counts}', stacklevel=2)
    labels = _labels(everything, attribute, classes, attributes, path)
    categories = categories_from(classes or sorted(set(labels.values())))
    category_ids = {category['name']: category['id'] for category in categories}
    unknown = [where for where, label in labels.items() if label not in category_ids]
    if unknown:
        raise ValueError(
            f'{unknown[0]}: {labels[unknown[0]]!r} is no known class: {", ".join(category_ids)}'
        )
    listed = annotated_images(
        {name: name for name in sorted(regions)},
        {name for name, own in regions.items() if own},
        'region',
        negatives=negatives,
    )
    records = []
    for name in listed:
        image = image_record(root, name)
        size = dict(width=image['width'], height=image['height'])
        found = [
            polygon_annotation(
                [_outline(one)], category_id=category_ids[labels[one['where']]], **size
            )
            for one in regions[name]
        ]
        records.append((image, found))
    return build_coco(records, categories, description=f'VIA annotations {path.name}')


def _read(path: Path) -> tuple[dict[str, dict], dict]:
    """Images by key, of a project or of exported annotations, and the attributes of regions."""
    if path.suffix.lower() == '.csv':
        raise ValueError(f'{path} is a table: export the annotations as json')
    content = read_json(path)
    if isinstance(content, dict) and {'project', 'file', 'view'} <= content.keys():
        raise ValueError(f'{path} is of VIA 3: export COCO format there, or annotate with VIA 2')
    entries = content.get('_via_img_metadata', content) if isinstance(content, dict) else None
    is_via = isinstance(entries, dict) and all(
        isinstance(entry, dict) and 'filename' in entry and 'regions' in entry
        for entry in entries.values()
    )
    if not is_via:
        raise ValueError(f"{path} is no json of VIA 2: an image has no 'filename' or 'regions'")
    if not entries:
        raise ValueError(f'{path} has no image')
    attributes = content.get('_via_attributes')
    attributes = attributes.get('region') if isinstance(attributes, dict) else None
    return entries, attributes if isinstance(attributes, dict) else {}


def _regions(entry: dict, where: str) -> list[dict]:
    """A list, or in files of version 1 a dict by number."""
    regions = entry['regions']
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    if not isinstance(regions, list) or not all(
        isinstance(region, dict)
        and isinstance(region.get('shape_attributes'), dict)
        and isinstance(region.get('region_attributes') or {}, dict)
        for region in regions
    ):
        raise ValueError(
            f"{where}: a region has no 'shape_attributes', or 'region_attributes' without names"
        )
    return regions


def _kind(region: dict) -> str:
    return str(region['shape_attributes'].get('name'))


def _labels(
    regions: list[dict],
    attribute: str | None,
    classes: Sequence[str] | None,
    attributes: dict,
    path: Path,
) -> dict[str, str]:
    """Class of each region, by where it is."""
    used = Counter(name for region in regions for name in region.get('region_attributes') or {})
    if attribute is None and not used and classes and len(classes) == 1:
        return {region['where']: classes[0] for region in regions}
    if attribute is None:
        if not used:
            raise ValueError(
                f'{path}: no region has an attribute that could be its class: name the only class '
                'with --classes'
            )
        if len(used) > 1:
            names = ', '.join(f'{name!r} ({count} regions)' for name, count in used.items())
            raise ValueError(f'{path} has the attributes {names}: choose one with --attribute')
        (attribute,) = used
    labels = {region['where']: _label(region, attribute) for region in regions}
    texts = _descriptions(attributes.get(attribute))
    found = set(labels.values())
    if found & set(classes or ()) or not all(one.isdecimal() and one in texts for one in found):
        return labels
    example = min(found)
    warnings.warn(
        f'{path}: the options of {attribute!r} are numbers: their descriptions are taken for the '
        f'classes, such as {texts[example]} for {example}',
        stacklevel=3,
    )
    return {where: texts[label] for where, label in labels.items()}


def _descriptions(attribute: object) -> dict[str, str]:
    """Of an attribute's options, by option; those that have one."""
    options = attribute.get('options') if isinstance(attribute, dict) else None
    options = options if isinstance(options, dict) else {}
    return {
        key: text.strip() for key, text in options.items() if isinstance(text, str) and text.strip()
    }


def _label(region: dict, attribute: str) -> str:
    """The value of an attribute; of a checkbox the only one that is ticked."""
    value = (region.get('region_attributes') or {}).get(attribute)
    if isinstance(value, dict):
        ticked = [name for name, is_ticked in value.items() if is_ticked]
        value = ticked[0] if len(ticked) == 1 else None
    label = str(value).strip() if isinstance(value, str | Real) else ''
    if not label:
        raise ValueError(f'{region["where"]}: the attribute {attribute!r} does not name one class')
    return label


def _outline(region: dict) -> list[float]:
    """A region as a polygon ``[x1, y1, x2, y2, ...]``."""
    return near(_points(region), region['where'])


def _points(region: dict) -> list[float]:
    shape, where = region['shape_attributes'], region['where']
    kind = _kind(region)

    def number(name: str) -> float:
        value = shape.get(name)
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f'{where}, a {kind}: {name} is {value!r}, no number')
        return float(value)

    if kind == 'polygon':
        xs, ys = shape.get('all_points_x'), shape.get('all_points_y')
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise ValueError(f'{where}, a polygon: all_points_x and all_points_y do not match')
        if len(xs) < 3:
            raise ValueError(f'{where}, a polygon, has {len(xs)} points: too few')
        values = [value for point in zip(xs, ys, strict=True) for value in point]
        if not all(isinstance(v, Real) and math.isfinite(v) for v in values):
            raise ValueError(f'{where}, a polygon: a coordinate is no number')
        return [float(value) for value in values]
    if kind == 'rect':
        x, y, width, height = (number(name) for name in ('x', 'y', 'width', 'height'))
        return [x, y, x + width, y, x + width, y + height, x, y + height]
    x, y = number('cx'), number('cy')
    across, down = (number('r'),) * 2 if kind == 'circle' else (number('rx'), number('ry'))
    turn = number('theta') if shape.get('theta') else 0.0  # in radians
    points = []
    for index in range(CURVE_POINTS):
        angle = 2 * math.pi * index / CURVE_POINTS
        u, v = across * math.cos(angle), down * math.sin(angle)
        points += [x + u * math.cos(turn) - v * math.sin(turn)]
        points += [y + u * math.sin(turn) + v * math.cos(turn)]
    return points
