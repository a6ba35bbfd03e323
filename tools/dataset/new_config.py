"""From some annotated images and a folder to a config that trains, checked.

    python tools/dataset/new_config.py --labeled labels.json --images IMAGES --out-dir data/mine

Every image below IMAGES that is not annotated becomes an unlabelled one. Without --val, part of the
annotated images is held out to validate on. What follows from the data is repaired, each kind with
a line; what does not is an error, and nothing is written (docs/data.md).

Writes labeled.json, unlabeled.json, val.json, pldc.py and supervised.py into the folder. pldc.py is
configs/custom/pldc_mask2former_r50_custom.py with paths, classes, sizes, start and schedule filled
in; supervised.py is its baseline without the unlabelled images. An edited pldc.py is kept, and the
new one written beside it. docs/own_data.md is the guide.

With --label-maps instead of --labeled the configs are of semantic segmentation: see
--label-maps X --help.
"""

import argparse
import os
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

from mmengine.config import Config

from mmpldc.apis.annotated_sets import hold_out, read_labels, separate
from mmpldc.apis.own_data import (
    Refused,
    Said,
    add_refiner_arguments,
    add_shared_arguments,
    add_size_arguments,
    check_batch_size,
    parse,
    print_command,
)
from mmpldc.apis.time_budget import measured_schedule
from mmpldc.datasets.checks import check_run
from mmpldc.datasets.checks.findings import count, printable
from mmpldc.datasets.labels import (
    unlabeled_set,
    warn_of_few,
)
from mmpldc.datasets.own_files import own_text, refuse_foreign, write_all
from mmpldc.datasets.starter_backbones import read_backbone
from mmpldc.datasets.starter_config import (
    KEPT,
    config_text,
    free_path,
    start_from,
    supervised_text,
    with_mark,
)
from mmpldc.datasets.starter_refiner import choose_correction
from mmpldc.datasets.starter_sizes import (
    SIZES,
    limits_for,
    schedule_for,
    schedule_of,
    size_for,
)
from mmpldc.utils.garbage import without_garbage_collection
from mmpldc.utils.machine import cpu_has_bfloat16, device_bytes
from mmpldc.utils.weight_sources import missing_weights

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / 'configs/custom/pldc_mask2former_r50_custom.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--labeled', type=Path, required=True, help="COCO-format json, or Label Studio's own"
    )
    parser.add_argument(
        '--images', type=Path, required=True, help="folder that the json's file names are in"
    )
    for name, use in ('val', 'validate'), ('test', 'test'):
        parser.add_argument(f'--{name}', type=Path, help=f'COCO-format json to {use} on')
        parser.add_argument(f'--{name}-images', type=Path, help='its folder; default: --images')
    parser.add_argument(
        '--negatives',
        metavar='all|FILE',
        help='images that are listed without an annotation and on which there is nothing: all of '
        'them, or those that FILE names, one per line. Default: nobody annotated such images, so '
        'they are unlabelled',
    )
    parser.add_argument(
        '--crowds-as-instances',
        action='store_true',
        help='iscrowd=1 means nothing: a single object each, as CVAT exports masks of its brush',
    )
    parser.add_argument(
        '--ignored-as-instances', action='store_true', help='ignore=1 means nothing'
    )
    add_size_arguments(parser)
    add_refiner_arguments(parser)
    add_shared_arguments(parser, kind='images and annotations', held_out_by='--val')
    return parse(parser)


