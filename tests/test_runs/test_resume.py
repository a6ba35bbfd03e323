"""Runs that are killed, told to stop or out of disk: resumed, they end as if nothing had happened.

Trainings are real processes of tools/train.py; they are forked from this one, which saves the
imports. All randomness is on: augmentation in worker processes and the points of the losses.
"""

import errno
import gc
import json
import multiprocessing
import os
import random
import resource
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import open_clip  # noqa: F401  each training would import it
import pytest
import torch
from mmengine import device

from mmpldc.engine.hooks import MeanTeacherHook
from mmpldc.engine.resuming import find_damage
from mmpldc.engine.runner import TeacherStudentValLoop

pytestmark = pytest.mark.slow
TRAIN = Path(__file__).resolve().parents[2] / 'tools/train.py'
BURN_IN = 2
STEPS = 6
VAL_INTERVAL = 3
TIMEOUT = 240  # seconds, on a busy machine
MEASURED = ('time', 'data_time', 'memory')  # by a clock
KILLED = -signal.SIGKILL
Disturbance = Callable[[], None]


class Run(NamedTuple):
    """A training that has ended, by itself or not."""

    code: int
    output: str


def run(
    config: Path, work_dir: Path, *args, disturb: Disturbance | None = None, ranks: int = 1
) -> list[Run]:
    """Call tools/train.py in as many processes as there are ranks.

    Args:
        config: file.
        work_dir: of the run.
        *args: more options of the tool.
        disturb: called by each process before it trains; ``RANK`` tells them apart.
        ranks: more than one train together.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    environment = dict(WORLD_SIZE=ranks, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    launcher = ['--launcher', 'pytorch'] if ranks > 1 else []
    options = ['--work-dir', work_dir, '--skip-data-check', *launcher, *args]
    argv = [str(TRAIN), str(config), *map(str, options)]
    processes, outputs = [], []
    for rank in range(ranks):
        own = environment | dict(RANK=rank, LOCAL_RANK=rank)
        outputs.append(config.with_name(f'output_{rank}.txt'))
        target = (argv, {name: str(value) for name, value in own.items()}, outputs[-1], disturb)
        processes.append(multiprocessing.get_context('fork').Process(target=_train, args=target))
        processes[-1].start()
    runs = []
    try:
        for process, output in zip(processes, outputs, strict=True):
            process.join(TIMEOUT)
            assert process.exitcode is not None, f'hangs:\n{output.read_text()[-3000:]}'
            runs.append(Run(process.exitcode, output.read_text()))
    finally:
        for process in processes:
            if process.is_alive():
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
    return runs


def _train(
    argv: list[str], environment: Mapping, output: Path, disturb: Disturbance | None
) -> None:
    os.setsid()  # a group of its own, of which the workers are part
    os.environ.update(environment)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with output.open('w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = os.fdopen(1, 'w', buffering=1)
    device.utils.DEVICE = 'cpu'
    torch.set_num_threads(1)
    gc.freeze()  # mmengine collects garbage, which would go through all of pytest's objects
    if disturb is not None:
        disturb()
    sys.argv = argv
    runpy.run_path(argv[0], run_name='__main__')


# ---------------------------------------------------------------- disturbances


def send(number: int) -> None:
    """A signal to this process."""
    os.kill(os.getpid(), number)


def send_to_all(number: int) -> None:
    """A signal to this process and its workers, from somebody else, as schedulers do."""
    subprocess.run(['kill', f'-{int(number)}', '--', f'-{os.getpgrp()}'])


def between_student_and_teacher(iteration: int, action: Callable[[], None]) -> Disturbance:
    """Do something in the middle of a step: the student is updated, the teacher is not yet."""

    def disturb() -> None:
        original = MeanTeacherHook.after_train_iter

        def after_train_iter(self, runner, *args, **kwargs):
            if runner.iter == iteration:
                action()
            original(self, runner, *args, **kwargs)

        MeanTeacherHook.after_train_iter = after_train_iter

    return disturb


def in_validation(action: Callable[[], None], *, iteration: int = VAL_INTERVAL) -> Disturbance:
    """Do something before the first batch of a validation."""

    def disturb() -> None:
        original = TeacherStudentValLoop.run_iter

        def run_iter(self, idx, data_batch):
            if self.runner.iter == iteration:
                action()
            original(self, idx, data_batch)

        TeacherStudentValLoop.run_iter = run_iter

    return disturb


def in_checkpoint(name: str, action: Callable[[], None]) -> Disturbance:
    """Do something when half of a checkpoint is written."""

    def disturb() -> None:
        original = os.fsync

        def fsync(descriptor: int) -> None:
            path = Path(os.readlink(f'/proc/self/fd/{descriptor}'))
            if path.name.startswith(f'.{name}.'):
                os.ftruncate(descriptor, os.path.getsize(path) // 2)
                action()
            original(descriptor)

        os.fsync = fsync

    return disturb


def after(seconds: float, action: Callable[[], None]) -> Disturbance:
    """Do something that long after training has begun, wherever it is then."""

    def disturb() -> None:
        original = MeanTeacherHook.before_train

        def before_train(self, runner):
            original(self, runner)
            timer = threading.Timer(seconds, action)
            timer.daemon = True  # a run that has ended does not wait for it
            timer.start()

        MeanTeacherHook.before_train = before_train

    return disturb


def kill() -> None:
    send(signal.SIGKILL)


# ---------------------------------------------------------------- the same run


@pytest.fixture(scope='module')
def config(load_config, shrink, tmp_path_factory) -> Path:
    """PL-DC with DICC and adaptive thresholds, which labels of a raw teacher pass."""
    cfg = load_config(
        '../comparison/pldc_aaai',
        max_iters=STEPS,
        **{
            'model.class_thresholds': dict(class_range=(0.0, 0.4), mask_range=(0.0, 0.6)),
            'train_cfg.val_interval': VAL_INTERVAL,
            'train_dataloader.num_workers': 2,
            'default_hooks.checkpoint.max_keep_ckpts': 2,
            'default_hooks.checkpoint.save_best': 'teacher/coco/segm_mAP',
        },
    )
    path = tmp_path_factory.mktemp('config') / 'config.py'
    shrink(cfg).dump(path)
    return path


@pytest.fixture
def train(config, tmp_path):
    """Call tools/train.py in this test's work directory; see :func:`run`."""
    copy = tmp_path / config.name
    copy.write_bytes(config.read_bytes())

    def train(*args, **options) -> Run:
        (ended,) = run(copy, tmp_path / 'work_dir', *args, **options)
        return ended

    train.work_dir = tmp_path / 'work_dir'
    return train


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory) -> Path:
    """The work directory of a run that nothing happened to."""
    work_dir = tmp_path_factory.mktemp('uninterrupted')
    (ended,) = run(config, work_dir)
    assert ended.code == 0, ended.output[-3000:]
    values = scalars(work_dir)
    assert [step for step, name in values if name == 'loss'] == list(range(1, STEPS + 1))
    assert values[STEPS, 'pseudo_per_image'] > 0
    return work_dir


