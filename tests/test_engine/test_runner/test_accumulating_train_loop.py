"""An iteration is an optimiser step, whatever it is made of."""

import pytest
import torch
from mmengine.hooks import Hook

from mmpldc.engine.hooks import MeanTeacherHook
from mmpldc.engine.runner.accumulating_train_loop import MicroBatches, mean_outputs

BURN_IN = 2
STEPS = 5
OURS = 'mmpldc.AccumulatingTrainLoop'


class Watch(Hook):
    """What hooks are given at each iteration."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.batches, self.sizes, self.losses, self.lrs, self.synced = [], [], [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        micro_batches = data_batch if isinstance(data_batch, list) else [data_batch]
        self.sizes.append([len(batch['inputs']) for batch in micro_batches])
        self.batches.append(torch.stack([x for batch in micro_batches for x in batch['inputs']]))
        self.lrs.append(runner.optim_wrapper.get_lr()['lr'][0])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].item())
        self.synced.append(runner.optim_wrapper.inner_count)


@pytest.fixture
def train(make_runner, toy_pair, tmp_path):
    """Train a pair without batch norm, whose statistics would be those of micro-batches."""

    def train(name, **options):
        torch.manual_seed(0)
        model = toy_pair(BURN_IN)
        for network in (model.student, model.teacher):
            network[1] = torch.nn.Identity()
        watch = Watch()
        runner = make_runner(
            model=model,
            hooks=(MeanTeacherHook(keep_rate=0.5), watch),
            work_dir=tmp_path / name,
            max_iters=STEPS,
            param_scheduler=dict(type='MultiStepLR', by_epoch=False, milestones=[3], gamma=0.1),
            **options,
        )
        runner.train()
        return runner, watch

    return train


def assert_same_weights(first, second, **tolerance):
    for step in range(STEPS + 1):
        for network in ('student', 'teacher'):
            torch.testing.assert_close(
                *(run.recorder.weights[step][network] for run in (first, second)), **tolerance
            )


def test_without_accumulation_it_is_mmengines_loop_bit_for_bit(train):
    (stock, expected), (ours, seen) = train('stock'), train('ours', train_loop=OURS)
    assert_same_weights(stock, ours, rtol=0, atol=0)
    assert expected.losses == seen.losses and expected.lrs == seen.lrs
    assert seen.sizes == [[8]] * STEPS


@pytest.mark.parametrize('count', [2, 4])
def test_steps_equal_those_of_one_large_batch(train, count):
    """Weights, the teacher's after burn-in, the schedule and the logged loss."""
    whole, expected = train('whole', train_loop=OURS)
    parts, seen = train('parts', train_loop=OURS, batch_size=8 // count, accumulative_counts=count)
    assert seen.sizes == [[8 // count] * count] * STEPS
    for ours, theirs in zip(seen.batches, expected.batches, strict=True):
        assert torch.equal(ours, theirs)
    assert_same_weights(whole, parts, rtol=1e-5, atol=1e-6)
    weights = parts.recorder.weights
    assert [weights[step]['is_set'] for step in range(STEPS + 1)] == [False] * 3 + [True] * 3
    assert seen.lrs == expected.lrs == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01])
    assert seen.losses == pytest.approx(expected.losses, rel=1e-5)
    assert seen.synced == [count * step for step in range(1, STEPS + 1)]


def test_validation_and_checkpoints_count_steps(train, tmp_path):
    runner, _ = train(
        'run',
        train_loop=OURS,
        accumulative_counts=3,
        batch_size=2,
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
        val_interval=2,
        checkpoint=dict(interval=2),
    )
    assert runner.recorder.validated_at == [2, 4, 5]
    names = sorted(path.name for path in (tmp_path / 'run').glob('*.pth'))
    assert names == ['iter_2.pth', 'iter_4.pth', 'iter_5.pth']


@pytest.mark.parametrize('after', [1, 2, 3])
def test_resumed_run_sees_the_batches_that_follow(train, tmp_path, after):
    """Also after an iteration that is no multiple of the accumulation."""
    options = dict(train_loop=OURS, batch_size=4, accumulative_counts=2)
    whole, expected = train('whole', **options)
    checkpoint = str(tmp_path / f'whole/iter_{after}.pth')
    rest, seen = train('rest', load_from=checkpoint, resume=True, **options)
    for ours, theirs in zip(seen.batches, expected.batches[after:], strict=True):
        assert torch.equal(ours, theirs)
    assert seen.losses == expected.losses[after:]
    torch.testing.assert_close(rest.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)


# ---------------------------------------------------------------- parts


def test_micro_batches_are_consecutive_and_skipped_together():
    class Batches:
        position = 0

        def __next__(self):
            self.position += 1
            return self.position - 1

        def skip_iter(self, num_iters):
            self.position += num_iters

    batches = MicroBatches(Batches(), 3)
    assert next(batches) == [0, 1, 2]
    batches.skip_iter(2)
    assert next(batches) == [9, 10, 11]


def test_outputs_are_averaged_over_the_micro_batches_that_have_them():
    def scalars(**values):
        return {name: torch.tensor(value) for name, value in values.items()}

    outputs = mean_outputs([scalars(loss=1.0), scalars(loss=4.0, quality=0.5)])
    assert {name: value.item() for name, value in outputs.items()} == dict(loss=2.5, quality=0.5)
    assert torch.isnan(mean_outputs([scalars(loss=1.0), scalars(loss=float('nan'))])['loss'])
