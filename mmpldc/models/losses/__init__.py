from .ohem_cross_entropy_loss import OHEMCrossEntropyLoss
from .uncertainty_weighted_ce_loss import UncertaintyWeightedCrossEntropyLoss

__all__ = ['OHEMCrossEntropyLoss', 'UncertaintyWeightedCrossEntropyLoss']
