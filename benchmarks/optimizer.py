"""Compare the optimiser's step in merged groups with mmengine's one group per parameter.

Clipping, AdamW and the learning-rate schedule of PL-DC's R50 on COCO, with constant gradients.

    python benchmarks/optimizer.py --out DIR
"""

import argparse
import copy
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import MultiStepLR, OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from timing import argument_parser, compare, report, table

CONFIG = Path(__file__).parents[1] / 'configs/pldc/pldc_mask2former_r50_coco_1pct.py'
MMENGINES = 'DefaultOptimWrapperConstructor'
# torch's default, its loop over lists of tensors, one kernel for all
OPTIONS = {'': {}, 'foreach': dict(foreach=True), 'fused': dict(fused=True)}


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=20, warm_up=3)
    parser.add_argument('--config', default=CONFIG)
    return parser.parse_args()


class Step:
    """Clip, update and advance the learning rate."""

    def __init__(self, wrapper: OptimWrapper) -> None:
        self.wrapper = wrapper
        self.schedule = MultiStepLR(wrapper, milestones=[10**6], by_epoch=False)

    def __call__(self) -> None:
        self.wrapper.step()
        self.schedule.step()

    @property
    def num_groups(self) -> int:
        return len(self.wrapper.optimizer.param_groups)  # the wrapper's own list has one more


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    MMLogger.get_instance('optimizer', log_level='ERROR')  # a line for each parameter otherwise
    torch.manual_seed(0)
    cfg = Config.fromfile(args.config)
    cfg.model.backbone.init_cfg = None
    cfg.model.pop('refiner', None)  # has no parameters to train, but weights to download
    model = MODELS.build(cfg.model).to(device)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)

    def build(options: dict, **settings) -> Step:
        wrapper_cfg = copy.deepcopy(cfg.optim_wrapper)
        wrapper_cfg.update(settings)
        wrapper_cfg.optimizer.update(options)
        return Step(build_optim_wrapper(model, wrapper_cfg))

    stock = build({}, constructor=MMENGINES)
    rows = []
    for name, options in OPTIONS.items():
        steps = {
            'merged': build(options),
            **({'one each': build(options, constructor=MMENGINES)} if options else {}),
        }
        for groups, step in steps.items():
            comparison = compare(step, stock, runs=args.runs, warm_up=args.warm_up, device=device)
            rows.append(
                dict(name=f'{groups} {name}', groups=step.num_groups, comparison=comparison)
            )
    lines = [
        [
            row['name'],
            str(row['groups']),
            row['comparison'].ours.text(1000, 1),
            row['comparison'].theirs.text(1000, 1),
            row['comparison'].ratio.text(1, 2),
        ]
        for row in rows
    ]
    header = ['', 'groups', 'ms', f'mmengine ({stock.num_groups} groups), ms', 'mmengine / this']
    report('optimizer', table(header, lines), rows, device, args.out)


if __name__ == '__main__':
    main()
