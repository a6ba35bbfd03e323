"""Torchvision's transforms on BGR arrays."""

import colorsys

import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from torchvision.transforms import v2

from mmpldc.datasets.transforms import TorchvisionTransforms

STRONG = [
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='GaussianBlur', kernel_size=5, sigma=(0.5, 1.0), prob=0.5),
    dict(type='RandomErasing', p=0.7, scale=(0.05, 0.2), ratio=(0.3, 3.3), value='random'),
]


def random_image(height=12, width=16):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def apply(image, *transforms):
    return TorchvisionTransforms(transforms=list(transforms)).transform(dict(img=image))['img']


def test_built_from_the_registry():
    transform = TRANSFORMS.build(dict(type='mmpldc.TorchvisionTransforms', transforms=STRONG))
    assert isinstance(transform, TorchvisionTransforms)
    assert 'RandomGrayscale' in repr(transform)


def test_only_the_image_changes():
    image = random_image()
    results = dict(
        img=image,
        img_shape=(12, 16),
        gt_bboxes=HorizontalBoxes(torch.tensor([[0.0, 0.0, 5.0, 5.0]])),
        gt_bboxes_labels=np.array([1]),
        gt_masks=BitmapMasks(np.ones((1, 12, 16), np.uint8), 12, 16),
        homography_matrix=np.eye(3),
    )
    before, original = dict(results), image.copy()
    found = TorchvisionTransforms(
        transforms=[
            dict(type='RandomErasing', p=1.0, scale=(0.3, 0.3), value='random'),
            dict(type='ColorJitter', brightness=(1.4, 1.4)),
        ]
    )(results)
    assert set(found) == set(before)
    for key in before.keys() - {'img'}:
        assert found[key] is before[key]
    assert found['gt_masks'].masks.all()
    assert (found['img'] != original).any()
    assert (image == original).all()  # a new array: another branch may hold the old one


def test_output_is_a_contiguous_uint8_array_of_the_same_shape():
    for _ in range(5):
        image = apply(random_image(9, 14), *STRONG)
        assert isinstance(image, np.ndarray)
        assert image.dtype == np.uint8
        assert image.shape == (9, 14, 3)
        assert image.flags['C_CONTIGUOUS']


@pytest.mark.parametrize(
    'transform',
    [
        dict(type='ColorJitter', brightness=(2.0, 2.0), prob=0.0),
        dict(type='GaussianBlur', kernel_size=5, prob=0.0),
        dict(type='RandomGrayscale', p=0.0),
        dict(type='RandomErasing', p=0.0),
    ],
    ids=lambda transform: transform['type'],
)
def test_probability_0_changes_no_bit(transform):
    image = np.arange(256 * 3, dtype=np.uint32).reshape(16, 16, 3)
    image = (image // 3).astype(np.uint8)  # every grey level
    image[..., 1] = image[..., 0][::-1]
    assert (apply(image, transform) == image).all()


def test_grayscale_weighs_rgb_and_not_bgr():
    image = random_image()
    gray = apply(image, dict(type='RandomGrayscale', p=1.0))
    blue, green, red = image[..., 0], image[..., 1], image[..., 2]
    expected = 0.2989 * red + 0.587 * green + 0.114 * blue
    assert np.abs(gray - expected[..., None]).max() <= 0.51 + 1e-3
    assert (gray == gray[..., :1]).all()


def test_hue_turns_as_on_an_rgb_image():
    image = random_image(4, 5)
    turned = apply(image, dict(type='ColorJitter', hue=(0.2, 0.2)))
    for bgr, found in zip(image.reshape(-1, 3), turned.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(bgr[::-1] / 255))
        expected = np.array(colorsys.hsv_to_rgb((hue + 0.2) % 1, saturation, value))
        assert np.abs(found[::-1] - 255 * expected).max() <= 1


@pytest.mark.parametrize('transform', STRONG, ids=lambda transform: transform['type'])
def test_equals_torchvision_on_rgb(transform):
    arguments = {k: v for k, v in transform.items() if k not in ('type', 'prob')}
    arguments |= dict(p=1.0) if 'p' in arguments else {}
    image = random_image()
    torch.manual_seed(3)
    found = apply(image, dict(type=transform['type'], **arguments))
    torch.manual_seed(3)
    rgb = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).float() / 255
    expected = getattr(v2, transform['type'])(**arguments)(rgb)
    expected = (255 * expected.clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    assert (found == expected[..., ::-1]).all()
    assert (found != image).any()


def test_noise_is_clamped_and_does_not_wrap():
    """N(0, 1) noise: half of it is below 0 and a sixth above 1."""
    image = apply(
        np.full((32, 32, 3), 128, np.uint8),
        dict(type='RandomErasing', p=1.0, scale=(0.9, 0.9), ratio=(1.0, 1.0), value='random'),
    )
    noise = image[image != 128]
    assert 0.4 < (noise == 0).mean() < 0.6
    assert 0.1 < (noise == 255).mean() < 0.22


def test_the_seed_decides():
    transform = TorchvisionTransforms(transforms=STRONG)
    images = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        images.append([transform.transform(dict(img=random_image()))['img'] for _ in range(3)])
    assert all((a == b).all() for a, b in zip(images[0], images[1], strict=True))
    assert any((a != b).any() for a, b in zip(images[0], images[2], strict=True))
    assert any((a != images[0][0]).any() for a in images[0][1:])


def test_probability_is_that_of_random_apply():
    transform = TorchvisionTransforms(transforms=[dict(type='RandomGrayscale', p=1.0, prob=0.3)])
    image = random_image(1, 1)
    changed = [(transform.transform(dict(img=image))['img'] != image).any() for _ in range(400)]
    assert 0.2 < np.mean(changed) < 0.4


@pytest.mark.parametrize(
    ('transform', 'error', 'message'),
    [
        (dict(type='NoSuchTransform'), ValueError, "no transform 'NoSuchTransform'"),
        (dict(type='colorjitter'), ValueError, "no transform 'colorjitter'"),
        (dict(p=0.5), TypeError, 'type'),
        (dict(type='RandomGrayscale', nonsense=1), TypeError, 'nonsense'),
    ],
)
def test_wrong_transforms(transform, error, message):
    with pytest.raises(error, match=message):
        TorchvisionTransforms(transforms=[transform])


def test_no_transforms_at_all():
    with pytest.raises(ValueError, match='at least one'):
        TorchvisionTransforms(transforms=[])


def test_positional_arguments_are_refused():
    with pytest.raises(TypeError):
        TorchvisionTransforms(STRONG)
