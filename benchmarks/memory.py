"""Measure or count the peak memory of a step of Mask2Former R50 at 1024 x 1024, 4 + 4 images.

On a GPU it is measured. On a CPU it is counted for one labelled and one unlabelled image: the bytes
of all tensors alive at a time in the student's forward and backward pass, with deformable attention
keeping what mmcv's CUDA operator keeps. The total is four times that, plus weights, optimiser state
and teacher. The memory of kernels and of the allocator is not counted.

    python benchmarks/memory.py --out DIR

With --large-image it measures the peak memory of testing and of the demo on the CPU instead, with a
photo of 24 megapixels and 100 predictions of Mask2Former R50 with random weights. Each runs in a
process of its own, whose largest resident size counts, with Python and its libraries.

    python benchmarks/memory.py --large-image --out DIR
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from step import Step, paper_config
from timing import argument_parser, report, table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmpldc.models.layers import ms_deform_attn_pixel_decoder

ROOT = Path(__file__).resolve().parents[1]
IMAGES = 4
GIB = 2**30


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument('--size', type=int, default=1024, help='side of an image')
    parser.add_argument('--instances', type=int, default=7, help='per image; COCO has 7')
    parser.add_argument(
        '--large-image',
        type=int,
        nargs='?',
        const=24,
        metavar='MEGAPIXELS',
        help='measure testing and the demo on one photo; default: 24',
    )
    return parser.parse_args()


class PeakBytes(TorchDispatchMode):
    """Count the bytes of all live tensors that operators have created since entry."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()
        self.paused = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        outputs = func(*args, **(kwargs or {}))
        if not self.paused:
            for tensor in tree_leaves(outputs):
                if isinstance(tensor, torch.Tensor):
                    self._add(tensor.untyped_storage())
            self.peak = max(self.peak, self.live)
        return outputs

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.live += size
            weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size


class AsOnGPU(torch.autograd.Function):
    """mmcv's deformable attention on the CPU; like its CUDA operator it keeps only its inputs."""

    counter: PeakBytes

    @staticmethod
    def forward(ctx, value, sizes, locations, weights):
        ctx.save_for_backward(value, locations, weights)
        ctx.sizes = sizes
        AsOnGPU.counter.paused = True
        output = multi_scale_deformable_attn_pytorch(value, sizes, locations, weights)
        AsOnGPU.counter.paused = False
        return output.clone()

    @staticmethod
    def backward(ctx, gradient):
        AsOnGPU.counter.paused = True
        with torch.enable_grad():
            value, locations, weights = (x.detach().requires_grad_() for x in ctx.saved_tensors)
            output = multi_scale_deformable_attn_pytorch(value, ctx.sizes, locations, weights)
        gradients = torch.autograd.grad(output, (value, locations, weights), gradient)
        del output
        AsOnGPU.counter.paused = False
        of_value, of_locations, of_weights = (x.clone() for x in gradients)
        return of_value, None, of_locations, of_weights


def measured(args: argparse.Namespace, with_cp: bool, amp: bool) -> float:
    """Return the GiB that PyTorch allocated at the peak of a step with 4 + 4 images."""
    device = torch.device(args.device)
    step = a_step(args, with_cp, images=IMAGES)
    with torch.autocast(device.type, torch.float16, enabled=amp):
        step()
        torch.cuda.reset_peak_memory_stats(device)
        step()
    return torch.cuda.max_memory_allocated(device) / GIB


def counted(args: argparse.Namespace, with_cp: bool, amp: bool) -> float:
    """Return 4 times the GiB of the activations of 1 + 1 images, plus the state."""
    step = a_step(args, with_cp, images=1)
    step.optimiser()
    ms_deform_attn_pixel_decoder.multi_scale_deformable_attn_pytorch = AsOnGPU.apply
    AsOnGPU.counter = counter = PeakBytes()
    with counter, torch.autocast('cpu', torch.bfloat16, enabled=amp):
        step.student()
    parameters = list(step.model.student.parameters())
    trained = sum(p.nbytes for p in parameters if p.requires_grad)
    frozen = sum(p.nbytes for p in parameters if not p.requires_grad)
    # Student, two moments, teacher; the frozen backbone once for both. Gradients are in the count.
    state = 4 * trained + frozen
    return (IMAGES * (counter.peak - trained) + trained + state) / GIB


