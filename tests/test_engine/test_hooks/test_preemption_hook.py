"""A run that gets a signal saves a checkpoint and exits."""

import multiprocessing
import os
import signal
import subprocess
import threading
import time

import pytest
import torch
from mmengine.hooks import Hook
from torch import distributed

from mmpldc.engine.hooks import PreemptionHook

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Send(Hook):
    """A signal to this process at a moment of the training."""

    def __init__(self, number=signal.SIGTERM, *, step=None, validation=None):
        self.number, self.step, self.validation = number, step, validation

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            os.kill(os.getpid(), self.number)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.validation:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _handlers():
    """The hook takes its handlers back only if training ends by itself."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def train(make_runner, toy_pair, tmp_path):
    """Train for six steps; returns the Runner, the exit code and the names of checkpoints."""

    def train(*hooks, interval=4, validate=False, **options):
        validation = dict(
            val_cfg=dict(type='mmpldc.TeacherStudentValLoop', student_interval=0), val_interval=3
        )
        runner = make_runner(
            model=toy_pair(),
            hooks=(PreemptionHook(), *hooks),
            checkpoint=dict(interval=interval, max_keep_ckpts=2),
            **(validation if validate else {}),
            **options,
        )
        code = 0
        try:
            runner.train()
        except SystemExit as error:
            code = error.code
        names = sorted(path.stem for path in (tmp_path / 'work_dir').glob('*.pth'))
        return runner, code, names

    return train


def test_without_a_signal_nothing_happens(train):
    before = [signal.getsignal(number) for number in SIGNALS]
    _, code, names = train(validate=True)
    assert (code, names) == (0, ['iter_4', 'iter_6'])
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize('number', SIGNALS)
def test_stops_behind_the_step(train, number, tmp_path):
    runner, code, names = train(Send(number, step=3))
    assert code == os.EX_TEMPFAIL == 75
    assert names == ['iter_3']
    assert list(runner.recorder.weights) == [0, 1, 2, 3]
    assert (tmp_path / 'work_dir/last_checkpoint').read_text().endswith('/iter_3.pth')


def test_the_checkpoint_is_that_of_an_ordinary_step(train, tmp_path):
    train(Send(step=3))
    path = tmp_path / 'work_dir/iter_3.pth'
    stopped = torch.load(path, weights_only=False)
    path.unlink()
    train(interval=1)
    train(interval=3)
    ordinary = torch.load(path, weights_only=False)
    assert stopped.keys() == ordinary.keys()
    assert (stopped['meta']['iter'], stopped['meta']['epoch']) == (3, 0)
    assert stopped['meta'].keys() == ordinary['meta'].keys()
    assert stopped['message_hub'].keys() == ordinary['message_hub'].keys()
    assert stopped['optimizer'].keys() == ordinary['optimizer'].keys()


def test_a_step_that_is_saved_anyway_is_saved_once(train):
    class Count(Hook):
        saved = 0

        def before_save_checkpoint(self, runner, checkpoint):
            self.saved += 1

    count = Count()
    _, code, names = train(Send(step=4), count)
    assert (code, names, count.saved) == (75, ['iter_4'], 1)


def test_it_counts_as_one_of_those_kept(train):
    assert train(Send(step=5), interval=2)[1:] == (75, ['iter_4', 'iter_5'])


def test_in_the_last_step_the_run_just_ends(train):
    assert train(Send(step=6))[1:] == (0, ['iter_4', 'iter_6'])


@pytest.mark.parametrize(('iteration', 'names'), [(3, ['iter_3']), (6, ['iter_4', 'iter_6'])])
def test_a_validation_is_broken_off(train, iteration, names):
    runner, code, found = train(Send(validation=iteration), validate=True)
    assert (code, found) == (75, names)
    assert runner.recorder.validated_at == [3][: iteration // 6]
    assert len(runner.recorder.weights) == 1 + iteration


def test_other_hooks_may_finish(train):
    class End(Hook):
        ended = False

        def after_run(self, runner):
            self.ended = True

    end = End()
    train(Send(step=2), end)
    assert end.ended


def test_only_the_signals_that_were_asked_for(make_runner, toy_pair):
    received = []
    signal.signal(signal.SIGUSR1, lambda *_: received.append('own'))
    hook = PreemptionHook(signals=['SIGTERM'])
    make_runner(model=toy_pair(), hooks=(hook, Send(signal.SIGUSR1, step=2))).train()
    assert received == ['own']


@pytest.mark.parametrize('checkpoint', [dict(by_epoch=True, interval=-1), None])
def test_without_checkpoints_by_iteration_signals_are_left_alone(make_runner, toy_pair, checkpoint):
    class Look(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    runner = make_runner(
        model=toy_pair(), hooks=(PreemptionHook(), Look()), checkpoint=checkpoint, max_iters=2
    )
    if checkpoint is None:
        runner._hooks = [h for h in runner.hooks if type(h).__name__ != 'CheckpointHook']
    runner.train()


def test_outside_the_main_thread_training_goes_on(train):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(train()[1:]))
    thread.start()
    thread.join(60)
    assert outcomes == [(0, ['iter_4', 'iter_6'])]


def test_ranks_stop_together(train, run_on_ranks, tmp_path):
    """One of them gets the signal, in a step or in a validation."""

    def run(rank, told):
        send = Send(**told) if rank == 1 else Hook()
        runner, code, _ = train(send, validate=True, work_dir=tmp_path / f'rank_{rank}')
        return code, runner.iter

    assert run_on_ranks(run, dict(step=2)) == [(75, 1)] * 2
    assert run_on_ranks(run, dict(validation=3)) == [(75, 3)] * 2
    saved = {path.stem for path in (tmp_path / 'rank_0').glob('*.pth')}
    assert saved == {'iter_2', 'iter_3'} and not list((tmp_path / 'rank_1').glob('*.pth'))


def test_ranks_with_different_numbers_of_validation_batches(run_on_ranks):
    """They ask one another as often as the one with the fewest has batches."""

    def ask(rank):
        hook = PreemptionHook()
        hook.checkpoint_hook = object()
        hook.group = distributed.group.WORLD
        runner = type('Runner', (), dict(val_dataloader=range(3 + rank), iter=0))
        hook.before_val(runner)
        for batch in range(3 + rank):
            hook.after_val_iter(runner, batch)
        return hook.common_val_batches

    assert run_on_ranks(ask) == [3, 3]


SLOW_TO_EXIT = """
import os, signal, sys, time
from types import SimpleNamespace
from unittest.mock import Mock
from mmpldc.engine.hooks import PreemptionHook

