"""AP with weighted images, against COCO's evaluation of sets with these images repeated."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpldc.evaluation import average_precision, compare_on_images, match_predictions, mean_ap

CLASSES = ('cat', 'dog', 'eel')
NUM_IMAGES = 12


def rle(x, y, side):
    mask = np.zeros((64, 64), np.uint8, order='F')
    mask[y : y + side, x : x + side] = 1
    return dict(coco_mask.encode(mask))


def scenes(seed):
    """Objects, some of them crowds, and predictions near them, wrong ones and duplicates."""
    rng = np.random.default_rng(seed)
    objects, predictions = [], []
    for image in range(NUM_IMAGES):
        for _ in range(rng.integers(0, 4)):
            category, x, y = int(rng.integers(1, 3)), *map(int, rng.integers(0, 30, 2))
            objects.append(
                dict(
                    image_id=image,
                    category_id=category,
                    segmentation=rle(x, y, 20),
                    iscrowd=int(rng.random() < 0.15),
                    area=400,
                )
            )
            for _ in range(rng.integers(1, 3)):
                shift = int(rng.integers(0, 8))
                predictions.append(
                    dict(
                        image_id=image,
                        category_id=category if rng.random() < 0.8 else 3 - category,
                        segmentation=rle(x + shift, y, 20),
                        score=float(rng.random()),
                    )
                )
    return objects, predictions


def coco_of(objects, copies):
    """A set with each image as often as it says, and the new ids of each image."""
    images, annotations, new_ids = [], [], {}
    for image, count in enumerate(copies):
        new_ids[image] = [len(images) + k for k in range(count)]
        images += [dict(id=k, width=64, height=64) for k in new_ids[image]]
    for one in objects:
        for k in new_ids[one['image_id']]:
            annotations.append(one | dict(id=len(annotations) + 1, image_id=k))
    coco = COCO()
    coco.dataset = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=k, name=name) for k, name in enumerate(CLASSES, 1)],
    )
    coco.createIndex()
    return coco, new_ids


def reference(objects, predictions, copies):
    coco, new_ids = coco_of(objects, copies)
    repeated = [one | dict(image_id=k) for one in predictions for k in new_ids[one['image_id']]]
    evaluator = COCOeval(coco, coco.loadRes(repeated), 'segm')
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator.stats[:3]


@pytest.mark.parametrize('seed', range(3))
def test_weights_repeat_images(seed):
    objects, predictions = scenes(seed)
    matches = match_predictions(coco_of(objects, [1] * NUM_IMAGES)[0], predictions, CLASSES)
    np.testing.assert_allclose(
        mean_ap(matches, np.ones(NUM_IMAGES)), reference(objects, predictions, [1] * NUM_IMAGES)
    )
    copies = np.random.default_rng(seed).integers(0, 2, NUM_IMAGES)
    np.testing.assert_allclose(
        mean_ap(matches, copies.astype(float)), reference(objects, predictions, copies)
    )
    # of equal weights only the share counts
    np.testing.assert_allclose(
        mean_ap(matches, np.full(NUM_IMAGES, 3.0)), mean_ap(matches, np.ones(NUM_IMAGES))
    )


def test_a_class_without_objects_does_not_count():
    objects, predictions = scenes(0)
    matches = match_predictions(coco_of(objects, [1] * NUM_IMAGES)[0], predictions, CLASSES)
    assert np.isnan(average_precision(matches[2], np.ones(NUM_IMAGES))).all()
    assert not np.isnan(mean_ap(matches, np.ones(NUM_IMAGES))).any()


def test_no_prediction_is_zero():
    objects, _ = scenes(0)
    matches = match_predictions(coco_of(objects, [1] * NUM_IMAGES)[0], [], CLASSES)
    assert (mean_ap(matches, np.ones(NUM_IMAGES)) == 0).all()


def test_comparison():
    """A model against itself gains nothing; truth itself is clearly better than a bad model."""
    objects, predictions = scenes(1)
    truth = coco_of(objects, [1] * NUM_IMAGES)[0]
    bad = match_predictions(truth, predictions, CLASSES)
    perfect = [
        dict(
            image_id=one['image_id'],
            category_id=one['category_id'],
            segmentation=one['segmentation'],
            score=0.9,
        )
        for one in objects
        if not one['iscrowd']
    ]
    good = match_predictions(truth, perfect, CLASSES)
    same = compare_on_images(bad, bad, CLASSES, draws=50)
    assert same.gain['AP'] == (0, 0, 0) and same.verdict == 'unclear' and same.share_better == 0
    better = compare_on_images(bad, good, CLASSES, draws=50)
    assert better.verdict == 'better' and better.share_better == 1
    assert better.second['AP'] == pytest.approx((1, 1, 1))
    assert compare_on_images(good, bad, CLASSES, draws=50).verdict == 'worse'
    assert better.first['AP'].low < better.first['AP'].value < better.first['AP'].high
