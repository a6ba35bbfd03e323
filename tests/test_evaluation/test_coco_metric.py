"""Against mmdet's CocoMetric over pycocotools, on generated scenes with made-up predictions."""

import copy
import json
import sys

import numpy as np
import pytest
import torch
from mmdet.evaluation.metrics import CocoMetric as MMDetCocoMetric
from mmdet.evaluation.metrics import coco_metric as mmdet_module
from mmdet.registry import METRICS
from mmengine.logging import MMLogger
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpldc.datasets.shapes import CLASSES, ShapesSpec
from mmpldc.datasets.shapes.dataset import write_coco_split
from mmpldc.evaluation.coco_metric import CocoMetric, faster_evaluator, with_summary
from mmpldc.utils.run_lengths import encode_masks

NUM_IMAGES, SIZE = 6, 240
MANY = 250  # more than the 100 of a class that COCO's AP counts
STATS = ['mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l'] + [
    f'AR{suffix}' for suffix in ('@100', '@300', '@1000', '_s@1000', '_m@1000', '_l@1000')
]


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    """Scenes; one object of the first is a crowd, one of the third large; the last has none."""
    root = tmp_path_factory.mktemp('shapes')
    spec = ShapesSpec(image_size=SIZE, objects_per_image=(4, 6), object_size=(0.1, 0.6))
    (root / 'annotations').mkdir()
    coco = write_coco_split(root, 'test', NUM_IMAGES, seed=0, spec=spec, workers=1)
    coco['annotations'][0]['iscrowd'] = 1
    large = np.zeros((SIZE, SIZE), np.uint8, order='F')
    large[40:200, 20:180] = 1
    rle = coco_mask.encode(large)
    coco['annotations'].append(
        dict(
            id=1 + max(annotation['id'] for annotation in coco['annotations']),
            image_id=coco['images'][2]['id'],
            category_id=1,
            iscrowd=0,
            area=int(large.sum()),
            bbox=[20, 40, 160, 160],
            segmentation=dict(size=[SIZE, SIZE], counts=rle['counts'].decode()),
        )
    )
    last = coco['images'][-1]['id']
    coco['annotations'] = [a for a in coco['annotations'] if a['image_id'] != last]
    return coco


@pytest.fixture(scope='module')
def ann_file(coco, tmp_path_factory):
    path = tmp_path_factory.mktemp('annotations') / 'test.json'
    path.write_text(json.dumps(coco))
    return str(path)


def make_predictions(coco, *, extra=4, seed=0):
    """Each object shifted by some pixels, its class sometimes another; and rectangles.

    Scores have one digit, so that many are equal. The second image has no prediction. MANY
    rectangles are all of one class.
    """
    rng = np.random.default_rng(seed)
    samples = []
    for image in coco['images']:
        masks, labels = [], []
        for annotation in coco['annotations']:
            if annotation['image_id'] == image['id']:
                mask = coco_mask.decode(annotation['segmentation'])
                masks.append(np.roll(mask, rng.integers(-4, 5, 2), axis=(0, 1)).astype(bool))
                wrong = rng.random() < 0.2
                labels.append(
                    rng.integers(len(CLASSES)) if wrong else annotation['category_id'] - 1
                )
        for _ in range(extra):
            mask = np.zeros((SIZE, SIZE), bool)
            (top, left), (height, width) = rng.integers(0, 150, 2), rng.integers(1, 150, 2)
            mask[top : top + height, left : left + width] = True
            masks.append(mask)
            labels.append(0 if extra == MANY else rng.integers(len(CLASSES)))
        order = rng.permutation(0 if image['id'] == 2 else len(masks))
        masks = torch.from_numpy(np.array(masks)[order].reshape(-1, SIZE, SIZE))
        instances = dict(
            masks=masks,
            labels=torch.from_numpy(np.array(labels, int)[order]),
            scores=torch.from_numpy(rng.random(len(order)).round(1)).float(),
            bboxes=torch.from_numpy(rng.uniform(0, 99, (len(order), 4))).float().cumsum(1),
        )
        samples.append(dict(pred_instances=instances, img_id=image['id'], ori_shape=(SIZE, SIZE)))
    return samples


def evaluate(metric, samples):
    metric.dataset_meta = dict(classes=CLASSES)
    for start in range(0, len(samples), 4):
        batch = samples[start : start + 4]
        metric.process({}, batch)
    return metric.evaluate(NUM_IMAGES)


