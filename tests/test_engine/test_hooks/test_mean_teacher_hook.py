"""What the teacher is in each phase; checkpoints and resumed runs keep it so."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import CheckpointLoader
from torch import nn

from mmpldc.engine.hooks import MeanTeacherHook

BURN_IN = 3
STEPS = 6
KEEP_RATE = 0.75


class PointDataset:
    metainfo = dict(classes=('point',))

    def __len__(self) -> int:
        return 4


@MODEL_WRAPPERS.register_module(force=True)
class ToyWrapper(nn.Module):
    """Stands in for MMDistributedDataParallel."""

    def __init__(self, module):
        super().__init__()
        self.module = module


class PlainModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.layer(torch.stack(list(inputs))).sum())


def same(first: dict, second: dict) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def load_state_dict(path) -> dict:
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')['state_dict']


def assert_averaged(
    teacher: dict, previous: dict, student: dict, keep_rate: float = KEEP_RATE
) -> None:
    """teacher = alpha * previous + (1 - alpha) * student; counters copied."""
    assert teacher['1.num_batches_tracked'] == student['1.num_batches_tracked'] > 0
    for name, tensor in teacher.items():
        if tensor.is_floating_point():
            expected = keep_rate * previous[name] + (1 - keep_rate) * student[name]
            torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-6)
            assert not torch.equal(tensor, student[name]) or torch.equal(
                previous[name], student[name]
            ), name


@pytest.fixture
def train(make_runner, toy_pair):
    """Train a pair with the hook; returns what happened and the model."""

    def train(
        *,
        burn_in=BURN_IN,
        kind='supervised',
        keep_rate=KEEP_RATE,
        ramp_up=False,
        buffers='average',
        teacher=None,
        seed=0,
        **options,
    ):
        torch.manual_seed(seed)
        model = toy_pair(burn_in, burn_in=kind)
        assert not same(model.teacher.state_dict(), model.student.state_dict())
        hook = MeanTeacherHook(
            keep_rate=keep_rate, ramp_up=ramp_up, buffers=buffers, teacher_checkpoint=teacher
        )
        runner = make_runner(model=model, hooks=(hook,), **options)
        runner.train()
        return SimpleNamespace(weights=runner.recorder.weights, model=model)

    return train


# ---------------------------------------------------------------- from the first step to the last


def test_teacher_mirrors_the_student_until_burn_in_ends_and_averages_it_then(train):
    run = train()
    assert sorted(run.weights) == list(range(STEPS + 1))
    for step in range(BURN_IN + 1):  # after so many steps; 0 is what the first step sees
        assert same(run.weights[step]['teacher'], run.weights[step]['student']), step
        assert not run.weights[step]['is_set']
    for step in range(BURN_IN + 1, STEPS + 1):
        weights = run.weights[step]
        assert_averaged(weights['teacher'], run.weights[step - 1]['teacher'], weights['student'])
        assert weights['is_set']
    # the student was trained all along, batch norm's statistics with it
    for before, after in zip(range(STEPS), range(1, STEPS + 1), strict=True):
        for name in '0.weight', '1.weight', '1.running_mean', '1.running_var', '3.bias':
            student = [run.weights[step]['student'][name] for step in (before, after)]
            assert not torch.equal(*student), name


def test_without_burn_in_it_averages_from_the_first_step_on(train):
    run = train(burn_in=0, max_iters=2)
    assert same(run.weights[0]['teacher'], run.weights[0]['student'])
    for step in (1, 2):
        weights = run.weights[step]
        assert_averaged(weights['teacher'], run.weights[step - 1]['teacher'], weights['student'])
        assert weights['is_set']


def test_the_keep_rate_ramps_up(train):
    """min(0.75, 1 - 1/(n + 1)) after n steps."""
    run = train(burn_in=0, ramp_up=True)
    for step, keep_rate in enumerate((1 / 2, 2 / 3, 0.75, 0.75, 0.75, 0.75), 1):
        weights = run.weights[step]
        assert_averaged(
            weights['teacher'], run.weights[step - 1]['teacher'], weights['student'], keep_rate
        )


def test_the_ramp_counts_from_the_first_update(train):
    """min(0.75, 1 - 1/n) at the n-th update, so the first one copies (U2PL, iMAS)."""
    run = train(ramp_up='updates', max_iters=BURN_IN + 5)
    first = run.weights[BURN_IN + 1]
    assert first['is_set'] and same(first['teacher'], first['student'])
    for update, keep_rate in enumerate((1 / 2, 2 / 3, 0.75, 0.75), 2):
        step = BURN_IN + update
        weights = run.weights[step]
        assert_averaged(
            weights['teacher'], run.weights[step - 1]['teacher'], weights['student'], keep_rate
        )


@pytest.mark.parametrize('buffers', ['copy', 'keep'])
def test_buffers_are_copied_or_kept(train, buffers):
    run = train(buffers=buffers)
    for step in range(BURN_IN + 1, STEPS + 1):
        weights, before = run.weights[step], run.weights[step - 1]['teacher']
        for name in '1.running_mean', '1.running_var', '1.num_batches_tracked':
            expected = weights['student'] if buffers == 'copy' else before
            assert torch.equal(weights['teacher'][name], expected[name]), (step, name)
        expected = 0.75 * before['0.weight'] + 0.25 * weights['student']['0.weight']
        torch.testing.assert_close(weights['teacher']['0.weight'], expected)


@pytest.mark.parametrize('options', [dict(ramp_up='slowly'), dict(buffers='drop')])
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be'):
        MeanTeacherHook(**options)


def test_a_second_hook_is_refused(make_runner, toy_pair):
    """As a config of version 0.1 over bases of 0.2 has it."""
    runner = make_runner(model=toy_pair(), hooks=(MeanTeacherHook(), MeanTeacherHook()))
    with pytest.raises(ValueError, match=r'default_hooks\.mean_teacher'):
        runner.train()


def test_a_model_without_a_teacher_is_refused(make_runner):
    runner = make_runner(model=PlainModel(), hooks=(MeanTeacherHook(),))
    with pytest.raises(TypeError, match=r'teacher-student model of mmpldc.*PlainModel'):
        runner.train()


def test_burn_in_longer_than_the_run(train):
    run = train(burn_in=STEPS)
    assert same(run.weights[STEPS]['teacher'], run.weights[STEPS]['student'])
    assert not run.model.teacher_is_set


def test_keep_rate_1_freezes_the_teacher_and_0_copies(train):
    frozen, copied = (train(keep_rate=keep_rate).weights for keep_rate in (1.0, 0.0))
    at_boundary, last = (frozen[step]['teacher'] for step in (BURN_IN, STEPS))
    counter = '1.num_batches_tracked'
    assert at_boundary.pop(counter) + STEPS - BURN_IN == last.pop(counter)
    assert same(at_boundary, last)
    assert same(copied[STEPS]['teacher'], copied[STEPS]['student'])


@pytest.mark.parametrize('keep_rate', [-0.1, 1.0004])
def test_keep_rate_outside_0_to_1_is_refused(keep_rate):
    with pytest.raises(ValueError, match='keep_rate'):
        MeanTeacherHook(keep_rate=keep_rate)


def test_the_model_is_told_the_progress_before_each_step(train):
    assert train().model.positions == [(step, STEPS) for step in range(STEPS)]


def test_wrapped_models_are_unwrapped(toy_pair):
    model = toy_pair(burn_in_iters=0)
    loader = SimpleNamespace(dataset=PointDataset())
    hook = MeanTeacherHook(keep_rate=KEEP_RATE)
    runner = SimpleNamespace(
        model=ToyWrapper(model),
        iter=0,
        max_iters=5,
        train_dataloader=loader,
        optim_wrapper=None,
        hooks=[hook],
    )
    hook.before_train(runner)
    assert model.prepared == [('point',)]
    assert same(model.teacher.state_dict(), model.student.state_dict())
    hook.before_train_iter(runner, 0)
    assert model.positions == [(0, 5)]
    hook.after_train_iter(runner, 0)
    assert model.teacher_is_set


# ---------------------------------------------------------------- given teachers


@pytest.fixture
def semi_checkpoint(toy_pair, tmp_path):
    """Write a checkpoint whose teacher and student differ; returns its path and the weights."""

    def write(*, is_set: bool):
        torch.manual_seed(11)
        model = toy_pair()
        for buffer in model.teacher.buffers():
            buffer.add_(2)
        model.teacher_is_set.fill_(is_set)
        path = tmp_path / 'given.pth'
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
        return str(path), model

    return write


def test_given_teacher_is_kept_until_burn_in_ends_and_averaged_then(train, semi_checkpoint):
    path, given = semi_checkpoint(is_set=True)
    run = train(load_from=path)
    assert same(run.weights[0]['student'], given.student.state_dict())
    for step in range(BURN_IN + 1):
        assert same(run.weights[step]['teacher'], given.teacher.state_dict()), step
        assert run.weights[step]['is_set']
    assert not same(run.weights[BURN_IN]['student'], run.weights[0]['student'])
    for step in range(BURN_IN + 1, STEPS + 1):
        weights = run.weights[step]
        assert_averaged(weights['teacher'], run.weights[step - 1]['teacher'], weights['student'])


def test_teacher_that_was_still_a_mirror_is_one_again(train, semi_checkpoint):
    path, given = semi_checkpoint(is_set=False)
    run = train(load_from=path)
    for step in range(BURN_IN + 1):
        assert same(run.weights[step]['teacher'], run.weights[step]['student']), step
    assert same(run.weights[0]['student'], given.student.state_dict())


# ---------------------------------------------------------------- checkpoints and resuming


def test_checkpoints_hold_the_pair_as_it_is_after_the_step(train, tmp_path):
    run = train()
    for step in range(1, STEPS + 1):
        state_dict = load_state_dict(tmp_path / f'work_dir/iter_{step}.pth')
        for name, weights in run.weights[step].items():
            if name != 'is_set':
                saved = {k: state_dict[f'{name}.{k}'] for k in weights}
                assert same(saved, weights), (step, name)
        assert state_dict['teacher_is_set'] == run.weights[step]['is_set']


@pytest.mark.parametrize(
    'step', [1, BURN_IN - 1, BURN_IN, BURN_IN + 1, STEPS - 1], ids=lambda step: f'after {step}'
)
def test_resumed_run_ends_with_the_same_weights_as_an_uninterrupted_one(train, tmp_path, step):
    uninterrupted = train()
    resumed = train(
        seed=99,
        work_dir=tmp_path / 'resumed',
        load_from=str(tmp_path / f'work_dir/iter_{step}.pth'),
        resume=True,
    )
    assert sorted(resumed.weights) == list(range(step, STEPS + 1))
    assert resumed.model.positions[0] == (step, STEPS)
    for after in range(step, STEPS + 1):
        for name in 'student', 'teacher':
            assert same(resumed.weights[after][name], uninterrupted.weights[after][name]), after
        assert resumed.weights[after]['is_set'] == uninterrupted.weights[after]['is_set']


def test_best_checkpoint_of_burn_in_has_a_teacher_that_equals_the_student(train, tmp_path):
    train(
        max_iters=BURN_IN,
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
        checkpoint=dict(interval=100, save_best='teacher/toy/mean', rule='greater'),
    )
    best = list((tmp_path / 'work_dir').glob('best_*.pth'))
    assert best
    for path in best:
        state_dict = load_state_dict(path)
        student, teacher = (
            {k.removeprefix(name): v for k, v in state_dict.items() if k.startswith(name)}
            for name in ('student.', 'teacher.')
        )
        assert same(student, teacher) and student['1.num_batches_tracked'] > 0


@pytest.mark.parametrize('same', [True, False], ids=['same', 'own backbone'])
def test_frozen_parameters_are_shared_unless_they_differ(make_runner, toy_pair, same):
    """The first layer is frozen; a teacher that was given may have another one."""
    model = toy_pair()
    model.student[0].requires_grad_(False)
    model.teacher.load_state_dict(model.student.state_dict())
    if not same:
        model.teacher[0].weight.data += 1
        model.teacher_is_set.fill_(True)
    before = model.student[0].weight.clone()
    teacher, student = model.teacher, model.student
    shared = []

    class Watch(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            pairs = zip(teacher.parameters(), student.parameters(), strict=True)
            shared.append([mine.data_ptr() == theirs.data_ptr() for mine, theirs in pairs])

    hooks = (MeanTeacherHook(keep_rate=0.5), Watch())
    runner = make_runner(model=model, hooks=hooks, max_iters=3)
    runner.train()
    assert torch.equal(student[0].weight, before)
    # weight and bias of the frozen layer, of the norm, of the last layer
    assert shared == [[same, True, False, False, False, False]] * 3
    # what loads weights into the pair later meets two networks
    assert teacher[0].bias.data_ptr() != student[0].bias.data_ptr()
    # an average of the student's weights, by hand
    weights = runner.recorder.weights
    expected = weights[0]['teacher']['3.weight']
    for step in (1, 2, 3):
        expected = 0.5 * expected + 0.5 * weights[step]['student']['3.weight']
    torch.testing.assert_close(teacher[3].weight, expected)
    expected = before if same else before + 1 / 2**3
    torch.testing.assert_close(teacher[0].weight, expected)


def test_counting_micro_batches_is_refused(train):
    with pytest.raises(
        ValueError, match=r"accumulative_counts=2: .*'mmpldc.AccumulatingTrainLoop'"
    ):
        train(accumulative_counts=2)
    train(accumulative_counts=2, train_loop='mmpldc.AccumulatingTrainLoop', max_iters=1)


def test_running_statistics_are_those_of_all_ranks(toy_pair, run_on_ranks):
    """Of norms that train; frozen ones and everything else stay as they are."""

    def train(rank):
        model = toy_pair(burn_in_iters=0)
        model.student.append(nn.BatchNorm1d(1))
        model.teacher.append(nn.BatchNorm1d(1))
        trained, frozen = model.student[1], model.student[4]
        frozen.eval()
        frozen.train = lambda mode: frozen  # as mmdet's norm_eval
        loader = SimpleNamespace(dataset=PointDataset())
        runner = SimpleNamespace(
            model=model, iter=0, max_iters=5, train_dataloader=loader, optim_wrapper=None, hooks=[]
        )
        hook = MeanTeacherHook(keep_rate=0.0)
        hook.before_train(runner)
        trained.running_mean.fill_(rank)
        trained.running_var.fill_(1 + 2 * rank)
        frozen.running_mean.fill_(rank)
        hook.after_train_iter(runner, 0)
        return [
            (
                network[1].running_mean[0].item(),
                network[1].running_var[0].item(),
                network[4].running_mean.item(),
            )
            for network in (model.student, model.teacher)
        ]

    for rank, networks in enumerate(run_on_ranks(train)):
        assert networks == [(0.5, 2.0, rank)] * 2


# ---------------------------------------------------------------- guided burn-in

GUIDED, GUIDED_STEPS = 12, 30


@pytest.fixture
def supervised_checkpoint(toy_pair, tmp_path):
    """Write the checkpoint of a teacher, plain or of a pair; returns its path and the teacher."""

    def write(*, plain: bool = True):
        torch.manual_seed(5)
        model = toy_pair()
        for buffer in model.teacher.buffers():
            buffer.add_(3)
        path = tmp_path / 'supervised.pth'
        weights = model.teacher if plain else model
        torch.save(dict(state_dict=weights.state_dict(), meta={}), path)
        return str(path), model.teacher.state_dict()

    return write


@pytest.fixture
def train_guided(train, supervised_checkpoint):
    """Train 30 steps, the first 12 of which a teacher guides; returns the run and this teacher."""

    def train_guided(*, plain=True, **options):
        path, teacher = supervised_checkpoint(plain=plain)
        settings = dict(burn_in=GUIDED, kind='guided', teacher=path, max_iters=GUIDED_STEPS)
        return train(**settings | options), teacher

    return train_guided


@pytest.mark.parametrize('plain', [True, False], ids=['of a detector', 'of a pair'])
def test_guided_the_teacher_is_frozen_then_copied_then_averaged(train_guided, plain):
    run, given = train_guided(plain=plain)
    assert sorted(run.weights) == list(range(GUIDED_STEPS + 1))
    assert all(weights['is_set'] for weights in run.weights.values())
    # the student is not the teacher, and trained at each step
    assert not same(run.weights[0]['student'], given)
    for step in range(GUIDED_STEPS):
        before, after = (run.weights[s]['student'] for s in (step, step + 1))
        for name in '0.weight', '1.running_mean', '3.bias':
            assert not torch.equal(before[name], after[name]), (step, name)
    for step in range(GUIDED):  # frozen, buffers too
        assert same(run.weights[step]['teacher'], given), step
    boundary = run.weights[GUIDED]
    assert same(boundary['teacher'], boundary['student'])
    for step in range(GUIDED + 1, GUIDED_STEPS + 1):
        weights = run.weights[step]
        assert_averaged(weights['teacher'], run.weights[step - 1]['teacher'], weights['student'])


@pytest.mark.parametrize('step', [1, GUIDED - 1, GUIDED, GUIDED + 1, GUIDED_STEPS - 1])
def test_guided_resumed_runs_end_as_uninterrupted_ones(train_guided, tmp_path, step):
    """The teacher's checkpoint may be gone by then."""
    uninterrupted, _ = train_guided()
    resumed, _ = train_guided(
        teacher='gone.pth',
        seed=99,
        work_dir=tmp_path / 'resumed',
        load_from=str(tmp_path / f'work_dir/iter_{step}.pth'),
        resume=True,
    )
    assert sorted(resumed.weights) == list(range(step, GUIDED_STEPS + 1))
    for after in range(step, GUIDED_STEPS + 1):
        for name in 'student', 'teacher':
            assert same(resumed.weights[after][name], uninterrupted.weights[after][name]), after


