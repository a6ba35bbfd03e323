"""Analyse a teacher's pseudo-labels on annotated images, as in the paper's Figs. 2, 3 and 5.

Writes analysis.json and one figure each: quality_against_iou.png for the candidates,
confusion_matrix.png and error_types.png for the pseudo-labels that training would see.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from common import argument_parser, load
from mmengine.fileio import load as load_file

from mmpldc.evaluation.error_analysis import confusion_matrix, error_types, rank_correlations
from mmpldc.evaluation.pseudo_label_quality import compare_candidates, compare_pseudo_labels
from mmpldc.utils.files import write_json
from mmpldc.visualization import (
    plot_confusion_matrix,
    plot_error_types,
    plot_quality_against_iou,
)

NUM_PAIRS = 3  # number of confused class pairs to print
TITLES = dict(
    score='coupled score c·m', class_quality='class quality c', mask_quality='mask quality m'
)


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument('--out', type=Path, required=True, help='folder for JSON and figures')
    parser.add_argument('--name', help="in the figure of error types; default: checkpoint's")
    parser.add_argument(
        '--compare',
        type=Path,
        nargs='+',
        default=[],
        metavar='OTHER.json',
        help='analysis.json of other runs, to show their error types next to these',
    )
    parser.add_argument(
        '--min-class-quality',
        type=float,
        default=0.05,
        help='leave out candidates below it in Fig. 2; most of them are empty queries',
    )
    parser.add_argument('--max-classes', type=int, default=29, help='shown in the confusion matrix')
    return parser.parse_args()


def read_runs(paths: list[Path], name: str) -> dict[str, dict]:
    """Read error types of earlier analyses by the name of the run, which must not be ``name``."""
    runs = {}
    for path in paths:
        analysis = json.loads(path.read_text())
        if analysis['name'] in (name, *runs):
            raise SystemExit(f"two runs have the name '{analysis['name']}': set another by --name")
        runs[analysis['name']] = analysis['error_types']
    return runs


def read_categories(dataset) -> tuple[list[str], list[str | None]]:
    """Return names and supercategories by label; labels follow the file's order, as in mmdet."""
    by_id = {category['id']: category for category in load_file(dataset.ann_file)['categories']}
    categories = [by_id[category_id] for category_id in dataset.cat_ids]
    return [c['name'] for c in categories], [c.get('supercategory') or None for c in categories]


def table_of_correlations(correlations: dict[str, dict[str, float]]) -> str:
    lines = [f'{"":18}  {"rank correlation":>18}  {"AUC, right against":>18}']
    lines += [f'{"":18}  {"with mask IoU":>18}  {"wrong class":>18}']
    for name, row in correlations.items():
        lines.append(f'{TITLES[name]:18}  {row["mask_iou"]:18.2f}  {row["class_auc"]:18.2f}')
    return '\n'.join(lines)


def table_of_errors(runs: dict[str, dict]) -> str:
    width = max(map(len, runs))
    types = next(iter(runs.values()))['share']
    lines = [' ' * width + ''.join(f'  {name:>12}' for name in types)]
    for name, errors in runs.items():
        lines.append(f'{name:{width}}' + ''.join(f'  {errors["share"][t]:12.1%}' for t in types))
    return '\n'.join(lines)


def most_confused_pairs(matrix: np.ndarray, classes: list[str]) -> list[str]:
    """List the most frequent mistakes between classes as ``'truth as label: count'``."""
    mistakes = matrix[:-1, :-1] * (1 - np.eye(len(classes), dtype=int))
    cells = (-mistakes).ravel().argsort(kind='stable')[:NUM_PAIRS]
    rows, columns = np.unravel_index(cells, mistakes.shape)
    return [
        f'{classes[row]} as {classes[column]}: {mistakes[row, column]}'
        for row, column in zip(rows, columns, strict=True)
        if mistakes[row, column]
    ]


def plain(content: dict) -> dict:
    """Convert ``content`` for JSON: NumPy's numbers to Python's, NaN to null."""
    text = json.dumps(content, default=np.generic.item)
    return json.loads(text, parse_constant=lambda _: None)


def main() -> None:
    args = parse_args()
    checkpoint = Path(args.checkpoint)
    name = args.name or f'{checkpoint.parent.name}/{checkpoint.stem}'
    others = read_runs(args.compare, name)
    model, dataloader = load(args)
    classes, supercategories = read_categories(dataloader.dataset)

    # Two passes over the images, because the refiner may change classes and drop labels: the
    # labels that training would see cannot be selected from the candidates afterwards.
    candidates = compare_candidates(model, dataloader, min_class_quality=args.min_class_quality)
    labels = compare_pseudo_labels(model, dataloader)
    correlations = rank_correlations(candidates)
    matrix = confusion_matrix(labels, len(classes))
    runs = {name: error_types(labels, supercategories)} | others

    args.out.mkdir(parents=True, exist_ok=True)
    analysis = dict(
        name=name,
        config=args.config,
        checkpoint=args.checkpoint,
        num_images=labels.num_images,
        num_objects=labels.num_targets,
        candidates=dict(
            min_class_quality=args.min_class_quality,
            count=len(candidates.iou),
            rank_correlations=correlations,
        ),
        pseudo_labels=dict(count=len(labels.iou)) | labels.summary(),
        error_types=runs[name],
        confusion_matrix=matrix.tolist(),
        classes=classes,
        supercategories=supercategories,
    )
    write_json(args.out / 'analysis.json', plain(analysis), indent=2)
    plot_quality_against_iou(
        args.out / 'quality_against_iou.png',
        candidates.iou,
        {title: getattr(candidates, key) for key, title in TITLES.items()},
        {title: correlations[key]['mask_iou'] for key, title in TITLES.items()},
    )
    plot_confusion_matrix(
        args.out / 'confusion_matrix.png', matrix, classes, max_classes=args.max_classes
    )
    plot_error_types(
        args.out / 'error_types.png', {run: errors['share'] for run, errors in runs.items()}
    )

    print(f'\n{len(candidates.iou)} candidates, {labels.num_targets} objects')
    print(table_of_correlations(correlations))
    print(f'\n{len(labels.iou)} pseudo-labels')
    print(table_of_errors(runs))
    print('\nmost confused:', ', '.join(most_confused_pairs(matrix, classes)) or 'none')


if __name__ == '__main__':
    main()
