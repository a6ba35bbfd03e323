"""Faults of numbers in real runs: a step is skipped and told of, or the run stops with a dump."""

from collections import defaultdict
from copy import deepcopy
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.runner import Runner
from torch.amp import GradScaler

from mmpldc.engine.step_dump import load_step

NAN = float('nan')
BURN_IN = 2
BRANCHES = {'sup': 'sup_strong', 'unsup': 'unsup_strong', 'teacher': 'unsup_weak'}


class Fault(Hook):
    """Break the step of some iterations, on some ranks, and remember the weights around each step.

    Args:
        kind: what to break: an image that the student sees ('sup', 'unsup') or the teacher does
            ('teacher'), a 'loss', a 'gradient', or the student's 'weights' themselves.
        at: the iterations, counted from 0.
        ranks: which ones.
    """

    priority = 'VERY_LOW'  # after the teacher has moved

    def __init__(self, kind: str, at: tuple, *, ranks: tuple = (0,)) -> None:
        self.kind, self.at, self.ranks = kind, at, ranks
        self.broken = False
        self.paths, self.before, self.after, self.logs = {}, {}, {}, {}

    def before_train(self, runner):
        model = self.model = getattr(runner.model, 'module', runner.model)
        parse_losses = model.parse_losses
        model.parse_losses = lambda losses: self.remember(*parse_losses(losses))
        if self.kind in BRANCHES:
            model.data_preprocessor.register_forward_hook(self.spoil_image)
        elif self.kind == 'loss':
            criterion = model.loss_by_gt_instances
            model.loss_by_gt_instances = lambda *args: self.spoil_loss(criterion(*args))
        elif self.kind == 'gradient':
            model.student.panoptic_head.query_feat.weight.register_hook(
                lambda gradient: gradient * NAN if self.broken else gradient
            )

    def remember(self, loss, values):
        self.last = {name: value.item() for name, value in values.items()}
        return loss, values

    def spoil_image(self, module, args, data):
        if self.broken:
            data['inputs'][BRANCHES[self.kind]][0, 0, 3, 3] = NAN

    def spoil_loss(self, losses):
        return losses | dict(sup_loss_dice=losses['sup_loss_dice'] * NAN) if self.broken else losses

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.broken = runner.iter in self.at and get_rank() in self.ranks
        if self.broken and self.kind == 'weights':
            with torch.no_grad():
                self.model.student.panoptic_head.cls_embed.bias[0] = NAN
        paths = self.paths[runner.iter] = defaultdict(list)
        for batch in data_batch if isinstance(data_batch, list) else [data_batch]:
            for branch, samples in batch['data_samples'].items():
                paths[branch] += [Path(s.img_path).name for s in samples if s is not None]
        self.before[runner.iter] = weights_of(self.model.student)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.after[runner.iter] = weights_of(self.model.student)
        self.logs[runner.iter] = self.last


def weights_of(module) -> list:
    return [parameter.detach().clone() for parameter in module.parameters()]


