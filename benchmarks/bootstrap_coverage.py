"""How often do bootstrap intervals of AP contain the AP on very many images?

Simulates two detectors on sets of images: objects are found with a quality that depends on the
image, and false alarms are added. The AP on 20,000 images is the truth. Prints for each kind of
interval how often it contains the truth (95 % is wanted), for the AP of one detector and for the
difference of two on the same images.

    python benchmarks/bootstrap_coverage.py --images 30 60 200
"""

import argparse

import numpy as np

from mmpldc.evaluation.bootstrap import (
    IOU_THRS,
    ClassMatches,
    Matches,
    average_precisions,
    mean_ap,
    resample_images,
)

CLASSES, SAMPLES = 6, 300
TAILS = [0.025, 0.975]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, nargs='+', default=[60], help='images of a set')
    parser.add_argument('--sets', type=int, default=200, help='simulated sets')
    return parser.parse_args()


def detect(
    generator: np.random.Generator, objects: np.ndarray, difficulty: np.ndarray, recall: float
) -> ClassMatches:
    """One detector's predictions for one class."""
    image = objects[generator.random(len(objects)) < recall]
    iou = np.clip(generator.normal(0.95 - 0.4 * difficulty[image], 0.1), 0, 1)
    false = generator.integers(0, len(difficulty), generator.poisson(0.8 * len(difficulty)))
    image, iou = np.concatenate([image, false]), np.concatenate([iou, np.zeros(len(false))])
    score = np.where(iou > 0, generator.beta(4, 2, len(iou)), generator.beta(1.2, 3, len(iou)))
    order = np.argsort(-score)
    hits = iou[order] >= IOU_THRS[:, None]
    counts = np.bincount(objects, minlength=len(difficulty))
    return ClassMatches(image[order], hits, np.ones_like(hits), counts)


def simulate(generator: np.random.Generator, num_images: int) -> list[Matches]:
    """Two detectors on one set."""
    difficulty = generator.beta(2, 2, num_images)
    detectors: list[list[tuple[ClassMatches, ...]]] = [[], []]
    for _ in range(CLASSES):
        objects = np.repeat(np.arange(num_images), generator.poisson(0.35, num_images))
        for found, recall in zip(detectors, (0.75, 0.8), strict=True):
            found.append((detect(generator, objects, difficulty, recall),))
    ids = tuple(range(num_images))
    return [Matches(ids, tuple(range(CLASSES)), tuple(found)) for found in detectors]


def ap(matches: Matches, weights: np.ndarray | None = None) -> np.ndarray:
    return mean_ap(average_precisions(matches, weights))[:, 0]


def intervals(value: float, resampled: np.ndarray) -> dict[str, tuple[float, float]]:
    low, high = np.quantile(resampled, TAILS)
    return {'percentile': (low, high), 'basic': (2 * value - high, 2 * value - low)}


def main() -> None:
    args = parse_args()
    generator = np.random.default_rng(0)
    truth = [ap(matches)[0] for matches in simulate(generator, 20_000)]
    wanted = {'AP': truth[0], 'difference': truth[1] - truth[0]}
    print(f'truth: AP {100 * wanted["AP"]:.1f}, difference {100 * wanted["difference"]:+.1f}')
    for num_images in args.images:
        inside: dict[tuple[str, str], int] = {}
        for seed in range(args.sets):
            first, second = simulate(generator, num_images)
            weights = resample_images(num_images, samples=SAMPLES, seed=seed)
            values = [ap(one)[0] for one in (first, second)]
            drawn = [ap(one, weights) for one in (first, second)]
            for what, value, resampled in (
                ('AP', values[0], drawn[0]),
                ('difference', values[1] - values[0], drawn[1] - drawn[0]),
            ):
                for kind, (low, high) in intervals(value, resampled).items():
                    key = what, kind
                    inside[key] = inside.get(key, 0) + bool(low <= wanted[what] <= high)
        shares = ', '.join(
            f'{what} {kind} {count / args.sets:.0%}' for (what, kind), count in inside.items()
        )
        print(f'{num_images} images: {shares}', flush=True)


if __name__ == '__main__':
    main()
