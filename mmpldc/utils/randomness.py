"""Derive random seeds from the position in a run, so that no generator state is saved."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """Purpose of a random draw; draws of different purposes at one position are independent."""

    STEP = 0
    AUGMENTATION = 1


def seed_process(seed: int, purpose: Purpose, *position: int) -> None:
    """Seed ``random``, NumPy and torch, including its accelerator, in this process.

    Args:
        seed: seed of the run, at least 0.
        purpose: purpose of the randomness.
        *position: integers of at least 0, such as (rank, iteration). Draws at different
            positions are independent.
    """
    torch.manual_seed(_seed_python_and_numpy(seed, purpose, *position))


@contextmanager
def seeded(seed: int, purpose: Purpose, *position: int) -> Iterator[None]:
    """Seed ``random``, NumPy and torch's CPU generator, and restore their states afterwards.

    Accelerators are not touched, because worker processes must not initialise one.

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
    """Seed ``random`` and NumPy, and return another seed for torch."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, *position))
    for_python, for_numpy, for_torch = sequence.generate_state(3, np.uint64).tolist()
    random.seed(for_python)
    np.random.seed([for_numpy & 0xFFFFFFFF, for_numpy >> 32])  # NumPy takes words of 32 bits
    return for_torch
