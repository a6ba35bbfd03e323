from .plain_vit import PlainViT
from .swin import SwinTransformer

__all__ = ['PlainViT', 'SwinTransformer']
