"""Short runs of the quickstart's configs in this process: labels, losses, resuming, precision."""

from functools import partial

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch.amp import GradScaler

BURN_IN = 2
STEPS = 5


class Watch(Hook):
    """The images and the losses of each step."""

    def __init__(self) -> None:
        self.images, self.logs = {}, {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.images[runner.iter] = {
            name: [sample.img_id for sample in samples if sample is not None]
            for name, samples in data_batch['data_samples'].items()
        }

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs[runner.iter] = {name: value.item() for name, value in outputs.items()}


def test_run_learns_from_pseudo_labels_after_burn_in(load_config, run):
    watch = Watch()
    runner = run(load_config(max_iters=4), hooks=[watch])
    assert sorted(watch.logs) == [0, 1, 2, 3]
    for step, log in watch.logs.items():
        assert all(torch.isfinite(torch.tensor(value)) for value in log.values())
        pseudo = {name for name in log if name.startswith(('pseudo_', 'unsup_'))}
        assert bool(pseudo) == (step >= BURN_IN)
        if pseudo:
            assert log['pseudo_per_image'] > 0 and log['unsup_loss_mask'] > 0
        for images in watch.images[step].values():
            assert len(images) in (0, 2)
    assert runner.model.teacher_is_set
    teacher, student = (m.state_dict() for m in (runner.model.teacher, runner.model.student))
    assert any(not torch.equal(teacher[name], student[name]) for name in teacher)


def test_supervised_baseline_needs_no_unlabelled_images(load_config, run):
    watch = Watch()
    runner = run(load_config('supervised', max_iters=3), hooks=[watch])
    assert all(
        {name[:4] for name in log} <= {'loss', 'sup_', 'grad'} for log in watch.logs.values()
    )
    assert runner.model.teacher_is_set


# ---------------------------------------------------------------- resuming


@pytest.fixture
def train(load_config, run, tmp_path):
    """Train for five steps, from the start or from a checkpoint of an earlier run."""

    def train(name: str = 'pldc', *, after: int = 0, **settings):
        cfg = load_config(name, max_iters=STEPS, **settings)
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.save_best = None
        watch = Watch()
        options = dict(work_dir=tmp_path / 'uninterrupted')
        if after:
            checkpoint = str(options['work_dir'] / f'iter_{after}.pth')
            options = dict(
                work_dir=tmp_path / f'resumed_{after}', load_from=checkpoint, resume=True
            )
        runner = run(cfg, hooks=[watch], **options)
        (log,) = options['work_dir'].glob('*/*.log')
        return runner, watch, log.read_text()

    return train


def test_resumed_run_equals_an_uninterrupted_one_bit_for_bit(train):
    """In burn-in, at its end, and after it; with DICC and adaptive thresholds."""
    # thresholds that labels of a teacher that has learnt nothing pass
    ranges = dict(class_range=(0.0, 0.4), mask_range=(0.0, 0.6))
    settings = {'model.class_thresholds': ranges}
    train = partial(train, '../comparison/pldc_aaai', **settings)
    uninterrupted, expected, _ = train()
    assert expected.logs[STEPS - 1]['pseudo_per_image'] > 0
    thresholds = uninterrupted.model.class_thresholds
    assert len(set(thresholds.class_thr.tolist())) > 1
    weights = {k: v.clone() for k, v in uninterrupted.model.state_dict().items()}
    for after in (BURN_IN - 1, BURN_IN, BURN_IN + 1):
        resumed, watch, _ = train(after=after)
        assert resumed.model.refiner.weight(resumed.model.progress) == (
            uninterrupted.model.refiner.weight(uninterrupted.model.progress)
        )
        assert sorted(watch.logs) == list(range(after, STEPS))
        for step, log in watch.logs.items():
            assert log == expected.logs[step], (after, step)
        for name, tensor in resumed.model.state_dict().items():
            assert torch.equal(tensor, weights[name]), (after, name)


@pytest.mark.parametrize('num_workers', [0, pytest.param(2, marks=pytest.mark.slow)])
def test_resumed_run_sees_the_images_that_the_uninterrupted_one_would_have_seen(train, num_workers):
    settings = {'train_dataloader.num_workers': num_workers}
    _, uninterrupted, log = train(**settings)
    assert 'Advance dataloader' not in log
    _, resumed, log = train(after=3, **settings)
    assert resumed.images == {step: uninterrupted.images[step] for step in (3, 4)}
    assert 'Advance dataloader 3 steps' in log
    assert 'Fast sampler-level resume is unavailable' not in log
    seen = [tuple(images['unsup_weak']) for images in uninterrupted.images.values()]
    assert len(set(seen)) > 1


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_half_precision_trains_with_finite_losses(dtype, load_config, run, monkeypatch):
    """mmengine asks for a GPU, though torch's autocast and loss scaler know the CPU too."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr('mmengine.runner.amp.autocast', partial(torch.autocast, 'cpu'))
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(GradScaler, device='cpu'))
    watch = Watch()
    precisions = {}

    class Precision(Hook):
        def before_train(self, runner):
            for name in 'student', 'teacher':

                def remember(module, args, result, name=name):
                    precisions[name] = result.dtype

                getattr(runner.model, name).panoptic_head.cls_embed.register_forward_hook(remember)

    settings = {
        'optim_wrapper.type': 'mmpldc.GuardedAmpOptimWrapper',
        'optim_wrapper.dtype': dtype,
        'model.burn_in_iters': 1,  # a step takes ten times as long in half precision on a CPU
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
    }
    runner = run(load_config(max_iters=2, **settings), hooks=[watch, Precision()])
    half = getattr(torch, dtype)
    assert precisions == dict(student=half, teacher=half)
    assert sorted(watch.logs) == [0, 1]
    for step, log in watch.logs.items():
        assert all(torch.isfinite(torch.tensor(value)) for value in log.values())
        assert ('unsup_loss_mask' in log) == (step == 1)
    assert watch.logs[1]['pseudo_per_image'] > 0
    assert {p.dtype for p in runner.model.parameters()} == {torch.float32}
    assert runner.optim_wrapper.loss_scaler.get_scale() >= 1024  # few gradients overflowed
    assert runner.message_hub.get_info('skipped_steps', 0) == 0  # no loss did
