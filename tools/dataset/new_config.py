"""From some annotated images and a folder to a config that trains, checked.

    python tools/dataset/new_config.py --labeled labels.json --images IMAGES --out-dir data/mine

Every image below IMAGES that labels.json does not list becomes an unlabelled one. Without --val,
part of the annotated images is held out to validate on. Writes labeled.json, unlabeled.json,
val.json and pldc.py into the folder: configs/custom/pldc_mask2former_r50_custom.py with paths,
classes, image size and schedule filled in.
"""

import argparse
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmpldc.datasets.checks import check_run
from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.converters import convert_images
from mmpldc.datasets.split import count_instances, draw_stratified, num_labeled, split_coco
from mmpldc.datasets.starter_config import (
    FEWEST_ITERS,
    PAPER_ITERS,
    PAPER_PASSES,
    fill_in,
    schedule_for,
    training_side,
)
from mmpldc.utils.files import write_json

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
TEMPLATE = CONFIGS / 'custom/pldc_mask2former_r50_custom.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--labeled', type=Path, required=True, help='COCO-format json')
    parser.add_argument(
        '--images', type=Path, required=True, help="folder that the json's file names are in"
    )
    parser.add_argument(
        '--unlabeled-images', type=Path, help='folder of unlabelled images; default: --images'
    )
    parser.add_argument('--val', type=Path, help='COCO-format json to validate on')
    parser.add_argument('--val-images', type=Path, help='its folder; default: --images')
    parser.add_argument(
        '--val-percent',
        type=float,
        default=20,
        help='without --val: share of the annotated images that is held out; default: 20',
    )
    parser.add_argument('--seed', type=int, default=0, help='of that choice')
    parser.add_argument('--batch-size', type=int, default=8, help='half of it labelled; default: 8')
    parser.add_argument(
        '--skip-unreadable', action='store_true', help='leave out broken unlabelled images'
    )
    parser.add_argument('--out-dir', type=Path, required=True)
    args = parser.parse_args()
    if args.batch_size < 2 or args.batch_size % 2:
        parser.error('--batch-size must be even: half of it is labelled')
    return args


def hold_out(coco: dict, percent: float, seed: int) -> tuple[dict, dict]:
    """Images to validate on, and those to train on, which keep an instance of each class."""
    total = len(coco['images'])
    count = num_labeled(total, percent=percent)
    if count == total:
        raise ValueError(f'{total} annotated images are too few to hold some out: give --val')
    trained = draw_stratified(count_instances(coco), total - count, minimum=1, seed=seed)
    kept, _ = split_coco(coco, trained)
    held_out, _ = split_coco(coco, np.setdiff1d(np.arange(total), trained))
    return held_out, kept


def main() -> None:
    args = parse_args()
    args.val_images = args.val_images or args.images
    args.unlabeled_images = args.unlabeled_images or args.images
    files = {name: args.out_dir / f'{name}.json' for name in ('labeled', 'unlabeled', 'val')}
    if {path.resolve() for path in files.values()} & {
        path.resolve() for path in (args.labeled, args.val) if path
    }:
        raise ValueError(f'{args.out_dir} holds the input: choose another --out-dir')

    labeled = read_coco(args.labeled, 'annotations', 'categories')
    if args.val is None:
        val, labeled = hold_out(labeled, args.val_percent, args.seed)
    else:
        val = read_coco(args.val, 'annotations', 'categories')
    annotated = {args.labeled: args.images}
    if args.val is not None:
        annotated[args.val] = args.val_images
    unlabeled = convert_images(
        args.unlabeled_images,
        args.labeled,
        exclude=annotated,
        skip_unreadable=args.skip_unreadable,
    )
    for name, content in dict(labeled=labeled, unlabeled=unlabeled, val=val).items():
        write_json(files[name], content)
        print(f'{files[name]}: {len(content["images"])} images')

    config = args.out_dir / 'pldc.py'
    config.write_text(config_text(args, files, labeled, unlabeled))
    report = check_run(Config.fromfile(config))
    print(f'\n{report.markdown()}\n')
    if report.errors:
        print(f'{config} is ready, the data is not')
        raise SystemExit(1)
    work_dir = Path('work_dirs') / args.out_dir.name
    num_images = len(labeled['images']) + len(unlabeled['images'])
    last = schedule_for(num_images, args.batch_size).max_iters
    print(f'python tools/train.py {config} --work-dir {work_dir}')
    print(f'python tools/test.py {config} {work_dir}/iter_{last}.pth')


def config_text(args: argparse.Namespace, files: dict, labeled: dict, unlabeled: dict) -> str:
    """The template, filled in."""
    template = TEMPLATE.read_text().replace("'../_base_/", f"'{CONFIGS}/_base_/")
    images = [*labeled['images'], *unlabeled['images']]
    schedule = schedule_for(len(images), args.batch_size)
    side = training_side([(image['width'], image['height']) for image in images])
    folders = dict(labeled=args.images, unlabeled=args.unlabeled_images, val=args.val_images)
    sources = {
        name: dict(ann_file=str(files[name]), data_prefix=dict(img=str(folder)))
        for name, folder in folders.items()
    }
    return fill_in(
        template,
        dict(
            classes=tuple(category['name'] for category in labeled['categories']),
            image_size=(side, side),
            batch_size=args.batch_size,
            max_iters=schedule.max_iters,
            burn_in_iters=schedule.burn_in_iters,
            keep_rate=schedule.keep_rate,
            **sources,
        ),
        dict(
            max_iters=f'{PAPER_PASSES} * {len(images)} / {args.batch_size} = {schedule.passes:,}, '
            f'at least {FEWEST_ITERS:,}, at most {PAPER_ITERS:,}',
            keep_rate=f'over {schedule.ema_steps} steps',
        ),
    )


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'new_config.py: {error}') from None
