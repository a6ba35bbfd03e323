from .semi_mask2former import SemiMask2Former

__all__ = ['SemiMask2Former']