def scalars(work_dir: Path) -> dict[tuple[int, str], float]:
    """Every value in the logs, by step and name.

    A step that several runs made must have the same values in all of their logs.
    """
    values = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            for name in record.keys() - {*MEASURED, 'step'}:
                key = record['step'], name
                assert values.setdefault(key, record[name]) == record[name], key
    return values


def same(first, second) -> bool:
    """Whether two nested states are equal bit for bit."""
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, torch.Tensor | np.ndarray):
        return type(first) is type(second) and bool((first == second).all())
    if isinstance(first, Sequence) and not isinstance(first, str):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def assert_as_uninterrupted(work_dir: Path, uninterrupted: Path) -> None:
    """Losses, metrics, weights of both networks, thresholds, optimiser, schedules, files."""
    assert scalars(work_dir) == scalars(uninterrupted)
    ends = [
        torch.load(folder / f'iter_{STEPS}.pth', weights_only=False)
        for folder in (work_dir, uninterrupted)
    ]
    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        assert same(*(end[part] for end in ends)), part
    assert len({len(end['optimizer']['state']) for end in ends}) == 1
    for folder in (work_dir, uninterrupted):
        assert (folder / 'last_checkpoint').read_text() == str(folder / f'iter_{STEPS}.pth')
    # the best one too; nothing half-written is left
    files = [
        {path.name for path in folder.iterdir() if path.is_file()}
        for folder in (work_dir, uninterrupted)
    ]
    assert files[0] == files[1] and any(name.startswith('best_') for name in files[0])


