"""Weak labels from a file to the training sample: matched by name, moved with the image."""

import copy
import json
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import ConfigDict
from pycocotools import mask as mask_utils

from mmpldc.datasets.checks import check_datasets
from mmpldc.datasets.checks.config import DataSet
from mmpldc.datasets.shapes import noisy_labels
from mmpldc.datasets.weak_labels import WeakLabelsError, read_weak_labels
from mmpldc.registry import TRANSFORMS

CLASSES = ('cat', 'dog')
SIZE = (40, 60)  # height, width
BOXES = [(4, 4, 16, 16), (30, 10, 20, 20), (24, 2, 30, 6)]
BRANCHES = ['unsup_weak', 'unsup_strong']
PACK = dict(type='mmpldc.PackTrainingInputs', meta_keys=('img_path', 'homography_matrix'))
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations', with_bbox=True, with_mask=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomResize', scale=SIZE[::-1], ratio_range=(0.8, 1.4), keep_ratio=True),
    dict(
        type='RandomCrop',
        crop_size=(28, 28),
        crop_type='absolute',
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
    dict(type='MultiBranch', branch_field=BRANCHES, unsup_weak=[PACK], unsup_strong=[PACK]),
]


def rectangle(x, y, width, height):
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def annotation(number, image, box, category=7, **fields):
    return dict(
        id=number,
        image_id=image,
        category_id=category,
        bbox=list(box),
        area=box[2] * box[3],
        iscrowd=0,
        segmentation=rectangle(*box),
        **fields,
    )


def weak_file():
    """Other ids, order and names than in the unlabelled file; a class that nobody asked for."""
    return dict(
        images=[
            dict(id=71, file_name='b.jpg', height=SIZE[0], width=SIZE[1]),
            dict(id=70, file_name='more/../a.jpg', height=SIZE[0], width=SIZE[1]),
            dict(id=72, file_name='not there.jpg', height=9, width=9),
        ],
        annotations=[
            annotation(1, 70, BOXES[0], score=0.4),
            annotation(2, 70, BOXES[1], category=5, score=0.9, mask_quality=0.8),
            annotation(3, 70, BOXES[2], score=0.6),
            annotation(4, 70, BOXES[2], category=6, score=0.6),
        ],
        categories=[
            dict(id=5, name='dog'),
            dict(id=6, name='owl'),
            dict(id=7, name='cat'),
        ],
    )


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'images').mkdir()
    rng = np.random.default_rng(0)
    for name in ('a', 'b', 'c'):
        image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / f'{name}.jpg'), image)
    images = [
        dict(id=number, file_name=f'{name}.jpg', height=SIZE[0], width=SIZE[1])
        for number, name in enumerate('abc')
    ]
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    coco = dict(images=images, annotations=[], categories=categories)
    (tmp_path / 'unlabeled.json').write_text(json.dumps(coco))
    labeled = coco | dict(annotations=[annotation(1, 2, BOXES[0], category=1)])
    (tmp_path / 'labeled.json').write_text(json.dumps(labeled))
    return tmp_path


@pytest.fixture
def build(root):
    """Build the data set, with these weak labels in its file; None: without any."""

    def build(weak=None, pipeline=PIPELINE, **settings):
        if weak is not None:
            (root / 'weak.json').write_text(json.dumps(weak))
            settings['weak_labels'] = 'weak.json'
        cfg = dict(
            type='mmpldc.SemiDataset',
            data_root=str(root),
            data_prefix=dict(img='images'),
            metainfo=dict(classes=CLASSES),
            labeled=dict(type='CocoDataset', ann_file='labeled.json'),
            unlabeled=dict(type='CocoDataset', ann_file='unlabeled.json', pipeline=pipeline),
            **settings,
        )
        return DATASETS.build(ConfigDict(copy.deepcopy(cfg)))

    return build


def drawn(dataset, index, seed=0):
    np.random.seed(seed)
    return dataset[len(dataset.datasets[0]) + index]


