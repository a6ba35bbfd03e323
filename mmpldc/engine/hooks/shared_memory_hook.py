"""Refuse to train if the workers' batches do not fit into shared memory."""

import io
import os
import pickle
import shutil
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmpldc.datasets.samplers import SeededIndex
from mmpldc.engine.projection import GB
from mmpldc.utils.randomness import Purpose

SHARED_MEMORY = '/dev/shm'  # noqa: S108  where Linux keeps what processes share
RANKS_OF_A_MACHINE = ('LOCAL_WORLD_SIZE', 'SLURM_NTASKS_PER_NODE', 'OMPI_COMM_WORLD_LOCAL_SIZE')


class SharedMemoryHook(Hook):
    """Compare what the workers of the training data hold with the free shared memory.

    Workers pass batches through ``/dev/shm``. Containers give it 64 MB by default, and a worker
    that finds it full waits or dies. A batch is measured by one image of each source, augmented as
    in training; images with more objects take more. ``tools/train.py`` adds this hook.

    Args:
        folder: of the shared memory.
    """

    priority = 'VERY_HIGH'

    def __init__(self, folder: str = SHARED_MEMORY) -> None:
        self.folder = folder

    def before_train(self, runner: Runner) -> None:
        """Measure and compare.

        Raises:
            SystemExit: with one line, if the batches do not fit.
        """
        loader = runner.train_dataloader
        if not loader.num_workers or not os.path.isdir(self.folder):
            return
        batch = batch_bytes(loader)
        ranks = next((int(os.environ[n]) for n in RANKS_OF_A_MACHINE if n in os.environ), 1)
        batches = loader.num_workers * (loader.prefetch_factor or 2) * ranks
        free = shutil.disk_usage(self.folder).free
        if batch * batches > free:
            raise SystemExit(
                f'{self.folder} has {free / GB:.2f} GB free, and the workers need about '
                f'{batch * batches / GB:.2f} GB: {batches} batches of {batch / GB:.3f} GB '
                '(num_workers x prefetch_factor x processes). Give the container more '
                '(docker run --shm-size=8g, or --ipc=host), or set '
                'train_dataloader.num_workers to fewer; 0 needs none'
            )


def batch_bytes(loader: DataLoader) -> int:
    """Bytes of the tensors of a training batch, by one image of each source.

    Args:
        loader: with a sampler of mmpldc; 0 for another one, whose images cannot be drawn without
            a trace.
    """
    sampler: Any = loader.sampler
    sources = getattr(sampler, 'num_per_source', None)
    if sources is None:
        return 0
    dataset = loader.dataset
    total = 0
    for source, number in enumerate(sources):
        first = sampler.cumulative_sizes[source]
        position = sampler.seed, Purpose.AUGMENTATION, source, 0
        total += number * tensor_bytes(dataset[SeededIndex(first, position)])
    return total


def tensor_bytes(value: Any) -> int:
    """Bytes of all tensors inside a value that can be pickled."""
    counter = _Counter(io.BytesIO())
    counter.dump(value)
    return counter.total


class _Counter(pickle.Pickler):
    """Counts tensors instead of writing them."""

    total = 0

    def persistent_id(self, obj: Any) -> str | None:
        if not isinstance(obj, torch.Tensor):
            return None
        self.total += obj.untyped_storage().nbytes()
        return 'tensor'
