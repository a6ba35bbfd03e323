"""Tables of tools/compare/label_rounds.py: AP, its differences, and what annotators had to do."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from comparison_page import mean_and_deviation

from mmpldc.apis.image_ranking import STRATEGIES
from mmpldc.utils.markdown import table


class Outcome(NamedTuple):
    """Result of a round.

    Attributes:
        strategy: that chose the labelled scenes beyond the first ones; 'start' for none.
        seed: of scenes and training.
        round: rounds of labelling before.
        images, objects: labelled.
        ap: of the teacher on the test split, percent.
        corrections: counts of merge_labels.py for the newest labels; None in the first round.
    """

    strategy: str
    seed: int
    round: int
    images: int
    objects: int
    ap: float
    corrections: dict | None


def labels_for(curve: Sequence[tuple[float, float]], ap: float) -> float | None:
    """Labelled images at which a curve first reaches an AP, between its points.

    Args:
        curve: images and AP, by images.
        ap: percent.

    Returns:
        None if the curve does not reach it.
    """
    for (left, low), (right, high) in pairwise(curve):
        if low <= ap <= high and high > low:
            return left + (right - left) * (ap - low) / (high - low)
    return None


def page(outcomes: Sequence[Outcome]) -> str:
    """Tables of AP, its paired differences, and what the annotators had to do, as Markdown.

    Args:
        outcomes: of all rounds that are done. Rounds that a seed lacks are left out of all means
            and differences of that round.
    """
    seeds = sorted({one.seed for one in outcomes})
    strategies = [name for name in STRATEGIES if any(one.strategy == name for one in outcomes)]
    found = {(one.strategy, one.seed, one.round): one for one in outcomes if one.round}
    found |= {(s, one.seed, 0): one for one in outcomes if not one.round for s in strategies}
    rounds = range(max(one.round for one in outcomes) + 1)

    def row(strategy: str, number: int) -> list[Outcome]:
        return [found[key] for seed in seeds if (key := (strategy, seed, number)) in found]

    def curve(strategy: str) -> list[tuple[float, float]]:
        return [
            (statistics.mean(one.images for one in of), statistics.mean(one.ap for one in of))
            for number in rounds
            if (of := row(strategy, number))
        ]

    scores, effort = [], []
    for strategy in strategies:
        cells = [
            mean_and_deviation([one.ap for one in of], 1) if (of := row(strategy, n)) else ''
            for n in rounds
        ]
        reference = [] if strategy == 'random' else curve('random')
        equal = labels_for(reference, curve(strategy)[-1][1])
        needed = f'{equal:.0f}' if equal else 'more' if reference else ''
        scores.append([strategy, *cells, needed])
        later = [one for number in rounds[1:] for one in row(strategy, number)]
        parts = ('kept', 'moved', 'class_changed', 'deleted', 'added')
        counts = [[one.corrections[part] for one in later if one.corrections] for part in parts]
        objects = [one.objects / one.images for one in row(strategy, rounds[-1])]
        effort.append(
            [
                strategy,
                mean_and_deviation(objects, 1) if objects else '',
                *(f'{sum(values) / max(1, sum(map(sum, counts))):.0%}' for values in counts),
            ]
        )
    images = [
        round(statistics.mean(one.images for s in strategies for one in row(s, n))) for n in rounds
    ]
    header = [f'AP, {number} images' for number in images]
    effort_header = ['', 'objects an image', 'kept', 'moved', 'class changed', 'deleted', 'added']
    pairs = [
        [f'{one} − {other}', *paired(found, one, other, seeds, rounds[1:])]
        for other, one in combinations(reversed(strategies), 2)
    ]
    paired_header = ['', *(f'{number} images' for number in images[1:]), 'mean of the rounds']
    return '\n\n'.join(
        [
            table(['', *header, 'images that random needs'], scores),
            *([table(paired_header, pairs)] if pairs else []),
            table(effort_header, effort),
            f'Seeds: {", ".join(map(str, seeds))}. Differences are of the same seed, in this '
            'order, with their mean and deviation. Shares are of all labels before and after an '
            'exact correction.',
        ]
    )


def paired(
    found: Mapping[tuple[str, int, int], Outcome],
    one: str,
    other: str,
    seeds: Sequence[int],
    rounds: Sequence[int],
) -> list[str]:
    """Differences in AP of two strategies at each round, and of their means over the rounds.

    Args:
        found: by strategy, seed and round.
        one, other: strategies.
        seeds, rounds: to compare at; a seed counts where both are done.

    Returns:
        A cell for each round and one for the mean: each seed's difference, and their mean.
    """
    by_round = [
        {
            seed: found[one, seed, number].ap - found[other, seed, number].ap
            for seed in seeds
            if {(one, seed, number), (other, seed, number)} <= found.keys()
        }
        for number in rounds
    ]
    complete = [seed for seed in seeds if all(seed in of for of in by_round)]
    means = {seed: statistics.mean(of[seed] for of in by_round) for seed in complete}

    def cell(of: dict[int, float]) -> str:
        each = ' '.join(f'{value:+.1f}' for value in of.values())
        return f'{each} ({mean_and_deviation([*of.values()], 1)})' if of else ''

    return [cell(of) for of in (*by_round, means)] if by_round else []
