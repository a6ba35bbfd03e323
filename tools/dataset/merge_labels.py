"""Add corrected images to the labelled set, and take them out of the unlabelled one.

    python tools/dataset/merge_labels.py labeled.json corrected.json --images PHOTOS \\
        --val val.json --unlabeled unlabeled.json --predictions next/pre_annotations.json --out DIR

CORRECTED is a COCO-format export, or Label Studio's own JSON, of images that
tools/label_next.py chose, or of any others. It is repaired and checked as by
tools/dataset/new_config.py; categories are matched by name. An image of a set to validate or to
test on is an error, and nothing is written then. Writes labeled.json and unlabeled.json into DIR.
--predictions says how many of the teacher's labels were kept, moved, given another class, deleted,
and how many objects were added. docs/label_next.md is the guide.
"""

import argparse
import json
import os
import shlex
from pathlib import Path

from mmpldc.apis import list_images
from mmpldc.apis.own_data import Refused, report
from mmpldc.datasets.checks.findings import count, printable
from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.labels import (
    RECORDS,
    Labels,
    Merged,
    Options,
    find_leaks,
    match_categories,
    merge_labels,
    path_of,
    prepare,
    read_negatives,
    separate_unannotated,
    without_labelled,
)
from mmpldc.datasets.own_files import own_text, refuse_foreign, write_all
from mmpldc.evaluation.corrections import Corrections, count_corrections, run_lengths_of


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('labeled', type=Path, help='COCO-format json of the labelled set')
    parser.add_argument('corrected', type=Path, help="COCO-format json, or Label Studio's own")
    parser.add_argument(
        '--images', type=Path, required=True, help='folder that labelled file names are in'
    )
    parser.add_argument(
        '--corrected-images', type=Path, help='folder of the corrected images; default: --images'
    )
    for name, use in ('val', 'validate'), ('test', 'test'):
        parser.add_argument(f'--{name}', type=Path, help=f'COCO-format json to {use} on')
        parser.add_argument(f'--{name}-images', type=Path, help='its folder; default: --images')
    parser.add_argument('--unlabeled', type=Path, help='COCO-format json of the unlabelled set')
    parser.add_argument(
        '--unlabeled-images', type=Path, help='its folder; default: --corrected-images'
    )
    parser.add_argument(
        '--predictions',
        type=Path,
        metavar='JSON',
        help="COCO-format json of the teacher's labels, pre_annotations.json of label_next.py",
    )
    parser.add_argument(
        '--negatives',
        metavar='all|FILE',
        help="'all': nothing is on corrected images that are listed without an annotation; or a "
        "file with the names of such images. Default: nobody annotated them; Label Studio's own "
        'JSON tells by itself',
    )
    parser.add_argument(
        '--replace',
        action='store_true',
        help='take the corrected annotations of images that are labelled already',
    )
    parser.add_argument(
        '--crowds-as-instances',
        action='store_true',
        help='iscrowd=1 means nothing: a single object each, as CVAT exports masks of its brush',
    )
    parser.add_argument(
        '--drop-invalid',
        action='store_true',
        help='leave out corrected images and annotations that cannot be repaired',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the new files')
    args = parser.parse_args()
    args.corrected_images = args.corrected_images or args.images
    args.unlabeled_images = args.unlabeled_images or args.corrected_images
    for name in 'val', 'test':
        folder = getattr(args, f'{name}_images') or args.images
        setattr(args, f'{name}_images', folder)
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, Path(os.path.abspath(value)))
    return args


def read_corrected(args: argparse.Namespace, labeled: Labels) -> tuple[Labels, list[str]]:
    """The corrected file, repaired and checked; and the names of images that nobody looked at."""
    options = Options(drop_invalid=args.drop_invalid, crowds_as_instances=args.crowds_as_instances)
    # 'test': a file may have negatives alone
    corrected = prepare(args.corrected, args.corrected_images, role='test', options=options)
    way_out = '' if args.drop_invalid else '; --drop-invalid leaves such records out'
    report(corrected.findings, way_out=way_out, about=(*RECORDS, ''))
    if corrected.coco['annotations']:
        report(
            match_categories(
                *(corrected.coco, corrected.file, labeled.coco['categories'], labeled.file)
            )
        )
    negatives: set[str] | None = set()
    if args.negatives == 'all' or corrected.lists_annotated_only:
        negatives = None
    elif args.negatives:
        negatives = read_negatives(Path(args.negatives), [corrected])[0]
    waiting, findings = separate_unannotated(corrected, negatives)
    report(findings)
    if not corrected.coco['images']:
        raise ValueError(f'{corrected.file} has no corrected image: nothing to merge')
    return corrected, [image['file_name'] for image in waiting]


