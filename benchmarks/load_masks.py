"""Measure memory and time of loading a large image with many masks, as a worker does.

Each loader runs the labelled pipeline of a config in a process of its own: ours keeps masks encoded
until the image is cropped, mmdet's decodes them at once.

    python benchmarks/load_masks.py --out DIR
"""

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from timing import Spread, argument_parser, report, table

LOADERS = {'ours': 'mmpldc.LoadAnnotations', "mmdet's": 'LoadAnnotations'}


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=3, device=False)
    parser.add_argument('--config', default='configs/pldc/pldc_mask2former_r50_coco_1pct.py')
    parser.add_argument('--size', type=int, nargs=2, default=(6000, 4000), metavar=('W', 'H'))
    parser.add_argument('--masks', type=int, nargs='+', default=[50, 200])
    parser.add_argument(
        '--most-of-mmdet',
        type=int,
        default=200,
        help='masks that mmdet loads at most: 200 need 11 GB',
    )
    return parser.parse_args()


def sample(path: str, size: tuple[int, int], masks: int) -> dict:
    """A record of the data set: polygons of 24 points, a tenth of the image's height across."""
    rng = np.random.default_rng(0)
    width, height = size
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) * height / 20
    instances = []
    for _ in range(masks):
        points = circle * rng.uniform(0.5, 1, (24, 1)) + rng.uniform(0.1, 0.9, 2) * size
        bbox = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
        polygon = [points.ravel().tolist()]
        instances.append(dict(bbox=bbox, bbox_label=0, ignore_flag=0, mask=polygon))
    return dict(img_path=path, img_id=1, width=width, height=height, instances=instances)


def peak() -> float:
    """Largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def load(loader: str, config: str, record: dict, runs: int) -> tuple[float, float, list[float]]:
    """Run the pipeline in this process: memory before and at its peak, and the seconds."""
    cv2.setNumThreads(0)  # as mmengine does in workers
    torch.set_num_threads(1)
    init_default_scope('mmdet')
    pipeline = Config.fromfile(config).train_dataloader.dataset.labeled.pipeline
    for step in pipeline:
        if step['type'] == LOADERS['ours'] and loader != LOADERS['ours']:
            step.pop('max_instances')
            step['type'] = loader
    steps = Compose([TRANSFORMS.build(step) for step in pipeline])
    before, seconds = peak(), []
    for seed in range(runs):
        np.random.seed(seed)
        start = time.perf_counter()
        steps(dict(record))
        seconds.append(time.perf_counter() - start)
    return before, peak(), seconds


def main() -> None:
    args = parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'image.jpg'))
        noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
        cv2.imwrite(path, cv2.resize(noise, tuple(args.size), interpolation=cv2.INTER_CUBIC))
        for masks in args.masks:
            record = sample(path, tuple(args.size), masks)
            for name, loader in LOADERS.items():
                if name != 'ours' and masks > args.most_of_mmdet:
                    continue
                # a process for each, because the peak of one is never forgotten
                with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
                    own = (loader, args.config, record, args.runs)
                    before, largest, seconds = pool.submit(load, *own).result()
                row = dict(name=name, masks=masks, before=before, peak=largest)
                rows.append(row | dict(seconds=Spread.of(seconds)))
    lines = [
        [
            str(row['masks']),
            row['name'],
            f'{row["peak"]:.2f}',
            f'{row["before"]:.2f}',
            row['seconds'].text(),
        ]
        for row in rows
    ]
    header = ['masks', 'loader', 'peak, GB', 'of which libraries, GB', 's an image']
    text = table(header, lines)
    text += f'\n\nAn image of {args.size[0]} x {args.size[1]} pixels.'
    report('load_masks', text, rows, torch.device('cpu'), args.out)


if __name__ == '__main__':
    main()
