"""Load downloadable files on one rank first, then on the others."""

import os
from collections.abc import Callable
from typing import TypeVar

from mmengine.dist import all_gather_object, get_rank

Loaded = TypeVar('Loaded')


def load_first_on_one_rank(load: Callable[[], Loaded]) -> Loaded:
    """Call ``load`` on one rank of each machine, then on the others, which use its cached files.

    Args:
        load: reads a file, or downloads it into a cache.

    Returns:
        The result of ``load`` on this rank.

    Raises:
        RuntimeError: on all other ranks if one fails, with its message; the failing rank raises
            its own error.
    """
    local_rank = int(os.environ.get('LOCAL_RANK', get_rank()))
    loaded: list[Loaded] = []
    error: Exception | None = None
    for is_my_turn in (local_rank == 0, local_rank != 0):
        if is_my_turn:
            try:
                loaded.append(load())
            except Exception as caught:  # of any type: the other ranks must learn of it
                error = caught
        messages = all_gather_object(None if error is None else f'rank {get_rank()}: {error}')
        if error is not None:
            raise error
        failed = [message for message in messages if message is not None]
        if failed:
            raise RuntimeError(failed[0])
    return loaded[0]
