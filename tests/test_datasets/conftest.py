"""Pictures that are as varied as photographs."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo() -> Callable[..., Image.Image]:
    """A picture of clouds and grain, its own for each number."""

    def photo(number: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
        rng = np.random.default_rng(number)
        pixels = np.zeros((size[1], size[0], 3), np.float32)
        for cells in (4, 9, 23):
            noise = rng.uniform(0, 255, (cells, cells, 3)).astype(np.uint8)
            layer = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
            pixels += np.asarray(layer, np.float32) / 3
        pixels += rng.normal(0, 2, pixels.shape)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    return photo
