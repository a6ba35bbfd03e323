"""A user's annotation files as sets to train and validate on, by the options of the tools."""

import argparse
import os
from pathlib import Path

import numpy as np

from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.copies import group_names
from mmpldc.datasets.labels import (
    RECORDS,
    Labels,
    Options,
    draw_held_out,
    match_categories,
    prepare,
    read_negatives,
    separate_unannotated,
)
from mmpldc.datasets.split import split_coco

from .own_data import Said


def read_labels(args: argparse.Namespace, said: Said) -> dict[str, Labels]:
    """The annotation files by role, repaired and checked, with the labelled one's categories."""
    options = Options(
        drop_invalid=args.drop_invalid,
        crowds_as_instances=args.crowds_as_instances,
        ignored_as_instances=args.ignored_as_instances,
    )
    folders = dict(labeled=args.images, val=args.val_images, test=args.test_images)
    files = {role: getattr(args, role) for role in folders if getattr(args, role) is not None}
    labels = {
        name: prepare(
            file, folders[name], role='labeled' if name == 'labeled' else 'val', options=options
        )
        for name, file in files.items()
    }
    way_out = '' if args.drop_invalid else '; --drop-invalid leaves such records out'
    said.report(
        (finding for one in labels.values() for finding in one.findings),
        way_out=way_out,
        about=RECORDS,
    )
    first, *others = labels.values()
    matched = [
        match_categories(one.coco, one.file, first.coco['categories'], first.file) for one in others
    ]
    said.report(finding for findings in matched for finding in findings)
    return labels


def separate(
    args: argparse.Namespace, labels: dict[str, Labels], said: Said
) -> tuple[bool, list[str]]:
    """Take out images without an annotation.

    Returns:
        Whether negatives are left in the labelled set, and paths of images for none of the sets.
    """
    negatives: list[set[str] | None] = [set() for _ in labels]
    if args.negatives == 'all':
        negatives = [None for _ in labels]
    elif args.negatives:
        negatives = [*read_negatives(Path(args.negatives), list(labels.values()))]
    reserved = []
    for (role, one), own in zip(labels.items(), negatives, strict=True):
        reserved += one.unreadable
        looked_at = one.lists_annotated_only
        taken_out, findings = separate_unannotated(one, None if looked_at else own)
        said.report(findings)
        if role != 'labeled':
            reserved += [os.path.join(one.folder, image['file_name']) for image in taken_out]
    coco = labels['labeled'].coco
    annotated = {annotation['image_id'] for annotation in coco['annotations']}
    return any(image['id'] not in annotated for image in coco['images']), reserved


def hold_out(args: argparse.Namespace, labels: dict[str, Labels]) -> None:
    """Draw the validation set from the labelled one, if there is none."""
    if 'val' in labels:
        return
    coco = labels['labeled'].coco
    choice = dict(folder=str(args.images), seed=args.seed)
    keep = held_out_before(args.out_dir / 'val.json', choice)
    same = group_names(args.images, [image['file_name'] for image in coco['images']])
    held_out = draw_held_out(coco, args.val_percent, args.seed, keep=keep, same=same)
    val, labeled = (split_coco(coco, np.flatnonzero(part))[0] for part in (held_out, ~held_out))
    val['held_out'] = choice
    one = labels['labeled']
    labels['val'] = Labels(one.file, one.folder, val, one.names)
    labels['labeled'] = Labels(one.file, one.folder, labeled, one.names, left_out=one.left_out)


def held_out_before(path: Path, choice: dict) -> set[str]:
    """Names of the images that an earlier run of this choice held out, if there was one."""
    try:
        coco = read_coco(path)
    except (OSError, ValueError):
        return set()
    return (
        {image['file_name'] for image in coco['images']}
        if coco.get('held_out') == choice
        else set()
    )
