"""Batches of the workers are measured and compared with the free shared memory."""

import random
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmpldc.engine.hooks import SharedMemoryHook
from mmpldc.engine.hooks.shared_memory_hook import batch_bytes, tensor_bytes
from mmpldc.utils.randomness import seeded


class Images:
    """Draws at random, as augmentation does; the second source has larger images."""

    def __getitem__(self, index):
        with seeded(*index.position):
            torch.rand(1), np.random.rand(), random.random()
        side = 10 if index < 5 else 20
        return dict(inputs=dict(weak=torch.zeros(3, side, side, dtype=torch.uint8)), name='x')


def runner(num_workers: int, prefetch_factor=None, seed=0) -> SimpleNamespace:
    sampler = SimpleNamespace(num_per_source=[2, 1], cumulative_sizes=[0, 5, 9], seed=seed)
    loader = SimpleNamespace(
        num_workers=num_workers,
        prefetch_factor=prefetch_factor,
        sampler=sampler,
        dataset=Images(),
    )
    return SimpleNamespace(train_dataloader=loader)


def test_bytes():
    batch = 2 * 300 + 1200
    assert batch_bytes(runner(1).train_dataloader) == batch
    shared = torch.zeros(100)
    assert tensor_bytes([shared[:3], dict(a=(shared.bool(), 5))]) == 400 + 100
    loader = SimpleNamespace(sampler=object())
    assert batch_bytes(loader) == 0


@pytest.mark.parametrize(
    ('workers', 'prefetch', 'free', 'fits'),
    [(0, None, 0, True), (2, None, 7200, True), (2, None, 7199, False), (2, 4, 14399, False)],
)
def test_what_does_not_fit_is_refused(workers, prefetch, free, fits, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=free))
    for name in 'LOCAL_WORLD_SIZE', 'SLURM_NTASKS_PER_NODE', 'OMPI_COMM_WORLD_LOCAL_SIZE':
        monkeypatch.delenv(name, raising=False)
    hook = SharedMemoryHook(str(tmp_path))
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    if fits:
        hook.before_train(runner(workers, prefetch))
        monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
        if workers:  # processes of a machine share it
            with pytest.raises(SystemExit):
                hook.before_train(runner(workers, prefetch))
    else:
        with pytest.raises(SystemExit, match=r'--shm-size.*num_workers'):
            hook.before_train(runner(workers, prefetch))
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate()
    assert before[2] == np.random.get_state()[1].tolist()


def test_without_shared_memory_no_image_is_drawn(tmp_path):
    drawn = []

    class Counted(Images):
        def __getitem__(self, index):
            drawn.append(index)
            return super().__getitem__(index)

    many = runner(100)
    many.train_dataloader.dataset = Counted()
    SharedMemoryHook(str(tmp_path / 'none')).before_train(many)
    assert drawn == []
    batch_bytes(many.train_dataloader)
    assert len(drawn) == 2  # what a check draws
