"""From a folder of images and label maps of some of them to a pair of configs that train, checked.

    python tools/dataset/new_config.py --images IMAGES --label-maps LABEL_MAPS \\
        --classes background road car --out-dir data/mine

Every image below IMAGES without a label map becomes an unlabelled one. Label maps are PNG or other
lossless images with a number or a colour for each class, called like their image (a.png,
a_mask.png, a_labelIds.png for a.jpg). What follows from the data is repaired, each kind with a
line; what does not is an error, and nothing is written (docs/semantic.md).

Writes label_maps/ (one number for each class, in the image's size), labeled.txt, unlabeled.txt,
val.txt, base.py, and two configs: supervised.py and that of the method. Edited configs are kept.
"""

import argparse
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mmpldc.apis.own_data import (
    Said,
    add_backbone_arguments,
    add_shared_arguments,
    check_batch_size,
    parse,
    print_command,
)
from mmpldc.datasets.checks.findings import Finding, count, printable
from mmpldc.datasets.checks.label_map_contents import LabelMapSummary
from mmpldc.datasets.checks.report import Report
from mmpldc.datasets.labels import unlabeled_set
from mmpldc.datasets.name_lists import text_of_names
from mmpldc.datasets.own_files import write_all
from mmpldc.datasets.own_label_maps import (
    SIZES,
    Classes,
    Part,
    base_text,
    check_parts,
    hold_out,
    method_text,
    prepare_label_maps,
    read_classes,
)
from mmpldc.datasets.starter_backbones import read_backbone
from mmpldc.datasets.starter_config import KEPT, free_path, refuse_foreign_folder, with_mark

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / 'configs/semantic/custom'
METHODS = ('unimatch', 'mean_teacher', 'u2pl', 'imas')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='new_config.py',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--label-maps', type=Path, required=True, help='folder of the label maps')
    parser.add_argument(
        '--classes',
        nargs='+',
        required=True,
        metavar='NAME|FILE',
        help='names in the order of their numbers from 0 on; or a file with a line for each: a '
        "name, '7 road', '128 64 128 road' or CVAT's 'road:128,64,128::'",
    )
    parser.add_argument('--values', type=int, nargs='+', help='their numbers in the label maps')
    parser.add_argument(
        '--ignore', type=int, nargs='+', default=[], help='numbers that mean no label, besides 255'
    )
    parser.add_argument(
        '--map-suffix', help="only label maps whose names end so, such as '_labelIds.png'"
    )
    for name in 'val', 'test':
        parser.add_argument(f'--{name}-label-maps', type=Path, help=f'label maps of a {name} set')
        parser.add_argument(f'--{name}-images', type=Path, help='its images; default: --images')
    parser.add_argument('--method', choices=METHODS, default='unimatch', help='default: unimatch')
    parser.add_argument(
        '--size',
        choices=['auto', *SIZES],
        default='auto',
        help='tiny: ResNet-18, 192 to 256 pixels, for a CPU; base: ResNet-50, up to 1024 pixels, '
        'for a GPU; auto, the default: by whether there is a GPU',
    )
    add_backbone_arguments(parser, mode='tuned')
    parser.add_argument('--batch-size', type=int, default=8, help='half of it labelled; default: 8')
    add_shared_arguments(parser, kind='label maps', held_out_by='--val-label-maps')
    return parse(parser)


def read_parts(args: argparse.Namespace, classes: Classes, said: Said) -> dict[str, Part]:
    """The sets with labels by role, read, repaired and checked."""
    written = args.out_dir / 'label_maps'
    folders = dict(labeled=args.label_maps, val=args.val_label_maps, test=args.test_label_maps)
    images = dict(labeled=args.images, val=args.val_images, test=args.test_images)
    parts: dict[str, Part] = {}
    for role, folder in folders.items():
        if folder is None:
            continue
        maps = prepare_label_maps(
            folder,
            images[role],
            classes,
            ignored=args.ignore,
            suffix=args.map_suffix,
            drop_invalid=args.drop_invalid,
            numbering=parts['labeled'].maps.numbering if parts else None,
            not_below=[args.out_dir, written, *filter(None, folders.values())],
        )
        way_out = '' if args.drop_invalid else '; --drop-invalid leaves such label maps out'
        said.report(maps.findings, way_out=way_out)
        parts[role] = Part(maps, [file.image for file in maps.files])
    return parts


def held_out_before(path: Path, choice: dict) -> set[str]:
    """Names of the images that an earlier run of this choice held out, if there was one."""
    try:
        before = json.loads(path.read_text(encoding='utf-8'))
        is_same = all(before[key] == value for key, value in choice.items())
        return set(before['images']) if is_same else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def print_summary(
    parts: Mapping[str, Part],
    classes: Classes,
    num_unlabeled: int,
    findings: Sequence[Finding],
    *,
    warned: int,
) -> None:
    """Print tables of images and of shares of classes, and ``findings``, which were said before.

    Args:
        parts, classes, num_unlabeled, findings: what the report is of.
        warned: warnings so far, those among ``findings`` included.
    """
    rows = [(role, len(part.names), part.pixels()) for role, part in parts.items()]
    summaries = [
        LabelMapSummary(role, number, number, pixels, classes.names)
        for role, number, pixels in rows
    ]
    nothing = np.zeros(256, np.int64)
    summaries.append(LabelMapSummary('unlabeled', num_unlabeled, 0, nothing, classes.names))
    report = Report((), tuple(findings), (), tuple(summaries))
    print(f'\n{report.markdown(warned_before=warned - len(report.warnings))}\n')


