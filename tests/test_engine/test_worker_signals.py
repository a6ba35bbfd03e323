"""Workers of a data loader when all processes of a job get a signal."""

import os
import signal
import time

import pytest
from torch.utils.data import DataLoader

from mmpldc.engine.worker_signals import shield_workers

SIGNALS = {signal.SIGTERM, signal.SIGUSR1}


class Slow:
    """Each item takes a while; it is the process that made it, and what that was started with."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        time.sleep(0.05)
        return os.getpid(), os.environ.get('STARTED_AS', '')


def start(worker):
    os.environ['STARTED_AS'] = f'worker {worker}'


@pytest.fixture
def make_loader():
    def make_loader(**options):
        return DataLoader(Slow(), batch_size=None, num_workers=2, **options)

    return make_loader


def tell(pid, number):
    """Send it as somebody else than the parent, as a scheduler does."""
    if os.spawnlp(os.P_WAIT, 'kill', 'kill', f'-{int(number)}', str(pid)):
        raise OSError('kill failed')


@pytest.mark.parametrize('number', sorted(SIGNALS))
def test_data_is_complete(make_loader, number):
    loader = make_loader()
    shield_workers(loader, SIGNALS)
    pids = set()
    for position, (pid, _) in enumerate(loader):
        pids.add(pid)
        if position in (1, 4):
            for worker in pids:
                tell(worker, number)
    assert position == 11 and len(pids) == 2


def test_the_parent_can_end_a_worker(make_loader):
    loader = make_loader(persistent_workers=True)
    shield_workers(loader, SIGNALS)
    iterator = iter(loader)
    next(iterator)
    (worker, _) = iterator._workers
    tell(worker.pid, signal.SIGTERM)
    worker.join(timeout=0.3)
    assert worker.is_alive()
    worker.terminate()  # as multiprocessing does when this process exits
    worker.join(timeout=10)
    assert worker.exitcode == 0


def test_its_own_start_is_kept(make_loader):
    loader = make_loader(worker_init_fn=start)
    shield_workers(loader, SIGNALS)
    assert {started for _, started in loader} == {'worker 0', 'worker 1'}
    assert 'STARTED_AS' not in os.environ


def test_this_process_is_not_changed(make_loader):
    loader = make_loader()
    shield_workers(loader, SIGNALS)
    list(loader)
    assert not SIGNALS & signal.pthread_sigmask(signal.SIG_BLOCK, ())
