"""Seeds that follow from a position."""

import random

import numpy as np
import pytest
import torch

from mmpldc.utils.randomness import Purpose, seed_process, seeded


def draw() -> tuple[float, ...]:
    """From each of the generators."""
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_positions_have_nothing_in_common():
    drawn = []
    for seed in (0, 1, 2**32 - 1):
        for purpose in Purpose:
            for rest in [(), (0,), (0, 0), (0, 0, 0), (1,), (1, 0), (0, 1), (2**31, 3), (3, 2**31)]:
                seed_process(seed, purpose, *rest)
                drawn += draw()
                seed_process(seed, purpose, *rest)
                assert list(draw()) == drawn[-3:]
    assert len(set(drawn)) == len(drawn)  # nor have the generators


@pytest.mark.parametrize('fails', [False, True])
def test_other_randomness_goes_on_as_if_nothing_had_been_drawn(fails):
    seed_process(1, Purpose.STEP)
    expected = draw()
    seed_process(1, Purpose.STEP)
    try:
        with seeded(7, Purpose.AUGMENTATION, 8):
            inside = draw()
            assert not fails
    except AssertionError:
        pass
    assert draw() == expected
    with seeded(7, Purpose.AUGMENTATION, 8):
        assert draw() == inside != expected
