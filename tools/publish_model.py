"""Publish a trained model: its teacher as a plain model that OpenMMLab loads without mmpldc.

python tools/publish_model.py CHECKPOINT OUT --config CONFIG

writes OUT-<hash>.pth (weights and class names only) and OUT.py. Of instance segmentation that is
mmdet's Mask2Former, of semantic segmentation mmsegmentation's EncoderDecoder.
"""

import argparse
from pathlib import Path

from mmpldc.apis import add_cfg_options, publish_model, read_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='of a run with this project')
    parser.add_argument('out', type=Path, help='path of the files without suffix')
    parser.add_argument('--config', required=True, help='config of that run')
    parser.add_argument('--fp16', action='store_true', help='round the weights, half the size')
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    published = publish_model(args.checkpoint, args.out, cfg, half=args.fp16)
    megabytes = published.checkpoint.stat().st_size / 1e6
    print(f'{published.checkpoint} ({megabytes:.1f} MB)\n{published.config}')
    if published.own_types:
        print(
            f'note: the model needs mmpldc, which its config imports, for '
            f'{", ".join(published.own_types)}'
        )
    if published.kept_float32:
        print(
            'note: stored in float32, because of values beyond float16: '
            f'{", ".join(published.kept_float32)}'
        )


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'publish_model.py: {error}') from None
