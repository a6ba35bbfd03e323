"""The configs that a user's label maps get: templates, filled in."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..starter_backbones import Mode, read_backbone
from ..starter_config import fill_in
from .classes import Classes

PASSES = 80  # over the unlabelled images, as on VOC (U2PL, iMAS)
LARGEST_CROP = 513  # VOC's


class Size(NamedTuple):
    """A backbone and the images and steps that go with it.

    Attributes:
        backbone: file of configs/_base_/backbones, unless the user names one.
        sides: smallest and largest side of the square that images are fitted into.
        iters: fewest and most steps.
        num_workers: of the training data.
    """

    backbone: str
    sides: tuple[int, int]
    iters: tuple[int, int]
    num_workers: int


SIZES = {
    'tiny': Size('r18', (192, 256), (2000, 2000), 2),
    'base': Size('r50', (256, 1024), (10_000, 52_400), 4),
}


def base_text(
    templates: Path,
    classes: Classes,
    *,
    size: str,
    backbone: str | None = None,
    mode: Mode = 'tuned',
    sources: Mapping[str, dict],
    sizes: Sequence[tuple[int, int]],
    num_unlabeled: int,
    batch_size: int,
) -> tuple[str, int]:
    """The template of what all methods share, filled in.

    Args:
        templates: the folder ``configs/semantic/custom``.
        classes: of the user.
        size: of :data:`SIZES`.
        backbone: file of configs/_base_/backbones; None: the size's.
        mode: 'tuned' trains the backbone, 'frozen' does not.
        sources: ``ann_file`` and ``data_prefix`` of ``labeled``, ``unlabeled``, ``val`` and maybe
            ``test``.
        sizes: of all images.
        num_unlabeled: images without label maps.
        batch_size: labelled and unlabelled images together.

    Returns:
        The config's text, and its number of steps.

    Raises:
        ValueError: if there is no such backbone.
    """
    chosen = SIZES[size]
    network = read_backbone(templates.parents[1], backbone or chosen.backbone)
    longer = median(max(pair) for pair in sizes)
    side = 1 + min(chosen.sides[1], max(chosen.sides[0], 32 * -(-int(longer) // 32)))
    crop = min(LARGEST_CROP, side)
    passes = PASSES * num_unlabeled // (batch_size // 2)
    fewest, most = chosen.iters
    max_iters = 10 * (min(most, max(fewest, passes)) // 10)
    text = (templates / '_base.py').read_text(encoding='utf-8')
    text = text.replace('backbones/r50.py', f'backbones/{network.name}.py')
    text = re.sub(r"'(\.\./[^']+)'", lambda m: repr(os.path.normpath(templates / m[1])), text)
    text = text.replace('num_workers=4', f'num_workers={chosen.num_workers}')
    values: dict[str, object] = dict(
        classes=classes.names,
        palette=classes.palette,
        image_size=(side, side),
        crop_size=(crop, crop),
        batch_size=batch_size,
        max_iters=max_iters,
        burn_in_iters=max_iters // PASSES,
        learning_rate=network.learning_rate * batch_size / 32,
        backbone_mode=mode,
        **sources,
    )
    remarks = dict(
        max_iters=f'{PASSES} * {num_unlabeled} / {batch_size // 2} = {passes:,}, '
        f'at least {fewest:,}, at most {most:,}'
    )
    if 'test' not in sources:  # the validation set
        remarks['val'] = 'and test set'
    return fill_in(text, values, remarks), max_iters


def method_text(templates: Path, method: str, base: str) -> str:
    """The template of a method, over another base.

    Args:
        templates: see :func:`base_text`.
        method: name of its file.
        base: name of the base's file, which lies beside it.
    """
    text = (templates / f'{method}.py').read_text(encoding='utf-8')
    return text.replace("'./_base.py'", repr(f'./{base}'))
