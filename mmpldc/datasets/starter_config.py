"""A first config for somebody's own data: the template's numbers, worked out for that data."""

import ast
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# PL-DC on COCO (Table I).
PAPER_ITERS = 368750
PAPER_PASSES = 50  # over 118,287 images, 16 a step
PAPER_BURN_IN = 20000
PAPER_EMA_STEPS = 2500  # 1 / (1 - 0.9996)
# Ours: a few passes over a few images are too few steps.
FEWEST_ITERS = 10000
FEWEST_EMA_STEPS = 500

MARK = re.compile(r'\n# Written by tools/dataset/new_config\.py \((\w+)\)[^\n]*\n$')


@dataclass(frozen=True)
class Schedule:
    """Lengths of a run, in steps.

    Attributes:
        passes: steps of as many passes over all images as the paper's 50.
        max_iters: that, but at least 10,000 and at most the paper's 368,750.
        burn_in_iters: a fifth, at most the paper's 20,000.
        ema_steps: what the teacher averages over: a twentieth, between 500 and the paper's 2,500.
    """

    passes: int
    max_iters: int
    burn_in_iters: int
    ema_steps: int

    @property
    def keep_rate(self) -> float:
        """alpha of the moving average, 1 - 1 / ema_steps."""
        return round(1 - 1 / self.ema_steps, 6)


def schedule_for(num_images: int, batch_size: int) -> Schedule:
    """Scale the paper's schedule to a set.

    Args:
        num_images: labelled and unlabelled ones.
        batch_size: both kinds together.
    """
    passes = PAPER_PASSES * num_images // batch_size
    max_iters = min(PAPER_ITERS, max(FEWEST_ITERS, passes))
    return Schedule(
        passes=passes,
        max_iters=max_iters,
        burn_in_iters=min(PAPER_BURN_IN, max_iters // 5),
        ema_steps=min(PAPER_EMA_STEPS, max(FEWEST_EMA_STEPS, max_iters // 20)),
    )


def training_side(sizes: Sequence[tuple[int, int]]) -> int:
    """Side in pixels of the square that images are fitted into.

    Args:
        sizes: width and height of the images.

    Returns:
        The median of the longer sides, rounded up to a multiple of 32, between 256 and the paper's
        1024.
    """
    longer = median(max(size) for size in sizes)
    return min(1024, max(256, 32 * -(-int(longer) // 32)))


def fill_in(template: str, values: dict[str, object], remarks: dict[str, str]) -> str:
    """Give variables of a config other values, and leave all other lines as they are.

    Args:
        template: text of a Python config.
        values: new values by name; each must be assigned in the template, at top level.
        remarks: comments to put behind them, by name.

    Raises:
        KeyError: if the template does not assign one of the names.
    """
    lines = template.splitlines()
    assignments = {
        statement.targets[0].id: statement
        for statement in ast.parse(template).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    for name in sorted(values, key=lambda name: -assignments[name].lineno):  # last first
        remark = f'  # {remarks[name]}' if name in remarks else ''
        statement = assignments[name]
        lines[statement.lineno - 1 : statement.end_lineno] = [f'{name} = {values[name]!r}{remark}']
    return '\n'.join(lines) + '\n'


def config_text(
    template: str,
    configs: Path,
    *,
    sources: Mapping[str, dict],
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    batch_size: int,
    negatives: bool,
) -> tuple[str, Schedule]:
    """The template, filled in for a data set.

    Args:
        template: text of ``configs/custom/pldc_mask2former_r50_custom.py``.
        configs: the folder that its ``_base_`` files are in.
        sources: ``ann_file`` and ``data_prefix`` of ``labeled``, ``unlabeled``, ``val`` and maybe
            ``test``.
        classes: names, in the order of the files' categories.
        sizes: width and height of all images to train on.
        batch_size: labelled and unlabelled images together.
        negatives: whether there are labelled images without an object.

    Returns:
        The config's text, and the schedule in it.
    """
    schedule = schedule_for(len(sizes), batch_size)
    side = training_side(sizes)
    values = dict(
        classes=tuple(classes),
        image_size=(side, side),
        batch_size=batch_size,
        negatives=negatives,
        max_iters=schedule.max_iters,
        burn_in_iters=schedule.burn_in_iters,
        keep_rate=schedule.keep_rate,
        **sources,
    )
    remarks = dict(
        max_iters=f'{PAPER_PASSES} * {len(sizes)} / {batch_size} = {schedule.passes:,}, '
        f'at least {FEWEST_ITERS:,}, at most {PAPER_ITERS:,}',
        keep_rate=f'over {schedule.ema_steps} steps',
    )
    absolute = re.sub(
        r"'\.\./_base_/([^']+)'", lambda m: repr(str(configs / '_base_' / m[1])), template
    )
    return fill_in(absolute, values, remarks), schedule


# ---------------------------------------------------------------- edited configs


def with_mark(text: str) -> str:
    """The text with a last line by which :func:`is_edited` knows it again."""
    return (
        f'{text}\n# Written by tools/dataset/new_config.py ({_digest(text)}): an edited config is '
        'not replaced.\n'
    )


def is_edited(text: str) -> bool:
    """Whether a config differs from what :func:`with_mark` made."""
    mark = MARK.search(text)
    return mark is None or mark[1] != _digest(text[: mark.start()])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def free_path(path: Path, text: str) -> Path:
    """Where to write a config: the path itself, or ``NAME_2.py``, ... beside an edited one.

    Args:
        path: of the config.
        text: of the new one.
    """
    for number in itertools.count(1):
        place = path if number == 1 else path.with_stem(f'{path.stem}_{number}')
        if not place.exists() or place.read_text(encoding='utf-8') == text:
            return place
        if not is_edited(place.read_text(encoding='utf-8')):
            return place
    raise AssertionError('unreachable')
