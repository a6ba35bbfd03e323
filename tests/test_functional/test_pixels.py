"""Back from normalised inputs to pixels, against mmdet's data preprocessor and loops."""

import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample

from mmpldc.functional import PixelNormalization, normalize, unit_rgb

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def preprocess(images, **options):
    """As mmdet does before training; ``images`` are uint8 BGR, as mmcv reads them."""
    preprocessor = DetDataPreprocessor(**options)
    samples = [DetDataSample(metainfo=dict(img_shape=image.shape[1:])) for image in images]
    return preprocessor(dict(inputs=images, data_samples=samples))['inputs'], preprocessor


def pictures(*sizes):
    return [torch.randint(256, (3, *size), dtype=torch.uint8) for size in sizes]


@pytest.mark.parametrize('is_rgb', [True, False])
def test_undoes_mmdets_preprocessing(is_rgb):
    images = pictures((12, 16), (12, 16))
    inputs, preprocessor = preprocess(images, mean=MEAN, std=STD, bgr_to_rgb=is_rgb)
    normalization = PixelNormalization(preprocessor.mean, preprocessor.std, is_rgb)
    restored = unit_rgb(inputs, normalization)
    assert restored.dtype == torch.float32
    rgb = torch.stack(images)[:, [2, 1, 0]] / 255
    torch.testing.assert_close(restored, rgb, rtol=0, atol=1e-5)


@pytest.mark.parametrize('is_rgb', [True, False])
def test_padding_becomes_the_mean_colour(is_rgb):
    inputs, preprocessor = preprocess(
        pictures((8, 8), (4, 6)), mean=MEAN, std=STD, bgr_to_rgb=is_rgb
    )
    restored = unit_rgb(inputs, PixelNormalization(preprocessor.mean, preprocessor.std, is_rgb))
    mean = torch.tensor(MEAN if is_rgb else MEAN[::-1]) / 255
    torch.testing.assert_close(restored[1, :, 4:, 6:], mean.view(3, 1, 1).expand(3, 4, 2))


def test_images_that_were_never_normalised():
    """mmpldc's SemiMask2Former gives plain numbers then."""
    images = pictures((5, 4))
    inputs, _ = preprocess(images, bgr_to_rgb=True)
    restored = unit_rgb(inputs.float(), PixelNormalization(0.0, 1.0, True))
    torch.testing.assert_close(restored[0], images[0].flip(0) / 255)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_undone_in_float32(dtype):
    normalization = PixelNormalization(
        torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1), True
    )
    images = torch.randn(1, 3, 4, 4).to(dtype)
    restored = unit_rgb(images, normalization)
    assert restored.dtype == torch.float32
    assert restored.equal(unit_rgb(images.float(), normalization))


def test_input_is_not_modified():
    images = torch.randn(1, 3, 4, 4)
    before = images.clone()
    unit_rgb(images, PixelNormalization(torch.ones(3, 1, 1), torch.ones(3, 1, 1), False))
    normalize(images, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert images.equal(before)


def test_normalize_equals_the_loop():
    images, mean, std = torch.rand(2, 3, 3, 4), (0.1, 0.4, 0.7), (0.2, 0.5, 1.5)
    result = normalize(images, mean=mean, std=std)
    for image in range(2):
        for channel in range(3):
            for y in range(3):
                for x in range(4):
                    expected = (images[image, channel, y, x].item() - mean[channel]) / std[channel]
                    assert result[image, channel, y, x].item() == pytest.approx(expected, abs=1e-5)


def test_lists_from_a_config_are_statistics_too():
    images = torch.rand(1, 3, 2, 2)
    assert normalize(images, mean=[0.5] * 3, std=[0.25] * 3).equal((images - 0.5) / 0.25)


def test_no_image():
    nothing = torch.zeros(0, 3, 4, 4)
    assert normalize(nothing, mean=(0, 0, 0.5), std=(1, 1, 0.5)).shape == (0, 3, 4, 4)
