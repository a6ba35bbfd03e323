from .pseudo_label_filter import PseudoLabelFilter
from .torchvision_transforms import TorchvisionTransforms

__all__ = ['PseudoLabelFilter', 'TorchvisionTransforms']
