"""Split a COCO-format annotation file, or a list of names, into labelled and unlabelled images.

Writes NAME.FOLD@PERCENT.json and NAME.FOLD@PERCENT-unlabeled.json, the names that mmdet's
semi-supervised configs use (with --count NAME.FOLD@COUNTimages.json). The fold is the seed of the
draw; a smaller share of a fold is part of a larger one (not with --min-instances). The unlabelled
file has no annotations.

For semantic segmentation give a list of names or a folder of images instead, and get .txt lists
that mmsegmentation's data sets read.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

import numpy as np

from mmpldc.datasets.checks import check_structure
from mmpldc.datasets.coco_files import UnusableFile, names_of_images, outline_fault, read_coco
from mmpldc.datasets.listed_images import find_images, find_supervision_indices
from mmpldc.datasets.name_lists import (
    count_pixels,
    find_image_names,
    find_names,
    read_names,
    read_plain_names,
    split_names,
    write_names,
)
from mmpldc.datasets.split import (
    count_instances,
    draw,
    draw_stratified,
    draw_unlabeled,
    keep_unlabeled,
    num_labeled,
    split_coco,
)
from mmpldc.utils.files import write_json
from mmpldc.utils.text import read_text


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help='COCO-format json, list or folder of images')
    share = parser.add_mutually_exclusive_group()
    share.add_argument('--percent', type=float, nargs='+', help='shares that stay labelled')
    share.add_argument('--count', type=int, nargs='+', help='numbers of images that stay labelled')
    parser.add_argument('--fold', type=int, nargs='+', default=[1], help='default: 1')
    parser.add_argument(
        '--min-instances',
        type=int,
        default=0,
        metavar='K',
        help='stratify: each class keeps at least K labelled instances where that is possible; of '
        'names K labelled images that show it, which needs --label-maps',
    )
    parser.add_argument(
        '--label-maps',
        type=Path,
        metavar='DIR',
        help='label maps of a list of names, DIR/NAME.png or DIR/NAME_gtFine_labelTrainIds.png',
    )
    parser.add_argument(
        '--labeled-list',
        type=Path,
        metavar='FILE',
        help='label these images instead of drawing: image ids or file names, one a line '
        "(Guided Distillation's lists for Cityscapes too); the images of another COCO-format json; "
        "or Unbiased Teacher's COCO_supervision.txt together with --percent and --fold",
    )
    parser.add_argument(
        '--unlabeled',
        type=Path,
        metavar='JSON',
        help='label everything: write only an unlabelled file NAME.FOLD@100-unlabeled.json, from '
        "this json's images, e.g. image_info_unlabeled2017.json, which lacks categories",
    )
    parser.add_argument(
        '--unlabeled-count',
        type=int,
        metavar='N',
        help='draw so many of the unlabelled images, too; default: all',
    )
    parser.add_argument('--out-dir', type=Path, help="default: the annotation file's folder")
    args = parser.parse_args()
    if args.min_instances < 0:
        parser.error(f'--min-instances must be 0 or more, got {args.min_instances}')
    if min(args.fold) < 0:
        parser.error(f'--fold must be 0 or more, got {min(args.fold)}')
    if not (args.percent or args.count or args.labeled_list or args.unlabeled):
        parser.error('say how much stays labelled: --percent, --count or --labeled-list')
    drawn = bool(args.percent or args.count)
    if args.unlabeled and (drawn or args.labeled_list):
        parser.error('--unlabeled labels everything: leave --percent, --count, --labeled-list out')
    if args.min_instances and (args.labeled_list or not drawn):
        parser.error('--min-instances is for drawing: give --percent or --count, and no list')
    if args.label_maps and not (args.min_instances and is_of_names(args.annotations)):
        parser.error('--label-maps is for --min-instances of a list or folder of images')
    if is_of_names(args.annotations):
        if args.unlabeled:
            parser.error('--unlabeled is for COCO-format files')
        if args.min_instances and not args.label_maps:
            parser.error('--min-instances needs --label-maps')
    return args


def check_count(path: Path, labeled: np.ndarray, count: int | None) -> None:
    """Refuse a list with another number of images than --count, which names the file."""
    if count is not None and len(labeled) != count:
        raise ValueError(f'{path} names {len(labeled)} images, --count is {count}: leave it out')


def listed_images(path: Path, coco: dict, percent: float | None, fold: int) -> np.ndarray:
    """Indices of the images that an external list names."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    names = None
    if isinstance(content, list):
        names = content
    elif not isinstance(content, dict):
        names = [line.strip() for line in text.splitlines() if line.strip()]
    elif 'images' in content:
        names = names_of_images(path)
    if names is not None:
        if not names:
            raise ValueError(f'{path} names no image')
        return find_images(coco, names)
    try:
        indices = content[str(float(percent))][str(fold)]
    except (KeyError, TypeError):
        raise ValueError(
            f'{path} has no list for --percent {percent} and --fold {fold}; it has the percentages '
            f'{", ".join(content)}'
        ) from None
    if not isinstance(indices, list) or set(map(type, indices)) != {int}:
        raise ValueError(f'{path}: percentage {percent:g}, fold {fold}: no list of whole numbers')
    try:
        return find_supervision_indices(coco, indices, percent=percent)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def is_of_names(path: Path) -> bool:
    """Whether a data set is a list or folder of images, and no COCO-format file."""
    if path.is_dir() or path.suffix.lower() in ('.txt', '.lst', '.csv'):
        return True
    try:  # as ImageSets/Segmentation/train
        return not path.suffix and read_text(path).lstrip()[:1] not in ('', '{', '[', '<')
    except (OSError, ValueError):
        return False


