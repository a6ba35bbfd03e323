"""Check annotation files, images and splits before training.

Takes a config, or annotation files with the folders of their images. Prints what is in the sets and
what is wrong with them; the exit status is 1 if there are errors. docs/data.md tells what is looked
for.
"""

import argparse
from pathlib import Path

from mmpldc.apis import add_cfg_options, read_config
from mmpldc.datasets.checks import DataSet, Report, check_datasets, check_run
from mmpldc.datasets.checks.pictures import draw_samples

ROLES = ('labeled', 'unlabeled', 'val', 'test')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', nargs='?', help='check the data sets of this config')
    add_cfg_options(parser)
    for role in ROLES:
        parser.add_argument(f'--{role}', metavar='JSON', help=f'or the {role} annotation file')
    parser.add_argument(
        '--images',
        nargs='+',
        metavar='DIR',
        help='folder of the images of all these files, or one for each of them, in the order '
        f'{", ".join(ROLES)}',
    )
    parser.add_argument(
        '--decode',
        type=number_or_all,
        default=64,
        metavar='N',
        help="images of each set to decode, or 'all'; default: 64",
    )
    parser.add_argument(
        '--hash',
        action='store_true',
        help='look for re-encoded copies also in sets of more than 5,000 images; '
        'this decodes all images',
    )
    parser.add_argument('--out-dir', type=Path, help='write report.md and pictures of samples here')
    args = parser.parse_args()
    given = [role for role in ROLES if getattr(args, role)]
    if bool(args.config) == bool(given):
        parser.error('give either a config or annotation files (--labeled, --unlabeled, ...)')
    if args.images and len(args.images) not in (1, len(given)):
        parser.error(f'--images: give one folder, or {len(given)}: one for each annotation file')
    if args.out_dir:
        existing = next(
            one for one in (args.out_dir, *args.out_dir.absolute().parents) if one.exists()
        )
        if not existing.is_dir():
            parser.error(f'--out-dir: {existing} is no folder')
    return args


def number_or_all(text: str) -> int | None:
    """A number of images, None for all; for an argument."""
    if text != 'all' and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number or 'all' is needed, not {text!r}")
    return None if text == 'all' else int(text)


def check(args: argparse.Namespace) -> Report:
    options = dict(decode=args.decode, all_contents=args.hash)
    if args.config:
        cfg = read_config(args.config, args.cfg_options)
        if not any(cfg.get(f'{part}_dataloader') for part in ('train', 'val', 'test')):
            raise SystemExit(
                f'{args.config}: no config with data sets: an annotation file is given by '
                f'{", ".join(f"--{role}" for role in ROLES)}, with --images for the folder'
            )
        return check_run(cfg, **options)
    given = [role for role in ROLES if getattr(args, role)]
    folders = args.images or [None]
    folders = folders * len(given) if len(folders) == 1 else folders
    sets = [
        DataSet(role, role, getattr(args, role), folder)
        for role, folder in zip(given, folders, strict=True)
    ]
    return check_datasets(sets, **options)


def main() -> None:
    args = parse_args()
    report = check(args)
    text = report.markdown()
    print(text)
    if args.out_dir:
        try:
            args.out_dir.mkdir(parents=True, exist_ok=True)
            pictures = [f'![{path}]({path})' for path in draw_samples(report, args.out_dir)]
            (args.out_dir / 'report.md').write_text('\n\n'.join([text, *pictures]) + '\n')
        except OSError as error:
            raise SystemExit(f'check.py: --out-dir: {error}') from None
        print(f'{args.out_dir / "report.md"}: written')
    raise SystemExit(1 if report.errors else 0)


if __name__ == '__main__':
    main()
