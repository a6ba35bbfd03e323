"""iMAS's strong view: two random changes of an image's intensities."""

from collections.abc import Callable

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torchvision.transforms.functional import adjust_hue

from mmpldc.registry import TRANSFORMS

Operation = Callable[[Image.Image, float], Image.Image]


def _enhanced(kind: type) -> Operation:
    """A factor from 0.95 down to 0.1."""
    return lambda image, u: kind(image).enhance(0.95 - 0.85 * u)


def _hue(image: Image.Image, u: float) -> Image.Image:
    return adjust_hue(image, 0.5 * u * np.random.choice((-1, 1)))


OPERATIONS: dict[str, Operation] = {  # each takes an RGB image and a strength in [0, 1)
    'identity': lambda image, u: image,
    'autocontrast': lambda image, u: ImageOps.autocontrast(image),
    'equalize': lambda image, u: ImageOps.equalize(image),
    'invert': lambda image, u: ImageOps.invert(image),
    'blur': lambda image, u: image.filter(ImageFilter.GaussianBlur(0.1 + 1.9 * u)),
    'contrast': _enhanced(ImageEnhance.Contrast),
    'brightness': _enhanced(ImageEnhance.Brightness),
    'color': _enhanced(ImageEnhance.Color),
    'sharpness': _enhanced(ImageEnhance.Sharpness),
    'posterize': lambda image, u: ImageOps.posterize(image, 4 + int(4 * u)),
    'solarize': lambda image, u: ImageOps.solarize(image, 1 + int(256 * u)),
    'hue': _hue,
}


@TRANSFORMS.register_module()
class RandomIntensity(BaseTransform):
    """A few of iMAS's twelve operations in a row, drawn with replacement, each of random strength.

    None of them moves a pixel. The model mixes the result with the weak view
    (:func:`mmpldc.functional.blend`), the more the easier the image.

    Args:
        num_operations: 2 in iMAS.

    Required and modified key: ``img``, ``(H, W, 3)`` uint8 BGR.
    """

    def __init__(self, *, num_operations: int = 2) -> None:
        self.num_operations = num_operations

    def transform(self, results: dict) -> dict:
        image = Image.fromarray(results['img'][..., ::-1])
        for name in np.random.choice(list(OPERATIONS), self.num_operations):
            image = OPERATIONS[name](image, 0.999 * np.random.rand())
        results['img'] = np.ascontiguousarray(np.array(image)[..., ::-1])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_operations={self.num_operations})'
