"""Pack a training view for fast transfer from workers."""

import mmpldc._mmdet  # noqa: F401

import torch
from mmdet.datasets.transforms import PackDetInputs

from mmpldc.registry import TRANSFORMS
from mmpldc.structures import PackedMasks, TrainingSample


@TRANSFORMS.register_module()
class PackTrainingInputs(PackDetInputs):
    """mmdet's ``PackDetInputs`` with masks that workers can transfer fast.

    Masks become :class:`~mmpldc.structures.PackedMasks`, the sample a
    :class:`~mmpldc.structures.TrainingSample`. Ignored instances (crowds) are dropped: no loss of
    Mask2Former uses them. Weak labels (:class:`LoadWeakLabels`) get their classes, and their
    ``scores`` and ``mask_quality`` become fields of ``gt_instances``.

    Args:
        meta_keys: as in mmdet.
    """

    def transform(self, results: dict) -> dict:
        """Pack a view.

        Args:
            results: with ``img`` ``(h, w, 3)`` uint8 and, if the image is labelled, ``gt_masks``,
                ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags``; if its labels are weak,
                ``weak_labels``.

        Returns:
            ``inputs`` ``(3, h, w)`` uint8 and ``data_samples``.
        """
        packed = super().transform(results)
        sample = packed['data_samples']
        instances = sample.gt_instances
        if 'masks' in instances:
            instances.masks = PackedMasks.pack(instances.masks)
        if 'weak_labels' in results:
            rows = instances.labels
            for name, values in results['weak_labels'].items():
                instances[name] = torch.from_numpy(values)[rows]
        packed['data_samples'] = TrainingSample(metainfo=sample.metainfo, gt_instances=instances)
        return packed
