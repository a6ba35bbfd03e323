from .clip_refiner import CLIPRefiner
from .image_classifier_scorer import ImageClassifierScorer
from .open_clip_scorer import OpenCLIPScorer
from .region_scorer import RegionScorer, RegionScores

__all__ = [
    'CLIPRefiner',
    'ImageClassifierScorer',
    'OpenCLIPScorer',
    'RegionScorer',
    'RegionScores',
]