def main() -> None:
    said = Said()
    warnings.showwarning = said.show
    args = parse_args()
    out, written = args.out_dir, args.out_dir / 'label_maps'
    for folder in filter(None, (args.label_maps, args.val_label_maps, args.test_label_maps)):
        if folder == written or written in folder.parents:
            raise ValueError(f'{out} holds the input: choose another --out-dir')
    roles = ('labeled', 'val', 'test', 'unlabeled')
    refuse_foreign_folder(out, [written, *(out / f'{role}.txt' for role in roles)])
    backbone = args.backbone or SIZES['base'].backbone
    if args.method == 'u2pl' and not read_backbone(ROOT / 'configs', backbone).has_deeplab:
        raise ValueError('u2pl needs DeepLabv3+: take a ResNet for --backbone, or another --method')
    classes = read_classes(args.classes, args.values)
    if classes.ignored:
        print(f'note: {", ".join(classes.ignored)}: no class, its pixels have no label')
    parts = read_parts(args, classes, said)
    texts: dict[Path, str] = {}
    if 'val' not in parts:
        choice = dict(folder=str(args.images), seed=args.seed)
        path = out / 'held_out.json'
        parts['labeled'], parts['val'] = hold_out(
            parts['labeled'],
            len(classes.names),
            args.val_percent,
            args.seed,
            keep=held_out_before(path, choice),
        )
        texts[path] = json.dumps(choice | dict(images=parts['val'].names))
    findings = said.report(check_parts(parts, classes))
    unlabeled, found, left_out = unlabeled_set(
        args.unlabeled_images,
        [],
        known=[str(path) for part in parts.values() for path in part.image_paths()],
        out_dir=out,
        no_photos=[path for part in parts.values() for path in part.maps.all_files],
        not_below=[written, *(part.maps.folder for part in parts.values())],
        skip_unreadable=args.skip_unreadable,
        keep_all=args.keep_all,
        all_pictures=args.hash,
    )
    findings += said.report(found)
    num_unlabeled = len(unlabeled['images'])
    check_batch_size(args.batch_size, len(parts['labeled'].names) + num_unlabeled)
    print_summary(parts, classes, num_unlabeled, findings, warned=said.warnings)

    sources, lists, folders = {}, {}, []
    for role, part in parts.items():
        folder = written / ('train' if part.maps.folder == args.label_maps else role)
        folders.append((part, folder))
        lists[out / f'{role}.txt'] = part.names
        prefix = dict(img_path=str(part.maps.images), seg_map_path=str(folder))
        sources[role] = dict(ann_file=str(out / f'{role}.txt'), data_prefix=prefix)
    lists[out / 'unlabeled.txt'] = [image['file_name'] for image in unlabeled['images']]
    sources['unlabeled'] = dict(
        ann_file=str(out / 'unlabeled.txt'), data_prefix=dict(img_path=str(args.unlabeled_images))
    )
    texts |= {path: text_of_names(names) for path, names in lists.items()}  # checks them, too
    sizes = [size for part in parts.values() for size in part.sizes()]
    sizes += [(image['height'], image['width']) for image in unlabeled['images']]
    size = args.size
    if size == 'auto':
        size = 'base' if torch.cuda.is_available() else 'tiny'
    text, max_iters = base_text(
        TEMPLATES,
        classes,
        size=size,
        backbone=args.backbone,
        mode=args.backbone_mode,
        sources=sources,
        sizes=sizes,
        num_unlabeled=num_unlabeled,
        batch_size=args.batch_size,
    )

    def place(name: str, text: str) -> Path:
        """Add a config to what is written; an edited one is kept."""
        path = free_path(out / name, with_mark(text))
        if path.name != name:
            print(f'{out / name} was edited: it is kept, the new config is {path}')
        texts[path] = with_mark(text)
        return path

    base = place('base.py', text + KEPT if args.keep_all else text)
    configs = [
        place(f'{method}.py', method_text(TEMPLATES, method, base.name))
        for method in ('supervised', args.method)
    ]
    left_out += [line for part in parts.values() for line in part.maps.left_out]
    if left_out:
        texts[out / 'left_out.txt'] = printable('\n'.join(dict.fromkeys(left_out)) + '\n')
    for part, folder in folders:
        part.maps.write(folder, classes.palette, part.names)
    write_all(texts)
    for path, names in lists.items():
        print(f'{path}: {count(len(names), "image")}')
    for config in configs:
        work_dir = out / 'work_dirs' / config.stem
        print_command('train.py', config, '--work-dir', work_dir)
        print_command('test.py', config, work_dir / f'iter_{max_iters}.pth')
