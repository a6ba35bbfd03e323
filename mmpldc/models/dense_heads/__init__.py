from .fast_mask2former_head import FastMask2FormerHead
from .mask_iou_head import MaskIoUHead
from .mask_targets import MaskTargets
from .semi_mask2former_head import SemiMask2FormerHead

__all__ = ['FastMask2FormerHead', 'MaskIoUHead', 'MaskTargets', 'SemiMask2FormerHead']
