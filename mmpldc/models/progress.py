"""The position in a training."""

from typing import NamedTuple


class Progress(NamedTuple):
    """Where training stands, in iterations."""

    step: int
    burn_in_steps: int
    max_steps: int
