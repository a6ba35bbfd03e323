"""Masks cut at the edges of coloured objects."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmpldc.functional import mask_iou
from mmpldc.models import GrabCutRefiner
from mmpldc.registry import MODELS

SIZE, STRIDE = 96, 4
CENTRES = [(30, 30), (60, 64)]
RADIUS = 16


def disc(centre, radius=RADIUS):
    rows, columns = torch.meshgrid(*[torch.arange(SIZE) + 0.5] * 2, indexing='ij')
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2


def at_stride(masks):
    """Logits at the stride of a teacher's masks."""
    return (F.interpolate(masks[None].float(), scale_factor=1 / STRIDE, mode='area')[0] - 0.5) * 6


@pytest.fixture
def scene():
    """Two red discs on a noisy green ground, as a batch of one image."""
    generator = torch.Generator().manual_seed(0)
    image = torch.tensor([0.2, 0.5, 0.2])[:, None, None] * torch.ones(3, SIZE, SIZE)
    for centre in CENTRES:
        image[:, disc(centre)] = torch.tensor([0.8, 0.2, 0.2])[:, None]
    image += 0.05 * torch.randn(image.shape, generator=generator)
    return image.clamp(0, 1)[None]


@pytest.fixture
def truth():
    return torch.stack([disc(centre) for centre in CENTRES])


def moved(truth):
    """Masks that are three pixels off."""
    return truth.roll((3, 3), dims=(1, 2))


def ious(probabilities, truth):
    return mask_iou(probabilities > 0.5, at_stride(truth) > 0)


def test_edges_move_to_those_of_the_image(scene, truth):
    refiner = GrabCutRefiner(band=0.25)
    given = at_stride(moved(truth))
    found = refiner.propose(scene, [(SIZE, SIZE)], given, torch.tensor([0, 0]))
    before, after = ious(given.sigmoid(), truth), ious(found.probabilities, truth)
    assert (after > before + 0.05).all() and (after > 0.9).all()
    assert found.valid.all() and ((found.quality > 0.5) & (found.quality < 1)).all()
    assert found.probabilities.shape == given.shape


def test_the_result_depends_on_image_and_mask_alone(scene, truth):
    refiner, given = GrabCutRefiner(), at_stride(moved(truth))
    both = refiner.propose(scene, [(SIZE, SIZE)], given, torch.tensor([0, 0]))
    batch = torch.cat([torch.rand_like(scene), scene])
    alone = refiner.propose(batch, [(SIZE, SIZE)] * 2, given[1:], torch.tensor([1]))
    assert alone.probabilities[0].equal(both.probabilities[1])
    assert alone.quality[0] == both.quality[1]


def test_a_large_object_is_cut_at_a_lower_resolution(scene, truth):
    given = at_stride(moved(truth))
    exact, coarse = (
        GrabCutRefiner(band=0.25, max_side=side).propose(
            scene, [(SIZE, SIZE)], given, torch.tensor([0, 0])
        )
        for side in (128, 32)
    )
    assert (mask_iou(exact.probabilities > 0.5, coarse.probabilities > 0.5) > 0.85).all()


def test_padding_is_left_alone(scene, truth):
    """The crop ends where the content ends, in the middle of the second disc."""
    given = at_stride(truth)
    found = GrabCutRefiner().propose(scene, [(SIZE, 64)], given, torch.tensor([0, 0]))
    assert found.probabilities[1, :, 64 // STRIDE :].max() == 0
    assert found.probabilities[0].max() == 1


@pytest.mark.parametrize('kind', ['empty', 'one pixel', 'everything', 'in the padding'])
def test_what_cannot_be_cut_is_not_valid(scene, kind):
    mask = torch.zeros(1, SIZE, SIZE)
    if kind == 'one pixel':
        mask[0, 40:42, 40:42] = 1
    elif kind == 'everything':
        mask[:] = 1
    elif kind == 'in the padding':
        mask[0, 40:60, 80:] = 1
    found = GrabCutRefiner().propose(scene, [(SIZE, 70)], at_stride(mask), torch.tensor([0]))
    assert found.valid.tolist() == [False]


def test_it_draws_nothing_from_the_runs_random_stream(scene, truth):
    np.random.seed(0)
    torch.manual_seed(0)
    refiner = MODELS.build(dict(type='mmpldc.GrabCutRefiner'))
    refiner.propose(scene, [(SIZE, SIZE)], at_stride(truth), torch.tensor([0, 0]))
    drawn = np.random.rand(), torch.rand(1).item()
    np.random.seed(0)
    torch.manual_seed(0)
    assert drawn == (np.random.rand(), torch.rand(1).item())