# ---------------------------------------------------------------- killed


@pytest.mark.parametrize(
    'iteration', [BURN_IN - 1, BURN_IN, BURN_IN + 2], ids=['burn-in', 'boundary', 'after']
)
def test_killed_in_a_step(train, uninterrupted, iteration):
    assert train(disturb=between_student_and_teacher(iteration, kill)).code == KILLED
    assert (train.work_dir / f'iter_{iteration}.pth').exists()
    assert train('--resume').code == 0
    assert_as_uninterrupted(train.work_dir, uninterrupted)


@pytest.mark.parametrize(
    'interruption',
    [
        in_validation(kill),
        in_checkpoint('iter_4.pth', kill),
        in_checkpoint(f'best_teacher_coco_segm_mAP_iter_{VAL_INTERVAL}.pth', kill),
    ],
    ids=['validation', 'checkpoint', 'best'],
)
def test_killed_elsewhere_and_resumed_with_other_workers(train, uninterrupted, interruption):
    assert train(disturb=interruption).code == KILLED
    assert train('--resume', '--cfg-options', 'train_dataloader.num_workers=0').code == 0
    assert_as_uninterrupted(train.work_dir, uninterrupted)


@pytest.mark.long
@pytest.mark.parametrize('seed', range(2))
def test_killed_again_and_again(train, uninterrupted, seed):
    """At moments that nobody has chosen."""
    rng = random.Random(seed)
    codes = []
    while not codes or codes[-1] != 0:
        assert len(codes) < 30
        seconds = rng.uniform(0, 0.2 + 0.2 * len(codes))  # from when it trains; it must end once
        codes.append(train('--resume', disturb=after(seconds, kill)).code)
    assert set(codes[:-1]) <= {KILLED} and len(codes) > 1
    assert_as_uninterrupted(train.work_dir, uninterrupted)


def test_killed_in_the_last_validation(train, uninterrupted):
    """Nothing is left to train, but the last metrics and perhaps the best checkpoint are."""
    assert train(disturb=in_validation(kill, iteration=STEPS)).code == KILLED
    assert (STEPS, 'teacher/coco/segm_mAP') not in scalars(train.work_dir)
    assert train('--resume').code == 0
    assert_as_uninterrupted(train.work_dir, uninterrupted)


def test_a_damaged_checkpoint_is_passed_over(train, uninterrupted):
    """The first start with --resume, too, as in a batch script that does not know which it is."""
    first = train('--resume', disturb=between_student_and_teacher(4, kill))
    assert first.code == KILLED and 'training starts from the beginning' in first.output
    os.truncate(train.work_dir / 'iter_4.pth', 10_000)
    resumed = train('--resume')
    assert resumed.code == 0
    reason = 'iter_4.pth is damaged (File is not a zip file)'
    assert f'{reason}: resuming from {train.work_dir}/iter_3.pth instead' in resumed.output
    assert_as_uninterrupted(train.work_dir, uninterrupted)


# ---------------------------------------------------------------- told to stop


@pytest.mark.parametrize(
    ('told', 'name', 'stopped_after'),
    [
        (between_student_and_teacher(3, partial(send, signal.SIGUSR1)), 'SIGUSR1', 4),
        (between_student_and_teacher(2, partial(send_to_all, signal.SIGTERM)), 'SIGTERM', 3),
        (in_validation(partial(send, signal.SIGTERM)), 'SIGTERM', 3),
    ],
    ids=['step', 'step-and-workers', 'validation'],
)
def test_told_to_stop(train, uninterrupted, told, name, stopped_after):
    """At a step that is no multiple of the interval: the checkpoint is made for the occasion."""
    interval = '--cfg-options', 'default_hooks.checkpoint.interval=5'
    stopped = train(*interval, disturb=told)
    assert stopped.code == os.EX_TEMPFAIL, stopped.output[-3000:]
    checkpoint = train.work_dir / f'iter_{stopped_after}.pth'
    assert f'{name}: stopped after iteration {stopped_after}, which is in {checkpoint}' in (
        stopped.output
    )
    assert (train.work_dir / 'last_checkpoint').read_text() == str(checkpoint)
    assert train('--resume').code == 0
    assert_as_uninterrupted(train.work_dir, uninterrupted)


