"""Galleries: validation images with truth and predictions, unlabelled images with pseudo-labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO

from mmpldc.apis import decode_mask
from mmpldc.evaluation.error_costs import CORRECT, ERROR_KINDS, MISSED, ErrorTable, tabulate_errors

from .accuracy import evaluate
from .contents import Gallery, Picture, Shape, View
from .inference import NETWORKS, Looked
from .pictures import small_picture, trace
from .run_folder import Run

KINDS = {
    'correct': 'correct',
    'category': 'wrong class',
    'localisation': 'bad mask',
    'both': 'wrong class and bad mask',
    'duplicate': 'duplicate',
    'background': 'no object there',
    'missed': 'missed object',
    'found': 'found object',
}
REASON_KINDS = {
    'kept': 'kept',
    'corrected': 'kept, class corrected',
    'class': 'class quality too low',
    'mask': 'mask quality too low',
    'score': 'score too low',
    'no object': '"no object" more likely',
    'area': 'too small',
    'duplicate': 'duplicate of a better one',
    'limit': 'the image has its most labels',
    'rule': "another rule of the method's",
}


class Judged(NamedTuple):
    """A run's shown predictions with their errors.

    Attributes:
        table: of these predictions alone.
        predictions: those with a score of at least the threshold.
    """

    table: ErrorTable
    predictions: list[dict]


def judge(looked: Looked, truth: COCO, score_thr: float) -> Judged:
    """Find the errors among the teacher's predictions that are shown."""
    shown = [one for one in looked.predictions[NETWORKS[0]] if one['score'] >= score_thr]
    table = tabulate_errors(evaluate(shown, truth, looked, max_dets=max(1, len(shown))))
    return Judged(table, shown)


def right_share(table: ErrorTable) -> np.ndarray:
    """Share of right ones among an image's predictions and objects that were not found.

    Returns:
        ``(I,)`` float in [0, 1]; 1 for an image without objects and predictions.
    """
    hits = np.bincount(table.image[table.kind == CORRECT], minlength=table.num_images)
    wrong = np.bincount(table.image[table.kind >= 0], minlength=table.num_images)
    wrong = wrong + np.bincount(table.object_image[~table.found], minlength=table.num_images)
    total = hits + wrong
    return np.divide(hits, total, out=np.ones(len(total)), where=total > 0)


