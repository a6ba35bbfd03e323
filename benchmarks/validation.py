"""Compare mmdet's route from mask logits to COCO's metrics with ours.

Three parts: instances from the logits of Mask2Former R50 (padded batch, original size), their
masks as run lengths (also in threads), and the metrics from these. Logits are smooth noise, so that
masks have outlines like objects; predictions are shifted objects and noise.

    python benchmarks/validation.py --out DIR
"""

import argparse
import contextlib
import copy
import io
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

import torch
import torch.nn.functional as F
from mmdet.evaluation.metrics import CocoMetric as MMDetCocoMetric
from mmdet.models.seg_heads import MaskFormerFusionHead
from mmdet.structures import DetDataSample
from mmdet.structures.mask import encode_mask_results
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from timing import Comparison, argument_parser, compare, report, table
from torch import Tensor

from mmpldc.evaluation.coco_metric import CocoMetric
from mmpldc.models import TopKMaskFormerFusionHead
from mmpldc.models.seg_heads.top_k_fusion_head import top_pairs
from mmpldc.utils.run_lengths import encode_masks

NUM_CLASSES, NUM_QUERIES, MAX_PER_IMAGE = 80, 100, 100
THREADS = 2
# the padded batch, the image in it, the original: a typical image of COCO, one of Cityscapes
SHAPES = {
    'COCO': ((800, 1088), (800, 1067), (480, 640)),
    'Cityscapes': ((1024, 2048), (1024, 2048), (1024, 2048)),
}


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=10, warm_up=2)
    parser.add_argument('--images', type=int, default=50, help='for the metrics')
    parser.add_argument('--objects', type=int, default=7, help='per image; COCO has 7')
    return parser.parse_args()


