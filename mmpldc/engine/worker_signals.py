"""Data loading that outlives a signal sent to all processes of a job."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

from torch.utils.data import DataLoader


def shield_workers(loader: DataLoader, signals: set[signal.Signals]) -> None:
    """Let a loader's future workers heed signals from their parent only.

    Some schedulers and shells signal every process of a job. The training process has a step to
    finish then, for which it needs its workers.

    Args:
        loader: whose workers have not been started.
        signals: that SIGTERM may be among; from the parent each of them ends the worker.
    """
    loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn, signals)


def _start_worker(
    start: Callable[[int], None] | None, signals: set[signal.Signals], worker: int
) -> None:
    # Threads inherit the mask, and so a signal waits for the thread that asks who has sent it.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=_end_by_parent, args=(signals,), daemon=True).start()
    if start is not None:
        start(worker)


def _end_by_parent(signals: set[signal.Signals]) -> None:
    while signal.sigwaitinfo(signals).si_pid != os.getppid():
        pass
    os._exit(0)
