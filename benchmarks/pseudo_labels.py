"""Compare our pseudo-label filter with a route that upsamples every mask first.

The other route follows Mask2Former's inference and the released PL-DC, written plainly: the 100
best (query, class) pairs, all their masks upsampled to the image, probabilities, binary masks,
mask quality and uncertainty at full size, then the thresholds. Ten of the 100 queries show
an object.

    python benchmarks/pseudo_labels.py --out DIR
"""

import argparse
from functools import partial
from itertools import accumulate

import torch
import torch.nn.functional as F
from mmdet.registry import TRANSFORMS
from mmengine.registry import init_default_scope
from timing import argument_parser, compare, report, table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

NUM_QUERIES, NUM_CLASSES, NUM_OBJECTS = 100, 80, 10
CLASS_THR, MASK_THR, MIN_AREA = 0.85, 0.90, 5  # PL-DC, Table I; the area: released code


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=7, warm_up=1)
    parser.add_argument('--images', type=int, nargs='+', default=[1, 4])
    parser.add_argument('--size', type=int, default=1024, help='side of an image')
    return parser.parse_args()


def predictions(images: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Generate a teacher's class and mask logits; objects are discs with soft edges."""
    generator = torch.Generator().manual_seed(0)
    cls_logits = torch.randn(images, NUM_QUERIES, NUM_CLASSES + 1, generator=generator)
    cls_logits[..., -1] += 10
    cls_logits[:, :NUM_OBJECTS, -1] -= 10
    classes = torch.arange(NUM_OBJECTS)
    cls_logits[:, classes, classes] += 12
    side = size // 4
    axis = torch.arange(side)
    centre = side * torch.rand(images, NUM_QUERIES, 2, 1, generator=generator)
    radius = side * (0.05 + 0.15 * torch.rand(images, NUM_QUERIES, 1, 1, generator=generator))
    x, y = (axis - centre).abs().unbind(2)
    distance = (x[..., None, :].square() + y[..., None].square()).sqrt()
    return cls_logits.to(device), (3 * (radius - distance)).clamp(-12, 12).to(device)


def ours(transform, cls_logits: Tensor, mask_logits: Tensor, size: int) -> list[int]:
    """Count the labels kept in each image, by our filter."""
    results = dict(cls_logits=cls_logits, mask_logits=mask_logits, input_shape=(size, size))
    return [len(kept) for kept in transform(results)['pseudo_instances']]


def at_full_size(cls_logits: Tensor, mask_logits: Tensor, size: int) -> list[int]:
    """Count the labels kept in each image, by the plain route."""
    kept = []
    for scores, masks in zip(cls_logits.softmax(-1)[..., :-1], mask_logits, strict=True):
        quality, pairs = scores.flatten().topk(NUM_QUERIES)
        masks = masks[pairs // NUM_CLASSES]
        masks = F.interpolate(masks[None], (size, size), mode='bilinear', align_corners=False)[0]
        probability = masks.sigmoid()
        binary = (masks > 0).float()
        area = binary.sum(dim=(1, 2))
        mask_quality = (probability * binary).sum(dim=(1, 2)) / (area + 1e-6)
        uncertainty = 1 - 2 * (probability - 0.5).abs()
        keep = (quality >= CLASS_THR) & (mask_quality >= MASK_THR) & (area > MIN_AREA)
        kept.append(len(binary[keep]) + 0 * len(uncertainty[keep]))
    return kept


def peak_memory(function, device: torch.device) -> int:
    """Measure the bytes of tensors that a call adds at its peak."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    # bytes that the allocator gave (positive) and took back (negative), in order
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == '[memory]']
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return max(accumulate(changes))


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    transform = TRANSFORMS.build(
        dict(
            type='mmpldc.PseudoLabelFilter',
            class_thr=CLASS_THR,
            mask_thr=MASK_THR,
            min_area=MIN_AREA,
        )
    )
    rows = []
    for images in args.images:
        logits = predictions(images, args.size, device)
        routes = (
            partial(ours, transform, *logits, args.size),
            partial(at_full_size, *logits, args.size),
        )
        kept = [route() for route in routes]
        assert kept[0] == kept[1], f'the two routes keep {kept} labels'
        memory = [peak_memory(route, device) for route in routes]
        comparison = compare(*routes, runs=args.runs, warm_up=args.warm_up, device=device)
        rows.append(dict(images=images, kept=kept[0], comparison=comparison, memory=memory))
    lines = [
        [
            str(row['images']),
            row['comparison'].ours.text(1000, 0),
            row['comparison'].theirs.text(1000, 0),
            row['comparison'].ratio.text(1, 1),
            *(f'{bytes_ / 2**20:.0f}' for bytes_ in row['memory']),
            f'1/{row["memory"][1] / row["memory"][0]:.0f}',
        ]
        for row in rows
    ]
    header = [
        'images',
        'ours, ms',
        'full size, ms',
        'ratio',
        'ours, MiB',
        'full size, MiB',
        'ratio',
    ]
    report('pseudo_labels', table(header, lines), rows, device, args.out)


if __name__ == '__main__':
    main()
