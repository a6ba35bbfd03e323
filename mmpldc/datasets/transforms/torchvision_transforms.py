"""Photometric augmentation of the strong view, by torchvision."""

from typing import Any

import torch
from mmcv.transforms import BaseTransform
from torchvision.transforms import v2

from mmpldc.registry import TRANSFORMS

from . import opencv_kernels


@TRANSFORMS.register_module()
class TorchvisionTransforms(BaseTransform):
    """Apply torchvision's v2 transforms to the image alone; masks and boxes stay as they are.

    Table III of the paper lists torchvision's colour jitter, grayscale, blur and erasing; this
    class runs them unchanged inside mmdet's pipeline. Use only transforms that keep every pixel in
    its place.

    The slow ones run on OpenCV, with torchvision's results (:mod:`.opencv_kernels`).

    Required and modified key: ``img``, ``(H, W, 3)`` uint8 BGR. Torchvision sees RGB float in
    [0, 1]; the result is clamped to that range and rounded.

    Args:
        transforms: names and arguments of classes of ``torchvision.transforms.v2``, e.g.
            ``dict(type='RandomGrayscale', p=0.2)``; with ``prob`` the transform is applied with
            that probability (torchvision's ``RandomApply``).

    Note:
        ``RandomErasing(value='random')`` fills with N(0, 1) noise. The released code lets values
        outside [0, 1] wrap around in uint8; here they are clamped.
    """

    def __init__(self, *, transforms: list[dict]) -> None:
        self.transforms = transforms
        self.pipeline = v2.Compose([self._build(**config) for config in transforms])

    @staticmethod
    def _build(*, type: str, prob: float = 1.0, **arguments: Any) -> v2.Transform:
        if not issubclass(getattr(v2, type, object), v2.Transform):
            raise ValueError(f"torchvision.transforms.v2 has no transform '{type}'")
        transform = getattr(opencv_kernels, type, getattr(v2, type))(**arguments)
        return transform if prob == 1.0 else v2.RandomApply([transform], p=prob)

    def transform(self, results: dict) -> dict:
        rgb = torch.from_numpy(results['img'][..., ::-1].copy()).permute(2, 0, 1)
        augmented = self.pipeline(rgb.float() / 255).clamp(0, 1)
        bgr = (augmented * 255).round().byte().permute(1, 2, 0).flip(-1)
        results['img'] = bgr.contiguous().numpy()
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'
