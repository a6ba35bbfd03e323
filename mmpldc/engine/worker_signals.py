"""Protect data loader workers from signals sent to all processes of a job."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

from torch.utils.data import DataLoader


def shield_workers(loader: DataLoader, signals: set[signal.Signals]) -> None:
    """Make a loader's future workers react to signals from their parent only.

    Some schedulers and shells signal every process of a job. The training process still has to
    finish its step, and needs its workers for that.

    Args:
        loader: a loader whose workers have not been started.
        signals: signals to shield from, such as SIGTERM; sent by the parent, each of them ends the
            worker.
    """
    loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn, signals)


def _start_worker(
    start: Callable[[int], None] | None, signals: set[signal.Signals], worker: int
) -> None:
    # Threads inherit the mask, so a signal waits for the thread that checks its sender.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=_end_by_parent, args=(signals,), daemon=True).start()
    if start is not None:
        start(worker)


def _end_by_parent(signals: set[signal.Signals]) -> None:
    while signal.sigwaitinfo(signals).si_pid != os.getppid():
        pass
    os._exit(0)
