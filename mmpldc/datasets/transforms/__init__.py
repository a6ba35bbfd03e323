from .load_annotations import LoadAnnotations
from .pack_training_inputs import PackTrainingInputs
from .torchvision_transforms import TorchvisionTransforms

__all__ = [
    'LoadAnnotations',
    'PackTrainingInputs',
    'TorchvisionTransforms',
]
