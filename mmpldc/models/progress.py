"""The position in a training."""

from typing import NamedTuple


class Progress(NamedTuple):
    """Where training stands, in iterations; burn-in's are those before the teacher labels."""

    step: int
    burn_in_steps: int
    max_steps: int
