from .top_k_fusion_head import TopKMaskFormerFusionHead

__all__ = ['TopKMaskFormerFusionHead']
