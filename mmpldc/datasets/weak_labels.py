"""Weak labels: a COCO-format file with scores, for images of the unlabelled set."""

import logging
import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.fileio import join_path
from mmengine.logging import print_log

from .checks.records import load_coco
from .checks.scores import check_scores

EMPTY = 'LoadEmptyAnnotations'  # mmdet's, which an unlabelled image's pipeline has


class WeakLabelsError(ValueError):
    """Weak labels that cannot be used; the message names the file and the remedy."""


class WeakImage(NamedTuple):
    """An image of the file.

    Attributes:
        size: (height, width) in pixels.
        instances: its labels as mmdet's data sets have them, with ``score`` and, if the annotation
            has it, ``mask_quality``.
    """

    size: tuple[int, int]
    instances: list[dict]


def read_weak_labels(path: str, classes: Sequence[str]) -> dict[str, WeakImage]:
    """Read weak labels. ``tools/dataset/weak_labels.py`` makes such a file of a foreign one.

    Crowds and classes that the model does not learn are left out.

    Args:
        path: COCO-format json; each annotation has ``segmentation``, ``bbox`` and ``score``.
        classes: the model's, in order.

    Returns:
        Images by their normalised ``file_name``.

    Raises:
        WeakLabelsError: naming the file and the record, if it cannot be used.
    """
    coco, findings = load_coco(path)
    if coco is not None:
        findings = check_scores(coco['annotations'], file=path)
    if findings or coco is None:
        raise WeakLabelsError(
            f'weak labels: {findings[0]}: tools/dataset/weak_labels.py repairs files'
        )
    label_of = {name: label for label, name in enumerate(classes)}
    try:
        names = {one['id']: one['name'] for one in coco['categories']}
        found: dict[Any, list[dict]] = defaultdict(list)
        others: Counter = Counter()
        for one in coco['annotations']:
            name = names[one['category_id']]
            if name not in label_of:
                others[name] += 1
            elif not one.get('iscrowd'):
                found[one['image_id']].append(_instance(one, label_of[name]))
        images = {
            posixpath.normpath(image['file_name']): WeakImage(
                (image['height'], image['width']), found[image['id']]
            )
            for image in coco['images']
        }
    except (KeyError, TypeError, ValueError) as error:
        raise WeakLabelsError(
            f'weak labels: {path} has a record without what COCO prescribes '
            f'({type(error).__name__}: {error}): tools/dataset/weak_labels.py repairs it'
        ) from error
    if not any(image.instances for image in images.values()):
        raise WeakLabelsError(
            f'weak labels: {path} has no annotation of {", ".join(classes[:5])}, but of '
            f'{", ".join(map(repr, list(others)[:5])) or "nothing"}: give its categories the '
            "model's names (tools/dataset/weak_labels.py --rename OLD=NEW)"
        )
    if others:
        print_log(
            f'Weak labels: {sum(others.values())} of classes that the model does not learn are '
            f'left out ({", ".join(list(others)[:5])})',
            logger='current',
        )
    return images


def _instance(annotation: Mapping[str, Any], label: int) -> dict:
    x, y, width, height = annotation['bbox']
    instance = dict(
        bbox=[x, y, x + width, y + height],
        bbox_label=label,
        ignore_flag=0,
        mask=annotation['segmentation'],
        score=float(annotation['score']),
    )
    if annotation.get('mask_quality') is not None:
        instance['mask_quality'] = float(annotation['mask_quality'])
    return instance


def attach_weak_labels(
    data_list: Iterable[dict], weak: Mapping[str, WeakImage], *, path: str, img_prefix: str
) -> list[dict]:
    """Give unlabelled images their weak labels, by the name of their file.

    Args:
        data_list: of an unlabelled data set; what annotations it has are replaced.
        weak: see :func:`read_weak_labels`.
        path: of the file of weak labels, for messages.
        img_prefix: folder that names are below.

    Returns:
        The same records with other ``instances``; [] where there are none.

    Raises:
        WeakLabelsError: if no image has any, or an image has another size than in the file.
    """
    by_path = {
        posixpath.normpath(join_path(img_prefix, name)): image for name, image in weak.items()
    }
    records, with_labels, total = [], 0, 0
    for record in data_list:
        total += 1
        image = by_path.get(posixpath.normpath(record['img_path']))
        if image is not None and image.size != (record['height'], record['width']):
            raise WeakLabelsError(
                f'weak labels: {path}: {record["img_path"]} is {image.size[1]} x {image.size[0]} '
                f'px there and {record["width"]} x {record["height"]} in the unlabelled set: make '
                'the labels on the same images'
            )
        instances = [] if image is None else image.instances
        with_labels += bool(instances)
        records.append(record | dict(instances=instances))
    if not with_labels:
        example = next(iter(weak), '')
        raise WeakLabelsError(
            f'weak labels: {path} has none for the {total} unlabelled images: its file names, such '
            f"as '{example}', must be theirs below {img_prefix or 'the folder of the images'}"
        )
    print_log(
        f'Weak labels: {with_labels} of {total} unlabelled images have some ({path})',
        logger='current',
        level=logging.INFO,
    )
    return records


def with_weak_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """A pipeline of unlabelled images that loads weak labels where it loaded nothing.

    Raises:
        WeakLabelsError: if it has no step that loads empty annotations.
    """
    steps = [dict(type='mmpldc.LoadWeakLabels') if _is_empty(step) else step for step in pipeline]
    if not any(map(_is_empty, pipeline)):
        raise WeakLabelsError(
            f'train_dataloader.dataset.weak_labels needs a pipeline of unlabelled images with '
            f'{EMPTY}, in whose place they are loaded'
        )
    return steps


def _is_empty(step: Mapping[str, Any]) -> bool:
    return str(step.get('type')).rpartition('.')[2] == EMPTY
