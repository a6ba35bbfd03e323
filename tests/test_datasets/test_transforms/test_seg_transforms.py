"""Label maps from the file to a packed view, and what must not be trained on."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmengine.dataset import Compose
from PIL import Image

from mmpldc.datasets.input_faults import InputFault
from mmpldc.datasets.label_maps import write_label_map

CLASSES = 5
SIZE = (40, 60)


@pytest.fixture
def values():
    row, column = np.indices(SIZE)
    values = ((row // 9 + column // 13) % CLASSES).astype(np.uint8)
    values[:3] = 255
    return values


@pytest.fixture
def results(tmp_path, values):
    """What a data set knows of an image, and the two files."""
    image, label_map = tmp_path / 'a.png', tmp_path / 'a_map.png'
    # Each pixel's colour says its class, so that image and map can be compared afterwards.
    assert cv2.imwrite(str(image), np.repeat(values[..., None] * 20, 3, axis=-1))
    write_label_map(label_map, values, np.eye(CLASSES, 3, dtype=np.uint8) * 200)
    return dict(
        img_path=str(image),
        seg_map_path=str(label_map),
        seg_fields=[],
        reduce_zero_label=False,
        label_map=None,
    )


def load(results, **settings):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmpldc.LoadSegAnnotations', **dict(num_classes=CLASSES) | settings),
    ]
    return Compose([TRANSFORMS.build(transform) for transform in pipeline])(dict(results))


class TestLoad:
    def test_palette_images_are_numbers(self, results, values):
        loaded = load(results)
        np.testing.assert_array_equal(loaded['gt_seg_map'], values)
        assert loaded['gt_seg_map'].dtype == np.uint8 and loaded['seg_fields'] == ['gt_seg_map']

    @pytest.mark.parametrize(
        'save',
        [
            lambda values, path: cv2.imwrite(path, values),
            lambda values, path: cv2.imwrite(path, values.astype(np.uint16)),
            lambda values, path: Image.fromarray(values.astype(np.int32)).save(path),
        ],
        ids=['grey', '16 bits', '32 bits'],
    )
    def test_other_kinds_of_files(self, results, values, save):
        save(values, results['seg_map_path'])
        np.testing.assert_array_equal(load(results)['gt_seg_map'], values)

    def test_bilevel_image(self, results):
        mask = np.zeros(SIZE, bool)
        mask[:9] = True
        Image.fromarray(mask).save(results['seg_map_path'])
        np.testing.assert_array_equal(load(results)['gt_seg_map'], mask)

    def test_like_mmsegmentation(self, results, values):
        pytest.importorskip('mmseg')
        theirs = TRANSFORMS.build(dict(type='mmseg.LoadAnnotations'))
        for info in (
            dict(),
            dict(reduce_zero_label=True),
            dict(label_map={0: 255, 1: 0, 2: 3, 3: 2, 4: 4}),
            dict(label_map={0: 1, 1: 0, 2: 2, 3: 3}, reduce_zero_label=True),
        ):
            one, other = (dict(results, seg_fields=[], **info) for _ in range(2))
            theirs.reduce_zero_label = None
            expected = theirs(one)['gt_seg_map']
            np.testing.assert_array_equal(load(other)['gt_seg_map'], expected)

    @pytest.mark.parametrize(
        ('damage', 'message'),
        [
            (lambda path: path.unlink(), 'is not on disk'),
            (lambda path: path.write_bytes(b''), 'cannot be decoded'),
            (lambda path: path.write_bytes(path.read_bytes()[:60]), 'cannot be decoded'),
            (
                lambda path: cv2.imwrite(str(path), np.zeros((40, 50), np.uint8)),
                '50 x 40 annotated, 60 x 40 read.*do not belong together',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.zeros((*SIZE, 3), np.uint8)),
                'has 3 channels.*convert colours to numbers',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.full(SIZE, 300, np.uint16)),
                'values from 300 to 300',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.full(SIZE, CLASSES, np.uint8)),
                'has the values 5, but the 5 classes are 0 to 4.*numbered from 1',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.full(SIZE, 254, np.uint8)),
                'has the values 254, but the 5 classes',
            ),
            (
                lambda path: Image.fromarray(np.zeros(SIZE, np.uint8)).save(path, 'JPEG'),
                'is a JPEG, which changes numbers',
            ),
        ],
        ids=['missing', 'empty', 'cut', 'size', 'colours', '16 bits', 'from 1', '254', 'jpeg'],
    )
    def test_refuses(self, results, damage, message):
        from pathlib import Path

        damage(Path(results['seg_map_path']))
        with pytest.raises(InputFault, match=f'its label map .*a_map.png.*{message}'):
            load(results)

    @pytest.mark.parametrize('num_classes', [0, 256])
    def test_impossible_numbers_of_classes(self, num_classes):
        with pytest.raises(ValueError, match='num_classes must lie in'):
            TRANSFORMS.build(dict(type='mmpldc.LoadSegAnnotations', num_classes=num_classes))


@pytest.mark.parametrize(
    'geometry',
    [
        [dict(type='RandomFlip', prob=1.0)],
        [dict(type='RandomFlip', prob=1.0, direction='vertical')],
        [dict(type='RandomCrop', crop_size=(30, 20))],
        [dict(type='RandomCrop', crop_size=(300, 30))],
        [dict(type='Resize', scale=(120, 80), keep_ratio=True)],
        [dict(type='mmpldc.RandomScale', ratio_range=(2.0, 2.0))],
        [
            dict(type='mmpldc.RandomScale', ratio_range=(1.0, 1.0)),
            dict(type='RandomFlip', prob=1.0),
            dict(type='RandomCrop', crop_size=(33, 33)),
        ],
    ],
)
def test_geometry_moves_image_and_map_alike(results, geometry):
    pytest.importorskip('mmseg')
    transforms = [*geometry, dict(type='mmpldc.PackSegTrainingInputs')]
    loaded = load(results)
    for transform in transforms:
        loaded = TRANSFORMS.build(transform)(loaded)
    labels = loaded['data_samples'].gt_sem_seg.data
    assert labels.dtype == torch.uint8 and labels.shape == (1, *loaded['inputs'].shape[1:])
    assert tuple(loaded['data_samples'].img_shape) == labels.shape[1:]
    expected = (labels[0] * 20).long()  # 255 * 20 wraps, as it did when the image was written
    equal = (loaded['inputs'][0].long() == expected).float().mean()
    assert equal == 1 or (labels.shape[-1] > SIZE[1] and equal > 0.7)  # interpolated at edges
    moves = geometry[0]['type'] != 'mmpldc.RandomScale' or len(geometry) > 1
    if moves:
        assert loaded['data_samples'].homography_matrix.shape == (3, 3)


class TestRandomScale:
    def sizes(self, **settings):
        transform = TRANSFORMS.build(dict(type='mmpldc.RandomScale', **settings))
        for _ in range(300):
            results = dict(img=np.zeros((*SIZE, 3), np.uint8), img_shape=SIZE)
            yield transform(results)['img'].shape[0] / SIZE[0]

    def test_uniform_ratios(self):
        np.random.seed(0)
        ratios = np.array(list(self.sizes()))
        assert ratios.min() >= 0.49 and ratios.max() <= 2.01
        assert np.mean(ratios < 1) == pytest.approx(1 / 3, abs=0.07)

    def test_as_often_smaller(self):
        np.random.seed(0)
        ratios = np.array(list(self.sizes(as_often_smaller=True)))
        assert np.mean(ratios < 1) == pytest.approx(0.5, abs=0.08)

    @pytest.mark.parametrize(
        'settings',
        [
            dict(ratio_range=(2.0, 0.5)),
            dict(ratio_range=(0.0, 1.0)),
            dict(ratio_range=(1.5, 2.0), as_often_smaller=True),
        ],
    )
    def test_refuses(self, settings):
        with pytest.raises(ValueError, match='ratio_range'):
            TRANSFORMS.build(dict(type='mmpldc.RandomScale', **settings))


class TestRandomIntensity:
    def test_every_operation_keeps_shape_and_place(self):
        from mmpldc.datasets.transforms.random_intensity import OPERATIONS

        assert len(OPERATIONS) == 12
        rng = np.random.default_rng(0)
        image = Image.fromarray(rng.integers(40, 200, (20, 30, 3), np.uint8))
        for name, operation in OPERATIONS.items():
            changed = [np.array(operation(image, strength)) for strength in (0.0, 0.5, 0.998)]
            assert all(one.shape == (20, 30, 3) and one.dtype == np.uint8 for one in changed)
            assert (np.array(image) != changed).any() == (name != 'identity')

    def test_bgr_in_and_out(self, monkeypatch):
        from mmpldc.datasets.transforms import random_intensity

        seen = []
        keep = dict(look=lambda image, u: seen.append((np.array(image), u)) or image)
        monkeypatch.setattr(random_intensity, 'OPERATIONS', keep)
        image = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
        transform = TRANSFORMS.build(dict(type='mmpldc.RandomIntensity'))
        assert (transform(dict(img=image.copy()))['img'] == image).all()
        assert len(seen) == 2 and (seen[0][0] == image[..., ::-1]).all()
        assert all(0 <= strength < 1 for _, strength in seen)


class TestPack:
    @pytest.fixture
    def packed(self, results):
        pytest.importorskip('mmseg')
        return TRANSFORMS.build(dict(type='mmpldc.PackSegTrainingInputs'))(load(results))

    def test_sample(self, packed, values):
        from mmseg.structures import SegDataSample

        from mmpldc.structures.seg_training_sample import stack_labels

        sample = packed['data_samples']
        assert isinstance(sample, SegDataSample)
        assert packed['inputs'].dtype == torch.uint8 and packed['inputs'].shape == (3, *SIZE)
        labels = stack_labels([sample, sample])
        assert labels.dtype == torch.int64 and labels.shape == (2, *SIZE)
        np.testing.assert_array_equal(labels[1], values)

    def test_unlabelled(self, results):
        pytest.importorskip('mmseg')
        loaded = load(results)
        del loaded['gt_seg_map']
        packed = TRANSFORMS.build(dict(type='mmpldc.PackSegTrainingInputs'))(loaded)
        assert 'gt_sem_seg' not in packed['data_samples']
        assert packed['data_samples'].pin_memory() is packed['data_samples']

    def test_pins_the_label_map(self, packed, monkeypatch):
        pinned = []
        monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda t: pinned.append(t.shape) or t)
        from torch.utils.data._utils.pin_memory import pin_memory

        pin_memory([packed['data_samples']])
        assert pinned == [(1, *SIZE)]

    def test_is_padded_by_mmsegmentation(self, packed):
        from mmdet.registry import MODELS

        preprocessor = MODELS.build(
            dict(
                type='mmseg.SegDataPreProcessor',
                mean=[0.0] * 3,
                std=[1.0] * 3,
                bgr_to_rgb=True,
                size=(64, 64),
            )
        )
        batch = preprocessor(
            dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]), training=True
        )
        labels = batch['data_samples'][0].gt_sem_seg.data
        assert labels.dtype == torch.uint8 and labels[:, 40:].eq(255).all()
        assert batch['data_samples'][0].img_shape == torch.Size(SIZE)
