from .load_annotations import LoadAnnotations
from .pack_training_inputs import PackTrainingInputs
from .pseudo_label_filter import PseudoLabelFilter
from .torchvision_transforms import TorchvisionTransforms

__all__ = [
    'LoadAnnotations',
    'PackTrainingInputs',
    'PseudoLabelFilter',
    'TorchvisionTransforms',
]
