"""Sizes of a run on somebody's own data, and the schedule that goes with each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

# PL-DC on COCO (Table I).
PAPER_ITERS = 368750
PAPER_PASSES = 50  # over 118,287 images, 16 a step
PAPER_BURN_IN = 20000
PAPER_EMA_STEPS = 2500  # 1 / (1 - 0.9996)
SMALL_DEVICE = 12 * 2**30  # bytes: below it 'base' does not fit


@dataclass(frozen=True)
class Size:
    """What a size of model and images means; see docs/own_data.md for where the numbers come from.

    Attributes:
        name: 'tiny', 'small' or 'base'.
        model, schedule: files of ``configs/_base_``, without suffix.
        param_scheduler: expression of the learning rate's schedule in the config.
        sides: smallest and largest side of the square that images are fitted into, pixels.
        resize_ratios: of that square, in training.
        batch_size: labelled and unlabelled images together.
        num_queries, max_per_image: at least; images with more objects get more.
        sup_views: labelled views that are trained on.
        learning_rate: of AdamW.
        fewest_iters: steps of the smallest set.
        most_iters: steps of the largest set.
        burn_in_tenths: share of burn-in, in tenths of the steps.
        fewest_ema_steps: steps that the teacher averages over, at least.
        num_validations: during a run.
        num_workers: of the training data.
    """

    name: str
    model: str
    schedule: str
    param_scheduler: str
    sides: tuple[int, int]
    resize_ratios: tuple[float, float]
    batch_size: int
    num_queries: int
    max_per_image: int
    sup_views: tuple[str, ...]
    learning_rate: float
    fewest_iters: int
    most_iters: int
    burn_in_tenths: int
    fewest_ema_steps: int
    num_validations: int
    num_workers: int


BASE = Size(  # the paper's, on images of up to 1024 pixels
    name='base',
    model='models/mask2former_r50',
    schedule='schedules/pldc_368k',
    param_scheduler='dict(end=max_iters, milestones=[max_iters * 9 // 10])',
    sides=(256, 1024),
    resize_ratios=(0.5, 2.0),
    batch_size=8,
    num_queries=100,
    max_per_image=100,
    sup_views=('sup_weak', 'sup_strong'),
    learning_rate=1e-4,
    fewest_iters=10000,  # ours: a few passes over a few images are too few steps
    most_iters=PAPER_ITERS,
    burn_in_tenths=2,
    fewest_ema_steps=500,
    num_validations=10,
    num_workers=4,
)
SMALL = replace(BASE, name='small', sides=(256, 512), batch_size=4, sup_views=('sup_strong',))
COSINE = """[
    dict(_base_.param_scheduler[0], end=max_iters // 20),
    dict(
        _base_.param_scheduler[1],
        begin=max_iters // 20,
        end=max_iters,
        T_max=max_iters - max_iters // 20,
    ),
]"""
TINY = Size(  # the quickstart's head and schedule, on a frozen ResNet-50
    name='tiny',
    model='models/mask2former_r50_tiny',
    schedule='schedules/tiny',
    param_scheduler=COSINE,
    sides=(192, 256),
    resize_ratios=(0.7, 1.4),
    batch_size=8,
    num_queries=20,
    max_per_image=20,
    sup_views=('sup_strong',),
    learning_rate=1e-3,
    fewest_iters=1500,
    most_iters=1500,
    burn_in_tenths=6,
    fewest_ema_steps=100,
    num_validations=10,
    num_workers=2,
)
SIZES = {size.name: size for size in (TINY, SMALL, BASE)}


def size_for(device_bytes: int | None) -> Size:
    """The size that fits a device.

    Args:
        device_bytes: memory of the accelerator; None without one.
    """
    if device_bytes is None:
        return TINY
    return SMALL if device_bytes < SMALL_DEVICE else BASE


@dataclass(frozen=True)
class Schedule:
    """Lengths of a run, in steps.

    Attributes:
        max_iters: of the run, a multiple of 10.
        burn_in_iters: the size's share of them, at most the paper's 20,000.
        ema_steps: what the teacher averages over: a twentieth, at most the paper's 2,500.
    """

    max_iters: int
    burn_in_iters: int
    ema_steps: int

    @property
    def keep_rate(self) -> float:
        """alpha of the moving average, 1 - 1 / ema_steps."""
        return round(1 - 1 / self.ema_steps, 6)


def schedule_of(max_iters: int, size: Size) -> Schedule:
    """Divide a number of steps, which is rounded down to a multiple of 10, at least 10."""
    max_iters = max(10, max_iters - max_iters % 10)
    return Schedule(
        max_iters=max_iters,
        burn_in_iters=min(PAPER_BURN_IN, max_iters * size.burn_in_tenths // 10),
        ema_steps=min(PAPER_EMA_STEPS, max(size.fewest_ema_steps, max_iters // 20)),
    )


def passes_for(num_images: int, batch_size: int) -> int:
    """Steps of as many passes as the paper's 50 over all images, labelled and unlabelled."""
    return PAPER_PASSES * num_images // batch_size


def schedule_for(num_images: int, batch_size: int, size: Size = BASE) -> Schedule:
    """Scale the paper's schedule to a set, within the size's limits.

    Args:
        num_images: labelled and unlabelled ones.
        batch_size: both kinds together.
        size: of the run.
    """
    passes = passes_for(num_images, batch_size)
    return schedule_of(min(size.most_iters, max(size.fewest_iters, passes)), size)


def training_side(sizes: Sequence[tuple[int, int]], size: Size = BASE) -> int:
    """Side in pixels of the square that images are fitted into.

    Args:
        sizes: width and height of the images.
        size: of the run.

    Returns:
        The median of the longer sides, rounded up to a multiple of 32, within the size's limits.
    """
    smallest, largest = size.sides
    longer = median(max(pair) for pair in sizes)
    return min(largest, max(smallest, 32 * -(-int(longer) // 32)))


def limits_for(most_objects: int, size: Size) -> tuple[int, int]:
    """Queries, and predictions that count, of an image.

    Args:
        most_objects: of one labelled image.
        size: of the run.

    Returns:
        At least the size's; a quarter more queries than objects, in tens.
    """
    needed = 10 * -(-most_objects * 5 // 40)
    return max(size.num_queries, needed), max(size.max_per_image, needed)
