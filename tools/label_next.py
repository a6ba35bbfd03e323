"""Choose the unlabelled images that are most worth labelling, and label them in advance.

    python tools/label_next.py CONFIG CHECKPOINT --count 20 --out next

The images are the config's unlabelled ones, or those of --images. Writes into the folder:
ranking.csv, contact_sheet.jpg, next.json (the chosen images), and the teacher's labels on them to
correct: label_studio.json with label_studio.xml, and pre_annotations.json, which CVAT reads.
tools/dataset/merge_labels.py then adds the corrected file to the labels. docs/label_next.md is the
guide and describes the criteria.
"""

import argparse
from pathlib import Path

from mmengine.device import get_device

from mmpldc.apis import add_cfg_options, add_labeling_arguments, label_next
from mmpldc.apis.image_ranking import STRATEGIES


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--count', type=int, default=20, help='images to choose; default: 20')
    parser.add_argument('--out', type=Path, required=True, help='folder of the files')
    parser.add_argument(
        '--images',
        type=Path,
        help="folder of images, or COCO-format json; default: the config's unlabelled set",
    )
    parser.add_argument('--img-root', type=Path, help="folder of the json's image files")
    parser.add_argument(
        '--strategy',
        choices=[*STRATEGIES],
        help='diverse: uncertain images that differ from each other; uncertain: the most uncertain '
        "images; random: a random choice. Default: the config's label_next, or else diverse",
    )
    parser.add_argument(
        '--criteria',
        nargs='+',
        metavar='NAME[=WEIGHT]',
        help="criteria that replace the strategy's, such as ScoreUncertainty ViewDisagreement=0.5",
    )
    add_labeling_arguments(parser)
    parser.add_argument(
        '--polygons',
        action='store_true',
        help='write outlines, which are easier to move, instead of masks, which come back exactly',
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1.0,
        help='how far a polygon may deviate from the outline, in pixels (default: 1)',
    )
    parser.add_argument(
        '--image-prefix',
        help='Label Studio: prefix that makes a file name an address (default: that of its local '
        "files, where the images' folder lies in the document root)",
    )
    parser.add_argument(
        '--skip-unreadable', action='store_true', help='list unreadable images at the end'
    )
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--num-workers', type=int, default=2, help='processes that read images')
    parser.add_argument('--device', default=get_device(), help='default: a GPU if available')
    add_cfg_options(parser)
    args = parser.parse_args()
    if args.img_root is not None and (args.images is None or args.images.suffix != '.json'):
        parser.error('--img-root is only for a COCO-format json given by --images')
    return args


def main() -> None:
    args = parse_args()
    chosen = label_next(
        args.config,
        args.checkpoint,
        args.out,
        count=args.count,
        images=args.images,
        img_root=args.img_root,
        strategy=args.strategy,
        criteria=args.criteria,
        class_thr=args.class_thr,
        mask_thr=args.mask_thr,
        refiner_weight=args.refine,
        polygon_tolerance=args.tolerance if args.polygons else None,
        image_prefix=args.image_prefix,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        device=args.device,
        skip_unreadable=args.skip_unreadable,
        cfg_options=args.cfg_options,
        show_progress=True,
    )
    print(f'{chosen.ranking}: the scores of all images')
    for sheet in chosen.contact_sheets:
        print(f'{sheet}: the {len(chosen.images)} chosen ones with {chosen.num_labels} labels')
    print(f'{chosen.chosen}: their list')
    print(f'{chosen.pre_annotations}: to correct in CVAT')
    print(f'{chosen.tasks}: to correct in Label Studio, with the interface {chosen.interface.name}')
    if chosen.unreadable:
        print(f'{len(chosen.unreadable)} images could not be read:')
        for item in chosen.unreadable:
            print(f'  {item.path}: {item.reason}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'label_next.py: {error}') from None
