"""Random resizing relative to an image's own size (U2PL, UniMatch)."""

import mmpldc._mmdet  # noqa: F401

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import Resize

from mmpldc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Multiply both sides of an image, and of its label map, by one random factor.

    mmdet's ``RandomResize`` draws a size that has nothing to do with the image's own.

    Args:
        ratio_range: of the factor.
        as_often_smaller: draw factors below and above 1 equally often, as U2PL does; else the
            factor is uniform, as UniMatch's.

    Required and modified keys: those of mmdet's ``Resize``, the homography included.
    """

    def __init__(
        self, *, ratio_range: tuple[float, float] = (0.5, 2.0), as_often_smaller: bool = False
    ) -> None:
        low, high = ratio_range
        if not 0 < low <= high or (as_often_smaller and not low <= 1 <= high):
            raise ValueError(f'ratio_range is {ratio_range}: two numbers, the smaller one first')
        self.ratio_range = (low, high)
        self.as_often_smaller = as_often_smaller
        self.resize = Resize(scale=(1, 1), keep_ratio=False)

    def transform(self, results: dict) -> dict:
        low, high = self.ratio_range
        if self.as_often_smaller:
            low, high = (low, 1.0) if np.random.rand() < 0.5 else (1.0, high)
        ratio = np.random.uniform(low, high)
        height, width = results['img'].shape[:2]
        self.resize.scale = tuple(max(1, round(side * ratio)) for side in (width, height))
        return self.resize(results)

    def __repr__(self) -> str:
        options = f'ratio_range={self.ratio_range}, as_often_smaller={self.as_often_smaller}'
        return f'{type(self).__name__}({options})'
