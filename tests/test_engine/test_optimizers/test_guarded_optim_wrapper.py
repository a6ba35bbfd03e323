"""Steps that are not finite leave no trace; all others are mmengine's, bit for bit."""

import warnings
from copy import deepcopy
from functools import partial

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import LinearLR, OptimWrapper, build_optim_wrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import nn
from torch.amp import GradScaler

from mmpldc.engine.optimizers import GuardedAmpOptimWrapper, GuardedOptimWrapper

NAN, INF = float('nan'), float('inf')
OPTIMIZERS = [
    partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
    partial(torch.optim.AdamW, lr=0.1, fused=True),
    partial(torch.optim.AdamW, lr=0.1, foreach=True),
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
]
CLIP = dict(max_norm=0.5)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))


def loss_of(model: nn.Module, seed: int) -> torch.Tensor:
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
    return model(inputs).square().mean()


def state_of(model: nn.Module, wrapper: OptimWrapper) -> tuple:
    return deepcopy(model.state_dict()), deepcopy(wrapper.state_dict())


def assert_same(found, expected) -> None:
    """Equal nested containers of tensors."""
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def bad_gradient(loss, parameter, value):
    def spoil(gradient):
        handle.remove()
        return gradient.index_fill(1, torch.tensor([1]), value)

    handle = parameter.register_hook(spoil)
    return loss


FAULTS = {  # by name: what makes a bad loss of a good one, or of a parameter's gradient
    'nan loss': lambda loss, parameter: loss * NAN,
    'infinite loss': lambda loss, parameter: loss + INF,
    'nan beside the graph': lambda loss, parameter: loss + torch.tensor(NAN),  # gradients: finite
    'nan gradient': partial(bad_gradient, value=NAN),
    'infinite gradient': partial(bad_gradient, value=-INF),
    'gradients whose norm overflows': partial(bad_gradient, value=3e38),
}


def take_bad_step(model, wrapper, fault) -> None:
    wrapper.update_params(FAULTS[fault](loss_of(model, 7), model[2].weight))


# ---------------------------------------------------------------- finite steps


@pytest.mark.parametrize('make_optimizer', OPTIMIZERS)
@pytest.mark.parametrize('accumulative_counts', [1, 2])
def test_finite_steps_are_mmengines(make_optimizer, accumulative_counts):
    outcomes = []
    for wrapper_type in OptimWrapper, GuardedOptimWrapper:
        model = make_model()
        wrapper = wrapper_type(
            optimizer=make_optimizer(model.parameters()),
            clip_grad=dict(CLIP),
            accumulative_counts=accumulative_counts,
        )
        for seed in range(4):
            wrapper.update_params(loss_of(model, seed))
        norm = wrapper.message_hub.get_scalar('train/grad_norm').current()
        outcomes.append((*state_of(model, wrapper), norm))
    assert_same(*outcomes)
    assert not wrapper.skipped


def test_without_clipping_gradients_stay_as_they_are():
    outcomes = []
    for wrapper_type in OptimWrapper, GuardedOptimWrapper:
        model = make_model()
        wrapper = wrapper_type(optimizer=OPTIMIZERS[0](model.parameters()))
        for seed in range(3):
            wrapper.update_params(100 * loss_of(model, seed))
        outcomes.append(state_of(model, wrapper))
    assert_same(*outcomes)


# ---------------------------------------------------------------- steps that are not


@pytest.mark.parametrize('fault', FAULTS)
@pytest.mark.parametrize('make_optimizer', OPTIMIZERS)
@pytest.mark.parametrize('clip_grad', [CLIP, None])
def test_a_bad_step_leaves_no_trace(fault, make_optimizer, clip_grad):
    """Before the optimiser has any state, and after; and then training goes on."""
    states = []
    for faults_at in [(), (0, 2)]:
        model = make_model()
        wrapper = GuardedOptimWrapper(
            optimizer=make_optimizer(model.parameters()),
            clip_grad=None if clip_grad is None else dict(clip_grad),
        )
        for seed in range(3):
            if seed in faults_at:
                before = state_of(model, wrapper)
                take_bad_step(model, wrapper, fault)
                assert wrapper.skipped
                assert_same(state_of(model, wrapper), before)
            wrapper.update_params(loss_of(model, seed))
            assert not wrapper.skipped
        states.append(state_of(model, wrapper))
    assert_same(*states)


