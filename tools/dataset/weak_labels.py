"""Bring a foundation model's labels of unlabelled images into a form that training takes.

    python tools/dataset/weak_labels.py sam3.json --images photos --labeled data/mine/labeled.json \
        --out data/mine/weak_labels.json

Reads a COCO-format json whose annotations have masks and scores. What follows from the data is
repaired, each kind with a line; what does not is an error, and nothing is written. Categories are
matched with those of the labelled file by name. docs/foundation_models.md is the guide.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from mmpldc.datasets.checks import read_categories
from mmpldc.datasets.checks.findings import count
from mmpldc.datasets.labels import Labels, Options, match_categories, prepare
from mmpldc.utils.files import atomic_write


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('file', type=Path, help='COCO-format json with masks and scores')
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument(
        '--labeled', type=Path, required=True, help='the labelled json, whose classes are learnt'
    )
    parser.add_argument('--out', type=Path, required=True, help='json to write')
    parser.add_argument(
        '--rename',
        nargs='+',
        default=[],
        metavar='THEIRS=YOURS',
        help='names of their classes, such as the texts that they were asked for',
    )
    parser.add_argument(
        '--score', type=float, metavar='S', help='of labels that have none, in [0, 1]'
    )
    parser.add_argument(
        '--drop-invalid', action='store_true', help='leave out labels that cannot be repaired'
    )
    args = parser.parse_args()
    if args.score is not None and not 0 <= args.score <= 1:
        parser.error(f'--score must lie in [0, 1], got {args.score:g}')
    unreadable = [pair for pair in args.rename if '=' not in pair]
    if unreadable:
        parser.error(f'--rename takes THEIRS=YOURS, not {unreadable[0]}')
    return args


def rename(labels: Labels, pairs: list[str]) -> None:
    """Rename categories; two with one new name become one.

    Raises:
        ValueError: if there is none of that name.
    """
    new_names = dict(pair.split('=', 1) for pair in pairs)
    own = {category['name'] for category in labels.coco['categories']}
    unknown = [name for name in new_names if name not in own]
    if unknown:
        raise ValueError(
            f"{labels.file} has no category '{unknown[0]}' to rename, but {', '.join(sorted(own))}"
        )
    ids: dict[str, int] = {}
    moved: dict[int, int] = {}
    for category in labels.coco['categories']:
        name = new_names.get(category['name'], category['name'])
        moved[category['id']] = ids.setdefault(name, category['id'])
    labels.coco['categories'] = [dict(id=identity, name=name) for name, identity in ids.items()]
    for annotation in labels.coco['annotations']:
        annotation['category_id'] = moved[annotation['category_id']]


def main() -> None:
    args = parse_args()
    if args.out.resolve() in {args.file.resolve(), args.labeled.resolve()}:
        raise ValueError(f'{args.out} is an input: choose another --out')
    options = Options(drop_invalid=args.drop_invalid, score=args.score, decode=0)
    labels = prepare(args.file, args.images, role='weak', options=options)
    if not labels.errors:
        rename(labels, args.rename)
        wanted = read_categories(args.labeled)
        found = match_categories(labels.coco, labels.file, wanted, str(args.labeled))
        # classes that nobody learns are what such models are asked for by the way
        labels.findings += [
            replace(one, level='note') if one.level == 'warning' else one for one in found
        ]
    for finding in labels.findings:
        print(finding)
    if labels.errors:
        raise SystemExit(
            f'weak_labels.py: {count(len(labels.errors), "error")}, nothing was written; '
            '--drop-invalid leaves out labels that cannot be repaired'
        )
    for line in labels.left_out:
        print(f'left out: {line}')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(args.out) as file:
        json.dump(labels.coco, file)
    coco = labels.coco
    with_labels = len({annotation['image_id'] for annotation in coco['annotations']})
    print(
        f'{args.out}: {count(len(coco["annotations"]), "label")} on {with_labels} of '
        f'{count(len(coco["images"]), "image")}'
    )


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'weak_labels.py: {error}') from None
