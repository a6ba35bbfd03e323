"""Compare a training step of semantic segmentation after burn-in with its networks alone.

The networks are the teacher's forward pass, for iMAS also the student's that its ease needs, and
the student's forward and backward pass, on the same images and in the same process. The rest of a
step is overhead: views and mixing, pseudo-labels, losses with their gradients at the images' size,
contrast and bank, ease, optimiser, moving average, statistics. On a CPU the seconds are those that
the process computes.

    python benchmarks/semantic_step.py --out DIR
    python benchmarks/semantic_step.py --data shapes --size 96 --images 8
"""

import argparse
import copy
from pathlib import Path
from types import SimpleNamespace

import mmpldc._mmdet  # noqa: F401

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from timing import NamedClasses, argument_parser, compare, computing_time, report, table

from mmpldc.engine.hooks import MeanTeacherHook
from mmpldc.models.segmentors.channel_dropout import channel_dropout
from mmpldc.registry import MODELS

ROOT = Path(__file__).parents[1]
TITLES = dict(
    mean_teacher='mean teacher + CutMix', u2pl='U2PL', imas='iMAS', unimatch='UniMatch V1'
)
MAX_STEPS = 100


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=5, warm_up=2)
    parser.add_argument('--methods', nargs='+', choices=list(TITLES), default=list(TITLES))
    parser.add_argument('--data', choices=['voc', 'shapes'], default='voc', help='whose configs')
    parser.add_argument('--depth', type=int, default=50, help="VOC: of the ResNet, configs' is 101")
    parser.add_argument('--images', type=int, default=2, help='labelled, and as many unlabelled')
    parser.add_argument('--size', type=int, default=257, help='side of an image')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args()


class Step:
    """A method's model with an optimiser and a fixed batch.

    Args:
        cfg: config of the run; its backbone starts from random weights, and all confident pixels
            count.
        images: number of labelled images, and of unlabelled ones.
        size: side of the images.
        device: device of the model.
    """

    def __init__(self, cfg: Config, *, images: int, size: int, device: torch.device) -> None:
        cfg.model.burn_in_iters = 0
        cfg.model.backbone.init_cfg = None
        if 'threshold' in cfg.model.reliability:
            cfg.model.reliability.threshold = 0.0  # an untrained teacher is never sure
        torch.manual_seed(0)
        self.model = revert_sync_batchnorm(MODELS.build(cfg.model)).to(device).train()
        self.model.teacher.load_state_dict(self.model.student.state_dict())
        self.model.set_progress(0, MAX_STEPS)
        self.optim_wrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        views = [view for group in self.model.views for view in group]
        self.data = batch(views, images, size, self.model.num_classes)
        self.inputs = self.model.data_preprocessor(copy.deepcopy(self.data), True)['inputs']
        classes = range(self.model.num_classes)
        self.hook = MeanTeacherHook(**without_type(cfg.default_hooks.mean_teacher))
        self.runner = SimpleNamespace(
            model=self.model,
            iter=0,
            optim_wrapper=self.optim_wrapper,
            train_dataloader=SimpleNamespace(dataset=NamedClasses(classes)),
            hooks=[self.hook],
        )
        self.hook.before_train(self.runner)
        self.gradients: list[torch.Tensor] = []

    def __call__(self) -> None:
        """Run the whole step as the Runner and MeanTeacherHook do."""
        self.model.train_step(copy.copy(self.data), self.optim_wrapper)
        self.hook.after_train_iter(self.runner, 0)

    def networks(self) -> None:
        """Run the networks of a step, with fixed gradients at the heads' stride."""
        model, inputs = self.model, self.inputs
        weak, labeled = inputs['unsup_weak'], inputs['sup_weak']
        with torch.no_grad():
            seen = weak if model.contrast is None else torch.cat([labeled, weak])
            model.network_forward(model.teacher, seen)
            if model.ease is not None:
                model.student.eval()
                model.network_forward(model.student, weak)
                model.student.train()
        views = [inputs[view.view] for view in model.student_views]
        images = torch.cat([labeled, *views])
        dropout = channel_dropout(model.student_views, list(map(len, (labeled, *views))))
        outputs = model.network_forward(model.student, images, dropout)
        roots = [outputs.logits, *outputs.auxiliary]
        roots += [] if outputs.features is None else [outputs.features]
        if not self.gradients:
            self.gradients = [torch.randn_like(root) / root.numel() for root in roots]
        torch.autograd.backward(roots, self.gradients)
        for parameter in model.student.parameters():
            parameter.grad = None


