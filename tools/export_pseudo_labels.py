"""Write a teacher's pseudo-labels of any images to a file, for training or for annotators.

Labels are produced as in training: with the config's filter, with its thresholds or the
checkpoint's (DF-ACAT), and with --refine also its refiner. The file has COCO's format, which CVAT
imports, or holds Label Studio tasks with predictions; docs/inference.md describes both.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmengine.device import get_device
from rich.progress import track

from mmpldc.apis import (
    LabeledImage,
    UnreadableImage,
    add_cfg_options,
    folder_images,
    label_images,
    label_studio_config,
    list_images,
    load_labeler,
    read_categories,
    read_checkpoint,
    read_config,
    write_coco,
    write_label_studio,
)


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
    parser.add_argument('--class-thr', type=float, help='instead of the class thresholds in use')
    parser.add_argument('--mask-thr', type=float, help='instead of the mask thresholds in use')
    parser.add_argument(
        '--refine',
        type=float,
        metavar='WEIGHT',
        help="correct the classes by the config's refiner with this weight in [0, 1]",
    )
    parser.add_argument(
        '--skip-unreadable', action='store_true', help='list unreadable images at the end'
    )
    parser.add_argument(
        '--image-prefix',
        default='/data/local-files/?d=',
        help='Label Studio: prefix that makes a file name an address (default: its local storage)',
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


class Counts:
    """Counts of images and labels, and the list of unreadable files."""

    def __init__(self) -> None:
        self.images = self.labels = self.empty = 0
        self.unreadable: list[UnreadableImage] = []

    def watch(
        self, items: Iterable[LabeledImage | UnreadableImage], total: int, *, skip_unreadable: bool
    ) -> Iterator[LabeledImage]:
        """Pass the labelled images on and show the progress.

        Raises:
            ValueError: at the first unreadable image, unless they are to be skipped.
        """
        for item in track(items, 'Labelling', total=total):
            if isinstance(item, UnreadableImage):
                if not skip_unreadable:
                    raise ValueError(
                        f'cannot read {item.path}: {item.reason}\n'
                        'Nothing was written. To continue without such images add --skip-unreadable'
                    )
                self.unreadable.append(item)
            else:
                self.images += 1
                self.labels += len(item.labels)
                self.empty += not item.labels
                yield item


def main() -> None:
    args = parse_args()
    from_json = args.images.suffix == '.json'
    images = list_images(args.images) if from_json else folder_images(args.images)
    root = args.img_root if from_json else args.images

    cfg = read_config(args.config, args.cfg_options)
    checkpoint = read_checkpoint(args.checkpoint)
    model = load_labeler(cfg, checkpoint, refiner_weight=args.refine, device=args.device)
    model.set_thresholds(class_thr=args.class_thr, mask_thr=args.mask_thr)
    classes = model.dataset_meta['classes']
    categories = [dict(id=number, name=name) for number, name in enumerate(classes, start=1)]
    if args.categories_of is not None:
        categories = read_categories(args.categories_of, classes)

    counts = Counts()
    items = label_images(
        model, cfg, images, root, batch_size=args.batch_size, num_workers=args.num_workers
    )
    labeled = counts.watch(items, len(images), skip_unreadable=args.skip_unreadable)
    tolerance = args.tolerance if args.polygons else None
    if args.format == 'coco':
        write_coco(args.out, labeled, categories, polygon_tolerance=tolerance)
    else:
        write_label_studio(
            args.out,
            labeled,
            classes,
            polygon_tolerance=tolerance,
            image_prefix=args.image_prefix,
            model_version=args.model_version or Path(args.checkpoint).stem,
        )
        config = args.out.with_suffix('.xml')
        config.write_text(label_studio_config(classes, polygons=args.polygons))
        print(f"{config}: the project's labelling configuration")
    print(
        f'{args.out}: {counts.labels} labels on {counts.images} images, '
        f'{counts.empty} of them without any'
    )
    if counts.unreadable:
        print(f'{len(counts.unreadable)} images could not be read:')
        for item in counts.unreadable:
            print(f'  {item.path}: {item.reason}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'export_pseudo_labels.py: {error}') from None
