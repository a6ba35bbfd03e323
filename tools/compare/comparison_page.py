"""Write the tables and plots of a comparison from the results of compare_methods.py."""

import os
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch
from tasks import TASKS

from mmpldc.utils.machine import machine
from mmpldc.utils.markdown import put_block, table

GIB = 2**30
TITLES = dict(mean_teacher='mean teacher')


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    mean = f'{statistics.mean(values):.{digits}f}'
    return mean if len(values) < 2 else f'{mean} ± {statistics.stdev(values):.{digits}f}'


def score_table(content: dict) -> str:
    """Format the teacher's scores on the test split and its gains over the same seed's references.

    A gain is over the seeds that both have.
    """
    task, methods = TASKS[content['task']], content['methods']
    score, *_ = task.metrics
    references = [name for name in task.references if name in methods]
    rows = []
    for name, method in methods.items():
        scores = {seed: run['scores'] for seed, run in method['runs'].items()}
        threshold = next(iter(threshold_of(method)), '')
        gains = [gain(scores, methods[one]['runs'], score) for one in references]
        rows.append(
            [
                method['title'],
                threshold,
                *(
                    mean_and_deviation([one[key] for one in scores.values()], 1)
                    for key in task.metrics
                ),
                *(
                    '' if name == one else mean_and_deviation(values, 1)
                    for one, values in zip(references, gains, strict=True)
                ),
                ', '.join(
                    f'{scores[str(seed)][score]:.1f}' if str(seed) in scores else '–'
                    for seed in content['seeds']
                ),
            ]
        )
    seeds = ', '.join(map(str, content['seeds']))
    over = [f'{score} over {TITLES.get(one, one)}' for one in references]
    return table(['', 'threshold', *task.metrics, *over, f'{score} of seeds {seeds}'], rows)


def gain(scores: dict, reference: dict, score: str) -> list[float]:
    """Return the differences to the reference's runs with the same seeds."""
    return [
        scores[seed][score] - run['scores'][score]
        for seed, run in reference.items()
        if seed in scores
    ]


def threshold_of(method: dict) -> list[str]:
    """Return the settings of a method's threshold as text, without the repeated ones."""
    values = (str(value).strip('()').replace(',', ' to ') for value in method['setting'].values())
    return list(dict.fromkeys(values))


def pseudo_label_table(content: dict, step: str) -> str:
    qualities = TASKS[content['task']].qualities
    rows = []
    for method in content['methods'].values():
        measured = labels_at(method, step)
        if measured:
            cells = (
                mean_and_deviation([one[key] for one in measured], digits)
                for key, (_, digits) in qualities.items()
            )
            rows.append([method['title'], *cells])
    return table(['', *(title for title, _ in qualities.values())], rows)


def labels_at(method: dict, step: str) -> list[dict]:
    """Return the qualities of a method's pseudo-labels after some steps, of each seed."""
    runs = method['runs'].values()
    return [run['pseudo_labels'][step] for run in runs if 'pseudo_labels' in run]


def cost_table(content: dict) -> str:
    """Format step times and run times relative to the supervised run, and minutes."""
    methods = content['methods']
    supervised = methods['supervised']['cost']['step']
    minutes = statistics.median(supervised) * content['measured'][-1] / 60
    rows = []
    for method in methods.values():
        if method['cost'] is None:
            continue
        steps = method['cost']['step']
        ratio = [mine / own for mine, own in zip(steps, supervised, strict=True)]
        burn_in = method['burn_in']
        training = burn_in + (1 - burn_in) * statistics.median(ratio) + method['needs_teacher']
        spread = f'{statistics.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})'
        milliseconds = f'{1000 * statistics.median(steps):.0f}'
        memory = f'{method["cost"]["memory"] / GIB:.2f}'
        whole = f'{training:.2f}', f'{training * minutes:.1f}'
        rows.append([method['title'], milliseconds, spread, *whole, memory])
    header = ['', 'ms a step', 'step, in supervised ones', 'training, in supervised ones', 'min']
    return table([*header, 'GiB'], rows)


