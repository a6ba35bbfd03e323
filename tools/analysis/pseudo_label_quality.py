"""Measure a teacher's pseudo-labels on annotated images, with the config's filter or a grid.

To choose thresholds, use another split than the reported one.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
from common import argument_parser, load

from mmpldc.evaluation.pseudo_label_quality import compare_candidates, compare_pseudo_labels
from mmpldc.utils.files import write_json

CLASS_THRS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
MASK_THRS = (0.7, 0.8, 0.85, 0.9, 0.93)


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument(
        '--grid',
        action='store_true',
        help='try a grid of thresholds (without refiner and duplicate suppression)',
    )
    parser.add_argument('--out', type=Path, help='write the result as JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    model, dataloader = load(args, with_refiner=not args.grid)
    if not args.grid:
        result = compare_pseudo_labels(model, dataloader).summary()
        print(json.dumps(result, indent=2))
    else:
        candidates = compare_candidates(model, dataloader)
        result = []
        for class_thr, mask_thr in product(CLASS_THRS, MASK_THRS):
            keep = (candidates.class_quality >= class_thr) & (candidates.mask_quality >= mask_thr)
            result.append(
                dict(class_thr=class_thr, mask_thr=mask_thr) | candidates.select(keep).summary()
            )
        print('  '.join(f'{name[:14]:>14}' for name in result[0]))
        for row in result:
            print('  '.join(f'{value:14.3f}' for value in row.values()))
    if args.out:
        write_json(args.out, result, indent=2, default=np.generic.item)


if __name__ == '__main__':
    main()
