"""Work that leaves Python's lock, such as reading and decoding, in threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar('Item')
Outcome = TypeVar('Outcome')


def in_threads(work: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
    """``work`` on each item, in their order."""
    with ThreadPoolExecutor(min(32, 4 * len(os.sched_getaffinity(0)))) as pool:
        return list(pool.map(work, items))
