from .label_weights import DynamicAligningWeights, LabelWeights, MaskQualityGate
from .mask_cross_entropy_cost import MaskCrossEntropyCost

__all__ = ['DynamicAligningWeights', 'LabelWeights', 'MaskCrossEntropyCost', 'MaskQualityGate']
