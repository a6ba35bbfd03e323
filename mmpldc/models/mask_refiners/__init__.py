"""Give pseudo-labels better masks: edges in the image, or a model that segments what is shown."""

from .grab_cut_refiner import GrabCutRefiner
from .mask_refiner import MaskProposals, MaskRefiner
from .sam_refiner import SAMRefiner

__all__ = ['GrabCutRefiner', 'MaskProposals', 'MaskRefiner', 'SAMRefiner']