def test_they_are_matched_by_file_and_class_name(build):
    unlabeled = build(weak_file()).datasets[1]
    found = unlabeled.get_data_info(0)['instances']
    assert [one['bbox_label'] for one in found] == [0, 1, 0]
    assert [one['score'] for one in found] == [0.4, 0.9, 0.6]
    assert [one.get('mask_quality') for one in found] == [None, 0.8, None]
    assert [unlabeled.get_data_info(index)['instances'] for index in (1, 2)] == [[], []]


@pytest.mark.parametrize('seed', range(6))
def test_masks_classes_and_scores_move_with_the_image(build, seed):
    """Against each object's rectangle, moved by the view's homography."""
    sample = drawn(build(weak_file()), 0, seed)['data_samples']['unsup_weak']
    given = sample.gt_instances
    masks = given.masks.unpack().numpy()
    homography = sample.homography_matrix
    by_score = {0.4: (BOXES[0], 0), 0.9: (BOXES[1], 1), 0.6: (BOXES[2], 0)}
    assert len(given.scores) == len(given.labels) == len(masks)
    for score, label, mask, quality in zip(
        given.scores.tolist(), given.labels.tolist(), masks, given.mask_quality, strict=True
    ):
        (x, y, width, height), expected_label = by_score[round(score, 4)]
        assert label == expected_label
        assert bool(quality.isnan()) == (label == 0)
        corners = np.array([[x, y, 1], [x + width, y + height, 1]]) @ homography.T
        (left, top), (right, bottom) = np.sort(corners[:, :2], axis=0)
        rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
        depth = np.minimum.reduce([columns - left, right - columns, rows - top, bottom - rows])
        assert mask[depth > 1.5].all() and not mask[depth < -1.5].any()


def test_the_images_are_drawn_as_without(build):
    with_labels, without = build(weak_file()), build()
    for index in range(3):
        first, second = (drawn(dataset, index, seed=index) for dataset in (with_labels, without))
        for view in BRANCHES:
            assert first['inputs'][view].equal(second['inputs'][view])
            instances = second['data_samples'][view].gt_instances
            assert len(instances.labels) == 0 and 'scores' not in instances
            assert 'scores' in first['data_samples'][view].gt_instances


def test_the_best_are_kept_of_many():
    load = TRANSFORMS.build(dict(type='mmpldc.LoadWeakLabels', max_instances=2))
    instances = [
        dict(bbox=[0, 0, 9, 9], bbox_label=1, ignore_flag=0, mask=rectangle(0, 0, 9, 9), score=s)
        for s in (0.2, 0.9, 0.5)
    ]
    image = dict(height=20, width=20, ori_shape=(20, 20), img_shape=(20, 20))
    results = load(image | dict(instances=instances))
    np.testing.assert_allclose(results['weak_labels']['scores'], [0.9, 0.5])
    assert results['gt_bboxes_labels'].tolist() == [0, 1]


def without_score(coco):
    del coco['annotations'][1]['score']


def percent(coco):
    coco['annotations'][1]['score'] = 90


def other_names(coco):
    for image in coco['images']:
        image['file_name'] = 'photos/' + image['file_name']


def other_size(coco):
    coco['images'][1]['width'] = 61


def other_classes(coco):
    for category in coco['categories']:
        category['name'] = category['name'].upper()


def no_box(coco):
    del coco['annotations'][0]['bbox']


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (without_score, r'weak.json: annotation 2: score: missing; must be a number in \[0, 1\]'),
        (percent, r'annotation 2: score: is 90, outside of \[0, 1\]: divide percents by 100'),
        (other_names, r"none for the 3 unlabelled images: .*'photos/b.jpg', must be theirs below"),
        (other_size, r'a.jpg is 61 x 40 px there and 60 x 40 in the unlabelled set'),
        (other_classes, r"no annotation of cat, dog, but of 'CAT', 'DOG'.*--rename"),
        (no_box, r"without what COCO prescribes \(KeyError: 'bbox'\)"),
    ],
)
def test_what_cannot_be_used_is_named(build, spoil, message):
    weak = weak_file()
    spoil(weak)
    with pytest.raises(WeakLabelsError, match=message):
        build(weak)


def test_a_missing_file(tmp_path):
    with pytest.raises(WeakLabelsError, match=r'gone.json: no such file'):
        read_weak_labels(str(tmp_path / 'gone.json'), CLASSES)


