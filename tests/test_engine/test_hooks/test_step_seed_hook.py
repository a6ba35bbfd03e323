"""The randomness of a step follows from its number."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from mmpldc.engine.hooks import StepSeedHook


class Drawing(Hook):
    """What each step draws, and after it something else does."""

    def __init__(self, extra: int = 0):
        self.extra, self.drawn = extra, {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.drawn[runner.iter] = random.random(), np.random.rand(), torch.rand(1).item()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for _ in range(self.extra):
            random.random(), np.random.rand(), torch.rand(1)


def test_steps_draw_the_same_whatever_was_drawn_between_them(make_runner, toy_pair):
    drawn = []
    for extra in (0, 3):
        hook = Drawing(extra)
        make_runner(model=toy_pair(), max_iters=4, hooks=(hook, StepSeedHook())).train()
        drawn.append(hook.drawn)
    assert drawn[0] == drawn[1]
    for values in zip(*drawn[0].values(), strict=True):
        assert len(set(values)) == 4


@pytest.mark.parametrize('change', [dict(seed=4), dict(rank=1), dict(iter=8)])
def test_seed_rank_and_iteration_count(change):
    def draw(**position):
        StepSeedHook().before_train_iter(SimpleNamespace(**position), 0)
        return torch.rand(1).item()

    position = dict(seed=3, rank=0, iter=7)
    assert draw(**position) == draw(**position) != draw(**position | change)
