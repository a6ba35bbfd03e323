"""Measure how well the model behind a config's refiner knows the classes: precision and recall.

The model classifies the annotated objects alone (as for CLIP on COCO in the paper's Table II). Use
this to choose a model, its texts and its crops before a run. A class with a recall near 0 relies on
the teacher.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common import argument_parser, load_config
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmpldc.evaluation.scorer_accuracy import precision_and_recall, scorer_confusion
from mmpldc.utils.files import write_json


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, checkpoint=False)
    parser.add_argument('--out', type=Path, help='write the result as JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    if cfg.model.get('refiner') is None:
        raise SystemExit(f'{args.config} has no refiner')
    init_default_scope(cfg.default_scope)
    dataloader = Runner.build_dataloader(cfg.val_dataloader)
    classes = dataloader.dataset.metainfo['classes']
    model = MODELS.build(cfg.model).to(args.device)  # for its refiner: needs no weights
    model.refiner.prepare(classes, torch.device(args.device))
    confusion = scorer_confusion(model, dataloader)
    precision, recall = precision_and_recall(confusion)

    width = max(map(len, classes))
    print(f'{"":{width}}  precision  recall  objects')
    for name, *values, row in zip(classes, precision, recall, confusion, strict=True):
        print(f'{name:{width}}  {values[0]:9.3f}  {values[1]:6.3f}  {row.sum():7}')
    means = dict(precision=np.nanmean(precision), recall=np.nanmean(recall))
    print(f'{"mean":{width}}  {means["precision"]:9.3f}  {means["recall"]:6.3f}')
    if args.out:
        result = dict(classes=classes, confusion=confusion.tolist(), **means)
        write_json(args.out, result, indent=2, default=float)


if __name__ == '__main__':
    main()