def without_type(settings: dict) -> dict:
    return {key: value for key, value in settings.items() if key != 'type'}


def batch(views: list[str], images: int, size: int, num_classes: int) -> dict:
    """Generate a data loader's batch: noise, and label maps of squares."""
    rng = np.random.default_rng(0)
    data: dict[str, dict] = dict(inputs={}, data_samples={})
    for view in views:
        data['inputs'][view] = [
            torch.from_numpy(rng.integers(0, 256, (3, size, size), np.uint8)) for _ in range(images)
        ]
        data['data_samples'][view] = [
            sample(index, size, num_classes, rng if view.startswith('sup') else None)
            for index in range(images)
        ]
    return data


def sample(index: int, size: int, num_classes: int, rng) -> SegDataSample:
    shape = (size, size)
    found = SegDataSample(
        metainfo=dict(img_path=f'{index}.jpg', img_shape=shape, ori_shape=shape, pad_shape=shape)
    )
    if rng is not None:
        cells = rng.integers(0, num_classes, (8, 8))
        side = -(-size // 8)
        labels = np.kron(cells, np.ones((side, side), np.int64))[:size, :size]
        found.gt_sem_seg = PixelData(data=torch.from_numpy(labels)[None])
    return found


def method_config(name: str, data: str, depth: int, size: int) -> Config:
    """Return a method's config on images of another size."""
    cfg = Config.fromfile(ROOT / f'configs/semantic/{data}/{name}.py')
    if data == 'voc':
        cfg.model.backbone.depth = depth
    cfg.model.data_preprocessor.data_preprocessor.size = (size, size)
    return cfg


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    rows, lines = [], []
    for name in args.methods:
        cfg = method_config(name, args.data, args.depth, args.size)
        cfg.merge_from_dict(args.cfg_options)
        step = Step(cfg, images=args.images, size=args.size, device=device)
        found = compare(
            step,
            step.networks,
            runs=args.runs,
            warm_up=args.warm_up,
            device=device,
            clock=computing_time,
        )
        views = len(step.model.student_views)
        overhead = [100 * (1 / one - 1) for one in (found.ratio.median, found.ratio.high)]
        overhead.append(100 * (1 / found.ratio.low - 1))
        rows.append(dict(method=name, comparison=found, student_images=args.images * (1 + views)))
        lines.append(
            [
                TITLES[name],
                str(args.images * (1 + views)),
                found.theirs.text(1000, 0),
                found.ours.text(1000, 0),
                '{:.1f} % ({:.1f} to {:.1f})'.format(*overhead),
            ]
        )
        print(lines[-1], flush=True)
        del step
    header = ['', 'images of the student', 'networks, ms', 'whole step, ms', 'overhead']
    network = f'ResNet-{args.depth}' if args.data == 'voc' else 'the small network'
    text = table(header, lines) + (
        f'\n\nDeepLabv3+ on {network}, {args.images} labelled and {args.images} unlabelled images '
        f'of {args.size} x {args.size}, configs of configs/semantic/{args.data}. Median '
        f'(quartiles) of {args.runs} pairs.'
    )
    name = 'semantic_step' if args.data == 'voc' else f'semantic_step_{args.data}'
    report(name, text, rows, device, args.out)


if __name__ == '__main__':
    main()
