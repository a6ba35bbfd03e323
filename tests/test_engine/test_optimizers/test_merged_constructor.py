"""Groups by hand; training in merged groups against mmengine's one group per parameter."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import MultiStepLR, build_optim_wrapper
from torch import nn

import mmpldc.engine  # noqa: F401, registers the constructors
from mmpldc.engine.optimizers.merged_constructor import merge_groups

CONFIGS = Path(__file__).parents[3] / 'configs'
LR, DECAY = 0.01, 0.1
MERGED, STOCK = 'mmpldc.MergedOptimWrapperConstructor', 'DefaultOptimWrapperConstructor'
PARAMWISE = dict(
    custom_keys=dict(embed=dict(lr_mult=1.0, decay_mult=0.0), last=dict(lr_mult=0.1)),
    norm_decay_mult=0.0,
)


class Network(nn.Module):
    """Parameters of all kinds, those of equal options apart from each other."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.first = nn.Linear(4, 32)
        self.norm = nn.LayerNorm(32)
        self.middle = nn.Sequential(*(nn.Linear(32, 32) for _ in range(8)))
        self.embed = nn.Parameter(torch.ones(32))
        self.last = nn.Linear(32, 1)

    def forward(self, x):
        return self.last(self.middle(self.norm(self.first(self.frozen(x)))) * self.embed)


class Pair(nn.Module):
    """A student and a teacher without gradients."""

    def __init__(self):
        super().__init__()
        self.teacher = Network().requires_grad_(False)
        self.student = Network()
        self.student.frozen.requires_grad_(False)


def build(model, constructor=MERGED, paramwise=PARAMWISE, **settings):
    """An AdamW that clips gradients."""
    cfg = dict(
        type='OptimWrapper',
        constructor=constructor,
        optimizer=dict(type='AdamW', lr=LR, weight_decay=DECAY),
        clip_grad=dict(max_norm=0.01, norm_type=2),
    )
    if paramwise is not None:
        cfg['paramwise_cfg'] = copy.deepcopy(paramwise)
    return build_optim_wrapper(model, cfg | settings)


def groups_of(wrapper, model):
    """Of each group: learning rate, weight decay, names of the parameters."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return [
        (group['lr'], group['weight_decay'], [names[parameter] for parameter in group['params']])
        for group in wrapper.optimizer.param_groups
    ]


def train(model, wrapper, steps, *, seed=0, scheduler=None):
    """Losses of some steps."""
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(steps):
        x = torch.randn(8, 4, generator=generator)
        loss = (model(x) - x[:, :1] ** 2).square().mean()
        wrapper.update_params(loss)
        if scheduler is not None:
            scheduler.step()
        losses.append(loss.item())
    return losses


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_groups_by_hand():
    model = Pair()
    expected = [
        (
            LR,
            DECAY,
            [
                'student.first.weight',
                'student.first.bias',
                *(f'student.middle.{i}.{name}' for i in range(8) for name in ('weight', 'bias')),
            ],
        ),
        (LR * 0.1, DECAY, ['student.last.weight', 'student.last.bias']),
    ]
    # mmengine meets a module's own parameters before those of its children
    no_decay = (LR, 0.0, ['student.embed', 'student.norm.weight', 'student.norm.bias'])
    assert groups_of(build(model), model) == [no_decay, *expected]


def test_without_options_there_is_one_group_of_all_that_train():
    model = Pair()
    model.student.shared = model.student.first  # counted once
    ((_, _, names),) = groups_of(build(model, paramwise=None), model)
    assert sorted(names) == sorted(n for n, p in model.named_parameters() if p.requires_grad)


def test_the_papers_config_has_two_groups_of_the_students_heads(shrink):
    """With weight decay and without; the backbone is frozen, and so is the teacher."""
    cfg = shrink(Config.fromfile(CONFIGS / 'pldc/pldc_mask2former_r50_coco_1pct.py'))
    cfg.model.pop('refiner', None)
    model = MODELS.build(cfg.model)
    groups = groups_of(build_optim_wrapper(model, cfg.optim_wrapper), model)
    assert [(lr, decay) for lr, decay, _ in groups] == [(1e-4, 1e-4), (1e-4, 0.0)]
    decaying, others = (set(names) for *_, names in groups)
    head = 'student.panoptic_head'
    assert decaying | others == {
        name for name, _ in model.named_parameters() if name.startswith(head)
    }
    norms = {
        f'{head}.{path}.{name}'
        for path, module in model.student.panoptic_head.named_modules()
        if isinstance(module, nn.GroupNorm | nn.LayerNorm)
        for name, _ in module.named_parameters()
    }
    embeddings = {f'{head}.{name}.weight' for name in ('query_embed', 'query_feat', 'level_embed')}
    pixel_levels = {f'{head}.pixel_decoder.level_encoding.weight'}
    assert norms and others - pixel_levels == norms | embeddings


@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=0.01, norm_type=2), dict(max_norm=50.0)])
def test_training_is_the_same_bit_for_bit(clip_grad):
    merged, stock = Network(), Network()
    stock.load_state_dict(merged.state_dict())
    wrappers = [
        build(model, constructor, clip_grad=copy.deepcopy(clip_grad))
        for model, constructor in ((merged, MERGED), (stock, STOCK))
    ]
    assert [len(wrapper.optimizer.param_groups) for wrapper in wrappers] == [3, 23]
    schedulers = [
        MultiStepLR(wrapper, milestones=[10], gamma=0.1, by_epoch=False) for wrapper in wrappers
    ]
    before = copy.deepcopy(merged.state_dict())
    losses = [
        train(model, wrapper, 20, scheduler=scheduler)
        for model, wrapper, scheduler in zip((merged, stock), wrappers, schedulers, strict=True)
    ]
    assert losses[0] == losses[1]
    for name, value in merged.state_dict().items():
        assert torch.equal(value, stock.state_dict()[name]), name
        assert torch.equal(value, before[name]) == name.startswith('frozen'), name


def test_clipping_goes_in_the_models_order():
    """The norm of all gradients is a sum of floats; in the groups' order it is another one."""
    model = Network()
    wrapper = build(model, clip_grad=dict(max_norm=1e9))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    grouped = [p for group in wrapper.optimizer.param_groups for p in group['params']]
    differs = 0
    for _ in range(10):
        for parameter in trained:
            parameter.grad = torch.randn_like(parameter)
        expected = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in trained]))
        assert wrapper.clip_func(grouped, max_norm=1e9) == expected
        differs += torch.nn.utils.clip_grad_norm_(grouped, 1e9) != expected
    assert differs