def choose(shares: np.ndarray, wanted: int) -> list[int]:
    """Choose images: half of them the worst, the others evenly from the rest; worst first.

    Args:
        shares: ``(I,)`` float, see :func:`right_share`.
        wanted: how many at most.
    """
    order = np.argsort(shares, kind='stable')
    if wanted >= len(order):
        return order.tolist()
    worst, rest = order[: wanted // 2], order[wanted // 2 :]
    places = np.linspace(0, len(rest) - 1, wanted - len(worst)).round().astype(int)
    return [*worst.tolist(), *rest[np.unique(places)].tolist()]


def validation_gallery(
    runs: Sequence[Run],
    looked: Sequence[Looked],
    truth: COCO,
    *,
    chosen: Sequence[int],
    judged: Sequence[Judged],
    side: int,
) -> Gallery:
    """Pictures of validation images: truth, and the teacher's predictions of each run.

    Args:
        runs, looked: of the report.
        truth: annotations.
        chosen: places of the images in ``image_ids``, worst first.
        judged: of each run, see :func:`judge`.
        side: longest side of a picture in pixels.
    """
    first = looked[0]
    names = [str(truth.cats[category_id]['name']) for category_id in first.category_ids]
    paths = dict(zip(first.image_ids, first.paths, strict=True))
    pictures: list[Picture] = []
    for image in chosen:
        image_id = sorted(first.image_ids)[image]
        path = Path(paths[image_id])
        try:
            data, width, height = small_picture(path, side)
        except OSError:
            continue
        views = [View('Truth', tuple(_truth(truth, image_id, judged, (width, height))))]
        for run, of_run in zip(runs, judged, strict=True):
            shapes = _predictions(of_run, image, names, (width, height))
            views.append(View(f'{run.name}', tuple(shapes)))
        pictures.append(
            Picture(path.name, width, height, data, len(pictures), _summary(views), tuple(views))
        )
    return _gallery('validation', pictures, len(first.image_ids), KINDS, names)


def _summary(views: Sequence[View]) -> str:
    texts = []
    for view in views[1:]:
        kinds = [shape.kind for shape in view.shapes]
        right = kinds.count('correct')
        wrong = len(kinds) - right - kinds.count('missed')
        texts.append(f'{view.title}: {right} right, {wrong} wrong, {kinds.count("missed")} missed')
    return '; '.join(texts)


def _truth(
    truth: COCO, image_id: int, judged: Sequence[Judged], size: tuple[int, int]
) -> Iterator[Shape]:
    tables = [of_run.table for of_run in judged]
    known = set(tables[0].object_id.tolist())
    found = [set(table.object_id[table.found].tolist()) for table in tables]
    for identity in truth.getAnnIds(imgIds=[image_id]):
        annotation = truth.anns[identity]
        if identity not in known:
            continue
        name = str(truth.cats[annotation['category_id']]['name'])
        by = sum(identity in of_run for of_run in found)
        text = f'{name}: ' + ('found' if by else 'not found')
        if len(found) > 1:
            text = f'{name}: found by {by} of {len(found)} runs'
        kind = 'found' if by == len(found) else 'missed'
        path, x, y = trace(truth.annToMask(annotation).astype(bool), size)
        if path:
            yield Shape(path, name, kind, text, x, y)


def _predictions(
    judged: Judged, image: int, names: Sequence[str], size: tuple[int, int]
) -> Iterator[Shape]:
    """Shapes of an image's predictions, and of the objects that they miss."""
    table = judged.table
    rows = np.flatnonzero((table.image == image) & (table.kind >= CORRECT))
    for row in rows[np.argsort(-table.score[rows], kind='stable')]:
        prediction = judged.predictions[table.prediction[row]]
        kind = 'correct' if table.kind[row] == CORRECT else ERROR_KINDS[table.kind[row]]
        name = names[table.label[row]]
        path, x, y = trace(decode_mask(prediction['segmentation']), size)
        if path:
            text = f'{name} {prediction["score"]:.2f}: {KINDS[kind]}'
            yield Shape(path, name, kind, text, x, y)
    for row in np.flatnonzero((table.object_image == image) & table.missed):
        name = names[table.object_label[row]]
        yield Shape('', name, ERROR_KINDS[MISSED], f'{name}: {KINDS["missed"]}', 0, 0)


def unlabelled_gallery(
    runs: Sequence[Run], looked: Sequence[Looked], names: Sequence[str], *, side: int
) -> Gallery:
    """Pictures of unlabelled images with kept and rejected pseudo-labels of each run.

    Runs that looked at other images than the first one that has any are left out.

    Args:
        runs, looked: of the report.
        names: of the classes.
        side: longest side of a picture in pixels.
    """
    using = [(run, of_run) for run, of_run in zip(runs, looked, strict=True) if of_run.unlabelled]
    if not using:
        return _gallery('unlabelled', [], 0, REASON_KINDS, names)
    listed = [image['path'] for image in using[0][1].unlabelled]
    same = [
        (run, {image['path']: image for image in of_run.unlabelled})
        for run, of_run in using
        if [image['path'] for image in of_run.unlabelled] == listed
    ]
    pictures: list[Picture] = []
    for name in listed:
        try:
            data, width, height = small_picture(Path(name), side)
        except OSError:
            continue
        views, texts = [], []
        for run, images in same:
            image = images[name]
            shapes = tuple(_candidates(image['labels'], names, (width, height)))
            kept = sum(label['reason'] == 'kept' for label in image['labels'])
            views.append(View(run.name, shapes))
            texts.append(f'{run.name}: {kept} kept, {image["rejected"]} rejected')
        pictures.append(
            Picture(
                Path(name).name, width, height, data, len(pictures), '; '.join(texts), tuple(views)
            )
        )
    return _gallery('unlabelled', pictures, using[0][1].num_unlabelled, REASON_KINDS, names)


def _gallery(
    key: str, pictures: Sequence[Picture], total: int, kinds: dict[str, str], names: Sequence[str]
) -> Gallery:
    """With the kinds that are on the pictures, for the filter."""
    present = {
        shape.kind for picture in pictures for view in picture.views for shape in view.shapes
    }
    found = {kind: text for kind, text in kinds.items() if kind in present}
    return Gallery(key, tuple(pictures), total, found, tuple(names))


def _candidates(
    labels: Sequence[dict], names: Sequence[str], size: tuple[int, int]
) -> Iterator[Shape]:
    for label in labels:  # the kept ones come first
        path, x, y = trace(decode_mask(label['rle']), size)
        name, kind = names[label['label']], label['reason']
        if kind == 'kept' and label['teacher_label'] != label['label']:
            kind = 'corrected'
        if path:
            yield Shape(path, name, kind, f'{name}: {reason(label, names)}', x, y)


def reason(label: dict, names: Sequence[str]) -> str:
    """Say with numbers why a candidate was kept or rejected.

    Args:
        label: see :func:`~mmpldc.report.inference.look`.
        names: of the classes.
    """
    thresholds = label['thresholds']
    quality = f'class {label["class_quality"]:.2f}, mask {label["mask_quality"]:.2f}'
    if label['reason'] == 'kept':
        if label['teacher_label'] == label['label']:
            return f'kept ({quality})'
        return f'kept ({quality}), corrected from {names[label["teacher_label"]]}'
    if label['reason'] == 'class':
        text = f'class quality {label["class_quality"]:.2f} below {thresholds["class"]:.2f}'
        if label['mask_quality'] < thresholds['mask']:
            text += f', mask quality {label["mask_quality"]:.2f} below {thresholds["mask"]:.2f}'
        return text
    if label['reason'] == 'mask':
        return f'mask quality {label["mask_quality"]:.2f} below {thresholds["mask"]:.2f}'
    if label['reason'] == 'score':
        return f'score {label["score"]:.2f} below {thresholds["score"]:.2f}'
    return f'{REASON_KINDS[label["reason"]]} ({quality})'
