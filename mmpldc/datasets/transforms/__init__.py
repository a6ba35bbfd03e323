from .load_annotations import LoadAnnotations
from .load_seg_annotations import LoadSegAnnotations
from .load_weak_labels import LoadWeakLabels
from .pack_training_inputs import PackTrainingInputs
from .random_intensity import RandomIntensity
from .random_scale import RandomScale
from .torchvision_transforms import TorchvisionTransforms

__all__ = [
    'LoadAnnotations',
    'LoadSegAnnotations',
    'LoadWeakLabels',
    'PackTrainingInputs',
    'RandomIntensity',
    'RandomScale',
    'TorchvisionTransforms',
]
