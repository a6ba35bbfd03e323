"""Train several configs in one process, step by step, on the same batches and features."""

from .runs import train_in_lockstep
from .shared_batches import SharedBatches
from .shared_features import SharedFeatures
from .turns import Stopped, Turns

__all__ = ['SharedBatches', 'SharedFeatures', 'Stopped', 'Turns', 'train_in_lockstep']