def test_a_pipeline_without_a_place_for_them(build):
    pipeline = [PIPELINE[0], *PIPELINE[2:]]
    with pytest.raises(ValueError, match='LoadEmptyAnnotations'):
        build(weak_file(), pipeline=pipeline)


def test_the_check_before_training_looks_at_them(root):
    weak = weak_file()
    weak['annotations'][0]['score'] = None
    weak['annotations'][2]['segmentation'] = [[0, 0, 'x', 1, 2, 3]]
    path = root / 'weak.json'
    path.write_text(json.dumps(weak))
    report = check_datasets([DataSet('weak', 'weak', str(path), classes=CLASSES)])
    where = [finding.where for finding in report.errors]
    assert where == ['annotation 3: segmentation', 'annotation 1: score']


def test_the_tool_repairs_a_foreign_file(run_tool, root):
    foreign = weak_file()
    foreign['images'] = foreign['images'][:2]
    foreign['images'][1]['file_name'] = '/data/export/a.jpg'
    for one in foreign['annotations']:
        one['score'] = str(one['score'])
        del one['bbox'], one['iscrowd']
    foreign['categories'][2]['name'] = 'a cat'
    (root / 'foreign.json').write_text(json.dumps(foreign))
    out = run_tool(
        'dataset/weak_labels.py',
        'foreign.json',
        *('--images', 'images', '--labeled', 'labeled.json', '--out', 'out.json'),
        *('--rename', 'a cat=cat'),
        cwd=root,
    )
    assert 'a text: read as a number' in out and 'out.json: 3 labels on 1 of 2 images' in out
    found = read_weak_labels(str(root / 'out.json'), CLASSES)['a.jpg'].instances
    assert [(one['bbox_label'], one['score']) for one in found] == [(0, 0.4), (1, 0.9), (0, 0.6)]
    np.testing.assert_allclose(found[0]['bbox'], [4, 4, 20, 20])


def many_objects():
    images = [dict(id=n, file_name=f'{n}.jpg', height=40, width=60) for n in range(200)]
    annotations = [
        annotation(5 * n + k, n, (4 + 10 * k, 8, 8, 16), category=k % 3 + 1)
        for n in range(200)
        for k in range(5)
    ]
    categories = [dict(id=n, name=name) for n, name in enumerate('abc', 1)]
    return dict(images=images, annotations=annotations, categories=categories)


def test_noise_made_on_purpose_has_the_faults_that_it_says():
    truth = many_objects()
    before = copy.deepcopy(truth)
    noisy = noisy_labels(truth, seed=3)
    assert truth == before and noisy == noisy_labels(truth, seed=3)
    kept = noisy['annotations']
    assert len(kept) / 1000 == pytest.approx(0.5, abs=0.05)
    own = {(one['image_id'], one['bbox'][0] + 4): one for one in truth['annotations']}

    def original(one):
        centre = one['bbox'][0] + one['bbox'][2] / 2
        return own[one['image_id'], centre]

    wrong = [one['category_id'] != original(one)['category_id'] for one in kept]
    assert np.mean(wrong) == pytest.approx(0.3, abs=0.06)
    assert len(Counter(one['category_id'] for one in kept)) == 3
    scores = np.array([one['score'] for one in kept])
    assert scores[~np.array(wrong)].min() >= 0.5 and scores[np.array(wrong)].max() < 0.8
    growth = np.array([one['area'] / 128 for one in kept])
    assert growth.min() == 1 and 1.1 < growth.mean() < 1.4
    sizes = [mask_utils.decode(one['segmentation']).shape for one in kept]
    assert set(sizes) == {(40, 60)}


def test_no_noise_is_the_truth():
    noisy = noisy_labels(many_objects(), wrong_class=0, missing=0, looseness=0)
    truth = many_objects()['annotations']
    assert [one['bbox'] for one in noisy['annotations']] == [one['bbox'] for one in truth]
    assert [one['category_id'] for one in noisy['annotations']] == [
        one['category_id'] for one in truth
    ]
    assert torch.tensor([one['score'] for one in noisy['annotations']]).min() >= 0.5
