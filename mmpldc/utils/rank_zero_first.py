"""Loading what may have to be downloaded, on many ranks."""

import os
from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import all_gather_object, get_rank

Loaded = TypeVar('Loaded')


def load_first_on_one_rank(load: Callable[[], Loaded]) -> Loaded:
    """Call ``load`` on one rank of each machine, then, with its files in the cache, on the others.

    Args:
        load: reads a file, or downloads it into a cache.

    Returns:
        What ``load`` returned on this rank.

    Raises:
        RuntimeError: on every rank if one fails, with that rank's message; the failing one raises
            its own error.
    """
    local_rank = int(os.environ.get('LOCAL_RANK', get_rank()))
    loaded: list[Loaded] = []
    error: Exception | None = None
    for is_my_turn in (local_rank == 0, local_rank != 0):
        if is_my_turn:
            try:
                loaded.append(load())
            except Exception as caught:  # whatever it is, the other ranks must hear of it
                error = caught
        messages = all_gather_object(None if error is None else f'rank {get_rank()}: {error}')
        if error is not None:
            raise error
        failed = [message for message in messages if message is not None]
        if failed:
            raise RuntimeError(failed[0])
    return loaded[0]
