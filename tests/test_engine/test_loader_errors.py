"""Loaders that cannot work are repaired or limited in time, and their errors are one line."""

import time

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from mmpldc.engine.loader_errors import SECONDS, one_line_loader_errors, prepare_loaders


def test_settings_that_do_not_go_together():
    cfg = Config(
        dict(
            train_dataloader=dict(num_workers=0, persistent_workers=True, prefetch_factor=4),
            val_dataloader=dict(num_workers=2, persistent_workers=True),
            test_dataloader=dict(num_workers=2, timeout=5),
        )
    )
    (word,) = prepare_loaders(cfg)
    assert 'train_dataloader: num_workers=0 needs no persistent_workers' in word
    assert cfg.train_dataloader == dict(num_workers=0)
    assert (cfg.val_dataloader.timeout, cfg.test_dataloader.timeout) == (SECONDS, 5)
    assert prepare_loaders(Config(dict(train_dataloader=dict(num_workers=0)))) == []


class Hangs:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(60)


@pytest.mark.slow
def test_a_hung_loader_ends_with_a_line():
    loader = DataLoader(Hangs(), num_workers=1, timeout=1)
    with pytest.raises(SystemExit, match=r'no batch came .* in 1 s: .*/dev/shm.*timeout'):  # noqa: SIM117
        with one_line_loader_errors():
            next(iter(loader))


@pytest.mark.parametrize(
    ('cause', 'line'),
    [
        ('DataLoader worker (pid 7) is killed by signal: Bus error. It is', '/dev/shm is full'),
        ('DataLoader worker (pid 7) is killed by signal: Killed. ', 'memory runs out'),
        ('', 'ended unexpectedly'),
    ],
)
def test_ends_of_workers(cause, line):
    error = RuntimeError('DataLoader worker (pid(s) 7, 8) exited unexpectedly')
    error.__cause__ = RuntimeError(cause)
    with pytest.raises(SystemExit, match=line), one_line_loader_errors():
        raise error


def test_other_errors_stay():
    with pytest.raises(RuntimeError, match='CUDA'), one_line_loader_errors():
        raise RuntimeError('CUDA error')
