"""Write pseudo-labels to files: COCO format (which CVAT reads too) or Label Studio tasks.

Labels are written as they are produced, so memory does not limit their number. A file gets its
final name once it is complete.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np
from pycocotools import mask as coco_mask

from mmpldc.utils.files import atomic_write

from .mask_encoding import decode_mask, label_studio_rle, mask_to_polygons, polygons_to_rle
from .pseudo_labels import LabeledImage, PseudoLabel

# Names that connect Label Studio's regions to the controls of its labelling configuration.
CONTROL, OBJECT = 'label', 'image'


def write_coco(
    path: Path,
    labeled_images: Iterable[LabeledImage],
    categories: Sequence[dict],
    *,
    polygon_tolerance: float | None = None,
) -> None:
    """Write a COCO-format file.

    Besides COCO's own fields an annotation has ``score``, ``class_quality`` and ``mask_quality``.

    Args:
        path: file to write; an existing file is replaced.
        labeled_images: images to write, including those without any label.
        categories: entry of each class, in the order of the labels.
        polygon_tolerance: write polygons, see :func:`mask_to_polygons`; None writes RLE.
    """
    images = []

    def annotations() -> Iterator[dict]:
        numbers = count(1)
        for labeled in labeled_images:
            images.append(labeled.image)
            for label in labeled.labels:
                shape = _coco_shape(label, polygon_tolerance)
                yield dict(
                    id=next(numbers),
                    image_id=labeled.image['id'],
                    category_id=categories[label.label]['id'],
                    iscrowd=0,
                    **shape,
                    score=label.score,
                    class_quality=label.class_quality,
                    mask_quality=label.mask_quality,
                )

    with atomic_write(path) as file:
        file.write('{"annotations": ')
        _write_list(file, annotations())
        file.write(f',\n"images": {json.dumps(images)}')
        file.write(f',\n"categories": {json.dumps(list(categories))}}}\n')


def write_label_studio(
    path: Path,
    labeled_images: Iterable[LabeledImage],
    classes: Sequence[str],
    *,
    polygon_tolerance: float | None = None,
    image_prefix: str,
    model_version: str,
) -> None:
    """Write Label Studio tasks with predictions, for :func:`label_studio_config`.

    Args:
        path: file to write; an existing file is replaced.
        labeled_images: images to write; one without any label becomes a task without a prediction.
        classes: names of the classes.
        polygon_tolerance: write a polygon region for each part of a mask, see
            :func:`mask_to_polygons`; None writes a brush region for each mask.
        image_prefix: text before an image's quoted file name that makes it an address.
        model_version: name under which Label Studio lists the predictions.
    """

    def task(labeled: LabeledImage) -> dict:
        prediction = label_studio_prediction(labeled, classes, polygon_tolerance, model_version)
        address = image_prefix + quote(labeled.image['file_name'], errors='surrogateescape')
        return dict(data={OBJECT: address}, predictions=[prediction] if labeled.labels else [])

    with atomic_write(path) as file:
        _write_list(file, map(task, labeled_images))
        file.write('\n')


def label_studio_prediction(
    labeled: LabeledImage,
    classes: Sequence[str],
    polygon_tolerance: float | None,
    model_version: str,
) -> dict:
    """Return an image's labels as one of Label Studio's predictions.

    Args:
        labeled: image; without a label the prediction has no region, and the score 0.
        classes, polygon_tolerance, model_version: as for :func:`write_label_studio`.
    """
    regions = [
        region
        for label in labeled.labels
        for region in _regions(label, labeled.image, classes, polygon_tolerance)
    ]
    scores = [label.score for label in labeled.labels]
    return dict(
        model_version=model_version,
        score=float(np.mean(scores)) if scores else 0.0,
        result=[
            dict(id=f'{labeled.image["id"]}-{number}', **region)
            for number, region in enumerate(regions)
        ],
    )


def local_files_prefix(folder: Path) -> str:
    """Return the ``image_prefix`` by which Label Studio finds a folder's images on its own disk.

    Args:
        folder: of the images, which lies in the document root of Label Studio's local files. Label
            Studio serves folders in the document root, not files that lie there by themselves.
    """
    return f'/data/local-files/?d={quote(folder.resolve().name)}/'


def label_studio_config(
    classes: Sequence[str],
    *,
    polygons: bool,
    palette: Sequence[tuple[int, int, int]] | None = None,
) -> str:
    """Return the labelling configuration (XML) for the tasks of :func:`write_label_studio`.

    Args:
        classes: names of the classes.
        polygons: whether the regions are polygons; otherwise they are brush regions.
        palette: colour (R, G, B) of each class; None leaves the choice to Label Studio.
    """
    tag = 'PolygonLabels' if polygons else 'BrushLabels'
    colours = [f' background="#{bytes(colour).hex()}"' for colour in palette or ()]
    labels = ''.join(
        f'    <Label value={quoteattr(name)}{colour}/>\n'
        for name, colour in zip(classes, colours or [''] * len(classes), strict=True)
    )
    return (
        f'<View>\n  <Image name="{OBJECT}" value="${OBJECT}" zoom="true"/>\n'
        f'  <{tag} name="{CONTROL}" toName="{OBJECT}">\n{labels}  </{tag}>\n</View>\n'
    )


def _coco_shape(label: PseudoLabel, polygon_tolerance: float | None) -> dict:
    """Return ``segmentation`` and the ``area`` and ``bbox`` computed from it."""
    rle = label.rle
    segmentation: dict | list[list[float]] = rle
    if polygon_tolerance is not None:
        polygons = mask_to_polygons(decode_mask(rle), tolerance=polygon_tolerance)
        segmentation, rle = polygons, polygons_to_rle(polygons, rle['size'])
    return dict(
        segmentation=segmentation,
        area=int(coco_mask.area(rle)),
        bbox=coco_mask.toBbox(rle).tolist(),
    )


def _regions(
    label: PseudoLabel, image: dict, classes: Sequence[str], polygon_tolerance: float | None
) -> Iterator[dict]:
    """Return the regions that show a label, without ids."""
    width, height = image['width'], image['height']
    mask = decode_mask(label.rle)
    values: list[dict[str, Any]]
    if polygon_tolerance is None:
        kind, values = 'brushlabels', [dict(format='rle', rle=label_studio_rle(mask))]
    else:
        percent = 100 / np.array([width, height])
        polygons = mask_to_polygons(mask, tolerance=polygon_tolerance)
        points = [(np.reshape(polygon, (-1, 2)) * percent).tolist() for polygon in polygons]
        kind, values = 'polygonlabels', [dict(points=p, closed=True) for p in points]
    for value in values:
        yield dict(
            type=kind,
            from_name=CONTROL,
            to_name=OBJECT,
            original_width=width,
            original_height=height,
            image_rotation=0,
            score=label.score,
            value=value | {kind: [classes[label.label]]},
        )


def _write_list(file: IO[str], items: Iterable[dict]) -> None:
    """Write a JSON list, one item per line, as the items arrive."""
    separator = '['
    for item in items:
        file.write(f'{separator}\n{json.dumps(item)}')
        separator = ','
    file.write('[]' if separator == '[' else '\n]')