def test_told_to_stop_in_the_last_step(train):
    last = between_student_and_teacher(STEPS - 1, partial(send, signal.SIGTERM))
    without = [f'{part}=None' for part in ('val_cfg', 'val_dataloader', 'val_evaluator')]
    options = ['--cfg-options', 'default_hooks.checkpoint.save_best=None', *without]
    assert train(*options, disturb=last).code == 0
    assert (train.work_dir / f'iter_{STEPS}.pth').exists()


# ---------------------------------------------------------------- out of disk


def limit_files(work_dir: Path) -> Disturbance:
    """No file may grow to the size of a checkpoint."""

    def limit() -> None:
        size = (work_dir / 'iter_1.pth').stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


def fill_disk(work_dir: Path) -> Disturbance:
    """Leave no room for another checkpoint."""

    def fill() -> None:
        size = (work_dir / 'iter_1.pth').stat().st_size // 2
        with (work_dir / 'others').open('wb') as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(work_dir).free - size)

    return fill


@pytest.fixture
def small_disk(train):
    """The work directory on a file system of its own."""
    train.work_dir.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', train.work_dir]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'needs the right to mount a file system: {error}')
    yield
    subprocess.run(['umount', train.work_dir], check=True)


@pytest.mark.parametrize(
    ('exhaust', 'reason'),
    [
        (limit_files, os.strerror(errno.EFBIG)),
        pytest.param(fill_disk, os.strerror(errno.ENOSPC), marks=pytest.mark.long),
    ],
    ids=['limit', 'disk'],
)
def test_out_of_disk(train, uninterrupted, exhaust, reason, request):
    if exhaust is fill_disk:
        request.getfixturevalue('small_disk')
    # At the second of two that are kept: later the oldest makes room.
    failed = train(disturb=between_student_and_teacher(1, exhaust(train.work_dir)))
    assert failed.code == 1
    message = f'OSError: [Errno {{}}] {train.work_dir}/iter_2.pth was not written ({reason}): it'
    number = errno.EFBIG if exhaust is limit_files else errno.ENOSPC
    assert message.format(number) in failed.output, failed.output[-3000:]
    assert find_damage(train.work_dir / 'iter_1.pth') is None
    assert not list(train.work_dir.glob('.*'))
    (train.work_dir / 'others').unlink(missing_ok=True)
    assert train('--resume').code == 0
    assert_as_uninterrupted(train.work_dir, uninterrupted)


# ---------------------------------------------------------------- two ranks


def of_rank(rank: int, disturbance: Disturbance) -> Disturbance:
    """Disturb one rank only."""
    return lambda: disturbance() if os.environ['RANK'] == str(rank) else None


def test_two_ranks_killed_and_told_to_stop(config, tmp_path):
    """Whatever happens to one happens to both, and both go on from the same checkpoint."""
    uninterrupted, resumed = (tmp_path / name for name in ('uninterrupted', 'resumed'))
    # A checkpoint holds the values of rank 0, of which the log shows the means over a window.
    unsmoothed = '--cfg-options', 'log_processor.window_size=1'

    def start(work_dir, *args, **options) -> list[int]:
        return [rank.code for rank in run(config, work_dir, *args, ranks=2, **options)]

    assert start(uninterrupted, *unsmoothed) == [0, 0]
    dies = of_rank(1, between_student_and_teacher(3, kill))
    codes = start(resumed, *unsmoothed, disturb=dies)
    assert codes[0] != 0 and codes[1] == KILLED
    told = of_rank(1, between_student_and_teacher(4, partial(send, signal.SIGUSR1)))
    codes = start(resumed, '--resume', *unsmoothed, disturb=told)
    assert codes == [os.EX_TEMPFAIL] * 2
    assert start(resumed, '--resume', *unsmoothed) == [0, 0]
    assert_as_uninterrupted(resumed, uninterrupted)
