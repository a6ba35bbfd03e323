"""Randomness that is a function of the position in a run, so that nothing of it has to be saved."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What is drawn for: equal numbers behind it are not the same position."""

    STEP = 0
    AUGMENTATION = 1


def seed_process(seed: int, purpose: Purpose, *position: int) -> None:
    """Seed what this process draws from: ``random``, NumPy and torch, its accelerator included.

    Args:
        seed: of the run, from 0 on.
        purpose: of the randomness.
        *position: integers from 0 on, such as (rank, iteration). What is drawn at different
            positions has nothing to do with one another.
    """
    torch.manual_seed(_seed_python_and_numpy(seed, purpose, *position))


@contextmanager
def seeded(seed: int, purpose: Purpose, *position: int) -> Iterator[None]:
    """Seed ``random``, NumPy and torch's CPU generator, and give them back as they were.

    Accelerators are not touched: worker processes must not start one.

    Args:
        seed, purpose, *position: see :func:`seed_process`.
    """
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_seed_python_and_numpy(seed, purpose, *position))
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _seed_python_and_numpy(seed: int, purpose: Purpose, *position: int) -> int:
    """Seed these two, and return another seed for torch."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, *position))
    for_python, for_numpy, for_torch = sequence.generate_state(3, np.uint64).tolist()
    random.seed(for_python)
    np.random.seed([for_numpy & 0xFFFFFFFF, for_numpy >> 32])  # it takes words of 32 bits
    return for_torch
