"""Data structures shared by data loader, networks and losses."""

from .packed_masks import PackedMasks
from .query_outputs import HeadOutputs, LayerOutputs
from .training_sample import TrainingSample

__all__ = ['HeadOutputs', 'LayerOutputs', 'PackedMasks', 'TrainingSample']
