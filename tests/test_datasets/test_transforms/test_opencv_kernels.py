"""OpenCV's kernels against torchvision's transforms, same random numbers."""

import pytest
import torch
from torchvision.transforms import v2

from mmpldc.datasets.transforms import opencv_kernels


def image(height, width):
    """Noise, greys, black, white, and saturated colours, whose hue has no neighbours."""
    pixels = torch.rand(3, height, width)
    pixels[:, 0] = torch.rand(width)
    pixels[:, 1, : width // 2], pixels[:, 1, width // 2 :] = 0, 1
    pixels[:, 2] = torch.randint(0, 2, (3, width)).float()
    return pixels


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [
        ('GaussianBlur', dict(kernel_size=13, sigma=(0.1, 2.0))),
        ('GaussianBlur', dict(kernel_size=(3, 7), sigma=1.0)),
        ('ColorJitter', dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)),
        ('ColorJitter', dict(hue=0.5)),
        ('ColorJitter', dict(brightness=0.4, contrast=0.4)),
        ('ColorJitter', {}),
    ],
)
@pytest.mark.parametrize('size', [(40, 56), (13, 9)])
def test_equal_torchvisions(name, arguments, size):
    ours, theirs = (getattr(module, name)(**arguments) for module in (opencv_kernels, v2))
    for seed in range(20):
        torch.manual_seed(seed)
        pixels = image(*size)
        before = pixels.clone()
        torch.manual_seed(seed)
        result = ours(pixels)
        torch.manual_seed(seed)
        torch.testing.assert_close(result, theirs(before), rtol=0, atol=5e-6)
        assert torch.equal(pixels, before) and result.is_contiguous()
