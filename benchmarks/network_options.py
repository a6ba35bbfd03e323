"""Compare memory formats, bfloat16 and torch.compile for frozen backbone and pixel decoder.

The backbone runs as in training, without autograd; the pixel decoder runs forward and backward on
its feature maps, always in float32. Compilation happens in the warm-up and is not timed.

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
    parser.add_argument('--no-compile', action='store_true', help='leave out torch.compile')
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

    def run(name: str, channels_last: bool, compiled: bool, short: bool) -> Callable[[], None]:
        form = torch.channels_last if channels_last else torch.contiguous_format
        network = copy.deepcopy(networks[name]).to(memory_format=form)
        given = [x.to(memory_format=form) for x in inputs[name]]
        call = torch.compile(network) if compiled else network

        def forward_and_backward() -> None:
            if name == 'backbone':
                with torch.autocast(device.type, torch.bfloat16, enabled=short):
                    call(given[0])
                return
            mask_features, maps = call(given)
            sum(out.sum() for out in (mask_features, *maps)).backward()
            network.zero_grad()

        return forward_and_backward

    rows, lines = [], []
    choices = [(True, False, False)]
    if not args.no_compile:
        choices += [(False, True, False), (True, True, False)]
    in_bfloat16 = [(False, False, True), (True, False, True)]
    for name in networks:
        for choice in [*choices, *(in_bfloat16 if name == 'backbone' else [])]:
            found = compare(
                run(name, *choice),
                run(name, False, False, False),
                runs=args.runs,
                warm_up=args.warm_up,
                device=device,
            )
            words = ('channels_last', 'torch.compile', 'bfloat16')
            options = ', '.join(word for word, used in zip(words, choice, strict=True) if used)
            rows.append(dict(network=name, options=options, comparison=found))
            spreads = (found.ours.text(1000, 0), found.theirs.text(1000, 0), found.ratio.text(1, 2))
            lines.append([f'{name}, {options}', *spreads])
            print(lines[-1], flush=True)
    text = table(['', 'ms', 'without, ms', 'without / with'], lines)
    text += f'\n\n{args.images} images of {args.size} x {args.size}, float32 unless noted.'
    report('network_options', text, rows, device, args.out)


if __name__ == '__main__':
    main()
