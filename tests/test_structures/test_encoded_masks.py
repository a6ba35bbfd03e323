"""Encoded masks against mmdet's BitmapMasks, which are decoded at once."""

import copy
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import LoadAnnotations as TheirLoadAnnotations
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_utils

from mmpldc.datasets.input_faults import InputFault
from mmpldc.structures import EncodedMasks


def both(num=5, height=37, width=53, seed=0):
    """The same random masks, encoded and as pixels."""
    pixels = (np.random.default_rng(seed).random((num, height, width)) < 0.3).astype(np.uint8)
    encoded = [mask_utils.encode(np.asfortranarray(one)) for one in pixels]
    return EncodedMasks.of_image(encoded, height, width), BitmapMasks(pixels, height, width)


STEPS = {
    'nothing': lambda m: m,
    'horizontal': lambda m: m.flip('horizontal'),
    'vertical': lambda m: m.flip('vertical'),
    'diagonal': lambda m: m.flip('diagonal'),
    'resize': lambda m: m.resize((61, 20)),
    'rescale': lambda m: m.rescale(0.37),
    'fit': lambda m: m.rescale((100, 200)),
    'bilinear': lambda m: m.resize((20, 30), interpolation='bilinear'),
    'crop': lambda m: m.crop(np.array([5, 3, 30, 200])),
    'thin crop': lambda m: m.crop(np.array([5, 3, 5, 3])),
    'choice': lambda m: m[np.array([True, False, True, True, False])],
    'indices': lambda m: m[np.array([3, 1])],
    'one': lambda m: m[2],
    'none': lambda m: m[np.array([], int)],
    'pad': lambda m: m.pad((60, 60)),
    'copy': lambda m: pickle.loads(pickle.dumps(copy.deepcopy(m))),
    'joined': lambda m: m.cat([m, m.flip()]),
    'all': lambda m: m.flip().rescale((40, 90)).crop(np.array([2, 9, 33, 41]))[:3].flip('vertical'),
    'decoded before': lambda m: (m.masks, m[np.array([4, 0])].crop(np.array([0, 0, 9, 9])))[1],
}


@pytest.mark.parametrize('step', STEPS)
def test_equal(step):
    ours, theirs = map(STEPS[step], both())
    assert (len(ours), ours.height, ours.width) == (len(theirs), theirs.height, theirs.width)
    np.testing.assert_array_equal(ours.to_ndarray(), theirs.to_ndarray())
    assert ours.to_ndarray().dtype == np.uint8
    np.testing.assert_array_equal(ours.areas, theirs.areas)
    assert ours.get_bboxes(HorizontalBoxes).tensor.equal(theirs.get_bboxes(HorizontalBoxes).tensor)
    assert ours.to_tensor(torch.uint8, 'cpu').equal(theirs.to_tensor(torch.uint8, 'cpu'))


def test_pixels_that_a_transform_sets():
    """As mmdet's CopyPaste does; later steps see them. Writing into the pixels is refused."""
    for masks in both():
        masks = masks.flip().crop(np.array([0, 0, 20, 10]))
        with pytest.raises(ValueError) if isinstance(masks, EncodedMasks) else nullcontext():
            masks.masks[0, 0, 0] = 1
        masks.masks = np.where(np.eye(10, 20, dtype=bool), 0, masks.masks)
        flipped = copy.deepcopy(masks).flip('vertical').to_ndarray()
        np.testing.assert_array_equal(flipped, masks.to_ndarray()[:, ::-1])
        assert not flipped[:, ::-1][:, np.eye(10, 20, dtype=bool)].any() and flipped.any()


def test_resizing_takes_opencv_s_pixels():
    random = np.random.default_rng(1)
    for _ in range(200):
        height, width, *size = random.integers(1, 300, 4)
        ours, theirs = both(2, height, width, seed=1)
        expected = theirs.resize(tuple(map(int, size))).to_ndarray()
        np.testing.assert_array_equal(ours.resize(tuple(map(int, size))).to_ndarray(), expected)


def segmentations():
    mask = np.zeros((120, 160), np.uint8)
    mask[30:70, 20:90] = 1
    rle = mask_utils.encode(np.asfortranarray(mask))
    runs = [20 * 120 + 30, *[40, 80] * 69, 40]
    runs.append(120 * 160 - sum(runs))
    return [
        [[10.5, 20, 60, 25, 30, 90], [100, 100, 150, 110, 120, 119]],
        [[3, 4, 5, 6]],  # too short: an ignored instance
        dict(size=[120, 160], counts=rle['counts'].decode()),
        dict(size=[120, 160], counts=runs),
        [[40, 40, 150, 30, 155, 118, 20, 110]],
    ]


def test_a_pipeline_gives_what_mmdet_s_gives():
    """Loading, the paper's geometry and filter, and packing, of polygons and run lengths."""
    init_default_scope('mmdet')
    masks = segmentations()
    rows, columns = np.nonzero(mask_utils.decode(mask_utils.frPyObjects(masks[3], 120, 160)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (30, 69, 20, 89)
    sample = dict(
        img=np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8),
        img_shape=(120, 160),
        ori_shape=(120, 160),
        height=120,
        width=160,
        img_id=1,
        img_path='a.jpg',
        instances=[
            dict(bbox=[10, 20, 150, 119], bbox_label=label, ignore_flag=0, mask=mask)
            for label, mask in enumerate(masks)
        ],
    )
    geometry = [
        dict(type='RandomFlip', prob=0.5, direction=['horizontal', 'vertical', 'diagonal']),
        dict(type='RandomResize', scale=(128, 128), ratio_range=(0.3, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(96, 96), recompute_bbox=True, allow_negative_crop=True),
        dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), by_mask=True, keep_empty=False),
        dict(type='mmpldc.PackTrainingInputs', meta_keys=('scale_factor', 'flip')),
    ]
    load = dict(with_bbox=True, with_mask=True)
    loaders = (
        TRANSFORMS.build(dict(type='mmpldc.LoadAnnotations', **load)),
        TheirLoadAnnotations(**load),
    )
    compared = 0
    for seed in range(30):
        packed = []
        for loader in loaders:
            np.random.seed(seed)
            packed.append(Compose([loader, *geometry])(copy.deepcopy(sample)))
        ours, theirs = (one['data_samples'].gt_instances for one in packed)
        assert packed[0]['inputs'].equal(packed[1]['inputs'])
        assert ours.bboxes.tensor.equal(theirs.bboxes.tensor) and ours.labels.equal(theirs.labels)
        assert ours.masks.size == theirs.masks.size and ours.masks.bits.equal(theirs.masks.bits)
        compared += len(ours.masks)
    assert compared > 60


def test_evaluation_does_not_check_and_sends_few_bytes():
    """An image of another size than annotated is refused in training only."""
    masks = segmentations()[3:4]
    sample = dict(
        ori_shape=(120, 160),
        height=160,
        width=120,
        instances=[dict(bbox=[20, 30, 89, 69], bbox_label=0, ignore_flag=0, mask=masks[0])],
    )
    load = dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True)
    with pytest.raises(InputFault, match='EXIF'):
        TRANSFORMS.build(load)(copy.deepcopy(sample))
    loaded = TRANSFORMS.build(load | dict(check=False))(sample)['gt_masks']
    assert len(pickle.dumps(loaded)) < 10_000 < loaded.masks.nbytes
