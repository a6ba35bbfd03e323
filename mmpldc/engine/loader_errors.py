"""Say in one line why no batch came from the data loader's workers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SECONDS = 900  # ours: a batch that has not come by then will not come
ENDINGS = (
    (
        r'DataLoader timed out after ([\d.]+) seconds',
        'no batch came from the workers of a data loader in {0} s: a full /dev/shm (df -h '
        '/dev/shm), a network drive that hangs, or too few processors. Try '
        'train_dataloader.num_workers=0; train_dataloader.timeout sets the seconds',
    ),
    (
        r'DataLoader worker \(pid.*?killed by signal: Bus error',
        'a worker of a data loader ended because /dev/shm is full: give the container more (docker '
        'run --shm-size=8g), or set train_dataloader.num_workers to fewer',
    ),
    (
        r'DataLoader worker \(pid.*?killed by signal: Killed',
        'the system ended a worker of a data loader, as it does when memory runs out: set '
        'train_dataloader.num_workers to fewer, or use smaller images',
    ),
    (
        r'DataLoader worker \(pid\(?s?\)? ?[\d, ]+\) exited unexpectedly',
        'a worker of a data loader ended unexpectedly, as when memory runs out: set '
        'train_dataloader.num_workers to fewer, or to 0 to see its error',
    ),
)


def prepare_loaders(cfg: Config) -> list[str]:
    """Repair settings of the data loaders that do not go together, and limit how long they wait.

    Args:
        cfg: of a run; modified.

    Returns:
        What was repaired, in words.
    """
    words = []
    for name in LOADERS:
        loader = cfg.get(name)
        if not isinstance(loader, dict):
            continue
        if loader.get('num_workers', 0) == 0:
            without = {
                key: loader[key]
                for key in ('persistent_workers', 'prefetch_factor', 'timeout')
                if loader.get(key)
            }
            for key in without:
                del loader[key]
            if without:
                words.append(f'{name}: num_workers=0 needs no {" and no ".join(without)}')
        elif loader.get('timeout') is None:
            loader['timeout'] = SECONDS
    return words


@contextmanager
def one_line_loader_errors() -> Iterator[None]:
    """Turn torch's errors about workers into one line.

    Raises:
        SystemExit: with it.
    """
    try:
        yield
    except RuntimeError as error:
        message = f'{error} {error.__cause__}'
        for pattern, line in ENDINGS:
            if found := re.search(pattern, message, re.S):
                raise SystemExit(line.format(*found.groups())) from error
        raise
