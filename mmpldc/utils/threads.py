"""Work on many files, such as reading and decoding, in threads."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item = TypeVar('Item')
Outcome = TypeVar('Outcome')


CHUNK = 16  # items that are handed over at a time: that costs as much as reading a small file
MOST_CHUNKS = 4096  # of a million items, larger chunks: each costs two kilobytes
MOST_THREADS = 32


def in_threads(
    work: Callable[[Item], Outcome], items: Sequence[Item], *, keeps_lock: bool = False
) -> list[Outcome]:
    """``work`` on each item, in their order.

    The first items show whether the work waits, as for a file server. Then four threads a core
    share the rest. Work that does not wait gets a thread a core: more of them only compete.

    Args:
        work: what to do.
        items: to do it on.
        keeps_lock: the work keeps Python's lock, as parsing does and decoding does not. It is done
            without threads, unless it waits.
    """
    size = max(CHUNK, len(items) // MOST_CHUNKS)
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    if not chunks:
        return []

    def run(chunk: Sequence[Item]) -> list[Outcome]:
        return [work(item) for item in chunk]

    wall, own = time.perf_counter(), time.thread_time()
    first = run(chunks[0])
    waits = time.perf_counter() - wall > 2 * (time.thread_time() - own)
    cores = len(os.sched_getaffinity(0))
    threads = min(MOST_THREADS, 4 * cores) if waits else 1 if keeps_lock else cores
    if threads == 1:
        return first + list(chain.from_iterable(map(run, chunks[1:])))
    with ThreadPoolExecutor(threads) as pool:
        return first + list(chain.from_iterable(pool.map(run, chunks[1:])))
