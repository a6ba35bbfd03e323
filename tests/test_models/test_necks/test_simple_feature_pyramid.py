"""ViTDet's pyramid, against each scale written out."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS

IN, OUT = 8, 6
HEIGHT, WIDTH = 4, 6


@pytest.fixture
def neck():
    neck = MODELS.build(
        dict(type='mmpldc.SimpleFeaturePyramid', in_channels=IN, out_channels=OUT)
    ).double()
    for name, parameter in neck.named_parameters():
        assert parameter.requires_grad, name
        torch.nn.init.normal_(parameter, std=0.5)  # norms that do something
    return neck


def naive_deconvolution(x, weight, bias):
    """Each input pixel paints a square of 2 x 2 of its own."""
    batch, _, height, width = x.shape
    out = torch.empty(batch, weight.shape[1], 2 * height, 2 * width, dtype=x.dtype)
    for dy in range(2):
        for dx in range(2):
            out[:, :, dy::2, dx::2] = torch.einsum('bihw,io->bohw', x, weight[:, :, dy, dx])
    return out + bias[:, None, None]


def naive_norm(x, weight, bias):
    centred = x - x.mean(dim=1, keepdim=True)
    scaled = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    return scaled * weight[:, None, None] + bias[:, None, None]


def naive_scales(neck, x):
    """The four maps, parameter by parameter in the order in which they are used."""
    outputs = []
    for index, scale in enumerate(neck.scales):
        parameters = list(scale.parameters())
        take = lambda number: [parameters.pop(0) for _ in range(number)]  # noqa: B023, E731
        y = x
        if index == 0:
            y = naive_deconvolution(y, *take(2))
            y = naive_norm(y, *take(2))
            y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
        if index <= 1:
            y = naive_deconvolution(y, *take(2))
        if index == 3:
            corners = [y[:, :, dy::2, dx::2] for dy in range(2) for dx in range(2)]
            y = torch.stack(corners).amax(dim=0)
        y = torch.einsum('bihw,oi->bohw', y, take(1)[0][:, :, 0, 0])
        y = naive_norm(y, *take(2))
        (kernel,) = take(1)
        padded, (height, width) = F.pad(y, (1, 1, 1, 1)), y.shape[-2:]
        y = sum(
            torch.einsum(
                'bihw,oi->bohw',
                padded[:, :, dy : dy + height, dx : dx + width],
                kernel[:, :, dy, dx],
            )
            for dy in range(3)
            for dx in range(3)
        )
        outputs.append(naive_norm(y, *take(2)))
        assert not parameters
    return outputs


def test_every_scale_equals_the_naive_one(neck):
    x = torch.randn(2, IN, HEIGHT, WIDTH, dtype=torch.double)
    outputs, expected = neck([x]), naive_scales(neck, x)
    assert [tuple(y.shape) for y in outputs] == [
        (2, OUT, 4 * HEIGHT, 4 * WIDTH),
        (2, OUT, 2 * HEIGHT, 2 * WIDTH),
        (2, OUT, HEIGHT, WIDTH),
        (2, OUT, HEIGHT // 2, WIDTH // 2),
    ]
    for output, reference in zip(outputs, expected, strict=True):
        torch.testing.assert_close(output, reference)


def test_only_the_last_map_is_read(neck):
    maps = [torch.randn(1, IN, 2, 2, dtype=torch.double) for _ in range(2)]
    for output, expected in zip(neck(maps), neck(maps[1:]), strict=True):
        assert output.equal(expected)


def test_every_parameter_and_the_map_get_a_gradient(neck):
    x = torch.randn(1, IN, HEIGHT, WIDTH, dtype=torch.double, requires_grad=True)
    sum(y.square().sum() for y in neck((x,))).backward()
    for name, tensor in [('map', x), *neck.named_parameters()]:
        assert tensor.grad.abs().sum() > 0, name


def test_layers_are_vitdets(neck):
    """Channels by detectron2: C to C / 2 to C / 4, then the pyramid's own; biases only above."""
    shapes = [
        [(type(layer).__name__, getattr(layer, 'bias', None) is not None) for layer in scale]
        for scale in neck.scales
    ]
    pyramid = [('Conv2d', False), ('LayerNorm2d', True)] * 2
    deconvolution = ('ConvTranspose2d', True)
    assert shapes == [
        [deconvolution, ('LayerNorm2d', True), ('GELU', False), deconvolution, *pyramid],
        [deconvolution, *pyramid],
        pyramid,
        [('MaxPool2d', False), *pyramid],
    ]
    assert neck.scales[0][0].weight.shape == (IN, IN // 2, 2, 2)
    assert neck.scales[0][3].weight.shape == (IN // 2, IN // 4, 2, 2)
    assert neck.scales[1][0].weight.shape == (IN, IN // 2, 2, 2)