def compare(predictions: Labels, corrected: Labels) -> Corrections:
    """Count what was changed on the corrected images."""
    labels, masks = _by_path(predictions), _by_path(corrected)
    total = Corrections()
    for path, after in masks.items():
        total += count_corrections(*labels.get(path, ([], [])), *after)
    return total


def _by_path(labels: Labels) -> dict[str, tuple[list[dict], list[str]]]:
    """Masks and class names of each image."""
    names = {category['id']: category['name'] for category in labels.coco['categories']}
    images = {image['id']: image for image in labels.coco['images']}
    found: dict[int, tuple[list[dict], list[str]]] = {identity: ([], []) for identity in images}
    for one in labels.coco['annotations']:
        if not one.get('iscrowd'):
            image = images[one['image_id']]
            masks, classes = found[one['image_id']]
            masks.append(run_lengths_of(one, image['height'], image['width']))
            classes.append(names[one['category_id']])
    return {path_of(labels.folder, images[identity]): of for identity, of in found.items()}


def merge(
    args: argparse.Namespace, labeled: Labels, corrected: Labels, unlabeled: dict | None
) -> Merged:
    """Check for leaks, and merge."""
    evaluated = []
    for role in 'val', 'test':
        if getattr(args, role) is not None:
            one = prepare(getattr(args, role), getattr(args, f'{role}_images'), role=role)
            report(one.errors)
            evaluated.append((role, one))
    report(find_leaks(corrected, evaluated))
    wanted = {
        path_of(args.unlabeled_images, image): image['id']
        for image in (unlabeled or {}).get('images', [])
    }
    taken = {image['id'] for _, one in evaluated for image in one.coco['images']}
    merged = merge_labels(
        labeled, corrected, wanted_ids=wanted, taken_ids=taken, replace=args.replace
    )
    report(merged.findings)
    return merged


def main() -> None:
    args = parse_args()
    files = {name: args.out / f'{name}.json' for name in ('labeled', 'unlabeled', 'corrections')}
    inputs = [args.labeled, args.corrected, args.val, args.test, args.unlabeled, args.predictions]
    if {path.resolve() for path in files.values()} & {p.resolve() for p in inputs if p}:
        raise ValueError(f'{args.out} holds the input: choose another --out')
    refuse_foreign((files['labeled'], files['unlabeled']), option='--out')
    labeled = prepare(args.labeled, args.images, role='labeled')
    report(labeled.findings)
    corrected, waiting = read_corrected(args, labeled)
    unlabeled = None
    if args.unlabeled:
        unlabeled = read_coco(args.unlabeled) | dict(images=list_images(args.unlabeled))
    counts = None
    if args.predictions:
        predictions = prepare(args.predictions, args.corrected_images, role='test')
        report(predictions.errors)
        counts = compare(predictions, corrected)
    merged = merge(args, labeled, corrected, unlabeled)

    texts = {files['labeled']: own_text(merged.coco)}
    removed: list[str] = []
    if unlabeled is not None:
        paths = [path_of(labeled.folder, image) for image in merged.coco['images']]
        unlabeled, removed = without_labelled(unlabeled, args.unlabeled_images, paths)
        texts[files['unlabeled']] = own_text(unlabeled)
    if counts is not None:
        texts[files['corrections']] = json.dumps(counts._asdict())
    if corrected.left_out:
        texts[args.out / 'left_out.txt'] = printable('\n'.join(corrected.left_out) + '\n')
    write_all(texts)

    print(
        f'{files["labeled"]}: {count(len(merged.coco["images"]), "image")}, '
        f'{len(merged.added)} of them new, {len(merged.replaced)} with new annotations'
    )
    if waiting:
        print(f'{count(len(waiting), "image")} without an annotation: not merged')
    annotated = {one['image_id'] for one in merged.coco['annotations']}
    empty = [one for one in merged.added if one['id'] not in annotated]
    if empty:
        print(
            f'{count(len(empty), "new image")} with nothing on it: a config trains on such images '
            'only with labeled.filter_cfg.filter_empty_gt=False (new_config.py --negatives)'
        )
    if unlabeled is not None:
        left = count(len(unlabeled['images']), 'image')
        print(f'{files["unlabeled"]}: {left} left, {len(removed)} taken out')
    if counts is not None:
        print(f'{files["corrections"]}: {counts}')
    options = [f'train_dataloader.dataset.labeled.ann_file={files["labeled"]}']
    if unlabeled is not None:
        options.append(f'train_dataloader.dataset.unlabeled.ann_file={files["unlabeled"]}')
    print(f'Train again with the same config and --cfg-options {shlex.join(options)}')


if __name__ == '__main__':
    try:
        main()
    except (Refused, ValueError, OSError) as error:
        raise SystemExit(f'merge_labels.py: {error}') from None
