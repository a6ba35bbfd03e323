"""Compare a training step after burn-in with its parts and with mmdet's supervised step.

The parts are measured alone on the same images: the student's network and its loss with backward,
the teacher's forward pass with the filter, the optimiser. The rest of a step (preprocessing, moving
average, statistics, Python) is the overhead. The second comparison is with stock mmdet's
Mask2Former, supervised, on as many images as the student sees.

    python benchmarks/step.py --out DIR --images 1 --size 512
"""

import argparse
import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from timing import NamedClasses, Spread, argument_parser, compare, now, report, table
from torch.utils.flop_counter import FlopCounterMode

from mmpldc.engine.hooks import MeanTeacherHook
from mmpldc.models.detectors.complete_detector import complete_detector
from mmpldc.structures import LayerOutputs

ROOT = Path(__file__).parents[1]
VIEWS = ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=5, warm_up=1)
    parser.add_argument('--images', type=int, default=1, help='labelled, and as many unlabelled')
    parser.add_argument('--instances', type=int, default=7, help='per labelled image; COCO has 7')
    parser.add_argument('--size', type=int, default=512, help='side of an image')
    return parser.parse_args()


class Step:
    """A model with an optimiser and a fixed batch; each method is a part of a step.

    Args:
        cfg: config of the run; its backbone starts from random weights.
        num_labeled: number of labelled images.
        num_unlabeled: number of unlabelled images.
        instances: per labelled image, and about as many pseudo-labels per unlabelled one.
        size: side of the images.
        device: device of the model.
    """

    def __init__(
        self,
        cfg: Config,
        *,
        num_labeled: int,
        num_unlabeled: int,
        instances: int,
        size: int,
        device: torch.device,
    ) -> None:
        cfg = copy.deepcopy(cfg)
        cfg.model.backbone.init_cfg = None
        pad = dict(type='BatchFixedSizePad', size=(size, size), pad_mask=True)
        cfg.model.data_preprocessor.data_preprocessor.batch_augments = [pad]
        # an untrained teacher's labels pass, see _keep_some
        cfg.model.pseudo_label_filter.update(class_thr=1e-3, mask_thr=0.0, min_area=0)
        cfg.model.burn_in_iters = 0
        torch.manual_seed(0)
        self.model = MODELS.build(cfg.model).to(device).train()
        self.model.teacher.load_state_dict(self.model.student.state_dict())
        self.model.set_progress(0, 100)
        self._keep_some(instances)
        self.optim_wrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        num_classes = self.model.num_classes
        self.data = batch(num_labeled, num_unlabeled, instances, size, num_classes)
        dataset = NamedClasses(range(num_classes))
        self.hook = MeanTeacherHook()
        self.runner = SimpleNamespace(
            model=self.model,
            iter=0,
            optim_wrapper=self.optim_wrapper,
            train_dataloader=SimpleNamespace(dataset=dataset),
            hooks=[self.hook],
        )
        self.hook.before_train(self.runner)
        self.prepared = self.model.data_preprocessor(copy.deepcopy(self.data), True)
        self.pseudo_instances = self.teacher()

    def _keep_some(self, count: int) -> None:
        """Make only the first queries of an image predict an object, like a trained teacher."""
        teacher_outputs = self.model.teacher_outputs

        def limited(images: torch.Tensor) -> LayerOutputs:
            outputs = teacher_outputs(images)
            cls_logits = outputs.cls_logits.clone()
            no_object = cls_logits.new_full((cls_logits.shape[1],), 100.0)
            no_object[:count] = -100
            cls_logits[..., -1] += no_object
            return outputs._replace(cls_logits=cls_logits)

        self.model.teacher_outputs = limited

    def __call__(self) -> None:
        """Run the whole step as the Runner and MeanTeacherHook do."""
        self.model.train_step(copy.copy(self.data), self.optim_wrapper)
        self.average()

    def teacher(self) -> list[InstanceData]:
        inputs, samples = self.prepared['inputs'], self.prepared['data_samples']
        return self.model.get_pseudo_instances(inputs['unsup_weak'], samples['unsup_weak'])

    def student(self) -> None:
        inputs, samples = self.prepared['inputs'], self.prepared['data_samples']
        views = self.model.sup_views
        images = [torch.cat([inputs[view] for view in views]), inputs['unsup_strong']]
        labeled, unlabeled = self.model.student_predictions(images)
        losses = self.model.loss_by_gt_instances(
            labeled, [sample for view in views for sample in samples[view]]
        ) | self.model.loss_by_pseudo_instances(unlabeled, self.pseudo_instances)
        loss, _ = self.model.parse_losses(losses)
        self.optim_wrapper.backward(loss)

    def optimiser(self) -> None:
        self.optim_wrapper.step()
        self.optim_wrapper.zero_grad()

    def average(self) -> None:
        self.hook.after_train_iter(self.runner, 0)

    def parts(self, device: torch.device) -> dict[str, float]:
        """Measure the seconds of each part, in a step's order."""
        seconds = {}
        for part in (self.teacher, self.student, self.optimiser):
            start = now(device)
            part()
            seconds[part.__name__] = now(device) - start
        return seconds


