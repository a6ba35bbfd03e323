"""Which images to label next (active learning): observe, score, choose."""

from .choosers import ChoosesImages, DiverseAmongBest, HighestFirst
from .criteria import (
    Criterion,
    ExpectedErrors,
    PixelUncertainty,
    PooledCriterion,
    QualityDisagreement,
    RandomOrder,
    RareClasses,
    RefinerDisagreement,
    ScoreUncertainty,
    ViewDisagreement,
)
from .observing import Observation, observe, pooled_features

__all__ = [
    'ChoosesImages',
    'Criterion',
    'DiverseAmongBest',
    'ExpectedErrors',
    'HighestFirst',
    'Observation',
    'PixelUncertainty',
    'PooledCriterion',
    'QualityDisagreement',
    'RandomOrder',
    'RareClasses',
    'RefinerDisagreement',
    'ScoreUncertainty',
    'ViewDisagreement',
    'observe',
    'pooled_features',
]