def test_guided_student_may_start_from_a_checkpoint_too(train_guided, semi_checkpoint):
    path, start = semi_checkpoint(is_set=True)
    run, given = train_guided(load_from=path, max_iters=1)
    assert same(run.weights[0]['student'], start.student.state_dict())
    assert same(run.weights[0]['teacher'], given)


def test_a_teachers_checkpoint_goes_with_a_supervised_burn_in(train, supervised_checkpoint):
    path, given = supervised_checkpoint()
    run = train(teacher=path)
    for step in range(BURN_IN + 1):
        assert same(run.weights[step]['teacher'], given), step
    weights = run.weights[BURN_IN + 1]
    assert_averaged(weights['teacher'], given, weights['student'])


def test_guided_without_a_teacher_ends_before_training(train):
    with pytest.raises(ValueError, match=r"burn_in='guided' needs .*teacher_checkpoint"):
        train(kind='guided')


def test_a_missing_teachers_checkpoint_ends_before_training(train_guided):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint /nowhere/a\.pth'):
        train_guided(teacher='/nowhere/a.pth')


def test_a_teachers_checkpoint_of_another_model_is_refused(train_guided, tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save(dict(state_dict=nn.Linear(2, 4).state_dict(), meta={}), path)
    with pytest.raises(ValueError, match=r"teacher_checkpoint='.*other\.pth': .* missing"):
        train_guided(teacher=path)


def test_guided_on_two_ranks_the_copy_is_the_same(toy_pair, run_on_ranks, supervised_checkpoint):
    """Each rank's batch norms have seen other images; weights are equal, as under DDP."""
    path, given = supervised_checkpoint()

    def train(rank):
        torch.manual_seed(0)
        model = toy_pair(burn_in_iters=2, burn_in='guided')
        loader = SimpleNamespace(dataset=PointDataset())
        runner = SimpleNamespace(
            model=model, iter=0, max_iters=5, train_dataloader=loader, optim_wrapper=None, hooks=[]
        )
        hook = MeanTeacherHook(keep_rate=0.5, teacher_checkpoint=path)
        hook.before_train(runner)
        pairs = []
        for runner.iter in range(3):
            with torch.no_grad():
                model.student[0].weight += 1
            model.student[1].running_mean.fill_(rank + runner.iter)
            hook.after_train_iter(runner, runner.iter)
            networks = model.student, model.teacher
            # as lists: a tensor would be fetched from a process that may have ended
            pairs.append([{k: v.tolist() for k, v in n.state_dict().items()} for n in networks])
        return pairs

    first, second = (
        [[{k: torch.tensor(v) for k, v in of_network.items()} for of_network in pair] for pair in p]
        for p in run_on_ranks(train)
    )
    for step, ((student, teacher), other) in enumerate(zip(first, second, strict=True)):
        assert same(student, other[0]) and same(teacher, other[1])
        assert (student['1.running_mean'] == 0.5 + step).all()
    assert same(first[0][1], given) and same(*first[1])
    expected = (first[1][0]['0.weight'] + first[2][0]['0.weight']) / 2
    torch.testing.assert_close(first[2][1]['0.weight'], expected)
