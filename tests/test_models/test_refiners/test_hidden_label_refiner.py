"""Oracles: the faults of pseudo-labels mended by hidden annotations."""

import json

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmpldc.models import HiddenLabelRefiner

SIZE, STRIDE = 64, 4
FLIP = np.array([[-1.0, 0.0, 64.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
BOXES = [(0, 0, 24, 24), (32, 32, 24, 24), (40, 4, 20, 20)]  # x, y, width, height
CLASSES = ('cat', 'dog')
LABELS = [0, 1, 1]


@pytest.fixture
def ann_file(tmp_path):
    """One image with three objects; the categories are numbered otherwise than the classes."""
    annotations = [
        dict(
            id=number,
            image_id=7,
            category_id=[5, 3][label],
            bbox=[x, y, w, h],
            area=w * h,
            iscrowd=0,
            segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
        )
        for number, ((x, y, w, h), label) in enumerate(zip(BOXES, LABELS, strict=True))
    ]
    content = dict(
        images=[dict(id=7, width=SIZE, height=SIZE, file_name='7.jpg')],
        categories=[dict(id=3, name='dog'), dict(id=5, name='cat')],
        annotations=annotations,
    )
    path = tmp_path / 'hidden.json'
    path.write_text(json.dumps(content))
    return str(path)


def mask_of(box, flip=False):
    x, y, w, h = (value // STRIDE for value in box)
    mask = torch.full((SIZE // STRIDE, SIZE // STRIDE), -3.0)
    mask[y : y + h, x : x + w] = 3.0
    return mask.flip(-1) if flip else mask


def pseudo_labels(flip=False):
    """Of object 0 with the wrong class, of object 1 with the right one, and one of nothing."""
    masks = [mask_of(box, flip) for box in (BOXES[0], BOXES[1], (0, 40, 16, 16))]
    masks[1][10, :2] = 3.0  # not the exact mask
    quality = torch.tensor([0.9, 0.8, 0.7])
    return InstanceData(
        labels=torch.tensor([1, 1, 0]),
        class_quality=quality,
        mask_quality=quality,
        scores=quality**2,
        mask_logits=torch.stack(masks),
        cls_logits=torch.randn(3, 3),
    )


def mend(ann_file, labels, flip=False, **options):
    refiner = HiddenLabelRefiner(ann_file=ann_file, **options)
    refiner.prepare(CLASSES, torch.device('cpu'))
    meta = dict(img_id=7, img_shape=(SIZE, SIZE))
    if flip:
        meta['homography_matrix'] = FLIP
    (mended,) = refiner(
        [labels], torch.zeros(1, 3, SIZE, SIZE), [DetDataSample(metainfo=meta)], None, None
    )
    return mended


@pytest.mark.parametrize('flip', [False, True])
def test_all_four_give_the_true_labels_in_the_views_frame(ann_file, flip):
    options = dict(classes=True, masks=True, drop_wrong=True, add_missing=1.0)
    mended = mend(ann_file, pseudo_labels(flip), flip, **options)
    assert mended.labels.tolist() == LABELS
    expected = torch.stack([mask_of(box, flip) for box in BOXES]) > 0
    assert ((mended.mask_logits > 0) == expected).all()
    assert mended.corrected.tolist() == [True, False, False]
    assert mended.cls_logits[2].argmax() == LABELS[2] and mended.scores[2] == 1


def test_classes_alone(ann_file):
    labels = pseudo_labels()
    mended = mend(ann_file, labels, classes=True)
    assert mended.labels.tolist() == [0, 1, 0]
    assert mended.mask_logits.equal(labels.mask_logits)
    assert labels.labels.tolist() == [1, 1, 0]  # not modified


def test_wrong_ones_dropped(ann_file):
    assert mend(ann_file, pseudo_labels(), drop_wrong=True).labels.tolist() == [1]
    mended = mend(ann_file, pseudo_labels(), drop_wrong=True, classes=True)
    assert mended.labels.tolist() == [0, 1]


def test_missing_ones_alone(ann_file):
    mended = mend(ann_file, pseudo_labels(), add_missing=1.0)
    assert mended.labels.tolist() == [1, 1, 0, 1]


def test_the_object_of_a_dropped_label_is_missing(ann_file):
    mended = mend(ann_file, pseudo_labels(), drop_wrong=True, add_missing=1.0)
    assert mended.labels.tolist() == [1, 0, 1]  # of objects 1, 0 and 2


def test_added_labels_have_what_other_parts_noted(ann_file):
    labels = pseudo_labels()
    labels.weak = torch.tensor([True, False, True])
    mended = mend(ann_file, labels, add_missing=1.0)
    assert mended.weak.tolist() == [True, False, True, False]


def test_a_share_of_the_truth_is_the_same_each_time(ann_file):
    options = dict(iou_thr=1.1, drop_wrong=True, add_missing=0.25)  # no label has such an IoU
    first, second = (mend(ann_file, pseudo_labels(), **options) for _ in range(2))
    assert first.labels.tolist() == second.labels.tolist() == [0, 1]  # ids 0 and 2


def test_no_label_and_no_object(ann_file):
    empty = pseudo_labels()[torch.zeros(3, dtype=torch.bool)]
    assert len(mend(ann_file, empty, classes=True, masks=True, drop_wrong=True)) == 0
    assert len(mend(ann_file, empty, add_missing=1.0)) == 3
