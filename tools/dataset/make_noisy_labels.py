"""Make weak labels with known faults from true ones, to see what a run gains from such labels.

    python tools/dataset/make_noisy_labels.py data/shapes/annotations/unlabeled_hidden.json \
        data/shapes/annotations/weak_labels.json

Of the objects a share is left out, a share of the others gets another class, masks grow over their
edges, and scores are higher where the class is right.
"""

import argparse
import json
from pathlib import Path

from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.shapes import noisy_labels
from mmpldc.utils.files import atomic_write


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('truth', type=Path, help='COCO-format json with masks')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--wrong-class', type=float, default=0.3, metavar='SHARE')
    parser.add_argument('--missing', type=float, default=0.5, metavar='SHARE')
    parser.add_argument(
        '--looseness',
        type=float,
        default=0.15,
        metavar='SHARE',
        help='how far masks grow at most, of the square root of their area',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    noisy = noisy_labels(
        read_coco(args.truth, 'annotations', 'categories'),
        seed=args.seed,
        wrong_class=args.wrong_class,
        missing=args.missing,
        looseness=args.looseness,
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(args.out) as file:
        json.dump(noisy, file)
    print(f'{args.out}: {len(noisy["annotations"])} labels on {len(noisy["images"])} images')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'make_noisy_labels.py: {error}') from None
