from .mask_cross_entropy_cost import MaskCrossEntropyCost

__all__ = ['MaskCrossEntropyCost']
