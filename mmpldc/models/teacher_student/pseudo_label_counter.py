"""Count pseudo-labels during a run, to detect a collapsing teacher."""

from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from mmengine.dist import all_gather_object, all_reduce
from torch import Tensor, nn

MAX_NAMES = 20  # of images that a message lists at most


class LabelCounts(NamedTuple):
    """Counts over all ranks.

    Attributes:
        kept: N numbers, pseudo-labels of each class.
        num_images: unlabelled images that the teacher has processed.
        num_nan: number of these for which its output contained NaN.
        nan_images: files of some of these.
    """

    kept: list[int]
    num_images: int
    num_nan: int
    nan_images: list[str]


class PseudoLabelCounter(nn.Module):
    """Count this rank's pseudo-labels without waiting for the device until the counts are read.

    Checkpoints do not contain the counts: a resumed run starts counting anew.

    Args:
        num_classes: N.
    """

    kept: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer('kept', torch.zeros(num_classes, dtype=torch.int64), persistent=False)
        self.num_images = self.num_nan = 0
        self.nan_images: deque[str] = deque(maxlen=MAX_NAMES)

    def update(self, counts: Tensor, has_nan: Sequence[bool], paths: Sequence[str]) -> None:
        """Count a batch.

        Args:
            counts: ``(N,)`` int64, the batch's pseudo-labels of each class.
            has_nan: per image, whether the teacher's output contained NaN.
            paths: image files.
        """
        self.kept += counts
        self.num_images += len(paths)
        self.num_nan += sum(has_nan)
        self.nan_images.extend(path for path, nan in zip(paths, has_nan, strict=True) if nan)

    def pop_counts(self) -> LabelCounts:
        """Return the counts of all ranks since the last call; every rank must call it."""
        own = torch.cat([self.kept, self.kept.new_tensor([self.num_images, self.num_nan])])
        all_reduce(own)
        # Host sync: the caller's, once in hundreds of steps.
        *kept, num_images, num_nan = own.tolist()
        nan_images = []
        if num_nan:  # the same on all ranks
            of_ranks = all_gather_object(list(self.nan_images))
            nan_images = list(dict.fromkeys(chain.from_iterable(of_ranks)))[:MAX_NAMES]
        self.kept.zero_()
        self.num_images = self.num_nan = 0
        self.nan_images.clear()
        return LabelCounts(kept, num_images, num_nan, nan_images)
