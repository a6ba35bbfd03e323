"""Ground truth and pseudo-labels as the loss reads them."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData

from mmpldc.functional import mask_uncertainty
from mmpldc.models.dense_heads import MaskTargets

CPU = torch.device('cpu')


def ground_truth(count, size=(8, 6)):
    masks = (np.random.default_rng(count).random((count, *size)) > 0.5).astype(np.uint8)
    return InstanceData(
        labels=torch.arange(count), masks=BitmapMasks(masks, *size), bboxes=torch.zeros(count, 4)
    )


def pseudo(count, size=(4, 3), dtype=torch.float32):
    return InstanceData(
        labels=torch.arange(count), mask_logits=(5 * torch.randn(count, *size)).to(dtype)
    )


def read(maps, points):
    grid = 2 * points[:, :, None] - 1
    return F.grid_sample(maps.float()[:, None], grid, align_corners=False)[:, 0, :, 0]


def test_ground_truth_is_collected_image_after_image():
    instances = [ground_truth(3), ground_truth(0), ground_truth(2)]
    targets = MaskTargets.from_instances(instances, CPU)
    assert len(targets) == 5
    assert targets.sizes == [3, 0, 2]
    assert targets.labels.tolist() == [0, 1, 2, 0, 1]
    assert targets.labels.dtype == torch.int64
    assert targets.maps.dtype == torch.uint8
    expected = np.concatenate([i.masks.masks for i in instances])
    assert (targets.maps.numpy() == expected).all()


def test_polygons_are_ground_truth_too():
    square = np.array([2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0])
    instances = [
        InstanceData(labels=torch.tensor([1]), masks=PolygonMasks([[square]], 8, 8)),
        InstanceData(labels=torch.zeros(0, dtype=torch.long), masks=PolygonMasks([], 8, 8)),
    ]
    targets = MaskTargets.from_instances(instances, CPU)
    assert targets.maps.shape == (1, 8, 8)
    assert targets.maps.dtype == torch.uint8
    inside, outside = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[0.1, 0.1]]])
    assert targets.sample(torch.tensor([0]), inside).item() == 1
    assert targets.sample(torch.tensor([0]), outside).item() == 0


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_pseudo_labels_stay_logits(dtype):
    instances = [pseudo(2, dtype=dtype), pseudo(0, dtype=dtype), pseudo(1, dtype=dtype)]
    targets = MaskTargets.from_instances(instances, CPU)
    assert targets.sizes == [2, 0, 1]
    assert targets.maps.is_floating_point()
    assert targets.maps.float().equal(torch.cat([i.mask_logits for i in instances]).float())


@pytest.mark.parametrize('make', [ground_truth, pseudo])
def test_no_targets_in_the_whole_batch(make):
    targets = MaskTargets.from_instances([make(0), make(0)], CPU)
    assert len(targets) == 0
    assert targets.sizes == [0, 0]
    nothing = torch.zeros(0, dtype=torch.long)
    samples = targets.sample(nothing, torch.zeros(0, 5, 2))
    assert samples.shape == targets.values(samples).shape == (0, 5)


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
@pytest.mark.parametrize('count', [0, 2])
def test_a_mixed_batch_is_refused(order, count):
    instances = [ground_truth(2), pseudo(count, size=(8, 6))]
    with pytest.raises(ValueError, match='either pseudo-labels or ground truth'):
        MaskTargets.from_instances([instances[index] for index in order], CPU)


def test_ground_truth_at_points():
    targets = MaskTargets.from_instances([ground_truth(3), ground_truth(2)], CPU)
    index, points = torch.tensor([4, 0, 0, 3]), torch.rand(4, 50, 2)
    samples = targets.sample(index, points)
    value = targets.values(samples)
    assert value is samples
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, read(targets.maps[index], points), atol=1e-5, rtol=0)
    assert value.min() >= 0
    assert value.max() <= 1


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_pseudo_labels_at_points(dtype):
    targets = MaskTargets.from_instances([pseudo(3, dtype=dtype), pseudo(2, dtype=dtype)], CPU)
    index, points = torch.tensor([4, 0, 0, 3]), torch.rand(4, 50, 2)
    samples = targets.sample(index, points)
    value, inside = targets.values(samples), targets.is_inside(samples)
    assert samples.dtype == value.dtype == torch.float32
    logits = read(targets.maps[index], points)
    for row in range(4):
        for column in range(50):
            logit = logits[row, column].item()
            probability = 1 / (1 + math.exp(-logit))
            if abs(logit) > 1e-4:
                assert value[row, column] == inside[row, column] == (probability > 0.5)
            assert samples[row, column].item() == pytest.approx(logit, abs=1e-5)


def test_a_certain_mask_reads_as_ground_truth():
    """The same mask as uint8 and as strong logits, at the centres of its pixels."""
    truth = ground_truth(2, size=(4, 4))
    masks = torch.from_numpy(truth.masks.masks)
    certain = InstanceData(labels=truth.labels, mask_logits=40.0 * masks - 20)
    y, x = torch.meshgrid(torch.arange(4), torch.arange(4), indexing='ij')
    points = torch.stack([x + 0.5, y + 0.5], dim=-1).view(1, 16, 2).expand(2, -1, -1) / 4
    index = torch.tensor([0, 1])
    hard, soft = (MaskTargets.from_instances([one], CPU) for one in (truth, certain))
    logits = soft.sample(index, points)
    torch.testing.assert_close(
        soft.values(logits), hard.values(hard.sample(index, points)), atol=1e-5, rtol=0
    )
    assert mask_uncertainty(logits).max() < 1e-5


def test_values_carry_no_gradient():
    instances = pseudo(2)
    instances.mask_logits.requires_grad_()
    targets = MaskTargets.from_instances([instances], CPU)
    assert not targets.sample(torch.tensor([0, 1]), torch.rand(2, 5, 2)).requires_grad
