from .label_weights import DynamicAligningWeights, LabelWeights, MaskQualityGate
from .mask_cross_entropy_cost import MaskCrossEntropyCost
from .pixel_weights import BoundaryPreservingMap

__all__ = [
    'BoundaryPreservingMap',
    'DynamicAligningWeights',
    'LabelWeights',
    'MaskCrossEntropyCost',
    'MaskQualityGate',
]