def main() -> None:
    if any(argument.split('=')[0] == '--label-maps' for argument in sys.argv[1:]):
        from new_semantic_config import main as main_of_label_maps  # beside this file

        main_of_label_maps()
        return
    said = Said()
    warnings.showwarning = said.show
    args = parse_args()
    size = SIZES[args.size] if args.size != 'auto' else size_for(device_bytes())
    backbone = read_backbone(ROOT / 'configs', args.backbone)
    start = start_from(args.init, args.init_style, backbone, args.backbone_mode)
    files = {
        name: args.out_dir / f'{name}.json' for name in ('labeled', 'unlabeled', 'val', 'test')
    }
    inputs = {path.resolve() for path in (args.labeled, args.val, args.test) if path}
    if {path.resolve() for path in files.values()} & inputs:
        raise ValueError(f'{args.out_dir} holds the input: choose another --out-dir')
    refuse_foreign(files.values(), option='--out-dir')
    is_rerun = files['labeled'].exists()  # of this tool: left_out.txt is its own

    labels = read_labels(args, said)
    negatives, reserved = separate(args, labels, said)
    hold_out(args, labels)
    few = (
        warn_of_few(labels[role].coco, labels[role].file, name)
        for role, name in (('val', 'validation'), ('test', 'test'))
        if role in labels
    )
    said.report(finding for findings in few for finding in findings)
    annotated = [
        os.path.join(one.folder, image['file_name'])
        for one in labels.values()
        for image in one.coco['images']
    ]
    with without_garbage_collection():
        unlabeled, findings, left_out = unlabeled_set(
            args.unlabeled_images,
            labels['labeled'].coco['categories'],
            known=[*annotated, *reserved],
            out_dir=args.out_dir,
            skip_unreadable=args.skip_unreadable,
            keep_all=args.keep_all,
            all_pictures=args.hash,
        )
    said.report(findings)

    contents = {role: one.coco for role, one in labels.items()} | dict(unlabeled=unlabeled)
    folders = {role: one.folder for role, one in labels.items()}
    folders['unlabeled'] = args.unlabeled_images
    sizes = [
        (image['width'], image['height'])
        for name in ('labeled', 'unlabeled')
        for image in contents[name]['images']
    ]
    batch_size = args.batch_size or size.batch_size
    check_batch_size(batch_size, len(sizes))
    fullest = max(most_objects(one.coco) for one in labels.values())
    classes = [category['name'] for category in labels['labeled'].coco['categories']]
    correction = choose_correction(args.refiner, classes, args.class_map, args.refiner_weights)
    for line in correction.describe():
        print(line)
    fill = partial(
        config_text,
        TEMPLATE.read_text(encoding='utf-8'),
        ROOT / 'configs',
        sources={
            name: dict(ann_file=str(files[name]), data_prefix=dict(img=str(folders[name])))
            for name in contents
        },
        classes=classes,
        sizes=sizes,
        most_objects=fullest,
        negatives=negatives,
        size=size,
        start=start,
        batch_size=batch_size,
        early_stopping=args.early_stopping,
        correction=correction,
        backbone_dtype='bfloat16' if device_bytes() is None and cpu_has_bfloat16() else None,
    )
    if args.steps is None:
        schedule = schedule_for(len(sizes), batch_size, size)
    else:
        schedule = schedule_of(args.steps, size)
    kept = KEPT if args.keep_all else ''
    text = fill(schedule=schedule) + kept
    drawn = {str(files[name]): content for name, content in contents.items()}
    cfg = Config.fromstring(text, '.py')
    object.__setattr__(cfg, '_filename', str(args.out_dir / 'pldc.py'))  # which findings name
    checked = check_run(cfg, drawn=drawn)
    print(f'\n{checked.markdown(warned_before=said.warnings)}\n')
    if checked.errors:
        raise Refused(f'nothing was written: the data has {count(len(checked.errors), "error")}')

    config = free_path(args.out_dir / 'pldc.py', with_mark(text))
    if config.name != 'pldc.py':
        print(f'{args.out_dir / "pldc.py"} was edited: it is kept, the new config is {config}')
    twin = with_mark(supervised_text(config.name))
    supervised = free_path(config.with_name(config.name.replace('pldc', 'supervised', 1)), twin)
    texts = {files[name]: own_text(content) for name, content in contents.items()}
    left_out += [line for one in labels.values() for line in one.left_out]
    listed = args.out_dir / 'left_out.txt'
    if left_out:
        texts[listed] = printable('\n'.join(left_out) + '\n')
    elif is_rerun:
        listed.unlink(missing_ok=True)
    write_all(texts | {config: with_mark(text), supervised: twin})
    for name, content in contents.items():
        print(f'{files[name]}: {count(len(content["images"]), "image")}')
    if left_out:
        print(f'{listed}: {count(len(left_out), "line")}')
    if args.time_budget is not None:
        print('Measuring a few steps ...', flush=True)
        schedule = measured_schedule(args.time_budget, config, size)
        write_all({config: with_mark(fill(schedule=schedule) + kept)})
    print(f'{config}: size {size.name}, {schedule.max_iters} steps, {start.describe()}')
    num_queries, max_per_image = limits_for(fullest, size)
    if num_queries > size.num_queries or max_per_image > size.max_per_image:
        print(
            f'the fullest labelled image has {fullest} objects: num_queries={num_queries} and '
            f'max_per_image={max_per_image}; more queries take more memory and time'
        )
    for line in missing_weights(cfg):
        print(f'before training: {line}')
    work_dirs = args.out_dir / 'work_dirs'
    for path in supervised, config:
        options = []
        if path == config:
            options = [
                '--resume',
                work_dirs / supervised.stem / f'iter_{schedule.burn_in_iters}.pth',
            ]
        print_command('train.py', path, '--work-dir', work_dirs / path.stem, *options)
    runs = [
        word
        for path in (supervised, config)
        for word in (path, work_dirs / path.stem / f'iter_{schedule.max_iters}.pth')
    ]
    print_command('compare/compare_runs.py', *runs)
    if args.early_stopping is not None:
        print('a run that ends early has a checkpoint of fewer steps; last_checkpoint names it')


def most_objects(coco: dict) -> int:
    """Objects of the fullest image, without crowds."""
    counts = Counter(a['image_id'] for a in coco['annotations'] if not a.get('iscrowd'))
    return max(counts.values(), default=0)


if __name__ == '__main__':
    try:
        main()
    except (Refused, ValueError, OSError) as error:
        raise SystemExit(f'new_config.py: {error}') from None
