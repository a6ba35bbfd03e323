"""From a user's annotation files to sets that can be trained and evaluated on.

read -> repair what follows from the data -> check, naming the file and the record -> draw sets.
"""

from .categories import match_categories
from .prepare import Labels, Options, prepare
from .sets import (
    draw_held_out,
    draw_held_out_names,
    read_negatives,
    separate_unannotated,
    warn_of_few,
)
from .unlabeled import unlabeled_set

__all__ = [
    'Labels',
    'Options',
    'draw_held_out',
    'draw_held_out_names',
    'match_categories',
    'prepare',
    'read_negatives',
    'separate_unannotated',
    'unlabeled_set',
    'warn_of_few',
]
