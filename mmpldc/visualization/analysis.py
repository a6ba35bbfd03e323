"""Figures on the quality of pseudo-labels, after the paper's Figs. 2, 3 and 5."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

MAX_POINTS = 1000  # more are shown as a 2-d histogram
MAX_CLASSES_WITH_NUMBERS = 12


def plot_quality_against_iou(
    path: Path,
    iou: np.ndarray,
    qualities: Mapping[str, np.ndarray],
    correlations: Mapping[str, float],
) -> None:
    """Plot mask IoU against each quality, one panel each, with the mean IoU.

    Labels are points, or a 2-d histogram if they are many.

    Args:
        path: PNG to write; its folder is created.
        iou: ``(K,)`` float in [0, 1], mask IoU with the object; K may be 0.
        qualities: ``(K,)`` float in [0, 1] by name.
        correlations: rank correlation of each quality with the IoU, NaN if undefined.
    """
    figure = Figure(figsize=(4.2 * len(qualities), 3.8))
    axes = figure.subplots(1, len(qualities), sharey=True, squeeze=False)[0]
    for axis, (name, quality) in zip(axes, qualities.items(), strict=True):
        if len(iou) > MAX_POINTS:
            limits = [[quality.min(), 1], [0, 1]]
            axis.hist2d(quality, iou, bins=32, range=limits, norm=LogNorm(), cmap='Blues')
        else:
            axis.scatter(quality, iou, s=8, alpha=0.4, linewidths=0)
        axis.plot(*binned_mean(quality, iou), color='tab:orange', marker='.', label='mean IoU')
        correlation = correlations[name]
        shown = 'undefined' if np.isnan(correlation) else f'{correlation:.2f}'
        axis.set(title=f'{name}\nSpearman ρ = {shown}', xlabel='quality', ylim=(-0.02, 1.02))
        axis.legend(fontsize=8, loc='upper left')
    axes[0].set_ylabel('mask IoU with the object')
    _save(figure, path)


def binned_mean(
    quality: np.ndarray, iou: np.ndarray, num_bins: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Average quality and IoU in bins of equally many labels, from low quality to high.

    Args:
        quality, iou: ``(K,)`` float.
        num_bins: fewer if there are fewer labels.

    Returns:
        Mean quality and mean IoU, each ``(min(num_bins, K),)`` float.
    """
    order = quality.argsort(kind='stable')
    bins = np.array_split(order, min(num_bins, len(order))) if len(order) else []
    mean_quality, mean_iou = (
        np.array([values[index].mean() for index in bins]) for values in (quality, iou)
    )
    return mean_quality, mean_iou


def plot_confusion_matrix(
    path: Path, matrix: np.ndarray, classes: Sequence[str], *, max_classes: int | None = 29
) -> None:
    """Plot a confusion matrix, each row divided by its sum.

    Args:
        path: PNG to write; its folder is created.
        matrix: ``(N + 1, N + 1)`` int, truth x label, background last; see
            :func:`mmpldc.evaluation.confusion_matrix`.
        classes: N names.
        max_classes: show background and this many classes: those most often confused with another
            in either direction (29 in the paper's Fig. 3). Shares refer to the whole row, shown or
            not. None: show all.
    """
    share = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    shown = [*most_confused_classes(matrix, max_classes), len(classes)]
    names = [[*classes, 'background'][index] for index in shown]
    side = 3 + 0.3 * len(shown)
    figure = Figure(figsize=(side + 0.6, side))
    axis = figure.subplots()
    cells = share[np.ix_(shown, shown)]
    image = axis.imshow(cells, vmin=0, vmax=1, cmap='Blues')
    axis.set_xticks(range(len(shown)), names, rotation=90)
    axis.set_yticks(range(len(shown)), names)
    axis.set(xlabel='labelled as (background: missed)', ylabel='truth (background: false alarm)')
    if len(shown) <= MAX_CLASSES_WITH_NUMBERS + 1:
        for (row, column), value in np.ndenumerate(cells):
            if value >= 0.005:
                color = 'white' if value > 0.5 else 'black'
                axis.text(column, row, f'{100 * value:.0f}', ha='center', va='center', color=color)
    figure.colorbar(image, ax=axis, shrink=0.7, label='share of the row')
    _save(figure, path)


def most_confused_classes(matrix: np.ndarray, count: int | None) -> list[int]:
    """Return the classes most often confused with another in either direction, in class order.

    Args:
        matrix: ``(N + 1, N + 1)`` int, background last, which does not count as a mistake here.
        count: number of classes; None or more than N return all.
    """
    objects = matrix[:-1, :-1]
    mistakes = objects.sum(axis=0) + objects.sum(axis=1) - 2 * objects.diagonal()
    return sorted((-mistakes).argsort(kind='stable')[:count].tolist())


def plot_error_types(path: Path, runs: Mapping[str, Mapping[str, float]]) -> None:
    """Plot bars, one group per type and in it one bar per run.

    Args:
        path: PNG to write; its folder is created.
        runs: by name, share in [0, 1] of each type, the same types for all; see
            :func:`mmpldc.evaluation.error_types`.
    """
    types = [*next(iter(runs.values()))]
    figure = Figure(figsize=(max(6.4, 1.2 + 0.5 * len(types) * len(runs)), 3.8))
    axis = figure.subplots()
    width = 0.8 / len(runs)
    for number, (name, shares) in enumerate(runs.items()):
        position = np.arange(len(types)) + (number - (len(runs) - 1) / 2) * width
        bars = axis.bar(position, [100 * shares[kind] for kind in types], width, label=name)
        axis.bar_label(bars, fmt='%.1f', fontsize=8)
    axis.set_xticks(range(len(types)), types)
    axis.set_ylabel('% of the pseudo-labels')
    axis.margins(y=0.12)
    axis.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
