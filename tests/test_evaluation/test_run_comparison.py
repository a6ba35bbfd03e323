"""Two models on the same images: values, gains from the same resamples, and the verdict."""

from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmpldc.evaluation.bootstrap import (
    average_precisions,
    evaluate_images,
    match_predictions,
    mean_ap,
)
from mmpldc.evaluation.run_comparison import compare_matches

CLASSES = (1, 2, 3)  # the last one has no object
NUM_IMAGES = 12


def rle(x, y):
    mask = np.zeros((64, 64), np.uint8, order='F')
    mask[y : y + 20, x : x + 20] = 1
    return dict(coco_mask.encode(mask))


@pytest.fixture(scope='module')
def models():
    """Matches of a model that is right in most images, of one in few, and of the truth itself."""
    rng = np.random.default_rng(0)
    objects, good, bad, truth = [], [], [], []
    for image in range(NUM_IMAGES):
        for _ in range(rng.integers(1, 4)):
            category, x, y = int(rng.integers(1, 3)), *map(int, rng.integers(0, 30, 2))
            entry = dict(image_id=image, category_id=category, segmentation=rle(x, y))
            objects.append(entry | dict(id=len(objects) + 1, iscrowd=0, area=400))
            truth.append(entry | dict(score=0.9))
            for model, share in ((good, 0.9), (bad, 0.3)):
                place = rle(x, y) if rng.random() < share else rle(63 - 20 - x, 43 - y)
                model.append(entry | dict(segmentation=place, score=float(rng.random())))
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=k, width=64, height=64) for k in range(NUM_IMAGES)],
        annotations=objects,
        categories=[dict(id=k, name=str(k)) for k in CLASSES],
    )
    coco.createIndex()
    return [
        match_predictions(evaluate_images(coco, one, category_ids=CLASSES))
        for one in (bad, good, truth)
    ]


def test_values_are_those_of_the_set(models):
    bad, good, truth = models
    found = compare_matches(bad, good, samples=50)
    for model, values in ((bad, found.first), (good, found.second)):
        precisions = average_precisions(model)
        assert values['AP'].value == mean_ap(precisions)[0, 0]
        assert values['AP50'].value == mean_ap(precisions[..., :1])[0, 0]
        assert values['AP75'].value == mean_ap(precisions[..., 5:6])[0, 0]
    for name in found.gain:
        difference = found.second[name].value - found.first[name].value
        assert found.gain[name].value == pytest.approx(difference)
    assert found.num_images == NUM_IMAGES
    assert np.isnan(found.per_class[2]).all() and not np.isnan(found.per_class[:2]).any()
    perfect = compare_matches(bad, truth, samples=50)
    assert perfect.second['AP'] == pytest.approx((1, 1, 1))


def test_verdicts(models):
    bad, good, _ = models
    assert compare_matches(bad, good, samples=200).verdict == 'better'
    assert compare_matches(good, bad, samples=200).verdict == 'worse'
    same = compare_matches(good, good, samples=50)
    assert same.verdict == 'unclear' and same.gain['AP'] == (0, 0, 0) and same.share_better == 0
    assert compare_matches(bad, good, samples=20).share_better == 1


def test_other_images_are_refused(models):
    bad, good, _ = models
    other = replace(good, image_ids=good.image_ids[:-1])
    with pytest.raises(ValueError, match='other images'):
        compare_matches(bad, other)
