"""Write the generated shapes data set of the quickstart (see mmpldc/datasets/shapes/)."""

import argparse

from mmpldc.datasets.shapes import ShapesSpec, make_dataset

LEAST = dict(seed=0, labeled=1, train=2, tuning=0, test=0, image_size=16)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', help='folder to write, for example data/shapes')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--labeled', type=int, default=40, help='annotated train images')
    parser.add_argument('--train', type=int, default=3000)
    parser.add_argument('--tuning', type=int, default=300)
    parser.add_argument('--test', type=int, default=500)
    parser.add_argument('--image-size', type=int, default=96, help='side in pixels')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a data set made with other settings'
    )
    args = parser.parse_args()
    for name, least in LEAST.items():
        if getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")}: at least {least}, got {getattr(args, name)}')
    return args


def show_progress(split: str, done: int, total: int) -> None:
    if done % 500 == 0 or done == total:
        print(f'{split}: {done}/{total}', flush=True)


def main():
    args = parse_args()
    make_dataset(
        args.out,
        seed=args.seed,
        num_labeled=args.labeled,
        num_train=args.train,
        num_tuning=args.tuning,
        num_test=args.test,
        spec=ShapesSpec(image_size=args.image_size),
        overwrite=args.overwrite,
        progress=show_progress,
    )
    print(f'{args.out}: ready')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'generate_shapes.py: {error}') from None
