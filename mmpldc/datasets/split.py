"""Dividing an annotated COCO-format set into a labelled and an unlabelled part."""

import numpy as np


def num_labeled(num_images: int, *, percent: float) -> int:
    """Images that a share amounts to: rounded down, as mmdet does, and at least one.

    Raises:
        ValueError: if the share is not above 0 and at most 100.
    """
    if not 0 < percent <= 100:
        raise ValueError(f'percent must be above 0 and at most 100, got {percent}')
    return max(1, int(percent * num_images / 100))


def draw(num_images: int, count: int, *, seed: int) -> np.ndarray:
    """Draw images without replacement.

    Smaller draws of the same seed are part of larger ones, so that 1 % is in 2 %.

    Args:
        num_images: images to draw from.
        count: how many to draw.
        seed: the same seed gives the same images.

    Returns:
        ``(count,)`` int64 indices, ascending.

    Raises:
        ValueError: if there are fewer images than that, or count is below one.
    """
    if not 1 <= count <= num_images:
        raise ValueError(f'cannot label {count} of {num_images} images')
    return np.sort(np.random.default_rng(seed).permutation(num_images)[:count])


def draw_stratified(instances: np.ndarray, count: int, *, minimum: int, seed: int) -> np.ndarray:
    """Draw images without replacement so that each class has a few instances, if possible.

    Classes get their images one after the other, the rarest first, each in random order until it
    has ``minimum`` instances; what is left is drawn at random. If that takes too many images, those
    with most of what is missing are taken instead, one at a time (greedy set cover).

    Args:
        instances: ``(I, N)`` integer, annotated instances of N classes in I images.
        count: images to draw.
        minimum: instances wanted of each class; of rarer ones all that there are.
        seed: the same seed gives the same images.

    Returns:
        ``(count,)`` int64 indices, ascending. Compare ``instances[indices].sum(0)`` with
        ``minimum`` to see what could not be had.

    Raises:
        ValueError: as :func:`draw`.
    """
    num_images = len(instances)
    random_order = np.random.default_rng(seed).permutation(num_images)
    if not 1 <= count <= num_images:
        raise ValueError(f'cannot label {count} of {num_images} images')
    wanted = np.minimum(instances.sum(axis=0), minimum)
    shuffled = instances[random_order]
    chosen = _by_rarest_class(shuffled, wanted)
    if chosen.sum() > count:
        chosen = _by_largest_gain(shuffled, wanted, count)
    others = np.flatnonzero(~chosen)[: count - chosen.sum()]
    return np.sort(random_order[np.concatenate([np.flatnonzero(chosen), others])])


def _by_rarest_class(instances: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``(I,)`` bool: for each class the first images that have it, until it has enough."""
    chosen = np.zeros(len(instances), bool)
    for label in np.argsort(instances.sum(axis=0), kind='stable'):
        missing = wanted[label] - instances[chosen, label].sum()
        if missing > 0:
            candidates = np.flatnonzero(~chosen & (instances[:, label] > 0))
            gained = instances[candidates, label].cumsum()
            chosen[candidates[: np.searchsorted(gained, missing) + 1]] = True
    return chosen


def _by_largest_gain(instances: np.ndarray, wanted: np.ndarray, count: int) -> np.ndarray:
    """``(I,)`` bool: up to ``count`` images, each the one with most of what is still missing."""
    chosen = np.zeros(len(instances), bool)
    missing = wanted.copy()
    for _ in range(count):
        gain = np.minimum(instances, missing).sum(axis=1)
        gain[chosen] = 0
        best = gain.argmax()
        if gain[best] == 0:
            break
        chosen[best] = True
        missing = np.maximum(missing - instances[best], 0)
    return chosen


def count_instances(coco: dict) -> np.ndarray:
    """Instances of each category in each image, crowds left out.

    Args:
        coco: content of a COCO-format annotation file.

    Returns:
        ``(I, N)`` int32, in the order of ``coco['images']`` and ``coco['categories']``.

    Raises:
        ValueError: if an annotation has an unknown image or category.
    """
    rows = {image['id']: row for row, image in enumerate(coco['images'])}
    columns = {category['id']: column for column, category in enumerate(coco['categories'])}
    counts = np.zeros((len(rows), len(columns)), np.int32)
    try:
        cells = np.array(
            [
                (rows[annotation['image_id']], columns[annotation['category_id']])
                for annotation in coco['annotations']
                if not annotation.get('iscrowd', 0)
            ],
            dtype=np.int64,
        ).reshape(-1, 2)
    except KeyError as error:
        raise ValueError(
            f'an annotation has image_id or category_id {error}, which the file does not define: '
            'tools/dataset/check.py says which'
        ) from None
    np.add.at(counts, tuple(cells.T), 1)
    return counts


def split_coco(coco: dict, labeled: np.ndarray) -> tuple[dict, dict]:
    """Divide a set.

    Args:
        coco: content of a COCO-format annotation file; not modified, its items are shared.
        labeled: ``(K,)`` indices of the images that stay labelled.

    Returns:
        The labelled and the unlabelled file's content. Both keep the categories; the unlabelled
        one has no annotations, so that none can leak into training.

    Raises:
        ValueError: if an image id appears twice.
    """
    images = coco['images']
    ids, counts = np.unique([image['id'] for image in images], return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f'image ids appear twice in the annotation file: {ids[counts > 1][:5].tolist()}'
        )
    rows = set(np.asarray(labeled).tolist())
    labeled_images = [image for row, image in enumerate(images) if row in rows]
    labeled_ids = {image['id'] for image in labeled_images}
    annotations = [a for a in coco['annotations'] if a['image_id'] in labeled_ids]
    unlabeled_images = [image for row, image in enumerate(images) if row not in rows]
    return (
        coco | dict(images=labeled_images, annotations=annotations),
        coco | dict(images=unlabeled_images, annotations=[]),
    )


def draw_unlabeled(num_images: int, count: int, *, seed: int) -> np.ndarray:
    """Draw the unlabelled images that are used, from those without a label; see :func:`draw`.

    Raises:
        ValueError: if there are fewer images than that, or count is below one.
    """
    if not 1 <= count <= num_images:
        raise ValueError(f'cannot take {count} of {num_images} unlabelled images')
    return draw(num_images, count, seed=seed)


def keep_unlabeled(coco: dict, count: int, *, seed: int) -> dict:
    """Keep some images of an unlabelled set.

    Args:
        coco: content of a COCO-format file without annotations; not modified.
        count: images to keep.
        seed: of the draw; smaller draws of the same seed are part of larger ones.

    Returns:
        The content; ``info.drawn`` records count, seed and the number of images drawn from.

    Raises:
        ValueError: as :func:`draw_unlabeled`.
    """
    images = coco['images']
    rows = draw_unlabeled(len(images), count, seed=seed)
    drawn = dict(images=count, of=len(images), seed=seed)
    given = coco.get('info')
    info = dict(given if isinstance(given, dict) else {}, drawn=drawn)
    return coco | dict(info=info, images=[images[row] for row in rows])
