from .plain_vit import PlainViT
from .swin import SwinTransformer
from .vit_maps import ViTMaps

__all__ = ['PlainViT', 'SwinTransformer', 'ViTMaps']