def test_a_bad_micro_batch_costs_its_own_step_only():
    states = []
    for faulty in False, True:
        model = make_model()
        wrapper = GuardedOptimWrapper(
            optimizer=OPTIMIZERS[0](model.parameters()), accumulative_counts=2
        )
        if faulty:
            take_bad_step(model, wrapper, 'nan loss')
            wrapper.update_params(loss_of(model, 9))
            assert wrapper.skipped
        for seed in range(4):
            wrapper.update_params(loss_of(model, seed))
        assert not wrapper.skipped
        states.append(state_of(model, wrapper))
    assert_same(*states)


def test_the_log_of_the_norm_stays_finite():
    model = make_model()
    wrapper = GuardedOptimWrapper(optimizer=OPTIMIZERS[0](model.parameters()))
    norms = wrapper.message_hub.log_scalars
    norms.pop('train/grad_norm', None)
    take_bad_step(model, wrapper, 'nan loss')
    assert 'train/grad_norm' not in norms
    wrapper.update_params(loss_of(model, 0))
    history, _ = norms['train/grad_norm'].data
    assert len(history) == 1 and 0 < history[0] < INF


def test_schedules_go_on():
    """They count iterations; none warns that it came before the optimiser."""
    model = make_model()
    wrapper = GuardedOptimWrapper(optimizer=OPTIMIZERS[0](model.parameters()))
    schedule = LinearLR(wrapper, start_factor=0.5, begin=0, end=4, by_epoch=False)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        take_bad_step(model, wrapper, 'nan loss')
        schedule.step()
    assert wrapper.get_lr()['lr'] == pytest.approx([0.1 * (0.5 + 0.5 / 3)])


@pytest.mark.parametrize('wrapper_type', [GuardedOptimWrapper, GuardedAmpOptimWrapper])
def test_clipping_by_value_is_refused(wrapper_type):
    """It makes a large finite number of an infinity."""
    optimizer = OPTIMIZERS[0](make_model().parameters())
    with pytest.raises(ValueError, match='needs the norm'):
        wrapper_type(optimizer=optimizer, clip_grad=dict(type='value', clip_value=1.0))


def test_merged_constructor_builds_it():
    model = make_model()
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='mmpldc.GuardedOptimWrapper',
            constructor='mmpldc.MergedOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1),
            clip_grad=dict(max_norm=1.0),
            paramwise_cfg=dict(bias_decay_mult=0.0),
        ),
    )
    assert isinstance(wrapper, GuardedOptimWrapper)
    before = state_of(model, wrapper)
    take_bad_step(model, wrapper, 'nan gradient')
    assert wrapper.skipped
    assert_same(state_of(model, wrapper), before)


# ---------------------------------------------------------------- ranks


def test_a_fault_of_one_rank_skips_the_step_on_all(run_on_ranks):
    def train(rank):
        model = MMDistributedDataParallel(make_model(), device_ids=None)
        wrapper = GuardedOptimWrapper(
            optimizer=OPTIMIZERS[0](model.parameters()), clip_grad=dict(CLIP)
        )
        trace = []
        for step, fault in enumerate([None, *FAULTS, None]):
            loss = loss_of(model, 10 * step + rank)
            if fault is not None and rank == 1:
                loss = FAULTS[fault](loss, model.module[2].weight)
            wrapper.update_params(loss)
            moments = [v for state in wrapper.optimizer.state.values() for v in state.values()]
            values = torch.cat([v.detach().flatten() for v in [*model.parameters(), *moments]])
            trace.append((wrapper.skipped, values.tolist()))
        return trace

    first, second = run_on_ranks(train)
    assert [skipped for skipped, _ in first] == [False, *[True] * len(FAULTS), False]
    assert second == first
    values = [values for _, values in first]
    assert all(each == values[0] for each in values[1:-1])
    assert values[-1] != values[0]


# ---------------------------------------------------------------- a scaled loss


