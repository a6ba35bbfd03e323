"""Compare memory formats and torch.compile for the frozen backbone and the pixel decoder.

The backbone runs as in training, without autograd; the pixel decoder runs forward and backward on
its feature maps. Compilation happens in the warm-up and is not timed.

    python benchmarks/network_options.py --out DIR
"""

import argparse
import copy
from collections.abc import Callable

import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from step import paper_config
from timing import argument_parser, compare, report, table

from mmpldc.models.detectors.complete_detector import complete_detector


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=9, warm_up=2)
    parser.add_argument('--images', type=int, default=2)
    parser.add_argument('--size', type=int, default=512, help='side of an image')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    cfg = complete_detector(*(paper_config().model[key] for key in ('detector', 'backbone')), 80)
    cfg.backbone.init_cfg = None
    model = MODELS.build(cfg).to(device).train()
    images = torch.randn(args.images, 3, args.size, args.size, device=device)
    networks = {'backbone': model.backbone, 'pixel decoder': model.panoptic_head.pixel_decoder}
    with torch.no_grad():
        feature_maps = model.backbone(images)
    inputs = {'backbone': [images], 'pixel decoder': feature_maps}

    def run(name: str, channels_last: bool, compiled: bool) -> Callable[[], None]:
        form = torch.channels_last if channels_last else torch.contiguous_format
        network = copy.deepcopy(networks[name]).to(memory_format=form)
        given = [x.to(memory_format=form) for x in inputs[name]]
        call = torch.compile(network) if compiled else network

        def forward_and_backward() -> None:
            outputs = call(given[0] if name == 'backbone' else given)
            if name == 'backbone':
                return
            mask_features, maps = outputs
            sum(out.sum() for out in (mask_features, *maps)).backward()
            network.zero_grad()

        return forward_and_backward

    rows, lines = [], []
    for name in networks:
        for channels_last, compiled in ((True, False), (False, True), (True, True)):
            found = compare(
                run(name, channels_last, compiled),
                run(name, False, False),
                runs=args.runs,
                warm_up=args.warm_up,
                device=device,
            )
            options = ', '.join(['channels_last'] * channels_last + ['torch.compile'] * compiled)
            rows.append(dict(network=name, options=options, comparison=found))
            spreads = (found.ours.text(1000, 0), found.theirs.text(1000, 0), found.ratio.text(1, 2))
            lines.append([f'{name}, {options}', *spreads])
            print(lines[-1], flush=True)
    text = table(['', 'ms', 'without, ms', 'without / with'], lines)
    text += f'\n\n{args.images} images of {args.size} x {args.size}, float32.'
    report('network_options', text, rows, device, args.out)


if __name__ == '__main__':
    main()
