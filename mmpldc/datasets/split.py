"""Dividing an annotated COCO-format set into a labelled and an unlabelled part."""

import numpy as np


def split_coco(coco: dict, *, percent: float, seed: int) -> tuple[dict, dict]:
    """Draw a share of the images without replacement.

    Args:
        coco: content of a COCO-format annotation file.
        percent: share of the images that stay labelled, above 0 and below 100; rounded to at
            least one image.
        seed: of the draw; the same seed and file give the same split.

    Returns:
        The labelled and the unlabelled file's content. Both keep the categories; the unlabelled
        one has no annotations, so that none can leak into training.

    Raises:
        ValueError: if the share is out of range or an image id appears twice.
    """
    if not 0 < percent < 100:
        raise ValueError(f'percent must lie between 0 and 100, got {percent}')
    ids = [image['id'] for image in coco['images']]
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})[:5]
        raise ValueError(f'image ids appear twice in the annotation file: {twice}')
    count = max(1, round(len(ids) * percent / 100))
    labeled = set(np.random.default_rng(seed).choice(ids, count, replace=False).tolist())
    rest = {key: value for key, value in coco.items() if key not in ('images', 'annotations')}
    return (
        rest
        | dict(
            images=[image for image in coco['images'] if image['id'] in labeled],
            annotations=[a for a in coco['annotations'] if a['image_id'] in labeled],
        ),
        rest
        | dict(
            images=[image for image in coco['images'] if image['id'] not in labeled],
            annotations=[],
        ),
    )
