"""Arguments and output of tools/dataset/new_config.py, for annotated objects and for label maps."""

import argparse
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from mmpldc.datasets.checks.findings import Finding, count, printable
from mmpldc.datasets.starter_refiner import Refiner
from mmpldc.datasets.starter_sizes import SIZES
from mmpldc.engine.projection import seconds_of

from .stages import tools_folder


class Refused(Exception):
    """The data has errors, which were printed."""


def add_shared_arguments(parser: argparse.ArgumentParser, *, kind: str, held_out_by: str) -> None:
    """Add the options that mean the same for both kinds of labels.

    Args:
        parser: of the tool.
        kind: what a record with an error is called, in the plural.
        held_out_by: the option that gives a validation set.
    """
    parser.add_argument(
        '--unlabeled-images', type=Path, help='folder of unlabelled images; default: --images'
    )
    parser.add_argument(
        '--val-percent',
        type=float,
        default=20,
        help=f'without {held_out_by}: share of the labelled images that is held out; default: 20',
    )
    parser.add_argument('--seed', type=int, default=0, help='of that choice')
    parser.add_argument(
        '--drop-invalid',
        action='store_true',
        help=f'leave out {kind} that cannot be repaired; left_out.txt lists them',
    )
    parser.add_argument(
        '--skip-unreadable', action='store_true', help='leave out broken unlabelled images'
    )
    parser.add_argument(
        '--keep-all',
        action='store_true',
        help='keep copies of labelled images, masks, thumbnails and painted pictures as well',
    )
    parser.add_argument(
        '--hash',
        action='store_true',
        help='look for copies that were stored anew among all images, however many there are',
    )
    parser.add_argument('--out-dir', type=Path, required=True)


def add_backbone_arguments(
    parser: argparse.ArgumentParser, *, mode: str, backbone: str | None = None
) -> None:
    """Add the choice of a backbone and whether it trains.

    Args:
        parser: of the tool.
        mode: default of ``--backbone-mode``.
        backbone: default of ``--backbone``; None: by the size.
    """
    parser.add_argument(
        '--backbone',
        default=backbone,
        metavar='NAME',
        help='file of configs/_base_/backbones, such as dinov2_s (docs/backbones.md); default: '
        f'{backbone or "by --size"}',
    )
    parser.add_argument(
        '--backbone-mode',
        choices=['frozen', 'tuned'],
        default=mode,
        help=f'whether it trains; default: {mode}',
    )


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides about model, start and schedule."""
    parser.add_argument(
        '--size',
        choices=['auto', *SIZES],
        default='auto',
        help='tiny: small head, 192 to 256 pixels, for two CPU cores; small: up to 512 pixels, for '
        "a GPU of 8 GB; base: the paper's; auto, the default, by this machine's GPU",
    )
    add_backbone_arguments(parser, backbone='r50', mode='frozen')
    parser.add_argument(
        '--init',
        default='imagenet',
        metavar='imagenet|coco|FILE',
        help="start: the backbone's published weights (default), mmdet's Mask2Former of COCO on "
        'it, or a file of either kind',
    )
    parser.add_argument(
        '--init-style',
        choices=['pytorch', 'caffe'],
        default='pytorch',
        help='of the ResNet in FILE; caffe: for BGR images that are not divided by a deviation',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--steps', type=number_of_steps, help="of a run; default: the size's (docs/own_data.md)"
    )
    length.add_argument(
        '--time-budget',
        type=length_of_time,
        metavar='2h',
        help='measure a few steps, and set the number of steps so that supervised.py and pldc.py, '
        'which continues from its burn-in, take that long together',
    )
    parser.add_argument(
        '--early-stopping',
        type=patience,
        metavar='VALIDATIONS',
        help='end a run after so many validations without a better teacher, not in burn-in; '
        'default: all steps',
    )
    parser.add_argument(
        '--batch-size', type=int, help='half of it labelled; default: 8, size small 4'
    )


def add_refiner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides about a second model for the classes."""
    parser.add_argument(
        '--refiner',
        choices=get_args(Refiner),
        help='a second model that corrects the classes of pseudo-labels (docs/refiners.md): clip, '
        "or a classifier of ImageNet's classes; default: none",
    )
    parser.add_argument(
        '--refiner-weights', type=Path, metavar='FILE', help='default: the published ones'
    )
    parser.add_argument(
        '--class-map',
        type=Path,
        metavar='FILE',
        help='for imagenet, JSON: {"class": [name or index of a class of ImageNet, ...], ...}; '
        'default: those whose names fit',
    )