def digest(tensors: list) -> str:
    return sha256(b''.join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def same(first: list, second: list) -> bool:
    return all(map(torch.equal, first, second))


@pytest.fixture
def train(load_config, run, tmp_path):
    """Train; the Runner, and its log."""

    def train(fault: Fault, *, work_dir=tmp_path / 'work_dir', resume_from=None, **settings):
        cfg = without_validation(load_config(**dict(max_iters=5) | settings))
        cfg.load_from, cfg.resume = resume_from, resume_from is not None
        runner = run(cfg, hooks=[fault], work_dir=work_dir)
        return runner, read_log(work_dir)

    return train


def without_validation(cfg: Config) -> Config:
    """And with a checkpoint at the end only."""
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(save_best=None, interval=100)
    return cfg


def read_log(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def warnings_in(log: str) -> list[str]:
    """What was logged of skipped steps, each with the line below."""
    lines = log.splitlines()
    return [
        '\n'.join(lines[number : number + 2])
        for number, line in enumerate(lines)
        if 'is not finite, the step is skipped' in line
    ]


# ---------------------------------------------------------------- one bad step


@pytest.mark.parametrize(
    ('kind', 'at'), [('sup', 1), ('sup', 3), ('unsup', 3), ('loss', 3), ('gradient', 3)]
)
def test_a_bad_step_is_skipped_and_named_and_training_goes_on(train, kind, at):
    fault = Fault(kind, (at,))
    runner, log = train(fault)
    for step in range(5):
        assert same(fault.before[step], fault.after[step]) == (step == at)
        finite = all(map(torch.isfinite, map(torch.tensor, fault.logs[step].values())))
        assert finite == (step != at or kind == 'gradient')
    # running statistics of batch norm included
    assert all(tensor.isfinite().all() for tensor in runner.model.state_dict().values())
    assert runner.message_hub.get_info('skipped_steps') == 1
    assert runner.message_hub.get_info('skipped_steps_in_a_row') == 0

    (warning,) = warnings_in(log)
    assert f'iteration {at + 1}: a loss or gradient is not finite' in warning
    assert '(1 so far, 1 in a row)' in warning
    assert 'steps skipped for a non-finite loss or gradient: 1' in log
    paths = fault.paths[at]
    if kind == 'gradient':
        assert 'rank 0: gradients only; images: ' in warning
        named = {name for names in paths.values() for name in names}
    elif kind == 'loss':
        assert 'rank 0: loss=nan, sup_loss_dice=nan; images: ' in warning
        named = set(paths['sup_strong'])
    else:
        assert f'{kind}_loss_cls=nan' in warning
        named = set(paths[BRANCHES[kind]])
    assert {Path(path).name for path in warning.split('images: ')[1].split(', ')} == named


def test_an_image_that_the_teacher_fails_on_gets_no_labels(train):
    """And nothing else: the step is taken, the image is named, adaptive thresholds stay finite."""
    settings = {
        'model.class_thresholds': dict(
            type='mmpldc.ClassAwareThresholds', class_range=(0.0, 0.4), mask_range=(0.0, 0.6)
        ),
        'default_hooks.teacher_collapse.interval': 2,
    }
    fault = Fault('teacher', (3,))
    runner, log = train(fault, max_iters=6, **settings)
    assert not any(same(fault.before[step], fault.after[step]) for step in range(6))
    assert all(tensor.isfinite().all() for tensor in runner.model.state_dict().values())
    assert not warnings_in(log)
    assert runner.message_hub.get_info('skipped_steps', 0) == 0
    (line,) = (line for line in log.splitlines() if "the teacher's output contained NaN" in line)
    assert 'iterations 3 to 4: ' in line and 'for 1 of 4 images' in line
    assert line.endswith(fault.paths[3]['unsup_weak'][0])


def test_a_teacher_that_fails_on_every_image_ends_the_run(train):
    class Break(Fault):
        def before_train_iter(self, runner, *args, **kwargs):
            super().before_train_iter(runner, *args, **kwargs)
            with torch.no_grad():
                self.model.teacher.panoptic_head.query_feat.weight[0, 0] = NAN

    settings = {'default_hooks.teacher_collapse.interval': 2}
    with pytest.raises(RuntimeError, match=r'iterations 3 to 4: .* NaN for every image'):
        train(Break('none', ()), max_iters=8, **settings)


@pytest.mark.slow
def test_the_counts_survive_a_resume(train, tmp_path):
    train(Fault('loss', (0, 2)), max_iters=3)
    fault = Fault('loss', (3,))
    checkpoint = str(tmp_path / 'work_dir/iter_3.pth')
    runner, log = train(fault, work_dir=tmp_path / 'resumed', resume_from=checkpoint, max_iters=4)
    assert sorted(fault.logs) == [3]
    assert runner.message_hub.get_info('skipped_steps') == 3
    assert '(3 so far, 2 in a row)' in log


def test_all_micro_batches_of_a_bad_step_are_named(train):
    fault = Fault('loss', (1,))
    _, log = train(fault, max_iters=3, **{'optim_wrapper.accumulative_counts': 2})
    unmoved = [same(fault.before[step], fault.after[step]) for step in range(3)]
    assert unmoved == [False, True, False]
    (warning,) = warnings_in(log)
    named = {Path(path).name for path in warning.split('images: ')[1].split(', ')}
    assert named == set(fault.paths[1]['sup_strong'])
    assert len(fault.paths[1]['sup_strong']) == 4


@pytest.mark.slow
def test_gradients_that_overflow_under_a_scaled_loss_are_no_fault(train, monkeypatch, tmp_path):
    """As in float16, by torch's scaler for the CPU; its state is saved and resumed."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', partial(GradScaler, device='cpu'))
    settings = {
        'optim_wrapper.type': 'mmpldc.GuardedAmpOptimWrapper',
        'optim_wrapper.dtype': 'bfloat16',
        'optim_wrapper.loss_scale': dict(init_scale=2.0**126, backoff_factor=2.0**-120),
    }
    fault = Fault('none', ())
    runner, log = train(fault, max_iters=2, **settings)
    assert [same(fault.before[step], fault.after[step]) for step in range(2)] == [True, False]
    assert 'iteration 1: gradients overflowed' in log and 'loss scale is now 64' in log
    assert not warnings_in(log)
    assert runner.message_hub.get_info('skipped_steps', 0) == 0
    assert runner.message_hub.get_info('skipped_steps_in_a_row') == 0

    fault = Fault('none', ())
    checkpoint = str(tmp_path / 'work_dir/iter_2.pth')
    runner, log = train(
        fault, work_dir=tmp_path / 'resumed', resume_from=checkpoint, max_iters=3, **settings
    )
    assert 'overflowed' not in log and not same(fault.before[2], fault.after[2])
    assert runner.optim_wrapper.loss_scaler.get_scale() == 64


def test_a_wrapper_that_takes_any_step_is_refused(train):
    with pytest.raises(ValueError, match=r'GuardedOptimWrapper.*default_hooks.non_finite=None'):
        train(Fault('loss', ()), **{'optim_wrapper.type': 'OptimWrapper'})


# ---------------------------------------------------------------- too many


STOP_AFTER_2 = {'default_hooks.non_finite.max_in_a_row': 2}


@pytest.mark.slow
def test_steps_that_stay_bad_end_the_run_with_a_dump_that_repeats_the_last(
    train, run_tool, tmp_path
):
    fault = Fault('weights', (3,))
    with pytest.raises(RuntimeError, match=r'2 steps in a row .* the last at iteration 5'):
        train(fault, max_iters=9, **STOP_AFTER_2)
    work_dir = tmp_path / 'work_dir'
    dump = work_dir / 'nonfinite_iter_5_rank_0.pth'
    step = load_step(dump)
    assert (step['iteration'], step['rank'], step['world_size']) == (4, 0, 1)
    text = run_tool('analysis/replay_step.py', '--trust-dump', dump, cwd=tmp_path)
    assert 'iteration 5, rank 0 of 1' in text
    repeated = dict(line.split(': ', 1) for line in text.splitlines() if ': ' in line)
    for name, value in fault.last.items():
        assert repeated[name] == f'{value:.6g}', name
    assert fault.last['sup_loss_cls'] != fault.last['sup_loss_cls']  # NaN
    assert 0 < fault.last['sup_loss_mask'] < 10  # at random points
    # the teacher has followed the broken weights, and comes first in a step
    assert "first module's output that is not finite: teacher.panoptic_head.cls_embed" in text
    assert 'the step is skipped' in text


def test_good_steps_in_between_start_the_count_anew(train):
    runner, _ = train(Fault('loss', (0, 2, 4)), **STOP_AFTER_2)
    assert runner.message_hub.get_info('skipped_steps') == 3


@pytest.mark.slow
def test_a_fault_of_one_of_two_ranks_is_one_of_both(
    load_config, run_on_ranks, tmp_path, monkeypatch
):
    """Skipped once and gone on; then skipped until both stop, at the same step."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    cfg = without_validation(load_config(max_iters=9, **STOP_AFTER_2))
    cfg.work_dir, cfg.experiment_name = str(tmp_path), 'two_ranks'
    cfg.launcher = 'pytorch'  # the process group is there
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
    )
    fault = Fault('unsup', (2, 4, 5), ranks=(1,))

    def train(rank):
        runner = Runner.from_cfg(deepcopy(cfg))
        runner.register_hook(fault, 'VERY_LOW')
        try:
            runner.train()
        except RuntimeError as error:
            message = str(error)
        weights = {step: digest(weights) for step, weights in fault.after.items()}
        return message, weights, fault.paths

    (message, weights, _), (other_message, other_weights, other_paths) = run_on_ranks(train)
    assert message == other_message and 'the last at iteration 6' in message
    assert weights == other_weights
    assert sorted(weights) == [0, 1, 2, 3, 4]  # the sixth step raised
    assert weights[2] == weights[1] != weights[3] == weights[4]
    found = warnings_in(read_log(tmp_path))
    assert len(found) == 3
    for warning, step in zip(found, (2, 4, 5), strict=True):
        _, named = warning.split('\n')
        assert named.startswith('rank 1: loss=nan, unsup_loss_cls=nan')
        names = {Path(path).name for path in named.split('images: ')[1].split(', ')}
        assert names == set(other_paths[step]['unsup_strong'])
    dumps = [load_step(tmp_path / f'nonfinite_iter_6_rank_{rank}.pth') for rank in range(2)]
    assert [dump['rank'] for dump in dumps] == [0, 1]
