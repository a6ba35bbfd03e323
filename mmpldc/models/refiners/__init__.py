from mmpldc.utils.rank_zero_first import load_first_on_one_rank

from .clip_refiner import CLIPRefiner
from .hidden_label_refiner import HiddenLabelRefiner
from .image_classifier_scorer import ImageClassifierScorer
from .open_clip_scorer import OpenCLIPScorer
from .region_crops import RegionCrops
from .region_scorer import RegionScorer, RegionScores

__all__ = [
    'CLIPRefiner',
    'HiddenLabelRefiner',
    'ImageClassifierScorer',
    'OpenCLIPScorer',
    'RegionCrops',
    'RegionScorer',
    'RegionScores',
    'load_first_on_one_rank',
]