def smooth_logits(num: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """Generate ``(num, *size)`` with a few blobs each, a fifth of the pixels inside."""
    return F.interpolate(torch.randn(1, num, 6, 8, device=device) - 0.6, size, mode='bicubic')[0]


def build_head(kind: type) -> torch.nn.Module:
    test_cfg = dict(panoptic_on=False, instance_on=True, max_per_image=MAX_PER_IMAGE)
    return kind(num_things_classes=NUM_CLASSES, num_stuff_classes=0, test_cfg=ConfigDict(test_cfg))


def ours(head, cls_logits: Tensor, mask_logits: Tensor, samples: list) -> list:
    return head.predict(cls_logits, mask_logits, samples, rescale=True)


def mmdets(head, cls_logits: Tensor, mask_logits: Tensor, samples: list) -> list:
    """Resize as mmdet does: all masks in the head to the batch, in the fusion to the original."""
    size = samples[0].batch_input_shape
    mask_logits = F.interpolate(mask_logits, size, mode='bilinear', align_corners=False)
    return head.predict(cls_logits, mask_logits, samples, rescale=True)


def mmdets_encoding(masks: Tensor) -> list[dict]:
    return encode_mask_results(masks.cpu().numpy())


def encode_in_threads(masks: Tensor) -> list[dict]:
    with ThreadPoolExecutor(THREADS) as pool:
        return [rle for (rle,) in pool.map(encode_masks, masks[:, None])]


def compare_image(name: str, args: argparse.Namespace, device: torch.device) -> list[dict]:
    """Compare instances and run lengths of one image."""
    batch, image, original = SHAPES[name]
    timing = dict(runs=args.runs, warm_up=args.warm_up, device=device)
    cls_logits = torch.randn(1, NUM_QUERIES, NUM_CLASSES + 1, device=device)
    mask_logits = smooth_logits(NUM_QUERIES, (batch[0] // 4, batch[1] // 4), device)[None]
    shapes = dict(batch_input_shape=batch, img_shape=image, ori_shape=original)
    inputs = (cls_logits, mask_logits, [DetDataSample(metainfo=shapes)])
    heads = [build_head(kind) for kind in (TopKMaskFormerFusionHead, MaskFormerFusionHead)]
    instances = compare(
        partial(ours, heads[0], *inputs), partial(mmdets, heads[1], *inputs), **timing
    )
    queries = len(top_pairs(cls_logits[0], MAX_PER_IMAGE)[1].unique())
    masks = ours(heads[0], *inputs)[0]['ins_results'].masks
    encoding = compare(partial(encode_masks, masks), partial(mmdets_encoding, masks), **timing)
    threads = compare(partial(encode_masks, masks), partial(encode_in_threads, masks), **timing)
    return [
        dict(name=f'{name}: instances ({queries} queries among the best pairs)', result=instances),
        dict(name=f'{name}: run lengths of {len(masks)} masks', result=encoding),
        dict(name=f'{name}: the same against {THREADS} threads of ours', result=threads),
    ]


def make_truth(path: Path, args: argparse.Namespace) -> list[dict]:
    """Write annotations of objects at COCO's size; return MAX_PER_IMAGE predictions per image."""
    height, width = size = SHAPES['COCO'][2]
    images, annotations, samples = [], [], []
    for index in range(1, args.images + 1):
        images.append(dict(id=index, height=height, width=width, file_name=''))
        masks = smooth_logits(MAX_PER_IMAGE, size, torch.device('cpu')) > 0
        labels = torch.randint(NUM_CLASSES, (MAX_PER_IMAGE,))
        objects = zip(masks[: args.objects], labels.tolist(), strict=False)
        for mask, label in objects:
            (rle,) = encode_masks(mask[None])
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=label + 1,
                    iscrowd=0,
                    area=int(mask.sum()),
                    bbox=[0, 0, width, height],
                    segmentation=dict(size=list(size), counts=rle['counts'].decode()),
                )
            )
        masks = masks.roll((5, 5), dims=(1, 2))
        instances = dict(
            masks=encode_masks(masks),
            labels=labels,
            scores=torch.rand(MAX_PER_IMAGE),
            bboxes=torch.zeros(MAX_PER_IMAGE, 4),
        )
        samples.append(dict(pred_instances=instances, img_id=index, ori_shape=size))
    categories = [dict(id=i + 1, name=str(i)) for i in range(NUM_CLASSES)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return samples


def compare_metrics(args: argparse.Namespace, device: torch.device) -> Comparison:
    """Compare the metrics from run lengths: faster-coco-eval against pycocotools."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'truth.json'
        samples = make_truth(path, args)
        options = dict(ann_file=str(path), metric='segm')
        calls = []
        for metric in (
            CocoMetric(backend='faster_coco_eval', **options),
            MMDetCocoMetric(**options),
        ):
            metric.dataset_meta = dict(classes=[str(i) for i in range(NUM_CLASSES)])
            metric.process({}, samples)
            # a copy, because computing changes the counts of the masks in place
            calls.append(lambda m=metric: m.compute_metrics(copy.deepcopy(m.results)))
        numbers = [call() for call in calls]
        if numbers[0] != numbers[1]:
            raise RuntimeError(f'the metrics differ: {numbers}')
        return compare(*calls, runs=max(3, args.runs // 2), warm_up=1, device=device)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    MMLogger.get_instance('validation', log_level='ERROR')
    torch.manual_seed(0)
    rows = []
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        for name in SHAPES:
            rows += compare_image(name, args, device)
        numbers = compare_metrics(args, device)
    rows.append(dict(name=f'numbers of {args.images} images, faster_coco_eval', result=numbers))
    lines = [
        [
            row['name'],
            row['result'].ours.text(1000, 0),
            row['result'].theirs.text(1000, 0),
            row['result'].ratio.text(1, 2),
        ]
        for row in rows
    ]
    header = ['', 'ours, ms', 'other, ms', 'other / ours']
    report('validation', table(header, lines), rows, device, args.out)


if __name__ == '__main__':
    main()