@pytest.mark.parametrize('backend', ['pycocotools', 'faster_coco_eval'])
@pytest.mark.parametrize(
    ('metric', 'extra'), [('segm', 4), ('segm', MANY), (['bbox', 'segm'], 4), ('proposal', 4)]
)
def test_equals_mmdet(coco, ann_file, backend, metric, extra):
    """All 12 numbers, also where an image has more than 100 predictions."""
    if backend == 'faster_coco_eval':
        pytest.importorskip(backend)
    samples = make_predictions(coco, extra=extra)
    untouched = copy.deepcopy(samples)
    metric_items = None if metric == 'proposal' else STATS
    options = dict(ann_file=ann_file, metric=metric, metric_items=metric_items)
    results = evaluate(CocoMetric(backend=backend, **options), samples)
    expected = evaluate(MMDetCocoMetric(**options), samples)
    if extra == MANY:  # mmdet's AP is at 100 predictions; that of classes at the most
        by_class = evaluate(MMDetCocoMetric(**options | dict(classwise=True)), samples)
        own = [by_class[f'coco/{name}_precision'] for name in CLASSES]
        expected['coco/segm_mAP'] = pytest.approx(np.nanmean(own), abs=1e-3)
    assert results == expected
    assert mmdet_module.COCOeval is COCOeval
    for sample, before in zip(samples, untouched, strict=True):
        for name, value in before['pred_instances'].items():
            assert torch.equal(sample['pred_instances'][name], value)
    if metric == 'segm':
        assert len(results) == len(STATS)
        assert all(0 < results[f'coco/segm_{name}'] <= 1 for name in STATS)


def test_stats_of_the_backends_agree_unrounded(coco, ann_file):
    pytest.importorskip('faster_coco_eval')
    predictions = [
        dict(
            image_id=sample['img_id'],
            category_id=int(label) + 1,
            score=float(score),
            segmentation=rle,
        )
        for sample in make_predictions(coco, extra=MANY)
        for label, score, rle in zip(
            sample['pred_instances']['labels'],
            sample['pred_instances']['scores'],
            encode_masks(sample['pred_instances']['masks']),
            strict=True,
        )
    ]
    stats = []
    for evaluator in map(with_summary, (COCOeval, faster_evaluator())):
        truth = COCO(ann_file)
        evaluation = evaluator(truth, truth.loadRes(copy.deepcopy(predictions)), 'segm')
        evaluation.params.maxDets = [100, 300, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        stats.append(evaluation.stats)
    np.testing.assert_allclose(stats[0], stats[1], rtol=0, atol=1e-12)
    assert stats[0][6] < stats[0][7]  # AR at 100 and 300: the limit matters in these data


@pytest.mark.parametrize('backend', ['pycocotools', 'faster_coco_eval'])
def test_classes_are_printed(coco, ann_file, backend, monkeypatch):
    if backend == 'faster_coco_eval':
        pytest.importorskip(backend)
    samples = make_predictions(coco)
    options = dict(ann_file=ann_file, metric='segm', classwise=True)
    lines = []
    monkeypatch.setattr(MMLogger, 'info', lambda _, message, *args: lines.append(str(message)))
    expected = evaluate(MMDetCocoMetric(**options), samples)
    (table,) = (line for line in lines if 'category' in line)
    assert all(name in table for name in CLASSES)
    results = evaluate(CocoMetric(backend=backend, **options), samples)
    assert lines.count(table) == 2
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        assert results[name] == pytest.approx(value, nan_ok=True), name


@pytest.mark.parametrize('backend', ['pycocotools', 'faster_coco_eval'])
def test_no_prediction_at_all(coco, ann_file, backend):
    if backend == 'faster_coco_eval':
        pytest.importorskip(backend)
    samples = make_predictions(coco)
    for sample in samples:
        predicted = sample['pred_instances']
        sample['pred_instances'] = {name: value[:0] for name, value in predicted.items()}
    options = dict(ann_file=ann_file, metric='segm')
    assert evaluate(CocoMetric(backend=backend, **options), samples) == evaluate(
        MMDetCocoMetric(**options), samples
    )


def test_masks_that_are_run_lengths_already(coco, ann_file):
    samples = make_predictions(coco)
    expected = evaluate(MMDetCocoMetric(ann_file=ann_file, metric='segm'), samples)
    for sample in samples:
        masks = sample['pred_instances']['masks']
        sample['pred_instances']['masks'] = [
            coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks.numpy()
        ]
    assert evaluate(CocoMetric(ann_file=ann_file, metric='segm'), samples) == expected


@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (40, 30), (1, 70), (70, 1)])
def test_encode_masks(shape):
    masks = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0)) > 0.6
    masks = torch.cat([masks, torch.zeros(1, *shape).bool(), torch.ones(1, *shape).bool()])
    encoded = encode_masks(masks)
    for rle, mask in zip(encoded, masks.numpy(), strict=True):
        # by hand: lengths of runs down the columns, the first one of zeros
        values = mask.T.ravel()
        lengths, run, current = [], 0, False
        for value in values:
            if value != current:
                lengths.append(run)
                run, current = 0, value
            run += 1
        expected = coco_mask.frPyObjects(dict(size=list(shape), counts=[*lengths, run]), *shape)
        assert rle == expected
        assert np.array_equal(coco_mask.decode(rle), mask)
    assert encode_masks(masks.transpose(1, 2)) == encode_masks(masks.transpose(1, 2).contiguous())
    assert encode_masks(masks[:0]) == []


