from .swin import SwinTransformer
from .timm_backbone import TimmBackbone

__all__ = ['SwinTransformer', 'TimmBackbone']
