from .fast_mask2former_head import FastMask2FormerHead
from .mask_targets import MaskTargets
from .semi_mask2former_head import SemiMask2FormerHead

__all__ = ['FastMask2FormerHead', 'MaskTargets', 'SemiMask2FormerHead']
