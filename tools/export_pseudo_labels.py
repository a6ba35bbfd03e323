"""Write a teacher's pseudo-labels of any images to a file, for training or for annotators.

Labels are produced as in training: with the config's filter, with its thresholds or the
checkpoint's (DF-ACAT), and with --refine also its refiner. The file has COCO's format, which CVAT
imports, or holds Label Studio tasks with predictions; docs/inference.md describes both.
"""

import argparse
from pathlib import Path

from mmengine.device import get_device
from rich.progress import track

from mmpldc.apis import add_cfg_options, add_labeling_arguments, pseudo_label, read_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('images', type=Path, help='folder of images, or COCO-format json')
    parser.add_argument('--img-root', type=Path, help="folder of the json's image files")
    parser.add_argument('--out', type=Path, required=True, help='file to write')
    parser.add_argument('--format', choices=['coco', 'label-studio'], default='coco')
    parser.add_argument('--polygons', action='store_true', help='write outlines instead of masks')
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1.0,
        help='how far a polygon may deviate from the outline, in pixels (default: 1)',
    )
    parser.add_argument(
        '--categories-of',
        type=Path,
        metavar='JSON',
        help="use the category ids of this COCO-format file, by name; default: the classes' "
        'numbers, from 1 on',
    )
    add_labeling_arguments(parser)
    parser.add_argument(
        '--skip-unreadable', action='store_true', help='list unreadable images at the end'
    )
    parser.add_argument(
        '--image-prefix',
        help='Label Studio: prefix that makes a file name an address (default: that of its local '
        "files, where the images' folder lies in the document root)",
    )
    parser.add_argument(
        '--model-version', help="Label Studio: name of the predictions; default: the checkpoint's"
    )
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--num-workers', type=int, default=2, help='processes that read images')
    parser.add_argument('--device', default=get_device(), help='default: a GPU if available')
    add_cfg_options(parser)
    args = parser.parse_args()
    if args.images.suffix == '.json' and args.img_root is None:
        parser.error(f'give the folder of the images of {args.images} by --img-root')
    if args.images.suffix != '.json' and args.img_root is not None:
        parser.error('--img-root is only for a COCO-format json')
    return args


def main() -> None:
    args = parse_args()
    counts = pseudo_label(
        read_config(args.config, args.cfg_options),
        args.checkpoint,
        args.images,
        args.out,
        img_root=args.img_root,
        file_format=args.format,
        polygon_tolerance=args.tolerance if args.polygons else None,
        categories_of=args.categories_of,
        class_thr=args.class_thr,
        mask_thr=args.mask_thr,
        refiner_weight=args.refine,
        skip_unreadable=args.skip_unreadable,
        image_prefix=args.image_prefix,
        model_version=args.model_version,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        device=args.device,
        watch=lambda items, total: track(items, 'Labelling', total=total),
    )
    if args.format == 'label-studio':
        print(f"{args.out.with_suffix('.xml')}: the project's labelling configuration")
    print(
        f'{args.out}: {counts.labels} labels on {counts.images} images, '
        f'{counts.empty} of them without any'
    )
    if not counts.labels:
        print('no label passed the thresholds: lower them by --class-thr and --mask-thr')
    if counts.unreadable:
        print(f'{len(counts.unreadable)} images could not be read:')
        for item in counts.unreadable:
            print(f'  {item.path}: {item.reason}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'export_pseudo_labels.py: {error}') from None
