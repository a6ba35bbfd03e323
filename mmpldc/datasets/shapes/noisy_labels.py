"""Weak labels made on purpose: true labels with known faults."""

import cv2
import numpy as np
from pycocotools import mask as mask_utils


def noisy_labels(
    coco: dict,
    *,
    seed: int = 0,
    wrong_class: float = 0.3,
    missing: float = 0.5,
    looseness: float = 0.15,
) -> dict:
    """Annotations as a careless foundation model might make them.

    Args:
        coco: COCO-format content with masks as polygons or run lengths, and at least two
            categories; not modified.
        seed: of the faults.
        wrong_class: share of the remaining objects with another class, drawn evenly.
        missing: share of the objects without a label.
        looseness: how far a mask grows over its edge at most, as a share of the square root of its
            area.

    Returns:
        COCO-format content with the same images and a ``score`` of each annotation: in [0.5, 1) of
        those with the right class, in [0.3, 0.8) of the others.
    """
    rng = np.random.default_rng(seed)
    sizes = {image['id']: (image['height'], image['width']) for image in coco['images']}
    categories = [category['id'] for category in coco['categories']]
    annotations: list[dict] = []
    for one in coco['annotations']:
        # drawn for each object, so that the faults of one do not depend on those of others
        is_missing, is_wrong = rng.random(2) < (missing, wrong_class)
        growth, certainty, step = rng.random(3)
        if is_missing or one.get('iscrowd'):
            continue
        category = one['category_id']
        if is_wrong:
            others = [other for other in categories if other != category]
            category = others[int(step * len(others))]
        mask = _decode(one['segmentation'], sizes[one['image_id']])
        reach = round(growth * looseness * float(np.sqrt(mask.sum())))
        if reach:
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
            mask = cv2.dilate(mask, kernel)
        rle = mask_utils.encode(np.asfortranarray(mask))
        annotations.append(
            dict(
                id=len(annotations) + 1,
                image_id=one['image_id'],
                category_id=category,
                iscrowd=0,
                area=int(mask.sum()),
                bbox=mask_utils.toBbox(rle).tolist(),
                segmentation=dict(size=list(mask.shape), counts=rle['counts'].decode()),
                score=float((0.3 if is_wrong else 0.5) + 0.5 * certainty),
            )
        )
    return dict(
        info=dict(description='labels with faults made on purpose'),
        images=coco['images'],
        annotations=annotations,
        categories=coco['categories'],
    )


def _decode(segmentation: list | dict, size: tuple[int, int]) -> np.ndarray:
    """``(h, w)`` uint8 of 0 and 1."""
    if isinstance(segmentation, list):
        segmentation = mask_utils.merge(mask_utils.frPyObjects(segmentation, *size))
    elif isinstance(segmentation['counts'], list):
        segmentation = mask_utils.frPyObjects(segmentation, *size)
    return mask_utils.decode(segmentation)
