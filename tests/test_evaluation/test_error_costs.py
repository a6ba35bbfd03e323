"""Kinds of errors and their costs, against predictions that were put right by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmpldc.evaluation.bootstrap import (
    average_precisions,
    evaluate_images,
    match_predictions,
    resample_images,
)
from mmpldc.evaluation.error_costs import (
    CORRECT,
    ERROR_KINDS,
    IGNORED,
    error_costs,
    tabulate_errors,
)

SIDE = 100
CATEGORIES = [3, 1, 2]


def box(left, top, width=20, height=20):
    mask = np.zeros((SIDE, SIDE), np.uint8, order='F')
    mask[top : top + height, left : left + width] = 1
    rle = coco_mask.encode(mask)
    return dict(size=rle['size'], counts=rle['counts'].decode())


def coco_of(objects, num_images):
    """Objects are (image, category, RLE, crowd)."""
    annotations = [
        dict(
            id=number,
            image_id=image,
            category_id=category,
            segmentation=rle,
            area=float(coco_mask.area(rle)),
            bbox=coco_mask.toBbox(rle).tolist(),
            iscrowd=crowd,
        )
        for number, (image, category, rle, crowd) in enumerate(objects, 1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(
            images=[dict(id=i, height=SIDE, width=SIDE) for i in range(1, num_images + 1)],
            annotations=annotations,
            categories=[dict(id=i, name=str(i)) for i in CATEGORIES],
        )
        coco.createIndex()
    return coco


def predict(*found):
    """Predictions are (image, category, RLE, score)."""
    names = 'image_id', 'category_id', 'segmentation', 'score'
    return [dict(zip(names, one, strict=True)) for one in found]


def test_each_kind():
    truth = coco_of(
        [
            (1, 1, box(0, 0), 0),  # found twice
            (1, 2, box(40, 0), 0),  # found as class 3
            (1, 2, box(0, 40), 0),  # found badly
            (1, 3, box(70, 70), 0),  # missed
            (1, 3, box(40, 40), 1),  # a crowd
        ],
        num_images=2,
    )
    predictions = predict(
        (1, 1, box(0, 0), 0.9),
        (1, 1, box(1, 0), 0.8),
        (1, 3, box(40, 1), 0.7),
        (1, 2, box(8, 46), 0.6),
        (1, 1, box(70, 40), 0.5),
        (1, 1, box(8, 46), 0.4),  # an object of class 2, badly
        (1, 3, box(42, 42), 0.3),  # on the crowd
        (2, 1, box(0, 0), 0.2),  # in an image without objects
    )
    table = tabulate_errors(evaluate_images(truth, predictions, category_ids=CATEGORIES))
    by_prediction = dict(zip(table.prediction.tolist(), table.kind.tolist(), strict=True))
    names = [
        {CORRECT: 'correct', IGNORED: 'ignored'}.get(kind) or ERROR_KINDS[kind]
        for _, kind in sorted(by_prediction.items())
    ]
    assert names == [
        'correct',
        'duplicate',
        'category',
        'localisation',
        'background',
        'both',
        'ignored',
        'background',
    ]
    targets = dict(zip(table.prediction.tolist(), table.target.tolist(), strict=True))
    assert [targets[index] for index in range(6)] == [1, 1, 2, 3, 0, 3]
    assert table.object_id[table.found].tolist() == [1]
    assert table.object_id[table.missed].tolist() == [4]
    assert table.counts() == dict(
        localisation=1, category=1, duplicate=1, background=2, both=1, missed=1
    )


@pytest.fixture(scope='module')
def random_scene():
    """Objects on a grid, so that putting one prediction right affects no other object."""
    generator = np.random.default_rng(5)
    objects, found = [], []
    for image in range(1, 41):
        for left in (5, 55):
            for top in (5, 55):
                if generator.random() < 0.3:
                    continue
                category = int(generator.choice(CATEGORIES))
                objects.append((image, category, box(left, top, 30, 30), 0))
                for _ in range(generator.integers(0, 3)):
                    shift = generator.choice([0, 2, 14], size=2)
                    guess = category if generator.random() < 0.6 else int(generator.choice([1, 2]))
                    rle = box(left + shift[0], top + shift[1], 30, 30)
                    found.append((image, guess, rle, float(generator.random())))
                if generator.random() < 0.3:
                    found.append((image, 3, box(left, top, 6, 6), float(generator.random())))
    return coco_of(objects, 40), predict(*found)


def ap50(truth, predictions, weights=None):
    matches = match_predictions(evaluate_images(truth, predictions, category_ids=CATEGORIES))
    return average_precisions(matches, weights)[:, :, 0, 0].mean(axis=1)


def put_right(truth, predictions, table, kind):
    """Carry out what ``error_costs`` says, and evaluate anew."""
    annotations = {one['id']: one for one in truth.dataset['annotations']}
    if kind == 'missed':
        gone = set(table.object_id[table.missed].tolist())
        kept = [
            (one['image_id'], one['category_id'], one['segmentation'], 0)
            for one in annotations.values()
            if one['id'] not in gone
        ]
        return coco_of(kept, 40), predictions
    fixable = [
        (score, row) for row, score in enumerate(table.score.tolist()) if table.kind[row] in (0, 1)
    ]
    found = set(table.object_id[table.found].tolist())
    best = {}
    for _, row in sorted(fixable, reverse=True):
        if table.target[row] not in found:
            best.setdefault(table.target[row], row)
    changed = []
    for row, index in enumerate(table.prediction.tolist()):
        one = dict(predictions[index])
        if table.kind[row] == ERROR_KINDS.index(kind):
            if best.get(table.target[row]) != row:
                continue
            target = annotations[int(table.target[row])]
            one |= dict(category_id=target['category_id'], segmentation=target['segmentation'])
        changed.append(one)
    return truth, changed


@pytest.mark.parametrize('kind', ERROR_KINDS)
def test_costs_are_those_of_predictions_put_right(random_scene, kind):
    truth, predictions = random_scene
    table = tabulate_errors(evaluate_images(truth, predictions, category_ids=CATEGORIES))
    assert table.counts()[kind] > 3
    weights = np.concatenate([np.ones((1, 40), int), resample_images(40, samples=3)])
    costs = error_costs(table, weights)
    before = ap50(truth, predictions, weights)
    np.testing.assert_allclose(costs['ap50'], before, atol=1e-12)
    after = ap50(*put_right(truth, predictions, table, kind), weights)
    np.testing.assert_allclose(costs[kind], np.maximum(after - before, 0), atol=1e-12)
    if kind != 'both':
        assert costs[kind][0] > 0


def test_a_class_that_is_never_found_costs_its_share():
    truth = coco_of([(1, 1, box(0, 0), 0), (1, 2, box(50, 50), 0)], num_images=1)
    table = tabulate_errors(
        evaluate_images(truth, predict((1, 1, box(0, 0), 0.9)), category_ids=CATEGORIES)
    )
    costs = error_costs(table)
    assert costs['ap50'] == pytest.approx(0.5)
    assert costs['missed'] == pytest.approx(0.5)
    nothing = tabulate_errors(evaluate_images(truth, [], category_ids=CATEGORIES))
    assert (error_costs(nothing)['ap50'], error_costs(nothing)['missed']) == (0, 1)
    no_objects = tabulate_errors(evaluate_images(coco_of([], 1), [], category_ids=CATEGORIES))
    assert np.isnan(error_costs(no_objects)['ap50']).all()