def test_resume_equals_uninterrupted():
    whole = Network()
    wrapper = build(whole)
    scheduler = MultiStepLR(wrapper, milestones=[6], gamma=0.1, by_epoch=False)
    train(whole, wrapper, 5, seed=1, scheduler=scheduler)
    state = copy.deepcopy([part.state_dict() for part in (whole, wrapper, scheduler)])

    torch.manual_seed(1)
    resumed = Network()
    resumed_wrapper = build(resumed)
    resumed_scheduler = MultiStepLR(resumed_wrapper, milestones=[6], gamma=0.1, by_epoch=False)
    for part, part_state in zip((resumed, resumed_wrapper, resumed_scheduler), state, strict=True):
        part.load_state_dict(part_state)
    losses = [
        train(model, optimiser, 5, seed=2, scheduler=schedule)
        for model, optimiser, schedule in (
            (whole, wrapper, scheduler),
            (resumed, resumed_wrapper, resumed_scheduler),
        )
    ]
    assert losses[0] == losses[1]
    assert resumed_wrapper.get_lr()['lr'] == pytest.approx([LR / 10, LR / 10, LR / 100])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_state_of_other_groups_is_refused():
    model = Network()
    wrapper, stock = build(model), build(model, STOCK)
    train(model, stock, 1)
    with pytest.raises(ValueError, match=r'of 23 parameter groups.* this run one of 3 .*resume'):
        wrapper.load_state_dict(stock.state_dict())


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match='nothing to optimise'):
        build(Network().requires_grad_(False))


def test_merge_fills_in_defaults_and_keeps_other_options_apart():
    a, b, c, d, e = 'abcde'
    groups = [
        dict(params=[a], betas=[0.9, 0.99]),
        dict(params=[b], lr=1.0),
        dict(params=[c], lr=2.0, lr_mult=2.0),
        dict(params=[d], betas=[0.9, 0.99], decay_mult=1.0),
        dict(params=[e]),
    ]
    given = copy.deepcopy(groups)
    assert merge_groups(groups, dict(lr=1.0, weight_decay=None)) == [
        dict(params=[a, d], lr=1.0, betas=[0.9, 0.99]),
        dict(params=[b, e], lr=1.0),
        dict(params=[c], lr=2.0),
    ]
    assert groups == given
    assert merge_groups([], {}) == []
