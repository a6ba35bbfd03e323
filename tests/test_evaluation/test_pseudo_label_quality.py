"""Pseudo-labels against annotations: a table of cases counted by hand."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import nn

from mmpldc.evaluation.pseudo_label_quality import (
    PseudoLabelTable,
    compare_candidates,
    compare_pseudo_labels,
    logits_in_original_frame,
)
from mmpldc.functional import pairwise_mask_iou


def table(rows, num_images=2, num_targets=4):
    """Rows of (image, label, iou, target, target's label)."""
    image, label, iou, target, target_label = (
        np.array(column) for column in (zip(*rows, strict=True) if rows else np.zeros((5, 0), int))
    )
    ones = np.ones(len(rows))
    return PseudoLabelTable(
        image=image,
        class_quality=ones,
        mask_quality=ones,
        label=label,
        teacher_label=np.zeros(len(rows), int),
        iou=iou,
        target=target,
        target_label=target_label,
        same_class_iou=iou * (label == target_label),
        target_labels=np.zeros(num_targets, int),
        num_images=num_images,
    )


@pytest.mark.parametrize(
    ('rows', 'expected'),
    [
        pytest.param([], (0, 0, 0, 0, 0, 0), id='nothing kept'),
        pytest.param([(0, 1, 0.8, 0, 1)], (0.5, 1, 1, 1, 0.25, 0.8), id='one right'),
        pytest.param([(0, 2, 0.8, 0, 1)], (0.5, 1, 0, 0, 0, 0.8), id='wrong class'),
        pytest.param([(0, 1, 0.4, 0, 1)], (0.5, 0, 0, 0, 0, 0), id='wrong mask'),
        pytest.param(
            [(0, 1, 0.9, 0, 1), (0, 1, 0.7, 0, 1)], (1, 0.5, 1, 0.5, 0.25, 0.8), id='duplicate'
        ),
        pytest.param([(0, 1, 0.0, -1, -1)], (0.5, 0, 0, 0, 0, 0), id='image without objects'),
    ],
)
def test_summary(rows, expected):
    summary = table(rows).summary()
    names = (
        'kept_per_image',
        'mask_precision',
        'class_accuracy',
        'precision',
        'recall',
        'mask_iou',
    )
    assert [summary[name] for name in names] == pytest.approx(expected)


def test_teachers_class_before_correction():
    """By the teacher all labels are of class 0."""
    rows = [(0, 0, 0.8, 0, 0), (0, 1, 0.8, 1, 1), (1, 0, 0.8, 2, 1), (1, 0, 0.3, 3, 0)]
    summary = table(rows).summary()
    assert summary['class_accuracy'] == pytest.approx(2 / 3)
    assert summary['teacher_class_accuracy'] == pytest.approx(1 / 3)


def test_select_keeps_the_totals():
    selected = table([(0, 1, 0.9, 0, 1), (1, 0, 0.9, 1, 0)]).select(np.array([False, True]))
    assert (len(selected.label), selected.num_images, selected.num_targets) == (1, 2, 4)
    assert selected.label.tolist() == [0]


def test_mask_iou_equals_a_loop():
    first, second = torch.rand(3, 6, 5) > 0.4, torch.rand(4, 6, 5) > 0.6
    expected = [[((a & b).sum() / (a | b).sum()).item() for b in second] for a in first]
    torch.testing.assert_close(pairwise_mask_iou(first, second), torch.tensor(expected))
    assert pairwise_mask_iou(first[:1] & False, second[:1] & False).item() == 0


def test_padding_is_cut_off_before_the_image_is_resized():
    """A 16 x 16 image shrunk to 8 x 8, padded to 8 x 16, predicted at stride 4."""
    logits = torch.full((1, 2, 4), -9.0)
    logits[0, :, 2:] = 9.0  # right half: padding only
    metainfo = dict(batch_input_shape=(8, 16), img_shape=(8, 8), ori_shape=(16, 16))
    assert logits_in_original_frame(logits, metainfo).shape == (1, 16, 16)
    assert (logits_in_original_frame(logits, metainfo) > 0).sum() <= 2 * 16  # the blurred border
    assert logits_in_original_frame(logits[:0], metainfo).shape == (0, 16, 16)


class FixedLabels(nn.Module):
    """A model whose pseudo-labels are the given instances."""

    def __init__(self, instances):
        super().__init__()
        self.instances = instances

    def data_preprocessor(self, batch, training):
        assert not training
        return batch

    def get_pseudo_instances(self, images, samples):
        assert not self.training
        return self.instances


def annotated_image(masks, labels):
    size = dict(batch_input_shape=(8, 8), img_shape=(8, 8), ori_shape=(8, 8))
    sample = DetDataSample(metainfo=size)
    sample.gt_instances = InstanceData(
        masks=BitmapMasks(masks, 8, 8), labels=torch.tensor(labels, dtype=torch.long)
    )
    return sample


def pseudo(masks, labels, teacher_labels=None):
    ones = torch.ones(len(labels))
    likeliest = torch.tensor(labels if teacher_labels is None else teacher_labels, dtype=torch.long)
    return InstanceData(
        cls_logits=torch.nn.functional.one_hot(likeliest, 4).float(),  # 3 classes
        mask_logits=torch.as_tensor(masks).float() * 18 - 9,
        labels=torch.tensor(labels, dtype=torch.long),
        class_quality=ones,
        mask_quality=ones,
    )


def test_images_are_compared_with_their_own_annotations():
    left, right = np.zeros((2, 8, 8), np.uint8)
    left[:, :4], right[:, 4:] = 1, 1
    samples = [
        annotated_image([left, right], [0, 1]),
        annotated_image([], []),
        annotated_image([left], [2]),
    ]
    model = FixedLabels(
        [
            pseudo(np.stack([right, left]), [1, 1]),
            pseudo(left[None], [0]),
            pseudo(left[None][:0], []),
        ]
    )
    compared = compare_pseudo_labels(model, [dict(inputs=None, data_samples=samples)])
    assert compared.image.tolist() == [0, 0, 1]
    assert compared.target.tolist() == [1, 0, -1]
    assert compared.target_label.tolist() == [1, 0, -1]
    assert compared.iou.tolist() == [1, 1, 0]
    assert (compared.num_images, compared.num_targets) == (3, 3)
    assert compared.target_labels.tolist() == [0, 1, 2]
    assert compared.summary()['precision'] == pytest.approx(1 / 3)


def test_overlap_with_the_own_class():
    """The object overlapped most has another class; the own class has two, one of them nearer."""
    label, other, near, far = np.zeros((4, 8, 8), np.uint8)
    label[:4], other[:3], near[3:5], far[4:] = 1, 1, 1, 1
    samples = [annotated_image([far, other, near], [1, 0, 1])]
    model = FixedLabels([pseudo(np.stack([label] * 2), [1, 2])])
    compared = compare_pseudo_labels(model, [dict(inputs=None, data_samples=samples)])
    assert compared.target_label.tolist() == [0, 0]
    np.testing.assert_allclose(compared.iou, 3 / 4)
    np.testing.assert_allclose(compared.same_class_iou, [1 / 5, 0])


def test_candidates_are_compared_instead_of_labels():
    class Model(FixedLabels):
        def get_pseudo_instances(self, images, samples):
            raise AssertionError('labels are not asked for')

        def get_candidates(self, images, samples, *, min_class_quality):
            assert min_class_quality == 0.1
            return super().get_pseudo_instances(images, samples)

    model = Model([pseudo(np.zeros((0, 8, 8)), [])])
    batches = [dict(inputs=None, data_samples=[annotated_image([], [])])]
    assert len(compare_candidates(model, batches, min_class_quality=0.1).iou) == 0
