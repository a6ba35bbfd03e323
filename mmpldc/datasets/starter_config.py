"""A first config for somebody's own data: the template's numbers, worked out for that data."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# PL-DC on COCO (Table I).
PAPER_ITERS = 368750
PAPER_PASSES = 50  # over 118,287 images, 16 a step
PAPER_BURN_IN = 20000
PAPER_EMA_STEPS = 2500  # 1 / (1 - 0.9996)
# Ours: a few passes over a few images are too few steps.
FEWEST_ITERS = 10000
FEWEST_EMA_STEPS = 500


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
