"""Shared arguments of the analysis tools, and loading of their model and images."""

import argparse

import mmpldc._mmdet  # noqa: F401  before the imports of mmdet below, which would be noisy

# isort: split
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmpldc.apis import add_cfg_options, load_labeler, read_config
from mmpldc.models import SemiMask2Former
from mmpldc.utils.checkpoints import read_checkpoint


def argument_parser(description: str, *, checkpoint: bool = True) -> argparse.ArgumentParser:
    """Create a parser with the arguments that the functions below read."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config')
    if checkpoint:
        parser.add_argument('checkpoint')
    parser.add_argument('--ann-file', help="annotations; default: the config's validation set")
    parser.add_argument('--img-prefix', help='folder of their images, below data_root')
    parser.add_argument('--num-images', type=int, help='use only this many images, the first ones')
    parser.add_argument('--device', default='cpu')
    add_cfg_options(parser)
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Read the config with its options; the annotated images replace its validation set."""
    cfg = read_config(args.config, args.cfg_options)
    dataset = cfg.val_dataloader.dataset
    if args.ann_file:
        dataset.ann_file = args.ann_file
    if args.img_prefix:
        # mmsegmentation's data sets call it img_path
        key = 'img_path' if 'img_path' in dataset.data_prefix else 'img'
        dataset.data_prefix[key] = args.img_prefix
    if args.num_images:
        dataset.indices = args.num_images
    return cfg


def load(
    args: argparse.Namespace, *, with_refiner: bool = True
) -> tuple[SemiMask2Former, DataLoader]:
    """Load the model with the state of the checkpoint's iteration, and annotated images."""
    cfg = load_config(args)
    model = load_labeler(
        cfg,
        read_checkpoint(args.checkpoint),
        refiner_weight='scheduled' if with_refiner else None,
        device=args.device,
    )
    return model, Runner.build_dataloader(cfg.val_dataloader)
