"""The boundary-preserving map against loops over pixels."""

import math

import pytest
import torch

from mmpldc.functional import boundary_map, boundary_weights


def naive_map(mask_logits):
    """Eight times each probability less those of its neighbours, which repeat at the edge."""
    count, height, width = mask_logits.shape
    found = torch.zeros(count, height, width)
    for mask in range(count):
        p = [[1 / (1 + math.exp(-x)) for x in row] for row in mask_logits[mask].tolist()]
        for y in range(height):
            for x in range(width):
                laplacian = 8 * p[y][x]
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        if dx or dy:
                            row = min(max(y + dy, 0), height - 1)
                            column = min(max(x + dx, 0), width - 1)
                            laplacian -= p[row][column]
                found[mask, y, x] = abs(laplacian)
    return found


@pytest.mark.parametrize('shape', [(0, 4, 4), (1, 1, 1), (2, 5, 7), (3, 1, 6)])
def test_equals_the_loop(shape):
    logits = 3 * torch.randn(shape)
    torch.testing.assert_close(boundary_map(logits), naive_map(logits), atol=1e-5, rtol=1e-4)


def test_largest_value_is_a_pixel_alone():
    logits = torch.full((1, 5, 5), -1e4)
    logits[0, 2, 2] = 1e4
    found = boundary_map(logits)
    assert found[0, 2, 2] == pytest.approx(8) and found.max() <= 8 + 1e-5
    assert found[0, 2, 1] == pytest.approx(1) and found[0, 0, 0] == pytest.approx(0, abs=1e-5)


def test_a_mask_cut_off_by_the_edge_has_no_boundary_there():
    logits = torch.full((1, 6, 6), 9.0)
    logits[:, :, 3:] = -9.0
    found = boundary_map(logits)
    assert (found[..., 2:4] > 1).all() and found[..., [0, 5]].max() < 1e-5


def test_gives_no_gradient_and_takes_half_precision():
    logits = torch.randn(2, 4, 4, dtype=torch.bfloat16).requires_grad_()
    found = boundary_map(logits)
    assert found.dtype == torch.float32 and not found.requires_grad


def test_weights_are_proportional_with_the_wanted_mean():
    boundary = torch.rand(3, 50)
    found = boundary_weights(boundary, scale=3.0)
    for weights, own in zip(found, boundary, strict=True):
        mean = sum(own.tolist()) / len(own)
        expected = torch.tensor([3 * g / mean for g in own.tolist()])
        torch.testing.assert_close(weights, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.mean(dim=1), torch.full((3,), 3.0))


def test_without_a_boundary_all_pixels_weigh_the_same():
    assert (boundary_weights(torch.zeros(2, 4), scale=3.0) == 3).all()
