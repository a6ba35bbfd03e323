"""Split a COCO-format annotation file into labelled and unlabelled images.

Writes NAME.FOLD@PERCENT.json and NAME.FOLD@PERCENT-unlabeled.json, the names that mmdet's
semi-supervised configs use; the fold is the seed of the draw.
"""

import argparse
import json
from pathlib import Path

from mmpldc.datasets.split import split_coco


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('annotations', type=Path, help='COCO-format json')
    parser.add_argument('--percent', type=float, required=True, help='share that stays labelled')
    parser.add_argument('--fold', type=int, default=1, help='number and seed of the split')
    parser.add_argument('--out-dir', type=Path, help="default: the annotation file's folder")
    args = parser.parse_args()

    coco = json.loads(args.annotations.read_text())
    parts = split_coco(coco, percent=args.percent, seed=args.fold)
    out_dir = args.out_dir or args.annotations.parent
    out_dir.mkdir(parents=True, exist_ok=True)
    for part, suffix in zip(parts, ('', '-unlabeled'), strict=True):
        path = out_dir / f'{args.annotations.stem}.{args.fold}@{args.percent:g}{suffix}.json'
        path.write_text(json.dumps(part))
        print(f'{path}: {len(part["images"])} images, {len(part["annotations"])} instances')


if __name__ == '__main__':
    main()
