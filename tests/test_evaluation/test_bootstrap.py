"""AP on resampled images, against pycocotools on a set with repeated images."""

import contextlib
import io
from collections import Counter

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpldc.evaluation.bootstrap import (
    IOU_THRS,
    SIZES,
    average_precisions,
    evaluate_images,
    interval,
    match_predictions,
    mean_ap,
    resample_images,
)

SIDE = 140
CATEGORIES = [9, 4, 6]  # not in ascending order, as files may have them


def rectangle(generator):
    """A mask whose area is in any of COCO's ranges."""
    height, width = generator.integers(6, 120, size=2)
    top, left = generator.integers(0, SIDE - height), generator.integers(0, SIDE - width)
    mask = np.zeros((SIDE, SIDE), np.uint8, order='F')
    mask[top : top + height, left : left + width] = 1
    return mask


def encode(mask):
    rle = coco_mask.encode(np.asfortranarray(mask))
    return dict(size=rle['size'], counts=rle['counts'].decode())


@pytest.fixture(scope='module')
def scene():
    """12 images; predictions that fit, miss, repeat and tie, and a class never predicted."""
    generator = np.random.default_rng(3)
    annotations, predictions = [], []
    for image_id in range(1, 13):
        scores = iter(generator.permutation(np.arange(1, 31)) / 30)  # ties across images only
        for _ in range(generator.integers(0, 5)):
            mask = rectangle(generator)
            category = int(generator.choice(CATEGORIES))
            rle = encode(mask)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=category,
                    segmentation=rle,
                    area=float(mask.sum()),
                    bbox=coco_mask.toBbox(rle).tolist(),
                    iscrowd=int(generator.random() < 0.1),
                )
            )
            for _ in range(generator.integers(0, 3)):
                moved = np.roll(mask, generator.integers(-4, 5, size=2), axis=(0, 1))
                guess = category if generator.random() < 0.8 else int(generator.choice([9, 4]))
                if guess != 6:
                    predictions.append(
                        dict(
                            image_id=image_id,
                            category_id=guess,
                            score=float(next(scores)),
                            segmentation=encode(moved),
                        )
                    )
    images = [dict(id=i, file_name=f'{i}.png', height=SIDE, width=SIDE) for i in range(1, 13)]
    categories = [dict(id=i, name=f'class {i}') for i in CATEGORIES]
    return dict(images=images, annotations=annotations, categories=categories), predictions


def as_coco(content):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = content
        coco.createIndex()
    return coco


def repeated(content, predictions, counts):
    """The set with each image repeated; copies follow each other, so that ties stay in order."""
    images, annotations, results = [], [], []
    for image in content['images']:
        for _ in range(counts[image['id']]):
            new_id = len(images) + 1
            images.append(image | dict(id=new_id))
            annotations += [
                entry | dict(id=len(annotations) + rank, image_id=new_id)
                for rank, entry in enumerate(
                    (a for a in content['annotations'] if a['image_id'] == image['id']), 1
                )
            ]
            results += [
                entry | dict(image_id=new_id)
                for entry in predictions
                if entry['image_id'] == image['id']
            ]
    return content | dict(images=images, annotations=annotations), results


def reference(content, predictions):
    """AP of pycocotools, ``(N, len(SIZES), T)``."""
    truth = as_coco(content)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(truth, truth.loadRes([dict(entry) for entry in predictions]), 'segm')
        evaluator.params.maxDets = [100]
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval['precision'][..., 0]  # (T, R, K, A)
    by_id = np.where(precision[:, 0] < 0, np.nan, precision.mean(axis=1)).transpose(1, 2, 0)
    return by_id[[evaluator.params.catIds.index(category) for category in CATEGORIES]]


def test_it_equals_pycocotools_on_the_repeated_images(scene):
    content, predictions = scene
    matches = match_predictions(
        evaluate_images(as_coco(content), predictions, category_ids=CATEGORIES)
    )
    weights = resample_images(12, samples=20, seed=1)
    assert (weights.sum(axis=1) == 12).all()
    weights = np.concatenate([np.ones((1, 12), int), weights])
    found = average_precisions(matches, weights)
    assert found.shape == (21, 3, len(SIZES), len(IOU_THRS))
    for row, precisions in zip(weights, found, strict=True):
        counts = Counter(dict(zip(matches.image_ids, row.tolist(), strict=True)))
        expected = reference(*repeated(content, predictions, counts))
        np.testing.assert_allclose(precisions, expected, atol=1e-12)
        np.testing.assert_allclose(
            mean_ap(precisions), np.nanmean(expected, axis=(0, 2)), atol=1e-12
        )
    assert np.nanmax(found[0]) > 0.2  # predictions do find objects here


def test_no_predictions_give_zero_and_no_objects_nan(scene):
    content, predictions = scene
    found = average_precisions(
        match_predictions(evaluate_images(as_coco(content), [], category_ids=CATEGORIES))
    )
    assert found.shape == (1, 3, len(SIZES), len(IOU_THRS))
    assert (found[:, :, 0] == 0).all()
    empty = as_coco(content | dict(annotations=[]))
    found = average_precisions(
        match_predictions(evaluate_images(empty, predictions, category_ids=CATEGORIES))
    )
    assert np.isnan(found).all()
    assert np.isnan(mean_ap(found)).all()


def test_a_subset_of_the_images(scene):
    content, predictions = scene
    matches = match_predictions(
        evaluate_images(as_coco(content), predictions, category_ids=CATEGORIES, image_ids=[5, 2, 7])
    )
    assert matches.image_ids == (2, 5, 7)
    counts = Counter([2, 5, 7])
    expected = reference(*repeated(content, predictions, counts))
    np.testing.assert_allclose(average_precisions(matches)[0], expected, atol=1e-12)


def test_many_predictions_are_resampled_in_chunks(scene, monkeypatch):
    content, predictions = scene
    matches = match_predictions(
        evaluate_images(as_coco(content), predictions, category_ids=CATEGORIES)
    )
    weights = resample_images(12, samples=7)
    at_once = average_precisions(matches, weights)
    monkeypatch.setattr('mmpldc.evaluation.bootstrap.MAX_CELLS', 20)
    np.testing.assert_array_equal(average_precisions(matches, weights), at_once)


def test_interval():
    values = np.arange(101) / 100
    assert interval(0.4, values, level=0.9) == pytest.approx((0.4, -0.15, 0.75))
    assert interval(0.4, np.append(values, np.nan), level=0.9) == pytest.approx((0.4, -0.15, 0.75))
    assert np.isnan(interval(float('nan'), values)[1:]).all()
    assert np.isnan(interval(0.4, np.full(3, np.nan))[1:]).all()