def threshold_table(content: dict) -> str:
    rows = [
        [
            content['methods'].get(name, dict(title=name))['title'],
            *(
                f'**{score:.1f}**' if threshold == str(chosen['best']) else f'{score:.1f}'
                for threshold, score in chosen['scores'].items()
            ),
        ]
        for name, chosen in content['chosen'].items()
    ]
    grid = next(iter(content['chosen'].values()))['scores']
    score, *_ = TASKS[content['task']].metrics
    return table([f'{score} on the tuning split', *grid], rows)


def blocks(content: dict) -> dict[str, str]:
    """Return the page's blocks by name."""
    facts = machine(torch.device(content['device']))
    with_results = {seed for method in content['methods'].values() for seed in method['runs']}
    done = [str(seed) for seed in content['seeds'] if str(seed) in with_results]
    facts = (
        f'Mean ± sample standard deviation over seeds {", ".join(done)}. '
        f'`{content["command"]}`, {date.today()}: {facts["device"]}, {os.cpu_count()} CPU cores; '
        f'python {facts["python"]}, torch {facts["torch"]}, mmcv {facts["mmcv"]}, '
        f'mmdet {facts["mmdet"]}.'
    )
    if content['tuned_on_test']:
        facts += ' The test set is the tuning split: thresholds were chosen on what is reported.'
    found = {TASKS[content['task']].block: f'{score_table(content)}\n\n{facts}'}
    if any(chosen['scores'] for chosen in content['chosen'].values()):
        found['thresholds'] = threshold_table(content)
    if len(content['methods']) > 1:
        found['pseudo_labels'] = '\n\n'.join(
            f'After {step} steps:\n\n{pseudo_label_table(content, str(step))}'
            for step in content['measured']
        )
    if content['methods']['supervised']['cost'] is not None:
        found['cost'] = cost_table(content)
    return found


def draw(content: dict, path: Path) -> None:
    """Plot each method's score by seed and during training, and the final pseudo-labels."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    task, methods = TASKS[content['task']], content['methods']
    score, *_ = task.metrics
    figure, (points, curves, labels) = plt.subplots(1, 3, figsize=(19, 5.5))
    titles = [method['title'] for method in methods.values()]
    for row, method in enumerate(methods.values()):
        values = [run['scores'][score] for run in method['runs'].values()]
        points.plot(values, [row] * len(values), '.', color='grey')
        points.plot(statistics.mean(values), row, 'D', color=f'C{row % 10}')
    points.set_yticks(range(len(titles)), titles)
    points.invert_yaxis()
    points.set(xlabel=f'{task.score}, test split; dots are seeds')
    last = str(content['measured'][-1])
    for row, method in enumerate(methods.values()):
        style = dict(color=f'C{row % 10}', marker='os^'[row // 10 % 3], label=method['title'])
        by_step: dict[int, list[float]] = {}
        for step, value in (point for curve in method['curves'] for point in curve):
            by_step.setdefault(step, []).append(value)
        means = {step: statistics.mean(values) for step, values in sorted(by_step.items())}
        curves.plot(list(means), list(means.values()), markersize=4, **style)
        measured = labels_at(method, last)
        if measured:
            recall, precision = ([one[key] for one in measured] for key in ('recall', 'precision'))
            labels.plot(recall, precision, linestyle='', **style)
    curves.set(xlabel='iteration', ylabel=f'{task.score} of the teacher, tuning split')
    labels.set(xlabel=f'recall of pseudo-labels, iteration {last}', ylabel='precision')
    if labels.lines:
        labels.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.02, 0.5))
    for axis in (points, curves, labels):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def write_page(content: dict, path: Path) -> None:
    """Insert the tables between the page's marks and the plots next to it.

    Args:
        content: content of ``comparison.json``.
        path: an existing page with marks keeps its other text; a new one gets only the tables.
    """
    found, figure = blocks(content), f'images/{TASKS[content["task"]].figure}.png'
    if path.exists():
        page = path.read_text()
    else:
        # Also those that come later, after the last run.
        names = dict.fromkeys([*found, 'thresholds', 'pseudo_labels', 'cost'])
        empty = '\n\n'.join(f'<!-- {name} -->\n\n<!-- /{name} -->' for name in names)
        page = f'# Comparison\n\n{empty}\n\n![Comparison]({figure})\n'
    for name, text in found.items():
        page = put_block(page, name, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    draw(content, path.parent / figure)
