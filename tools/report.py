"""Write one HTML page about one or several runs: what came out, and where it goes wrong.

    python tools/report.py work_dirs/pldc --out report.html
    python tools/report.py work_dirs/supervised work_dirs/pldc --out report.html

The page opens from disk and asks no server for anything. AP, errors and pictures take a pass of the
model over the validation images and a sample of the unlabelled ones; it is kept in RUN/report, so
the next page about the run is quick. With a supervised run beside it, the page says whether the
unlabelled images helped. docs/report.md explains each section.
"""

import argparse
from pathlib import Path

import torch

from mmpldc.report import Options, collect, open_runs, write_page

MEGABYTE = 1_000_000


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', type=Path, nargs='+', metavar='RUN', help='work directory of a run')
    parser.add_argument('--out', type=Path, default=Path('report.html'), help='the page to write')
    parser.add_argument(
        '--no-inference', action='store_true', help='do not run the model: no AP, errors, pictures'
    )
    parser.add_argument(
        '--checkpoint',
        choices=['last', 'best'],
        default='last',
        help='the best one was chosen by the validation set, so its AP there is too high',
    )
    parser.add_argument('--num-images', type=int, help='predict for so many validation images only')
    parser.add_argument('--pictures', type=int, default=120, help='validation images on the page')
    parser.add_argument('--unlabelled', type=int, default=40, help='unlabelled images on the page')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='predictions with a lower score are not drawn'
    )
    parser.add_argument('--max-mb', type=float, default=10, help='aim for the size of the page')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args()
    for name in ('num_images', 'pictures', 'unlabelled'):
        value = getattr(args, name)
        if value is not None and value < (name == 'num_images'):
            parser.error(f'--{name.replace("_", "-")}: {value} images are too few')
    return args


def main() -> None:
    args = parse_args()
    options = Options(
        inference=not args.no_inference,
        num_images=args.num_images,
        pictures=args.pictures,
        unlabelled=args.unlabelled,
        score_thr=args.score_thr,
        max_bytes=int(args.max_mb * MEGABYTE),
        device=args.device,
    )
    report = collect(open_runs(args.runs, which=args.checkpoint), options)
    size = write_page(report, args.out)
    print(f'\n{report.sentence}\n{args.out}: {size / MEGABYTE:.1f} MB')
    if size > options.max_bytes:
        print(f'above {args.max_mb:g} MB: fewer --pictures or --unlabelled make it smaller')


if __name__ == '__main__':
    main()
