"""Measure a teacher's pseudo-labels on annotated images, with the config's filter or a grid.

Use a split that is not the reported one to choose thresholds.
"""

import argparse
import json
from itertools import product

import numpy as np
from mmdet.apis import init_detector
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmpldc.datasets import PseudoLabelFilter
from mmpldc.evaluation import compare_pseudo_labels

CLASS_THRS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
MASK_THRS = (0.7, 0.8, 0.85, 0.9, 0.93)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--ann-file', help="annotations; default: the config's validation set")
    parser.add_argument('--img-prefix', help='folder of their images, below data_root')
    parser.add_argument('--num-images', type=int, help='look at the first so many only')
    parser.add_argument(
        '--grid',
        action='store_true',
        help='try a grid of thresholds (without refiner and suppression of duplicates)',
    )
    parser.add_argument('--out', help='write the result as JSON')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    model = init_detector(cfg, args.checkpoint, device=args.device)
    dataset = cfg.val_dataloader.dataset
    if args.ann_file:
        dataset.ann_file = args.ann_file
    if args.img_prefix:
        dataset.data_prefix.img = args.img_prefix
    if args.num_images:
        dataset.indices = args.num_images
    dataloader = Runner.build_dataloader(cfg.val_dataloader)

    if not args.grid:
        result = compare_pseudo_labels(model, dataloader).summary()
        print(json.dumps(result, indent=2))
    else:
        own, model.refiner = model.pseudo_label_filter, None
        model.pseudo_label_filter = PseudoLabelFilter(
            class_thr=0.0, mask_thr=0.0, min_area=own.min_area
        )
        candidates = compare_pseudo_labels(model, dataloader)
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
        with open(args.out, 'w') as file:
            json.dump(result, file, indent=2, default=np.generic.item)


if __name__ == '__main__':
    main()
