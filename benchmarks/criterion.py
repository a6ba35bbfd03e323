"""Compare our loss with mmdet's ``Mask2FormerHead.loss_by_feat`` on equal outputs and targets.

Forward and backward of all losses: matching, points, classification, mask and dice, for the ten
prediction layers of Mask2Former R50 and masks at stride 4. mmdet's time includes the conversion of
targets to int64 masks, as its step does.

    python benchmarks/criterion.py --out DIR
"""

import argparse
import copy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from timing import argument_parser, compare, report, table

from mmpldc.models.detectors.complete_detector import complete_detector
from mmpldc.structures import HeadOutputs

CONFIG = Path(__file__).parents[1] / 'configs/_base_/models/mask2former_r50.py'
NUM_CLASSES, NUM_LAYERS, NUM_QUERIES = 80, 10, 100


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=5, warm_up=1)
    parser.add_argument(
        '--cases',
        nargs='+',
        default=['2x5', '2x30', '2x100', '8x5', '8x30', '8x100'],
        help='images x instances per image',
    )
    parser.add_argument('--size', type=int, default=1024, help='side of an image')
    return parser.parse_args()


def build_heads(device: torch.device) -> tuple:
    """Build our head and mmdet's, without running their networks."""
    model = Config.fromfile(CONFIG).model
    detector = complete_detector(model.detector, model.backbone, NUM_CLASSES)
    ours = detector.panoptic_head
    ours.update(train_cfg=detector.train_cfg, test_cfg=detector.test_cfg)
    stock = copy.deepcopy(ours)
    stock.type = 'Mask2FormerHead'
    costs = stock.train_cfg.assigner.match_costs
    costs[1] = dict(type='CrossEntropyLossCost', weight=5.0, use_sigmoid=True)
    stock.loss_mask = dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0)
    return tuple(MODELS.build(config).to(device) for config in (ours, stock))


def targets(images: int, instances: int, size: int, rng) -> list[InstanceData]:
    """Generate boxes as masks, with sides of a tenth to a third of the image."""
    found = []
    for _ in range(images):
        masks = np.zeros((instances, size, size), np.uint8)
        for mask in masks:
            h, w = rng.integers(size // 10, size // 3, 2)
            y, x = rng.integers(0, size - h), rng.integers(0, size - w)
            mask[y : y + h, x : x + w] = 1
        found.append(
            InstanceData(
                labels=torch.from_numpy(rng.integers(0, NUM_CLASSES, instances)),
                masks=BitmapMasks(masks, size, size),
            )
        )
    return found


def outputs(images: int, size: int, device: torch.device) -> tuple[list, list]:
    """Generate logits of all layers, with gradients."""
    cls = torch.randn(NUM_LAYERS, images, NUM_QUERIES, NUM_CLASSES + 1, device=device)
    masks = torch.randn(NUM_LAYERS, images, NUM_QUERIES, size // 4, size // 4, device=device)
    return [t.requires_grad_() for t in cls], [t.requires_grad_() for t in masks]


def run(head, predictions, instances, device) -> None:
    """Compute the losses and their gradients."""
    if type(head) is Mask2FormerHead:
        samples = [DetDataSample(gt_instances=one.to(device)) for one in instances]
        metas = [dict() for _ in instances]
        gt = head.preprocess_gt([sample.gt_instances for sample in samples], [None] * len(samples))
        losses = head.loss_by_feat(*predictions, gt, metas)
    else:
        losses = head.loss_by_outputs(HeadOutputs(*predictions), instances)
    sum(losses.values()).backward()
    for tensor in (*predictions[0], *predictions[1]):
        tensor.grad = None


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    torch.manual_seed(0)
    heads = build_heads(device)
    rows = []
    for case in args.cases:
        images, instances = map(int, case.split('x'))
        predictions = outputs(images, args.size, device)
        wanted = targets(images, instances, args.size, np.random.default_rng(0))
        comparison = compare(
            *(partial(run, head, predictions, wanted, device) for head in heads),
            runs=args.runs,
            warm_up=args.warm_up,
            device=device,
        )
        rows.append(dict(images=images, instances=instances, comparison=comparison))
    lines = [
        [
            f'{row["images"]} x {row["instances"]}',
            row['comparison'].ours.text(1000, 0),
            row['comparison'].theirs.text(1000, 0),
            row['comparison'].ratio.text(1, 2),
        ]
        for row in rows
    ]
    header = ['images x instances', 'ours, ms', 'mmdet, ms', 'mmdet / ours']
    report('criterion', table(header, lines), rows, device, args.out)


if __name__ == '__main__':
    main()
