"""Compare mmdet's forward of Mask2Former's head with ours: equal weights, random features.

Runs alternate within this process, so that ratios compare pairs. "training" is forward and backward
of all layers, without the loss; "teacher" is a forward without gradients, of which ours computes
only the last layer. The decoder is the head with a given pixel decoder output.

    python benchmarks/attention.py --size 512 --images 2 --out DIR
"""

import argparse
import copy
from functools import partial
from pathlib import Path

import torch
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from timing import argument_parser, compare, report, table
from torch import Tensor, nn

from mmpldc.models.detectors.complete_detector import complete_detector

CONFIG = Path(__file__).parent.parent / 'configs/_base_/models/mask2former_r50.py'
CHANNELS, STRIDES = (256, 512, 1024, 2048), (4, 8, 16, 32)
TYPES = {  # of the head and of its pixel decoder
    'ours': ('mmpldc.SemiMask2FormerHead', 'mmpldc.MSDeformAttnPixelDecoder'),
    'mmdet': ('Mask2FormerHead', 'MSDeformAttnPixelDecoder'),
}


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=10, warm_up=2)
    parser.add_argument('--size', type=int, default=512, help="images' side, a multiple of 32")
    parser.add_argument('--images', type=int, default=2, help='per batch')
    parser.add_argument('--autocast', choices=['bfloat16', 'float16'], help='default: float32')
    return parser.parse_args()


def build_heads(device: torch.device) -> dict[str, Mask2FormerHead]:
    """Build the R50's head of both types, in eval mode (it has no dropout), with equal weights."""
    init_default_scope('mmdet')
    base = Config.fromfile(CONFIG).model
    base.detector.panoptic_head.loss_mask = dict(type='CrossEntropyLoss', use_sigmoid=True)
    detector = complete_detector(base.detector, base.backbone, base.num_classes)
    heads = {}
    for name, (head_type, pixel_decoder_type) in TYPES.items():
        cfg = copy.deepcopy(detector.panoptic_head)
        cfg.type, cfg.pixel_decoder.type = head_type, pixel_decoder_type
        heads[name] = MODELS.build(cfg).to(device).eval()
    heads['mmdet'].init_weights()
    heads['ours'].load_state_dict(heads['mmdet'].state_dict())
    return heads


class GivenPixels(nn.Module):
    """A replacement for a pixel decoder that returns a stored output."""

    def __init__(self, mask_features: Tensor, maps: list[Tensor]) -> None:
        super().__init__()
        self.mask_features = nn.Parameter(mask_features)
        self.maps = nn.ParameterList(maps)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return self.mask_features, list(self.maps)


@torch.no_grad()
def decoders(heads: dict[str, Mask2FormerHead], features: list[Tensor]) -> dict:
    """Return the heads without their pixel decoders, on equal pixels."""
    mask_features, maps = heads['mmdet'].pixel_decoder(features)
    copies = copy.deepcopy(heads)
    for head in copies.values():
        head.pixel_decoder = GivenPixels(mask_features.clone(), [part.clone() for part in maps])
    return copies


def random_features(args: argparse.Namespace, device: torch.device) -> list[Tensor]:
    """Generate features with the shapes of the R50's."""
    return [
        torch.randn(args.images, channels, args.size // stride, args.size // stride, device=device)
        for channels, stride in zip(CHANNELS, STRIDES, strict=True)
    ]


def train(head: Mask2FormerHead, features: list[Tensor]) -> None:
    all_cls_logits, all_mask_logits = head(features, None)[:2]
    sum(logits.float().square().mean() for logits in (*all_cls_logits, *all_mask_logits)).backward()


@torch.no_grad()
def teach(head: Mask2FormerHead, features: list[Tensor]) -> tuple[Tensor, Tensor]:
    if type(head) is not Mask2FormerHead:
        return head.predict_last(features)
    all_cls_logits, all_mask_logits = head(features, None)
    return all_cls_logits[-1], all_mask_logits[-1]


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    heads = build_heads(device)
    features = random_features(args, device)
    dtype = getattr(torch, args.autocast) if args.autocast else torch.float32

    def run(task, head):
        head.zero_grad()
        with torch.autocast(device.type, dtype, enabled=args.autocast is not None):
            task(head, features)

    rows = []
    for part, pair in {'decoder': decoders(heads, features), 'whole head': heads}.items():
        for name, task in {'training': train, 'teacher': teach}.items():
            comparison = compare(
                partial(run, task, pair['ours']),
                partial(run, task, pair['mmdet']),
                runs=args.runs,
                warm_up=args.warm_up,
                device=device,
            )
            rows.append(dict(part=part, task=name, comparison=comparison))
    cells = [
        (
            f'{row["part"]}, {row["task"]}',
            row['comparison'].theirs.text(1000, 0),
            row['comparison'].ours.text(1000, 0),
            row['comparison'].ratio.text(digits=2),
        )
        for row in rows
    ]
    text = table(('', 'mmdet, ms', 'ours, ms', 'mmdet / ours'), cells)
    text += (
        f'\n\nMedian (quartiles) of {args.runs} pairs; images: {args.images} of {args.size} x '
        f'{args.size}, {args.autocast or "float32"}.'
    )
    report('attention', text, rows, device, args.out)


if __name__ == '__main__':
    main()
