"""Point sampling against ``grid_sample``."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.utils import get_uncertain_point_coords_with_randomness

from mmpldc.functional import sample_points, uncertain_points


def reference(maps, index, points):
    grid = 2 * points.float()[:, :, None] - 1  # (K, P, 1, 2)
    chosen = maps[index].float()[:, None]
    sampled = F.grid_sample(
        chosen, grid, mode='bilinear', padding_mode='zeros', align_corners=False
    )
    return sampled[:, 0, :, 0]


@pytest.fixture
def points():
    """Random points, the corners, the border, pixel centres of an 8 x 4 map and points outside."""
    random = torch.rand(5, 40, 2)
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    border = torch.tensor([[0.0, 0.3], [1.0, 0.6], [0.2, 0.0], [0.7, 1.0]])
    centres = torch.tensor([[(x + 0.5) / 8, (y + 0.5) / 4] for x in range(8) for y in range(4)])
    outside = torch.tensor([[-0.01, 0.5], [1.02, 0.5], [0.5, -0.3], [0.5, 1.4]])
    special = torch.cat([corners, border, centres, outside])
    return torch.cat([random, special.expand(5, -1, -1)], dim=1)


def random_maps(dtype, shape):
    if dtype in (torch.uint8, torch.bool):
        return (torch.rand(shape) > 0.5).to(dtype)
    return (5 * torch.randn(shape)).to(dtype)


@pytest.mark.parametrize(
    'dtype',
    [torch.uint8, torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float32],
)
@pytest.mark.parametrize('size', [(4, 8), (7, 5), (1, 1), (1, 6), (9, 1)])
def test_equals_grid_sample(points, dtype, size):
    maps = random_maps(dtype, (3, *size))
    index = torch.tensor([2, 0, 0, 1, 2])
    sampled = sample_points(maps, index, points)
    assert sampled.dtype == torch.float32
    assert sampled.shape == points.shape[:2]
    torch.testing.assert_close(sampled, reference(maps, index, points), atol=1e-5, rtol=1e-5)


def test_equals_the_point_sampling_of_the_loss(points):
    from mmcv.ops import point_sample

    maps, index = torch.randn(3, 6, 6), torch.tensor([0, 1, 2, 1, 0])
    expected = point_sample(maps[index][:, None], points)[:, 0]
    torch.testing.assert_close(sample_points(maps, index, points), expected, atol=1e-5, rtol=1e-5)


def test_a_pixel_centre_reads_that_pixel():
    maps = torch.arange(12.0).view(1, 3, 4)
    x, y = torch.meshgrid(torch.arange(4), torch.arange(3), indexing='xy')
    centres = torch.stack([(x + 0.5) / 4, (y + 0.5) / 3], dim=-1).view(1, 12, 2)
    sampled = sample_points(maps, torch.tensor([0]), centres)
    torch.testing.assert_close(sampled, maps.view(1, 12), atol=1e-5, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_points_in_half_precision(points, dtype):
    maps, index = torch.randn(3, 4, 8), torch.tensor([0, 1, 2, 1, 0])
    points = points.to(dtype)
    torch.testing.assert_close(
        sample_points(maps, index, points), reference(maps, index, points), atol=1e-5, rtol=1e-5
    )


def test_maps_that_are_a_view():
    maps = torch.randn(6, 8, 3).permute(2, 1, 0)
    index, points = torch.tensor([1, 2]), torch.rand(2, 9, 2)
    expected = reference(maps, index, points)
    torch.testing.assert_close(sample_points(maps, index, points), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('num_maps', 'num_rows', 'num_points'), [(0, 0, 5), (3, 0, 5), (3, 2, 0)])
def test_nothing_to_sample(num_maps, num_rows, num_points):
    sampled = sample_points(
        torch.zeros(num_maps, 4, 4),
        torch.zeros(num_rows, dtype=torch.long),
        torch.zeros(num_rows, num_points, 2),
    )
    assert sampled.shape == (num_rows, num_points)


def test_maps_get_no_gradient():
    maps = torch.randn(2, 4, 4, requires_grad=True)
    assert not sample_points(maps, torch.tensor([0, 1]), torch.rand(2, 3, 2)).requires_grad


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('importance_ratio', [0.0, 0.75, 1.0])
def test_uncertain_points_are_mmdets(dtype, importance_ratio):
    maps = torch.randn(3, 9, 7).to(dtype)
    torch.manual_seed(4)
    expected = get_uncertain_point_coords_with_randomness(
        maps[:, None].float(), None, 20, 3.0, importance_ratio
    )
    torch.manual_seed(4)
    points = uncertain_points(maps, 20, oversample_ratio=3.0, importance_ratio=importance_ratio)
    assert points.shape == (3, 20, 2)
    for own, theirs in zip(points.tolist(), expected.tolist(), strict=True):
        assert sorted(own) == sorted(theirs)


def test_uncertain_points_of_no_map():
    assert uncertain_points(
        torch.zeros(0, 4, 4), 8, oversample_ratio=3.0, importance_ratio=0.75
    ).shape == (0, 8, 2)
