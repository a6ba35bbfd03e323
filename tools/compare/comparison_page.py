"""Write the tables and plots of a comparison from the results of compare_methods.py."""

import os
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import torch

from mmpldc.utils.machine import machine
from mmpldc.utils.markdown import put_block, table

GIB = 2**30
PSEUDO_LABELS = {  # key of PseudoLabelTable.summary: title, digits
    'kept_per_image': ('kept an image', 2),
    'precision': ('precision', 3),
    'recall': ('recall', 3),
    'mask_precision': ('mask right', 3),
    'teacher_class_accuracy': ('class right, teacher', 3),
    'class_accuracy': ('class right, corrected', 3),
    'mask_iou': ('mask IoU', 3),
}


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    mean = f'{statistics.mean(values):.{digits}f}'
    return mean if len(values) < 2 else f'{mean} ± {statistics.stdev(values):.{digits}f}'


def ap_table(content: dict) -> str:
    """Format AP of the teacher on the test split and its gain over the same seed's baseline."""
    methods = content['methods']
    base = [run['ap']['AP'] for run in methods['supervised']['runs']]
    rows = []
    for name, method in methods.items():
        runs = [run['ap'] for run in method['runs']]
        gains = [run['AP'] - own for run, own in zip(runs, base, strict=True)]
        threshold = next(iter(method['setting'].values()), '')
        rows.append(
            [
                method['title'],
                str(threshold).strip('()').replace(',', ' to '),
                *(mean_and_deviation([run[key] for run in runs], 1) for key in runs[0]),
                '' if name == 'supervised' else mean_and_deviation(gains, 1),
                ', '.join(f'{run["AP"]:.1f}' for run in runs),
            ]
        )
    seeds = ', '.join(map(str, content['seeds']))
    header = ['', 'threshold', *runs[0], 'AP over supervised', f'AP of seeds {seeds}']
    return table(header, rows)


def pseudo_label_table(content: dict, step: str) -> str:
    rows = []
    for method in content['methods'].values():
        measured = [run['pseudo_labels'][step] for run in method['runs'] if 'pseudo_labels' in run]
        if measured:
            cells = (
                mean_and_deviation([one[key] for one in measured], digits)
                for key, (_, digits) in PSEUDO_LABELS.items()
            )
            rows.append([method['title'], *cells])
    return table(['', *(title for title, _ in PSEUDO_LABELS.values())], rows)


def cost_table(content: dict) -> str:
    """Format step times and run times relative to the supervised run, and minutes."""
    methods = content['methods']
    supervised = methods['supervised']['cost']['step']
    minutes = statistics.median(supervised) * content['measured'][-1] / 60
    rows = []
    for method in methods.values():
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
                f'**{ap:.1f}**' if threshold == str(chosen['best']) else f'{ap:.1f}'
                for threshold, ap in chosen['ap'].items()
            ),
        ]
        for name, chosen in content['chosen'].items()
    ]
    grid = next(iter(content['chosen'].values()))['ap']
    return table(['AP on the tuning split', *grid], rows)


def blocks(content: dict) -> dict[str, str]:
    """Return the page's blocks by name."""
    facts = machine(torch.device(content['device']))
    facts = (
        f'Mean ± sample standard deviation over seeds {", ".join(map(str, content["seeds"]))}. '
        f'`{content["command"]}`, {date.today()}: {facts["device"]}, {os.cpu_count()} CPU cores; '
        f'python {facts["python"]}, torch {facts["torch"]}, mmcv {facts["mmcv"]}, '
        f'mmdet {facts["mmdet"]}.'
    )
    if content['tuned_on_test']:
        facts += ' The test set is the tuning split: thresholds were chosen on what is reported.'
    found = dict(ap=f'{ap_table(content)}\n\n{facts}')
    if content['chosen']:
        found['thresholds'] = threshold_table(content)
    if len(content['methods']) > 1:
        found['pseudo_labels'] = '\n\n'.join(
            f'After {step} steps:\n\n{pseudo_label_table(content, str(step))}'
            for step in content['measured']
        )
    found['cost'] = cost_table(content)
    return found


def draw(content: dict, path: Path) -> None:
    """Plot AP of each method and seed, AP during training, and the final pseudo-labels."""
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    methods = content['methods']
    figure, (points, curves, labels) = plt.subplots(1, 3, figsize=(19, 5.5))
    titles = [method['title'] for method in methods.values()]
    for row, method in enumerate(methods.values()):
        values = [run['ap']['AP'] for run in method['runs']]
        points.plot(values, [row] * len(values), '.', color='grey')
        points.plot(statistics.mean(values), row, 'D', color=f'C{row % 10}')
    points.set_yticks(range(len(titles)), titles)
    points.invert_yaxis()
    points.set(xlabel='mask AP, test split; dots are seeds')
    last = str(content['measured'][-1])
    for row, method in enumerate(methods.values()):
        style = dict(color=f'C{row % 10}', marker='os^'[row // 10 % 3], label=method['title'])
        by_step = {step: [] for curve in method['curves'] for step, _ in curve}
        for curve in method['curves']:
            for step, ap in curve:
                by_step[step].append(100 * ap)
        means = {step: statistics.mean(aps) for step, aps in sorted(by_step.items())}
        curves.plot(list(means), list(means.values()), markersize=4, **style)
        measured = [run['pseudo_labels'][last] for run in method['runs'] if 'pseudo_labels' in run]
        if measured:
            recall, precision = ([one[key] for one in measured] for key in ('recall', 'precision'))
            labels.plot(recall, precision, linestyle='', **style)
    curves.set(xlabel='iteration', ylabel='mask AP of the teacher, tuning split')
    labels.set(xlabel=f'recall of pseudo-labels, iteration {last}', ylabel='precision')
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
    found = blocks(content)
    if path.exists():
        page = path.read_text()
    else:
        empty = '\n\n'.join(f'<!-- {name} -->\n\n<!-- /{name} -->' for name in found)
        page = f'# Comparison\n\n{empty}\n\n![Comparison](images/comparison.png)\n'
    for name, text in found.items():
        page = put_block(page, name, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    draw(content, path.parent / 'images/comparison.png')
    print(page)
