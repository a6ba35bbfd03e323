"""The mirrored content of padded batches."""

import pytest
import torch

from mmpldc.functional import mirror_content


@pytest.mark.parametrize('padding', ['zeros', 'border'])
def test_content_of_whole_pixels_is_flipped_exactly(padding):
    images, widths = torch.randn(3, 2, 5, 16), [16, 11, 1]
    for image, width in zip(images, widths, strict=True):
        image[..., width:] = 0
    mirrored = mirror_content(images, torch.tensor(widths) / 16, padding=padding)
    for image, other, width in zip(images, mirrored, widths, strict=True):
        assert torch.allclose(other[..., :width], image[..., :width].flip(-1), atol=1e-5)
        if padding == 'zeros':
            assert torch.allclose(other[..., width:], torch.zeros(()), atol=1e-5)


def test_maps_follow_the_pixels_at_their_own_stride():
    """A ramp is linear, so that interpolation is exact: x becomes width - x."""
    width, stride = 22, 4  # the content ends within a cell
    centres = (torch.arange(8) + 0.5) * stride
    maps = centres.expand(1, 1, 3, 8)
    mirrored = mirror_content(maps, torch.tensor([width / 32]), padding='border')
    inside = (centres > stride) & (centres < width - stride / 2)
    assert torch.allclose(mirrored[0, 0, 0][inside], width - centres[inside], atol=1e-4)


def test_twice_gives_the_content_back():
    maps = torch.randn(2, 3, 4, 8)
    share = torch.tensor([0.5, 1.0])
    twice = mirror_content(mirror_content(maps, share), share)
    assert torch.allclose(twice[0, ..., :4], maps[0, ..., :4], atol=1e-5)
    assert torch.allclose(twice[1], maps[1], atol=1e-5)
