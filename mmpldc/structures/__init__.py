"""What goes from a data loader's workers to the device."""

from .packed_masks import PackedMasks
from .training_sample import TrainingSample

__all__ = ['PackedMasks', 'TrainingSample']
