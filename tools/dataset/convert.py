"""Convert annotations of other formats, or bare images, into a COCO-format json.

Each format's options: convert.py FORMAT --help
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from mmpldc.datasets.checks.findings import printable
from mmpldc.datasets.converters import (
    convert_cityscapes,
    convert_images,
    convert_instance_folders,
    convert_label_maps,
    convert_labelme,
    convert_via,
    convert_voc,
    convert_yolo,
    read_class_names,
    summary,
    write_plain_images,
)
from mmpldc.utils.files import write_json

Results = Iterator[tuple[Path, dict]]  # path to write, COCO-format content


def cityscapes(args: argparse.Namespace) -> Results:
    folder = args.out_dir or args.root / 'annotations'
    for split in args.splits:
        coco = convert_cityscapes(args.root, split, workers=args.workers)
        yield folder / f'instancesonly_filtered_gtFine_{split}.json', coco


def masks(args: argparse.Namespace) -> Results:
    shared = dict(negatives=args.negatives, workers=args.workers)
    if args.label_maps:
        coco = convert_label_maps(
            args.images,
            args.label_maps,
            args.classes,
            divisor=None if args.object_ids else 1000 if args.divisor is None else args.divisor,
            ignore=args.ignore or (),
            **shared,
        )
    else:
        for option in 'divisor', 'object_ids', 'ignore':
            if getattr(args, option) is not None:
                name = f'--{option.replace("_", "-")}'
                raise ValueError(f'{name} is of --label-maps: --instance-folders has no values')
        coco = convert_instance_folders(args.images, args.instance_folders, args.classes, **shared)
    yield args.out, coco


def voc(args: argparse.Namespace) -> Results:
    coco = convert_voc(
        args.root,
        split=args.split,
        classes=args.classes,
        negatives=args.negatives,
        workers=args.workers,
    )
    yield args.out, coco


def yolo(args: argparse.Namespace) -> Results:
    classes = args.classes or read_class_names(args.data)
    coco = convert_yolo(
        args.images,
        args.labels,
        classes,
        negatives=args.negatives,
        skip_boxes=args.skip_boxes,
    )
    yield args.out, coco


def labelme(args: argparse.Namespace) -> Results:
    coco = convert_labelme(
        args.annotations,
        images=args.images,
        classes=args.classes,
        negatives=args.negatives,
        skip_unsupported=args.skip_unsupported,
    )
    yield args.out, coco


def via(args: argparse.Namespace) -> Results:
    coco = convert_via(
        args.annotations,
        images=args.images,
        attribute=args.attribute,
        classes=args.classes,
        negatives=args.negatives,
        skip_unsupported=args.skip_unsupported,
    )
    yield args.out, coco


def images(args: argparse.Namespace) -> Results:
    if args.exclude_root and not args.exclude:
        raise ValueError('--exclude-root is the folder of the images in --exclude: give both')
    coco = convert_images(
        args.images,
        args.categories_of,
        exclude=dict.fromkeys(args.exclude, args.exclude_root or args.images),
        skip_unreadable=args.skip_unreadable,
        keep_all=args.keep_all,
    )
    yield args.out, coco


def plain(args: argparse.Namespace) -> Results:
    counts = write_plain_images(args.images, args.out_dir, white=args.white)
    print(
        f'{args.out_dir}: {counts["copied"]} images copied, {counts["scaled"]} written anew in '
        f'8 bits, {counts["pages"]} more pages'
    )
    return iter(())


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    formats = parser.add_subparsers(required=True, metavar='FORMAT')

    def add(convert: Callable[[argparse.Namespace], Results], text: str) -> argparse.ArgumentParser:
        one = formats.add_parser(convert.__name__, help=text, description=text)
        one.set_defaults(convert=convert)
        return one

    def add_out(one: argparse.ArgumentParser) -> None:
        one.add_argument('--out', type=Path, required=True, help='json to write')

    def add_workers(one: argparse.ArgumentParser) -> None:
        one.add_argument('--workers', type=int, help='processes; default: one per core')

    def add_negatives(one: argparse.ArgumentParser) -> None:
        one.add_argument(
            '--negatives',
            action='store_true',
            help='include images without annotations as images on which there is nothing; '
            'default: leave them out',
        )

    one = add(cityscapes, 'Cityscapes, from gtFine label maps or polygons')
    one.add_argument('root', type=Path, help='folder with leftImg8bit/ and gtFine/')
    one.add_argument('--splits', nargs='+', default=['train', 'val'])
    one.add_argument('--out-dir', type=Path, help='default: ROOT/annotations')
    add_workers(one)

    one = add(masks, 'PNG masks: one label map per image, or a folder of binary masks per image')
    one.add_argument('images', type=Path, help='folder of images')
    layout = one.add_mutually_exclusive_group(required=True)
    layout.add_argument(
        '--label-maps', type=Path, metavar='DIR', help='STEM.png: class * divisor + instance'
    )
    layout.add_argument(
        '--instance-folders', type=Path, metavar='DIR', help='STEM/CLASS_*.png: a mask each'
    )
    one.add_argument('--classes', nargs='+', required=True, help='names, the first is class 1')
    values = one.add_mutually_exclusive_group()
    values.add_argument('--divisor', type=int, help='of label maps; default: 1000')
    values.add_argument(
        '--object-ids',
        action='store_true',
        default=None,
        help='values of label maps number the objects, which are all of one class',
    )
    one.add_argument(
        '--ignore',
        type=int,
        nargs='+',
        metavar='VALUE',
        help='values of label maps to take for background',
    )
    add_negatives(one)
    add_out(one)
    add_workers(one)

    one = add(yolo, 'YOLO segmentation labels')
    one.add_argument('images', type=Path, help='folder of images')
    one.add_argument('labels', type=Path, help='folder of STEM.txt')
    names = one.add_mutually_exclusive_group(required=True)
    names.add_argument(
        '--data', type=Path, help="data.yaml with the classes' names, or a text with one a line"
    )
    names.add_argument('--classes', nargs='+', help='names, the first is class 0')
    one.add_argument('--skip-boxes', action='store_true', help='leave out lines without a mask')
    add_negatives(one)
    add_out(one)

    one = add(voc, 'Pascal VOC instance PNGs, also of CVAT')
    one.add_argument(
        'root', type=Path, help='folder with JPEGImages, SegmentationObject, SegmentationClass'
    )
    one.add_argument('--split', help='images in ImageSets/Segmentation/SPLIT.txt; default: all')
    one.add_argument(
        '--classes',
        nargs='+',
        help="names from value 1 on; default: labelmap.txt, colors.txt, class_names.txt, or VOC's",
    )
    add_negatives(one)
    add_out(one)
    add_workers(one)

    one = add(labelme, 'labelme files')
    one.add_argument('annotations', type=Path, help='folder of json files')
    one.add_argument(
        '--images', type=Path, help='folder that file names are relative to; default: ANNOTATIONS'
    )
    one.add_argument('--classes', nargs='+', help='names, in order; default: all labels, sorted')
    one.add_argument(
        '--skip-unsupported',
        action='store_true',
        help='leave out points, lines and shapes with too few points',
    )
    add_negatives(one)
    add_out(one)

    one = add(via, 'VGG Image Annotator 2')
    one.add_argument('annotations', type=Path, help='json, saved or exported')
    one.add_argument('--images', type=Path, required=True, help='folder of images')
    one.add_argument('--attribute', help='region attribute with the class; default: the only one')
    one.add_argument('--classes', nargs='+', help='names, in order; default: all values, sorted')
    one.add_argument('--skip-unsupported', action='store_true', help='leave out points and lines')
    add_negatives(one)
    add_out(one)

    one = add(images, 'images without annotations: the unlabelled set')
    one.add_argument('images', type=Path, help='folder of images')
    one.add_argument(
        '--categories-of', type=Path, required=True, metavar='JSON', help="the labelled set's json"
    )
    one.add_argument(
        '--exclude', type=Path, nargs='+', default=[], metavar='JSON', help='leave out its images'
    )
    one.add_argument(
        '--exclude-root',
        type=Path,
        metavar='DIR',
        help='folder of the images to leave out; default: IMAGES',
    )
    one.add_argument(
        '--skip-unreadable', action='store_true', help='leave out broken files and list them'
    )
    one.add_argument(
        '--keep-all',
        action='store_true',
        help='keep copies of the images to leave out, masks, thumbnails and painted pictures',
    )
    add_out(one)

    one = add(
        plain, 'copies of images: 16 bits or floats as 8 bits, a file for each page of a TIFF'
    )
    one.add_argument('images', type=Path, help='folder of images')
    one.add_argument('--out-dir', type=Path, required=True, help='folder of the copies')
    one.add_argument(
        '--white',
        type=float,
        help='value that becomes 255, such as 4095 of 12 bits; default: 65535',
    )
    return parser.parse_args()


def inputs_of(args: argparse.Namespace) -> set[Path]:
    """Files that the arguments name, but for what is to be written."""
    values = [value for name, value in vars(args).items() if name != 'out']
    lists = [value if isinstance(value, list) else [value] for value in values]
    return {one.resolve() for value in lists for one in value if isinstance(one, Path)}


def main() -> None:
    args = parse_args()
    warnings.simplefilter('always', UserWarning)  # two files can call for the same warning
    warnings.showwarning = lambda message, *_: print(
        printable(f'warning: {message}'), file=sys.stderr
    )
    inputs = inputs_of(args)
    try:
        for path, coco in args.convert(args):
            if path.resolve() in inputs:
                raise ValueError(f'{path} is an input: choose another --out')
            write_json(path, coco)
            print(f'{path}: {summary(coco)}', flush=True)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None


if __name__ == '__main__':
    main()
