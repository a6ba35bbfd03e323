"""Whether one model is better than another on the same images, with the spread over images."""

from typing import NamedTuple

import numpy as np

from .bootstrap import Interval, Matches, average_precisions, interval, mean_ap, resample_images

METRICS = {'AP': slice(None), 'AP50': slice(0, 1), 'AP75': slice(5, 6)}  # of the IoU thresholds
ALL_SIZES = 0


class Comparison(NamedTuple):
    """Two models on the same images; AP in [0, 1].

    Attributes:
        first, second: AP, AP50 and AP75 by name.
        gain: second minus first, on the same resamples.
        share_better: of the resamples, where the second has the higher AP.
        per_class: AP of both, in the order of the classes; NaN without objects.
        num_images: of the set.
    """

    first: dict[str, Interval]
    second: dict[str, Interval]
    gain: dict[str, Interval]
    share_better: float
    per_class: list[tuple[float, float]]
    num_images: int

    @property
    def verdict(self) -> str:
        """'better', 'worse' or 'unclear': whether the gain's interval leaves out 0."""
        gain = self.gain['AP']
        return 'better' if gain.low > 0 else 'worse' if gain.high < 0 else 'unclear'


def compare_matches(
    first: Matches, second: Matches, *, samples: int = 1000, seed: int = 0
) -> Comparison:
    """Compare the matches of two models on the same images.

    Args:
        first, second: of the same images and classes.
        samples: resamples of the images, the same ones for both models.
        seed: of the draws.

    Raises:
        ValueError: if images or classes differ.
    """
    if (first.image_ids, first.category_ids) != (second.image_ids, second.category_ids):
        raise ValueError('the models were tested on other images or classes')
    weights = resample_images(len(first.image_ids), samples=samples, seed=seed)
    as_it_is, drawn = (
        [average_precisions(model, given) for model in (first, second)] for given in (None, weights)
    )
    values = [_by_metric(precisions) for precisions in as_it_is]
    resampled = [_by_metric(precisions) for precisions in drawn]
    return Comparison(
        first={name: interval(values[0][name][0], resampled[0][name]) for name in METRICS},
        second={name: interval(values[1][name][0], resampled[1][name]) for name in METRICS},
        gain={
            name: interval(
                values[1][name][0] - values[0][name][0], resampled[1][name] - resampled[0][name]
            )
            for name in METRICS
        },
        share_better=float(np.mean(resampled[1]['AP'] > resampled[0]['AP'])),
        per_class=list(
            zip(*(model[0, :, ALL_SIZES].mean(axis=-1).tolist() for model in as_it_is), strict=True)
        ),
        num_images=len(first.image_ids),
    )


def _by_metric(precisions: np.ndarray) -> dict[str, np.ndarray]:
    """Means over classes and thresholds by name, ``(B,)`` each."""
    return {
        name: mean_ap(precisions[..., thresholds])[:, ALL_SIZES]
        for name, thresholds in METRICS.items()
    }
