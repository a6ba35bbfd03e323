"""Split a COCO-format annotation file into labelled and unlabelled images.

Writes NAME.FOLD@PERCENT.json and NAME.FOLD@PERCENT-unlabeled.json, the names that mmdet's
semi-supervised configs use (with --count NAME.FOLD@COUNTimages.json). The fold is the seed of the
draw; a smaller share of a fold is part of a larger one (not with --min-instances). The unlabelled
file has no annotations.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from mmpldc.datasets.checks import check_structure
from mmpldc.datasets.coco_files import UnusableFile, outline_fault, read_coco, write_json
from mmpldc.datasets.split import (
    count_instances,
    draw,
    draw_stratified,
    find_images,
    find_supervision_indices,
    num_labeled,
    split_coco,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help='COCO-format json')
    share = parser.add_mutually_exclusive_group()
    share.add_argument('--percent', type=float, nargs='+', help='shares that stay labelled')
    share.add_argument('--count', type=int, nargs='+', help='numbers of images that stay labelled')
    parser.add_argument('--fold', type=int, nargs='+', default=[1], help='default: 1')
    parser.add_argument(
        '--min-instances',
        type=int,
        default=0,
        metavar='K',
        help='stratify: each class keeps at least K labelled instances where that is possible',
    )
    parser.add_argument(
        '--labeled-list',
        type=Path,
        metavar='FILE',
        help='label these images instead of drawing: image ids or file names, one a line; the '
        "images of another COCO-format json (Guided Distillation's splits); or Unbiased Teacher's "
        'COCO_supervision.txt together with --percent and --fold',
    )
    parser.add_argument(
        '--unlabeled',
        type=Path,
        metavar='JSON',
        help='label everything: write only an unlabelled file NAME.FOLD@100-unlabeled.json, from '
        "this json's images, e.g. image_info_unlabeled2017.json, which lacks categories",
    )
    parser.add_argument('--out-dir', type=Path, help="default: the annotation file's folder")
    args = parser.parse_args()
    if not (args.percent or args.count or args.labeled_list or args.unlabeled):
        parser.error('say how much stays labelled: --percent, --count or --labeled-list')
    return args


def listed_images(path: Path, coco: dict, percent: float | None, fold: int) -> np.ndarray:
    """Indices of the images that an external list names."""
    text = path.read_text()
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = None
    if isinstance(content, list):
        return find_images(coco, content)
    if not isinstance(content, dict):
        return find_images(coco, [line.strip() for line in text.splitlines() if line.strip()])
    if 'images' in content:
        return find_images(coco, [image['file_name'] for image in content['images']])
    try:
        indices = content[str(float(percent))][str(fold)]
    except (KeyError, TypeError):
        raise ValueError(
            f'{path} has no list for --percent {percent} and --fold {fold}; it has the percentages '
            f'{", ".join(content)}'
        ) from None
    return find_supervision_indices(coco, indices, percent=percent)


def read_annotations(path: Path) -> dict:
    """Content of the file.

    Raises:
        ValueError: if ids or names are missing or not unique.
    """
    coco = read_coco(path, 'annotations', 'categories')
    problem = outline_fault(coco)
    if problem:
        raise UnusableFile(path, problem)
    findings = check_structure(coco, file=str(path))
    faults = [str(finding) for finding in findings if finding.level == 'error']
    if faults:
        raise ValueError('\n'.join(faults))
    return coco


def choose(coco: dict, count: int, fold: int, min_instances: int) -> np.ndarray:
    """Draw, and say which classes stayed below ``min_instances``."""
    if not min_instances:
        return draw(len(coco['images']), count, seed=fold)
    instances = count_instances(coco)
    labeled = draw_stratified(instances, count, minimum=min_instances, seed=fold)
    kept = instances[labeled].sum(axis=0)
    for category, have, total in zip(coco['categories'], kept, instances.sum(axis=0), strict=True):
        if have < min_instances:
            print(
                f'only {have} of {total} instances of {category["name"]} are labelled '
                f'(fold {fold}, {count} images)'
            )
    return labeled


def main() -> None:
    args = parse_args()
    coco = read_annotations(args.annotations)
    total = len(coco['images'])
    prefix = (args.out_dir or args.annotations.parent) / args.annotations.stem

    def write(name: str, part: dict) -> None:
        path = prefix.with_name(f'{prefix.name}.{name}.json')
        write_json(path, part)
        print(f'{path}: {len(part["images"])} images, {len(part["annotations"])} instances')

    if args.unlabeled is not None:
        unlabeled = read_coco(args.unlabeled)
        unlabeled |= dict(annotations=[], categories=coco['categories'])
        write(f'{args.fold[0]}@100-unlabeled', unlabeled)
        return
    shares = [(f'{percent:g}', percent, None) for percent in args.percent or []]
    shares += [(f'{count}images', None, count) for count in args.count or []]
    for fold in args.fold:
        for name, percent, count in shares or [(None, None, None)]:
            if args.labeled_list is not None:
                labeled = listed_images(args.labeled_list, coco, percent, fold)
            else:
                count = count or num_labeled(total, percent=percent)
                labeled = choose(coco, count, fold, args.min_instances)
            name = f'{fold}@{name or f"{len(labeled)}images"}'
            for part, suffix in zip(split_coco(coco, labeled), ('', '-unlabeled'), strict=True):
                write(name + suffix, part)


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'split.py: {error}') from None
