"""The configs that a user's label maps get: templates, filled in."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..starter_config import fill_in
from .classes import Classes

PASSES = 80  # over the unlabelled images, as on VOC (U2PL, iMAS)
LARGEST_CROP = 513  # VOC's


class Size(NamedTuple):
    """A model and the images and steps that go with it.

    Attributes:
        model: file of configs/semantic/_base_/models.
        sides: smallest and largest side of the square that images are fitted into.
        iters: fewest and most steps.
        num_workers: of the training data.
    """

    model: str
    sides: tuple[int, int]
    iters: tuple[int, int]
    num_workers: int


SIZES = {
    'tiny': Size('deeplabv3plus_r18', (192, 256), (2000, 2000), 2),
    'base': Size('deeplabv3plus_r50', (256, 1024), (10_000, 52_400), 4),
}


def base_text(
    templates: Path,
    classes: Classes,
    *,
    size: str,
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
        sources: ``ann_file`` and ``data_prefix`` of ``labeled``, ``unlabeled``, ``val`` and maybe
            ``test``.
        sizes: of all images.
        num_unlabeled: images without label maps.
        batch_size: labelled and unlabelled images together.

    Returns:
        The config's text, and its number of steps.
    """
    chosen = SIZES[size]
    longer = median(max(pair) for pair in sizes)
    side = 1 + min(chosen.sides[1], max(chosen.sides[0], 32 * -(-int(longer) // 32)))
    crop = min(LARGEST_CROP, side)
    passes = PASSES * num_unlabeled // (batch_size // 2)
    fewest, most = chosen.iters
    max_iters = 10 * (min(most, max(fewest, passes)) // 10)
    text = (templates / '_base.py').read_text(encoding='utf-8')
    folder = templates.parent / '_base_'
    text = re.sub(r"'\.\./_base_/([^']+)'", lambda m: repr(str(folder / m[1])), text)
    text = text.replace('deeplabv3plus_r50', chosen.model)
    text = text.replace('num_workers=4', f'num_workers={chosen.num_workers}')
    values = dict(
        classes=classes.names,
        palette=classes.palette,
        image_size=(side, side),
        crop_size=(crop, crop),
        batch_size=batch_size,
        max_iters=max_iters,
        burn_in_iters=max_iters // PASSES,
        learning_rate=0.001 * batch_size / 16,
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
