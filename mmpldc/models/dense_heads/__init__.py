from .mask_targets import MaskTargets
from .semi_mask2former_head import SemiMask2FormerHead

__all__ = ['MaskTargets', 'SemiMask2FormerHead']