hook = PreemptionHook()
hook.handlers = {number: signal.signal(number, hook._receive) for number in hook.signals}
hook.process, hook.received = os.getpid(), signal.SIGUSR1
saver = Mock(last_ckpt='iter_1.pth', filename_tmpl='iter_{}.pth')

class Device:  # taken down after Python's own handling of signals has ended
    def __del__(self, sleep=time.sleep):
        os.write(1, b'x')
        sleep(3)

sys.modules['device'] = Device()
hook._stop_if_told(Mock(), saver, step=1)
"""


@pytest.mark.slow
def test_a_rank_that_is_slow_to_exit_keeps_its_code(python):
    """Slurm sends SIGTERM to the other ranks as soon as the first has ended."""
    with subprocess.Popen([python, '-c', SLOW_TO_EXIT], stdout=subprocess.PIPE) as process:
        while process.stdout.read(1) != b'x':
            assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=30) == os.EX_TEMPFAIL


def test_a_forked_child_can_be_ended(train):
    """Such as a worker of a pool that computes metrics."""
    codes = []

    class Fork(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 1:
                fork = multiprocessing.get_context('fork')
                mine, theirs = fork.Pipe()
                child = fork.Process(target=lambda: (theirs.send('up'), time.sleep(60)))
                child.start()
                mine.recv()
                child.terminate()
                child.join(timeout=20)
                codes.append(child.exitcode)

    train(Fork())
    assert codes == [128 + signal.SIGTERM]


TWICE = """
import os, signal, sys, time
from mmpldc.engine.hooks import PreemptionHook

hook = PreemptionHook()
hook.process = os.getpid()
for number in hook.signals:
    signal.signal(number, hook._receive)
for name in sys.argv[1:]:
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0.3)
print('goes on')
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('names', 'environment', 'code'),
    [
        (('SIGINT',), {}, 0),
        (('SIGUSR1', 'SIGTERM'), {}, 0),  # a warning of Slurm's, then the end of its time
        (('SIGINT', 'SIGINT'), {}, -signal.SIGINT),
        (('SIGINT', 'SIGTERM'), {}, -signal.SIGTERM),
        (('SIGTERM', 'SIGTERM'), dict(TORCHELASTIC_RUN_ID='1'), 0),  # torchrun repeats it
    ],
)
def test_the_second_ends_at_once(python, names, environment, code):
    done = subprocess.run(
        [python, '-c', TWICE, *names],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert ('goes on' in done.stdout) == (code == 0)
    assert f'{names[0]}: a checkpoint will be saved' in done.stderr
    assert ('again: the run ends now' in done.stderr) == (code != 0)
