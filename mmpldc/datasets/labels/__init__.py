"""From a user's annotation files to sets that can be trained and evaluated on.

read -> repair what follows from the data -> check, naming the file and the record -> draw sets.
"""

from .categories import match_categories
from .merge import Merged, find_leaks, merge_labels, path_of, without_labelled
from .prepare import RECORDS, Labels, Options, prepare
from .sets import (
    draw_held_out,
    draw_held_out_names,
    read_negatives,
    separate_unannotated,
    warn_of_few,
)
from .unlabeled import unlabeled_set

__all__ = [
    'RECORDS',
    'Labels',
    'Merged',
    'Options',
    'draw_held_out',
    'draw_held_out_names',
    'find_leaks',
    'match_categories',
    'merge_labels',
    'path_of',
    'prepare',
    'read_negatives',
    'separate_unannotated',
    'unlabeled_set',
    'warn_of_few',
    'without_labelled',
]
