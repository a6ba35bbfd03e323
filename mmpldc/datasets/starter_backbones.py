"""Backbones for somebody's own data: the files of ``configs/_base_/backbones``."""

from pathlib import Path
from typing import Literal, NamedTuple

from mmengine.config import Config

Mode = Literal['frozen', 'tuned']


class Backbone(NamedTuple):
    """A backbone file, read.

    Attributes:
        name: of the file, such as ``'dinov2_s'``.
        weights: published ones for instances, as in ``init_cfg.checkpoint``.
        coco_detector: address of mmdet's Mask2Former of COCO on it; None: there is none.
        learning_rate: semantic, for 16 labelled and 16 unlabelled images a step.
        has_deeplab: whether its semantic decoder is DeepLabv3+.
    """

    name: str
    weights: str
    coco_detector: str | None
    learning_rate: float
    has_deeplab: bool


def read_backbone(configs: Path, name: str) -> Backbone:
    """Read a backbone file.

    Args:
        configs: the folder of the project's configs.
        name: of the file, without suffix.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    names = sorted(path.stem for path in (configs / '_base_/backbones').glob('*.py'))
    if name not in names:
        raise ValueError(f'there is no backbone {name}; there are {", ".join(names)}')
    cfg = Config.fromfile(configs / f'_base_/backbones/{name}.py')
    optimizer = cfg.semantic.optim_wrapper.get('optimizer', {})
    return Backbone(
        name,
        cfg.instance.frozen.backbone.init_cfg.checkpoint,
        cfg.coco_detector,
        optimizer.get('lr', 0.002),  # UniMatch on VOC: 0.001 with 8 + 8
        'type' not in cfg.semantic.tuned.segmentor.decode_head,
    )
