"""A labelled or unlabelled image of semantic segmentation; importing it needs mmsegmentation."""

from collections.abc import Sequence

import torch
from mmseg.structures import SegDataSample
from torch import Tensor


class SegTrainingSample(SegDataSample):
    """mmsegmentation's ``SegDataSample`` whose label map PyTorch's ``pin_memory`` reaches.

    Its ``gt_sem_seg.data`` is ``(1, H, W)`` uint8, an eighth of mmsegmentation's int64, for the way
    from a worker to the device. :func:`stack_labels` makes int64 of it there.
    """

    def pin_memory(self) -> 'SegTrainingSample':
        """Page-lock the label map, in place, so that nobody waits for its copy to a device."""
        if 'gt_sem_seg' in self:
            self.gt_sem_seg.data = self.gt_sem_seg.data.pin_memory()
        return self


def stack_labels(samples: Sequence[SegDataSample]) -> Tensor:
    """The label maps of a padded batch.

    Args:
        samples: B labelled ones, padded to one size.

    Returns:
        ``(B, H, W)`` int64 in [0, C), or 255 for no label.
    """
    return torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
