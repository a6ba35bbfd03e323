"""Measure the throughput of a data loader worker, transform by transform.

Runs the training pipelines of a config on images of COCO's size, in this process and on one thread,
as a worker does. Weak and strong view share decoding and geometry; the last rows of the table
compare this with one pipeline per view.

    python benchmarks/data_pipeline.py configs/pldc/pldc_mask2former_r50_coco_1pct.py --out DIR
"""

import argparse
import copy
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean, quantiles

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from timing import argument_parser, report

from mmpldc.datasets.shapes import CLASSES, ShapesSpec
from mmpldc.datasets.shapes.dataset import write_coco_split

# Like an image of COCO: 640 x 480 pixels, about 7 instances (860k in 118k images).
SCENES = ShapesSpec(image_size=554, objects_per_image=(5, 9))  # square, of the same area


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, warm_up=5, device=False)
    parser.add_argument('config')
    parser.add_argument('--images', type=int, default=60, help='of each kind')
    return parser.parse_args()


class Stopwatch:
    """Run transforms one by one and record their seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, transform, results: dict):
        start = time.perf_counter()
        results = transform(results)
        self.seconds[name].append(time.perf_counter() - start)
        return results


def main() -> None:
    args = parse_args()
    cv2.setNumThreads(0)  # as mmengine does in workers
    torch.set_num_threads(1)
    cfg = Config.fromfile(args.config)
    init_default_scope('mmdet')
    with tempfile.TemporaryDirectory() as root:
        write_coco_split(Path(root), 'train', args.images, seed=0, spec=SCENES)
        result = {
            kind: measure(cfg.train_dataloader.dataset[kind], Path(root), args)
            for kind in ('labeled', 'unlabeled')
        }
    report('data_pipeline', table(result), [result], torch.device('cpu'), args.out)


def measure(part: dict, root: Path, args: argparse.Namespace) -> dict:
    """Measure the seconds of each transform of one part's pipeline, and of its alternatives."""
    part = part | dict(
        type='CocoDataset',
        data_root=str(root),
        ann_file='annotations/train_all.json',
        data_prefix=dict(img='images/train/'),
        metainfo=dict(classes=CLASSES),
    )
    *shared, branches = part.pop('pipeline')
    dataset = DATASETS.build(dict(part, pipeline=[]))
    views = {
        name: branches[name]
        for name in ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')
        if name in branches
    }
    steps = [(step['type'], Compose([step])) for step in shared]
    view_steps = {name: Compose(steps) for name, steps in views.items()}
    whole = Compose([*shared, branches])
    separate = [Compose([*shared, *steps]) for steps in views.values()]
    watch = Stopwatch()
    np.random.seed(0)
    torch.manual_seed(0)
    index = 0
    while len(watch.seconds['all']) < args.images + args.warm_up:
        sample = dataset.get_data_info(index % len(dataset))
        index += 1
        state = np.random.get_state(), torch.random.get_rng_state()
        if watch('all', whole, copy.deepcopy(sample)) is None:  # cropped to nothing, drawn anew
            continue
        np.random.set_state(state[0])
        torch.random.set_rng_state(state[1])
        watch(
            'a pipeline for each view',
            lambda s: [view(copy.deepcopy(s)) for view in separate],
            sample,
        )
        results = copy.deepcopy(sample)
        for name, step in steps:
            results = results and watch(name, step, results)
        if results:
            for name, view in view_steps.items():
                watch(name, view, copy.deepcopy(results))
    return {
        name: summary([1000 * second for second in seconds[args.warm_up :]])
        for name, seconds in watch.seconds.items()
    }


def summary(milliseconds: list[float]) -> dict:
    """Return the mean (which determines throughput), the quartiles and the count."""
    low, _, high = quantiles(milliseconds, n=4)
    return dict(mean=fmean(milliseconds), quartiles=[low, high], count=len(milliseconds))


def table(result: dict) -> str:
    """Format a Markdown table for each kind of image, and the ratio gained by sharing."""
    lines = []
    for kind in ('labeled', 'unlabeled'):
        rows = dict(result[kind])
        whole, separate = rows.pop('all'), rows.pop('a pipeline for each view')
        lines += [f'**{kind}**', '', '| step | ms an image: mean (quartiles) |', '|---|---:|']
        for name, row in [*rows.items(), ('both views', whole), ('a pipeline for each', separate)]:
            low, high = row['quartiles']
            lines.append(f'| {name} | {row["mean"]:.1f} ({low:.1f} to {high:.1f}) |')
        ratio = separate['mean'] / whole['mean']
        lines += [
            '',
            f'{1000 / whole["mean"]:.1f} images a second and worker; '
            f'a pipeline for each view takes {ratio:.2f} times as long.',
            '',
        ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