def length_of_time(text: str) -> float:
    """Seconds, for an argument."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def number_of_steps(text: str) -> int:
    """At least 10 steps, for an argument."""
    if not text.isdecimal() or int(text) < 10:
        raise argparse.ArgumentTypeError(f'a whole number of at least 10 is needed, not {text!r}')
    return int(text)


def patience(text: str) -> int:
    """A number of validations, for an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'a whole number of at least 1 is needed, not {text!r}')
    return int(text)


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse and check the command line; paths become absolute, folders not given are --images."""
    args = parser.parse_args()
    if args.batch_size is not None and (args.batch_size < 2 or args.batch_size % 2):
        parser.error('--batch-size must be even: half of it is labelled')
    for role in 'val', 'test':
        option = f'--{role}' if hasattr(args, role) else f'--{role}-label-maps'
        if getattr(args, f'{role}_images') and not getattr(args, option[2:].replace('-', '_')):
            parser.error(f'--{role}-images is the folder of the images of {option}: give both')
    if not 0 < args.val_percent < 100:
        parser.error('--val-percent must be above 0 and below 100')
    for name in 'unlabeled_images', 'val_images', 'test_images':
        setattr(args, name, getattr(args, name) or args.images)
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, Path(os.path.abspath(value)))
    existing = next(path for path in (args.out_dir, *args.out_dir.parents) if path.exists())
    if not existing.is_dir():
        parser.error(f'--out-dir: {existing} is no folder')
    return args


def check_batch_size(batch_size: int, num_images: int) -> None:
    """Refuse a batch that shows images several times; the default is for the smallest sets, too.

    Raises:
        ValueError: if it is larger than the default, and than the ``num_images`` to train on.
    """
    if batch_size > max(SIZES['base'].batch_size, num_images):
        raise ValueError(
            f'--batch-size {batch_size} is more than the {num_images} images to train on: give a '
            'smaller one'
        )


def report(
    findings: Iterable[Finding], *, way_out: str = '', about: tuple[str, ...] = ('image',)
) -> list[Finding]:
    """Print findings, each once, and return them.

    Args:
        findings: of any level.
        way_out: what to do if records have errors.
        about: kinds of findings that are about records.

    Raises:
        Refused: if there are errors.
    """
    findings = list(dict.fromkeys(findings))
    for level in 'repaired', 'note', 'warning', 'error':
        for finding in findings:
            if finding.level == level:
                print(finding)
    errors = [finding for finding in findings if finding.level == 'error']
    if errors:
        about_records = any(finding.kind in about for finding in errors)
        raise Refused(
            f'nothing was written: the data has {count(len(errors), "error")}'
            + (way_out if about_records else '')
        )
    return findings


class Said:
    """What a tool says of the data before its last check.

    Attributes:
        warnings: so many so far.
    """

    def __init__(self) -> None:
        self.warnings = 0

    def report(self, findings: Iterable[Finding], **how: Any) -> list[Finding]:
        """As :func:`report`."""
        said = report(findings, **how)
        self.warnings += sum(finding.level == 'warning' for finding in said)
        return said

    def show(self, message: Warning | str, *_: object) -> None:
        """Print one of Python's warnings; for ``warnings.showwarning``."""
        print(printable(f'warning: {message}'))
        self.warnings += 1


def print_command(tool: str, *words: object) -> None:
    """Print a command of this checkout that can be pasted into a shell anywhere."""
    print(shlex.join(map(str, ('python', tools_folder() / tool, *words))))