def a_step(args: argparse.Namespace, with_cp: bool, images: int) -> Step:
    cfg = paper_config()
    cfg.model.detector.panoptic_head.pixel_decoder.with_cp = with_cp
    kinds = dict(num_labeled=images, num_unlabeled=images)
    device = torch.device(args.device)
    return Step(cfg, **kinds, instances=args.instances, size=args.size, device=device)


def large_image_files(folder: Path, megapixels: int) -> dict[str, Path]:
    """Write a photo of 3:2 with three annotated squares, a config for it, and random weights."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    noise = np.random.default_rng(0).integers(0, 255, (30, 45, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / 'photo.jpg'), cv2.resize(noise, (width, height)))
    squares = [
        dict(
            id=number,
            image_id=1,
            category_id=1,
            iscrowd=0,
            area=10_000,
            bbox=[200 * number, 100, 100, 100],
            segmentation=[[200 * number, 100, 200 * number + 100, 100, 200 * number + 100, 200]],
        )
        for number in (1, 2, 3)
    ]
    labels = dict(
        images=[dict(id=1, file_name='photo.jpg', height=height, width=width)],
        annotations=squares,
        categories=[dict(id=1, name='square')],
    )
    (folder / 'labels.json').write_text(json.dumps(labels))
    cfg = Config.fromfile(ROOT / 'configs/custom/pldc_mask2former_r50_custom.py')
    cfg.model.num_classes = 1
    cfg.model.backbone.init_cfg = None
    cfg.test_evaluator.ann_file = str(folder / 'labels.json')
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(
        ann_file=str(folder / 'labels.json'),
        data_prefix=dict(img=str(folder)),
        metainfo=dict(classes=('square',)),
    )
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.dump(folder / 'config.py')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    meta = dict(dataset_meta=dict(classes=('square',)))
    weights = MODELS.build(cfg.model).state_dict()
    torch.save(dict(meta=meta, state_dict=weights), folder / 'model.pth')
    return {name.split('.')[0]: folder / name for name in ('photo.jpg', 'config.py', 'model.pth')}


def peak_of(*command: object) -> float:
    """Largest resident size of a Python program, in GB."""
    environment = os.environ | dict(PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES='')
    process = subprocess.Popen([sys.executable, *map(str, command)], env=environment, cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f'{command[0]} failed')
    return used.ru_maxrss * 1024 / 1e9


def measure_large_image(args: argparse.Namespace) -> None:
    """Measure and report testing and the demo."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = large_image_files(folder, args.large_image)
        model = files['config'], files['model']
        demo = ('demo/image_demo.py', files['photo'], model[0], '--weights', model[1])
        demo += ('--device', 'cpu', '--out-dir', folder / 'demo', '--pred-score-thr', 0)
        peaks = {
            'nothing (imports)': peak_of('-c', 'import mmpldc.apis, mmdet.apis'),
            'tools/test.py': peak_of('tools/test.py', *model, '--work-dir', folder / 'run'),
            'demo/image_demo.py': peak_of(*demo),
            'demo/image_demo.py --tile 1024': peak_of(*demo, '--tile', 1024),
        }
    rows = [dict(command=name, gigabytes=peak) for name, peak in peaks.items()]
    text = table(['', 'GB'], [[name, f'{peak:.2f}'] for name, peak in peaks.items()])
    report('memory_large_image', text, rows, torch.device('cpu'), args.out)


def main() -> None:
    args = parse_args()
    if args.large_image:
        measure_large_image(args)
        return
    init_default_scope('mmdet')
    device = torch.device(args.device)
    find = measured if device.type == 'cuda' else counted
    rows = []
    for amp in (False, True):
        for with_cp in (False, True):
            gib = find(args, with_cp, amp)
            rows.append(dict(amp=amp, with_cp=with_cp, gib=gib, how=find.__name__))
            print(rows[-1], flush=True)
    lines = [
        [
            'half precision' if row['amp'] else 'float32',
            'with_cp' if row['with_cp'] else '',
            f'{row["gib"]:.1f}',
        ]
        for row in rows
    ]
    text = table(['', 'encoder', f'GiB, {find.__name__}'], lines)
    report('memory', text, rows, device, args.out)


if __name__ == '__main__':
    main()