def choose_names(
    names: list[str], count: int, fold: int, min_images: int, label_maps: Path | None
) -> np.ndarray:
    """Draw, and say which classes fewer than ``min_images`` labelled images show."""
    if not min_images:
        return draw(len(names), count, seed=fold)
    paths = [label_maps / f'{name}.png' for name in names]
    if not paths[0].is_file():
        paths = [label_maps / f'{name}_gtFine_labelTrainIds.png' for name in names]
    shown = (count_pixels(paths) > 0).astype(np.int32)
    labeled = draw_stratified(shown, count, minimum=min_images, seed=fold)
    kept, total = shown[labeled].sum(axis=0), shown.sum(axis=0)
    for label in np.flatnonzero(kept < min_images):
        print(
            f'class {label} is in {kept[label]} of {total[label]} labelled images '
            f'(fold {fold}, {count} images)'
        )
    return labeled


def split_list(args: argparse.Namespace) -> None:
    """Divide a list or folder of images."""
    source = args.annotations
    if source.name in ('', '..'):  # of '.'
        source = Path(os.path.abspath(source))
    names = find_image_names(source) if source.is_dir() else read_plain_names(source)
    prefix = (args.out_dir or source.parent) / source.stem
    shares = [
        (f'{percent:g}', num_labeled(len(names), percent=percent)) for percent in args.percent or []
    ]
    shares += [(f'{count}images', count) for count in args.count or []]
    for fold in args.fold:
        for name, count in shares or [(None, None)]:
            if args.labeled_list is not None:
                labeled = find_names(names, read_names(args.labeled_list))
                check_count(args.labeled_list, labeled, count)
            else:
                labeled = choose_names(names, count, fold, args.min_instances, args.label_maps)
            name = f'{fold}@{name or f"{len(labeled)}images"}'
            own, others = split_names(names, labeled)
            if args.unlabeled_count is not None:
                rows = draw_unlabeled(len(others), args.unlabeled_count, seed=fold)
                others = [others[row] for row in rows]
            for part, suffix in (own, ''), (others, '-unlabeled'):
                path = prefix.with_name(f'{prefix.name}.{name}{suffix}.txt')
                write_names(path, part)
                print(f'{path}: {len(part)} images')


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
    warnings.showwarning = lambda message, *_: print(f'warning: {message}')
    args = parse_args()
    if is_of_names(args.annotations):
        split_list(args)
        return
    coco = read_annotations(args.annotations)
    total = len(coco['images'])
    prefix = (args.out_dir or args.annotations.parent) / args.annotations.stem

    def write(name: str, part: dict) -> None:
        path = prefix.with_name(f'{prefix.name}.{name}.json')
        write_json(path, part)
        print(f'{path}: {len(part["images"])} images, {len(part["annotations"])} instances')

    def fewer(unlabeled: dict, fold: int) -> dict:
        if args.unlabeled_count is None:
            return unlabeled
        return keep_unlabeled(unlabeled, args.unlabeled_count, seed=fold)

    if args.unlabeled is not None:
        unlabeled = read_coco(args.unlabeled)
        unlabeled |= dict(annotations=[], categories=coco['categories'])
        own = {image['file_name'] for image in coco['images']}
        both = [name for name in names_of_images(args.unlabeled) if name in own]
        if both:
            print(
                f'warning: {args.unlabeled} lists {len(both)} names of {args.annotations}, such as '
                f'{both[0]}: if they are the same photos, of one folder, take them out'
            )
        write(f'{args.fold[0]}@100-unlabeled', fewer(unlabeled, args.fold[0]))
        return
    shares = [(f'{percent:g}', percent, None) for percent in args.percent or []]
    shares += [(f'{count}images', None, count) for count in args.count or []]
    for fold in args.fold:
        for name, percent, count in shares or [(None, None, None)]:
            if args.labeled_list is not None:
                labeled = listed_images(args.labeled_list, coco, percent, fold)
                check_count(args.labeled_list, labeled, count)
            else:
                count = num_labeled(total, percent=percent) if count is None else count
                labeled = choose(coco, count, fold, args.min_instances)
            name = f'{fold}@{name or f"{len(labeled)}images"}'
            own, others = split_coco(coco, labeled)
            others = fewer(others, fold)
            write(name, own)
            write(f'{name}-unlabeled', others)


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'split.py: {error}') from None
