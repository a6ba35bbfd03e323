"""The last transform of a view of semantic segmentation; importing it needs mmsegmentation."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs

from mmpldc.structures.seg_training_sample import SegTrainingSample

META_KEYS = (
    'img_path',
    'seg_map_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'homography_matrix',
)


class PackSegTrainingInputs(PackSegInputs):
    """mmsegmentation's ``PackSegInputs`` with label maps in a form that workers hand over fast.

    See :class:`~mmpldc.structures.seg_training_sample.SegTrainingSample`. The meta information has
    the homography, from which the model sees that two views of an image share their geometry.

    Args:
        meta_keys: as in mmsegmentation.
    """

    def __init__(self, *, meta_keys: Sequence[str] = META_KEYS) -> None:
        super().__init__(meta_keys=tuple(meta_keys))

    def transform(self, results: dict) -> dict:
        """Pack a view.

        Args:
            results: with ``img`` ``(h, w, 3)`` uint8 and, if the image is labelled, ``gt_seg_map``
                ``(h, w)`` uint8.

        Returns:
            ``inputs`` ``(3, h, w)`` uint8 and ``data_samples``.
        """
        others = {key: value for key, value in results.items() if key != 'gt_seg_map'}
        packed = super().transform(others)
        sample = SegTrainingSample(metainfo=packed['data_samples'].metainfo)
        if 'gt_seg_map' in results:
            labels = np.ascontiguousarray(results['gt_seg_map'])
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(labels)[None])
        return packed | dict(data_samples=sample)
