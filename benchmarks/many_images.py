"""Measure what a long list of unlabelled images costs, from the folder to the first batch.

For each length: tools/dataset/new_config.py on a folder of that many files (hard links to a few
images, so that they take no space), the data check before training, the data set and its first
batch, the memory that a worker has for itself, and the skipping of 100,000 steps as on resuming.

    python benchmarks/many_images.py --images 10000 100000 --out DIR
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from timing import argument_parser, report, table

from mmpldc.datasets.checks import check_run
from mmpldc.datasets.shapes import ShapesSpec
from mmpldc.datasets.shapes.dataset import write_coco_split

ROOT = Path(__file__).resolve().parents[1]
DIFFERENT = 100  # images that are linked to: a file has 65,000 names at most
IN_FOLDER = 10_000
STEPS = 100_000  # that a resumed run has behind it


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, device=False)
    parser.add_argument('--images', type=int, nargs='+', default=[10_000, 100_000])
    parser.add_argument('--folder', type=Path, help='for the links; default: a temporary one')
    parser.add_argument('--measure', type=Path, help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args()


def make_folder(root: Path, images: int) -> None:
    """Annotated images in ``labeled``, as many unlabelled ones in ``unlabeled`` as asked for."""
    spec = ShapesSpec(image_size=64)
    write_coco_split(root / 'labeled', 'train', 60, seed=0, spec=spec)
    write_coco_split(root / 'others', 'train', DIFFERENT, seed=1, spec=spec)
    files = sorted((root / 'others/images/train').iterdir())
    for number in range(images):
        folder = root / f'unlabeled/{number // IN_FOLDER:04d}'
        if number % IN_FOLDER == 0:
            folder.mkdir(parents=True)
        source = files[number % DIFFERENT]
        os.link(source, folder / f'{number:09d}{source.suffix}')


def new_config(root: Path) -> tuple[float, float]:
    """Run the tool; its seconds and its largest memory in GB."""
    start = time.perf_counter()
    arguments = {
        '--labeled': root / 'labeled/annotations/train_all.json',
        '--images': root / 'labeled/images/train',
        '--unlabeled-images': root / 'unlabeled',
        '--out-dir': root / 'out',
    }
    tool = [sys.executable, ROOT / 'tools/dataset/new_config.py']
    command = [*tool, *(part for pair in arguments.items() for part in pair)]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'new_config.py failed with exit code {process.returncode}')
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e9


def own_memory(pid: int) -> float:
    """Memory of a process that it shares with no other, in MB."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    return sum(int(kb) for kb in re.findall(r'Private_\w+:\s+(\d+) kB', text)) * 1024 / 1e6


def measure(config: Path) -> dict:
    """Check, first batch, worker's memory and resuming of a config, in this process."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(config)
    cfg.train_dataloader.update(num_workers=1, persistent_workers=True)
    start = time.perf_counter()
    check_run(cfg, decode=16)
    checked = time.perf_counter()
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batches = iter(loader)
    next(batches)
    first = time.perf_counter()
    for _ in range(20):
        next(batches)
    memory = own_memory(batches._workers[0].pid)
    sampler = Runner.build_dataloader(cfg.train_dataloader, seed=0).batch_sampler.sampler
    skipping = time.perf_counter()
    sampler.skip(STEPS * cfg.train_dataloader.batch_size)
    next(iter(sampler))
    return dict(
        check=checked - start,
        batch=first - checked,
        worker=memory,
        skip=time.perf_counter() - skipping,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    )


def main() -> None:
    args = parse_args()
    if args.measure is not None:
        print(json.dumps(measure(args.measure)))
        return
    rows = []
    for images in args.images:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            root = Path(folder)
            make_folder(root, images)
            seconds, memory = new_config(root)
            command = [sys.executable, __file__, '--measure', str(root / 'out/pldc.py')]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            row = dict(images=images, tool=seconds, tool_memory=memory)
            rows.append(row | json.loads(output.splitlines()[-1]))
            shutil.rmtree(root / 'unlabeled')
    lines = [
        [
            f'{row["images"]:,}',
            f'{row["tool"]:.0f}',
            f'{row["tool_memory"]:.2f}',
            f'{row["check"]:.1f}',
            f'{row["batch"]:.1f}',
            f'{row["memory"]:.2f}',
            f'{row["worker"]:.0f}',
            f'{row["skip"]:.2f}',
        ]
        for row in rows
    ]
    header = ['unlabelled images', 'new_config.py, s', 'GB', 'check, s', 'first batch, s']
    header += ['training process, GB', "worker's own, MB", f'resume after {STEPS:,} steps, s']
    report('many_images', table(header, lines), rows, torch.device('cpu'), args.out)


if __name__ == '__main__':
    main()
