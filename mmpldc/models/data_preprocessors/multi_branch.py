"""Preprocess batches with several views."""

from inspect import signature

import torch
from mmdet.models.data_preprocessors import MultiBranchDataPreprocessor as _MultiBranch
from mmengine.utils import apply_to
from torch import Tensor

from mmpldc.functional import PixelNormalization
from mmpldc.registry import MODELS

# mmengine's name, which mmdet and onedl-mmsegmentation have, and the original mmsegmentation's.
CHANNEL_CONVERSION = ('_channel_conversion', 'channel_conversion')


@MODELS.register_module()
class MultiBranchDataPreprocessor(_MultiBranch):
    """mmdet's class of the same name, for batches in which a branch may have no image.

    In a batch of labelled images only (supervised training, or a rank that drew no unlabelled
    image) some branches contain only None, and the parent fails.

    This class also reverses the channels (BGR to RGB) instead of the preprocessor that it wraps,
    which copies its index ``[2, 1, 0]`` to the device for each image and waits. Copies of
    mmsegmentation's preprocessor, which lacks the option ``non_blocking``, do not wait either.
    """

    def __init__(self, data_preprocessor: dict) -> None:
        super().__init__(data_preprocessor)
        if 'non_blocking' not in signature(type(self.data_preprocessor)).parameters:
            self.data_preprocessor._non_blocking = True
        self.reverses_channels = False
        for name in CHANNEL_CONVERSION:
            if getattr(self.data_preprocessor, name, False):
                setattr(self.data_preprocessor, name, False)
                self.reverses_channels = True

    @property
    def pixel_normalization(self) -> PixelNormalization:
        """Normalisation from pixels to the model's input images."""
        preprocessor = self.data_preprocessor
        is_rgb = self.reverses_channels  # mmcv reads images as BGR
        if not preprocessor._enable_normalize:
            return PixelNormalization(0.0, 1.0, is_rgb)
        return PixelNormalization(preprocessor.mean, preprocessor.std, is_rgb)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Drop empty branches, then normalise and pad each branch on its own.

        Args:
            data: ``inputs`` and ``data_samples``; in training a dict of branches, each a list with
                None for the images that the branch does not show.
            training: False for batches with a single view.

        Returns:
            The same keys, each a dict of the branches that have images: ``inputs`` float
            ``(B, 3, H, W)``, ``data_samples`` B samples.
        """
        if training:
            data = {
                key: {name: views for name, views in branches.items() if any_present(views)}
                for key, branches in data.items()
            }
        if self.reverses_channels:
            images = self.data_preprocessor.cast_data(data['inputs'])
            data = data | dict(inputs=apply_to(images, torch.is_tensor, _reversed_channels))
        return super().forward(data, training)


def any_present(views: list) -> bool:
    """Whether a branch shows at least one image of the batch."""
    return any(view is not None for view in views)


def _reversed_channels(image: Tensor) -> Tensor:
    """Index ``(..., C, H, W)`` as by ``[2, 1, 0]``: of more channels the first three remain."""
    return image.narrow(-3, 0, 3).flip(-3)
