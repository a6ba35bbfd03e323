"""From labels and photographs to a trained model and a report, in one call.

    python tools/auto_train.py --labeled labels.json --images photos --out runs/mine

checks, repairs and divides the data, measures a few steps, trains the baseline and PL-DC, compares
them on the test set (without --test: the validation set), publishes the better teacher and labels
the unlabelled images for CVAT and Label Studio. Each stage is a call of another tool and is
printed. If it is interrupted, the same command continues. docs/own_data.md is the guide.

Other options are tools/dataset/new_config.py's, such as --negatives or --val-percent.
"""

import argparse

from mmpldc.apis import auto_train
from mmpldc.apis.own_data import add_backbone_arguments
from mmpldc.utils.processes import end_children_on_sigterm


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('--labeled', required=True, help='COCO-format json')
    parser.add_argument('--images', required=True, help='folder of the photographs')
    parser.add_argument('--out', required=True, help='folder of all results')
    parser.add_argument(
        '--unlabeled-images', help='folder of unlabelled photographs; default: --images'
    )
    for name, use in ('val', 'validate'), ('test', 'test'):
        parser.add_argument(f'--{name}', help=f'COCO-format json to {use} on')
        parser.add_argument(f'--{name}-images', help='its folder; default: --images')
    parser.add_argument(
        '--size',
        choices=['auto', 'tiny', 'small', 'base'],
        default='auto',
        help="default: by this machine's GPU, tiny without one",
    )
    add_backbone_arguments(parser, backbone='r50', mode='frozen')
    parser.add_argument('--init', default='imagenet', metavar='imagenet|coco|FILE')
    parser.add_argument('--init-style', choices=['pytorch', 'caffe'], default='pytorch')
    parser.add_argument(
        '--time-budget', metavar='2h', help="of both trainings; default: the size's steps"
    )
    parser.add_argument('--cfg-options', nargs='+', default=[], help='settings for every stage')
    return parser.parse_known_args()


def main() -> None:
    end_children_on_sigterm()
    args, data_options = parse_args()
    auto_train(**vars(args), data_options=data_options)


if __name__ == '__main__':
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        raise SystemExit(f'auto_train.py: {error}') from None
