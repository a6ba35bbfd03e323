from .top_k_fusion_head import TopKMaskFormerFusionHead, predict_run_lengths

__all__ = ['TopKMaskFormerFusionHead', 'predict_run_lengths']