def test_is_built_from_a_config():
    metric = METRICS.build(dict(type='mmpldc.CocoMetric', metric='segm'))
    assert isinstance(metric, CocoMetric)
    assert METRICS.get('CocoMetric') is MMDetCocoMetric


@pytest.mark.parametrize('proposal_nums', [(100, 300, 1000), (300, 1, 10)])
def test_truth_against_itself_is_1_with_300_objects_in_an_image(tmp_path, proposal_nums, capsys):
    """AP is at the largest number of predictions, which the table names."""
    side, masks = 60, []
    for number in range(300):
        mask = np.zeros((side, side), bool)
        top, left = number // 20 * 4, number % 20 * 3
        mask[top : top + 3, left : left + 2] = True
        masks.append(mask)
    truth = [
        dict(
            id=number,
            image_id=1,
            category_id=1,
            bbox=[0, 0, 2, 3],
            area=6,
            iscrowd=0,
            segmentation=dict(rle, counts=rle['counts'].decode()),
        )
        for number, rle in enumerate(encode_masks(torch.from_numpy(np.array(masks))), 1)
    ]
    path = tmp_path / 'truth.json'
    images = [dict(id=1, file_name='1.jpg', height=side, width=side)]
    categories = [dict(id=1, name=CLASSES[0])]
    path.write_text(json.dumps(dict(images=images, annotations=truth, categories=categories)))
    metric = CocoMetric(ann_file=str(path), metric='segm', proposal_nums=proposal_nums)
    metric.dataset_meta = dict(classes=CLASSES[:1])
    predictions = dict(
        masks=torch.from_numpy(np.array(masks)),
        labels=torch.zeros(300, dtype=torch.long),
        scores=torch.ones(300),
        bboxes=torch.zeros(300, 4),
    )
    metric.process({}, [dict(pred_instances=predictions, img_id=1, ori_shape=(side, side))])
    results = metric.evaluate(1)
    assert (results['coco/segm_mAP'], results['coco/segm_mAP_l']) == (1.0, -1.0)
    table = [line for line in capsys.readouterr().out.splitlines() if 'maxDets' in line]
    assert len(table) == 12 and f'maxDets={max(proposal_nums):>4} ] = 1.000' in table[0]
    assert table[5].endswith('] = -') and not any('-1.000' in line for line in table)


@pytest.mark.parametrize('nums', [(300,), (100, 300), (0, 1, 2), 5, (1, 2, 2)])
def test_numbers_of_predictions_that_give_no_ap_are_refused(nums):
    with pytest.raises(ValueError, match='must be three different numbers'):
        CocoMetric(proposal_nums=nums)


def test_bad_options(monkeypatch):
    with pytest.raises(ValueError, match=r"backend is one of \('pycocotools', .*got 'numpy'"):
        CocoMetric(backend='numpy')
    with pytest.raises(ValueError, match='use_mp_eval needs backend="pycocotools"'):
        CocoMetric(backend='faster_coco_eval', use_mp_eval=True)
    monkeypatch.setitem(sys.modules, 'faster_coco_eval', None)
    with pytest.raises(ImportError, match='pip install faster-coco-eval'):
        CocoMetric(backend='faster_coco_eval')
    CocoMetric(use_mp_eval=True)