def batch(
    num_labeled: int, num_unlabeled: int, instances: int, size: int, num_classes: int = 80
) -> dict:
    """Generate a data loader's batch, with the same content for all views of a kind."""
    rng = np.random.default_rng(0)
    data = dict(inputs={}, data_samples={})
    for view in VIEWS:
        labeled = view.startswith('sup')
        count = num_labeled if labeled else num_unlabeled
        data['inputs'][view] = [
            torch.from_numpy(rng.integers(0, 256, (3, size, size), np.uint8)) for _ in range(count)
        ]
        data['data_samples'][view] = [
            sample(index, instances if labeled else 0, size, num_classes, rng)
            for index in range(count)
        ]
    return data


def sample(index: int, instances: int, size: int, num_classes: int, rng) -> DetDataSample:
    """Generate boxes as masks, with sides of a tenth to a third of the image."""
    masks = np.zeros((instances, size, size), np.uint8)
    for mask in masks:
        h, w = rng.integers(size // 10, size // 3, 2)
        y, x = rng.integers(0, size - h), rng.integers(0, size - w)
        mask[y : y + h, x : x + w] = 1
    shape = (size, size)
    return DetDataSample(
        metainfo=dict(
            img_id=index, img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape
        ),
        gt_instances=InstanceData(
            labels=torch.from_numpy(rng.integers(0, num_classes, instances)),
            masks=BitmapMasks(masks, size, size),
        ),
    )


def paper_config() -> Config:
    """Return the config of Mask2Former R50 as in the paper, without CLIP."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/mask2former_r50.py')
    schedule = Config.fromfile(ROOT / 'configs/_base_/schedules/pldc_368k.py')
    cfg.optim_wrapper = schedule.optim_wrapper
    return cfg


class StockStep:
    """mmdet's Mask2Former, supervised, with one parameter group per parameter."""

    def __init__(self, cfg: Config, *, images: int, instances: int, size: int, device) -> None:
        model = complete_detector(cfg.model.detector, cfg.model.backbone, 80)
        model.panoptic_head.type = 'Mask2FormerHead'
        model.panoptic_head.loss_mask = dict(
            type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
        )
        model.panoptic_head.pixel_decoder.type = 'MSDeformAttnPixelDecoder'
        model.panoptic_fusion_head.type = 'MaskFormerFusionHead'
        model.panoptic_head.pop('upsample_masks')
        costs = model.train_cfg.assigner.match_costs
        costs[1] = dict(type='CrossEntropyLossCost', weight=5.0, use_sigmoid=True)
        model.backbone.init_cfg = None
        model.data_preprocessor = copy.deepcopy(cfg.model.data_preprocessor.data_preprocessor)
        pad = dict(type='BatchFixedSizePad', size=(size, size), pad_mask=True)
        model.data_preprocessor.batch_augments = [pad]
        torch.manual_seed(0)
        self.model = MODELS.build(model).to(device).train()
        wrapper = copy.deepcopy(cfg.optim_wrapper)
        wrapper.pop('constructor', None)
        self.optim_wrapper = build_optim_wrapper(self.model, wrapper)
        views = batch(images, 0, instances, size)
        self.data = {key: value['sup_weak'] for key, value in views.items()}

    def __call__(self) -> None:
        self.model.train_step(copy.copy(self.data), self.optim_wrapper)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    cfg = paper_config()
    common = dict(instances=args.instances, size=args.size, device=device)
    ours = Step(cfg, num_labeled=args.images, num_unlabeled=args.images, **common)
    num_views = args.images * (len(ours.model.sup_views) + 1)
    stock = StockStep(cfg, images=num_views, **common)

    with FlopCounterMode(display=False) as flops:
        ours()
    parts: list[dict] = []
    whole = compare(
        ours,
        lambda: parts.append(ours.parts(device)),
        runs=args.runs,
        warm_up=args.warm_up,
        device=device,
    )
    parts = parts[args.warm_up :]
    against_stock = compare(ours, stock, runs=args.runs, warm_up=args.warm_up, device=device)
    names = ('teacher', 'student', 'optimiser')
    rows = [dict(part=name, seconds=Spread.of([one[name] for one in parts])) for name in names]
    lines = [[row['part'], row['seconds'].text(1000, 0)] for row in rows]
    lines += [
        ['sum of the parts', whole.theirs.text(1000, 0)],
        ['whole step', whole.ours.text(1000, 0)],
        [f'mmdet, supervised, {num_views} images', against_stock.theirs.text(1000, 0)],
    ]
    tflop = flops.get_total_flops() / 1e12
    rows += [
        dict(part='whole', comparison=whole, tflop=tflop),
        dict(part='mmdet', comparison=against_stock),
    ]
    text = table(['part', 'ms'], lines)
    low, high = sorted(100 * (1 / ratio - 1) for ratio in (whole.ratio.low, whole.ratio.high))
    text += (
        f'\n\nOverhead over the parts: {100 * (1 / whole.ratio.median - 1):.1f} % '
        f'(quartiles {low:.1f} to {high:.1f}). mmdet takes '
        f"{against_stock.ratio.text(1, 2)} times as long for the student's images, without a "
        'teacher.\n'
        f'{args.images} labelled and {args.images} unlabelled images of {args.size} x {args.size} '
        f'with {args.instances} instances each; the student sees {num_views} views. Convolutions '
        f'and matrix products of a step: {tflop:.2f} TFLOP.'
    )
    report('step', text, rows, device, args.out)


if __name__ == '__main__':
    main()
