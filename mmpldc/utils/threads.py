"""Work that leaves Python's lock, such as reading and decoding, in threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Item = TypeVar('Item')
Outcome = TypeVar('Outcome')


CHUNK = 16  # items that are handed over at a time: that costs as much as reading a small file
MOST_CHUNKS = 4096  # of a million items, larger chunks: each costs two kilobytes


def in_threads(work: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
    """``work`` on each item, in their order."""
    size = max(CHUNK, len(items) // MOST_CHUNKS)
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(min(32, 4 * len(os.sched_getaffinity(0)))) as pool:
        done = pool.map(lambda chunk: [work(item) for item in chunk], chunks)
        return list(chain.from_iterable(done))
