"""Fetch weights and text embeddings for a config's refiner in advance.

Run it once on a machine with a network. Later runs find both in the caches (open_clip's own, and
$MMPLDC_CACHE/text_embeddings, by default below ~/.cache/mmpldc), which can be copied to a cluster
without a network.
"""

import argparse

import torch
from mmengine.registry import init_default_scope

from mmpldc.apis import add_cfg_options, read_config
from mmpldc.registry import DATASETS, MODELS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument(
        '--classes',
        nargs='+',
        help="class names; default: those of the config's training data, which is then opened",
    )
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = read_config(args.config, args.cfg_options)
    if cfg.model.get('refiner') is None:
        raise SystemExit(f'{args.config} has no refiner: it needs only the weights of the backbone')
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    if args.classes is None:
        args.classes = DATASETS.build(cfg.train_dataloader.dataset).metainfo['classes']
    refiner = MODELS.build(cfg.model.refiner)
    refiner.prepare(args.classes, torch.device('cpu'))
    print(f'ready for {len(args.classes)} classes: {", ".join(args.classes)}')


if __name__ == '__main__':
    main()
