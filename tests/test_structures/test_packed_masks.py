"""Masks as a tensor of bits, and the sample that carries them."""

import pickle

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData
from torch.utils.data import DataLoader

from mmpldc.structures import PackedMasks, TrainingSample, packed_masks


def random_masks(count, height, width):
    masks = np.random.default_rng(width).integers(0, 2, (count, height, width), np.uint8)
    return BitmapMasks(masks, height, width)


@pytest.mark.parametrize('size', [(1, 1), (3, 7), (5, 8), (4, 9), (16, 33)])
@pytest.mark.parametrize('count', [0, 1, 4])
def test_what_is_packed_comes_back(count, size):
    masks = random_masks(count, *size)
    packed = PackedMasks.pack(masks)
    assert len(packed) == count
    assert packed.bits.numel() == count * size[0] * ((size[1] + 7) // 8)
    unpacked = packed.unpack()
    assert unpacked.dtype == torch.uint8
    assert torch.equal(unpacked, torch.from_numpy(masks.masks))


def test_a_device_unpacks_as_the_host_does():
    bits = PackedMasks.pack(random_masks(3, 5, 13)).bits
    expected = packed_masks._unpack_by_numpy(bits, 13)
    assert torch.equal(packed_masks._unpack_by_torch(bits, 13), expected)


def test_any_value_but_zero_is_inside():
    masks = BitmapMasks(np.array([[[0, 255, 2]]], np.uint8), 1, 3)
    assert PackedMasks.pack(masks).unpack().tolist() == [[[0, 1, 1]]]


def test_polygons_are_drawn_as_mmdet_draws_them():
    square = np.array([2.0, 2.0, 6.0, 2.0, 6.0, 6.0, 2.0, 6.0])
    masks = PolygonMasks([[square]], 8, 8)
    assert (PackedMasks.pack(masks).unpack().numpy() == masks.to_ndarray()).all()


def test_padding_equals_mmdets():
    masks = random_masks(3, 5, 9)
    padded = PackedMasks.pack(masks).pad((8, 12), pad_val=0).pad((8, 16), pad_val=0)
    expected = masks.pad((8, 16), pad_val=0).masks
    assert torch.equal(padded.unpack(), torch.from_numpy(expected))
    assert torch.equal(padded[1:].unpack(), torch.from_numpy(expected[1:]))


def test_another_padding_value_is_refused():
    with pytest.raises(ValueError, match='mask_pad_value'):
        PackedMasks.pack(random_masks(1, 2, 2)).pad((4, 4), pad_val=255)


def a_sample(count=2):
    masks = PackedMasks.pack(random_masks(count, 6, 10)).pad((8, 16))
    instances = InstanceData(labels=torch.arange(count), masks=masks)
    return TrainingSample(metainfo=dict(img_id=3), gt_instances=instances)


def test_a_sample_moves_with_its_masks():
    sample = a_sample()
    moved = sample.to('meta')
    assert type(moved) is TrainingSample
    assert moved.gt_instances.masks.bits.device.type == 'meta'
    assert moved.gt_instances.labels.device.type == 'meta'
    assert moved.gt_instances.masks.padded_size == (8, 16)


def test_instances_choose_among_their_masks():
    instances = a_sample(3).gt_instances
    chosen = instances[torch.tensor([True, False, True])]
    assert torch.equal(chosen.masks.unpack(), instances.masks.unpack()[[0, 2]])


def test_pickling_keeps_all():
    sample = pickle.loads(pickle.dumps(a_sample()))
    assert sample.img_id == 3
    assert torch.equal(sample.gt_instances.masks.unpack(), a_sample().gt_instances.masks.unpack())


def test_the_data_loader_asks_a_sample_to_pin_itself(monkeypatch):
    """On a machine without an accelerator nothing can be pinned: tensors are only counted."""
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(
        torch.Tensor, 'pin_memory', lambda self, *_: pinned.append(self.shape) or self.clone()
    )
    batch = dict(inputs=dict(view=[torch.zeros(3, 4, 4), None]), data_samples=[a_sample(), None])
    result = pin_memory(batch)
    assert sorted(map(tuple, pinned)) == [(2,), (2, 6, 2), (3, 4, 4)]
    masks = result['data_samples'][0].gt_instances.masks
    assert torch.equal(masks.unpack(), a_sample().gt_instances.masks.unpack())


def test_workers_share_the_bits():
    """A worker's tensor arrives in shared memory, not through the pipe."""
    loader = DataLoader([a_sample()], num_workers=1, collate_fn=lambda batch: batch)
    (sample,) = next(iter(loader))
    assert sample.gt_instances.masks.bits.is_shared()
    assert torch.equal(sample.gt_instances.masks.unpack(), a_sample().gt_instances.masks.unpack())


@pytest.mark.gpu
def test_pinned_masks_reach_the_gpu():
    sample = a_sample().pin_memory()
    assert sample.gt_instances.masks.bits.is_pinned()
    assert sample.gt_instances.labels.is_pinned()
    moved = sample.to(torch.device('cuda'), non_blocking=True)
    assert torch.equal(
        moved.gt_instances.masks.unpack().cpu(), a_sample().gt_instances.masks.unpack()
    )
