"""Data structures shared by data loader, networks and losses."""

from .encoded_masks import EncodedMasks
from .packed_masks import PackedMasks, unpack_masks
from .query_outputs import HeadOutputs, LayerOutputs
from .training_sample import TrainingSample

__all__ = [
    'EncodedMasks',
    'HeadOutputs',
    'LayerOutputs',
    'PackedMasks',
    'TrainingSample',
    'unpack_masks',
]
