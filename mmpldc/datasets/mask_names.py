"""How masks are named after their images."""

import re

MASK_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp')  # formats without loss
# What tools put behind, or before, the name of an image to name its mask.
MASK_WORDS = (
    r'(colou?r|cp[ _]masks|gt|gtfine|ground[ _.-]?truth|instance|instance_?ids?|instances|'
    r'label|label_?ids?|labels|mask|masks|seg|segmentation)'
)
MASK_ENDING = re.compile(rf'([ _.-]{MASK_WORDS})+$', re.IGNORECASE)
MASK_BEGINNING = re.compile(rf'^({MASK_WORDS}[ _.-])+', re.IGNORECASE)


def image_stem(stem: str) -> str:
    """Name of the image that a mask may belong to: ``a/0001`` for ``a/0001_mask``."""
    folder, _, base = stem.rpartition('/')
    short = MASK_ENDING.sub('', MASK_BEGINNING.sub('', base)) or base
    return f'{folder}/{short}' if folder else short
