from .uncertainty_weighted_ce_loss import UncertaintyWeightedCrossEntropyLoss

__all__ = ['UncertaintyWeightedCrossEntropyLoss']