@pytest.fixture
def make_scaled(monkeypatch):
    """The AMP wrapper on the CPU, whose loss scaler torch has as well."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(GradScaler, device='cpu'))

    def make_scaled(model, make_optimizer=OPTIMIZERS[0], **options):
        return GuardedAmpOptimWrapper(optimizer=make_optimizer(model.parameters()), **options)

    return make_scaled


@pytest.mark.parametrize('make_optimizer', [OPTIMIZERS[0], OPTIMIZERS[1], OPTIMIZERS[3]])
@pytest.mark.parametrize('clip_grad', [CLIP, None])
@pytest.mark.parametrize('fault', FAULTS)
def test_a_bad_step_of_a_scaled_loss_leaves_no_trace(make_scaled, make_optimizer, clip_grad, fault):
    model = make_model()
    wrapper = make_scaled(
        model, make_optimizer, clip_grad=None if clip_grad is None else dict(clip_grad)
    )
    assert wrapper.scales_loss
    for seed in range(2):
        before = model.state_dict(), deepcopy(wrapper.optimizer.state_dict())
        before = deepcopy(before)
        take_bad_step(model, wrapper, fault)
        assert wrapper.skipped
        assert_same((model.state_dict(), wrapper.optimizer.state_dict()), before)
        wrapper.update_params(loss_of(model, seed))
        assert not wrapper.skipped
        assert not model[0].weight.equal(before[0]['0.weight'])


def test_the_scale_backs_off_until_gradients_fit(make_scaled):
    """As in float16's first steps: here gradients fit from a scale of 2 on."""
    model = make_model()
    wrapper = make_scaled(model, loss_scale=dict(init_scale=16.0))
    skipped = []
    for seed in range(5):
        fits = wrapper.loss_scaler.get_scale() <= 2
        loss = loss_of(model, seed)
        if not fits:
            loss = FAULTS['infinite gradient'](loss, model[2].weight)
        wrapper.update_params(loss)
        skipped.append(wrapper.skipped)
    assert skipped == [True, True, True, False, False]
    assert wrapper.loss_scaler.get_scale() == 2


def test_the_scaler_is_saved_and_resumed(make_scaled):
    """Its scale, and how many good steps it has seen since it was last changed."""
    wrappers = []
    for _ in range(2):
        model = make_model()
        wrappers.append((model, make_scaled(model, loss_scale=dict(init_scale=64.0))))
    model, wrapper = wrappers[0]
    take_bad_step(model, wrapper, 'infinite gradient')
    for seed in range(3):
        wrapper.update_params(loss_of(model, seed))
    saved = deepcopy(wrapper.state_dict())
    assert (saved['loss_scaler']['scale'], saved['loss_scaler']['_growth_tracker']) == (32.0, 3)
    other_model, resumed = wrappers[1]
    other_model.load_state_dict(model.state_dict())
    resumed.load_state_dict(saved)
    for each_model, each in (wrappers[0], (other_model, resumed)):
        each.update_params(loss_of(each_model, 5))
    assert_same(state_of(other_model, resumed), state_of(model, wrapper))


def test_a_loss_that_is_not_scaled(make_scaled):
    """bfloat16 needs no scaler."""
    model = make_model()
    wrapper = make_scaled(model, loss_scale=dict(enabled=False), dtype='bfloat16')
    assert not wrapper.scales_loss
    before = deepcopy(model.state_dict())
    take_bad_step(model, wrapper, 'nan loss')
    assert wrapper.skipped
    assert_same(model.state_dict(), before)


@pytest.mark.gpu
def test_float16_on_a_gpu():
    """Gradients that overflow lower the scale; the scaler's state survives a resume."""
    model = make_model().cuda()
    wrapper = GuardedAmpOptimWrapper(
        optimizer=OPTIMIZERS[0](model.parameters()), loss_scale=dict(init_scale=2.0**40)
    )
    skipped = []
    for seed in range(40):
        before = deepcopy(model.state_dict())
        with wrapper.optim_context(model):
            inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)).cuda()
            loss = model(inputs).square().mean()
        wrapper.update_params(loss)
        skipped.append(wrapper.skipped)
        changed = not model[0].weight.equal(before['0.weight'])
        assert changed != wrapper.skipped
    assert skipped[0] and not skipped[-1]
    assert skipped == sorted(skipped, reverse=True)
    state = deepcopy(wrapper.state_dict())
    assert state['loss_scaler']['scale'] < 2.0**40
    resumed = GuardedAmpOptimWrapper(optimizer=OPTIMIZERS[0](model.parameters()))
    resumed.load_state_dict(deepcopy(state))
    assert resumed.state_dict()['loss_scaler'] == state['loss_scaler']
