"""Checkpoints are data: reading one, from wherever, must not run code that somebody put into it.

A checkpoint is a pickle, and a pickle can call any function. mmengine reads again without
restrictions what cannot be read with them, and downloads without any; importing this module makes
each of its ways (``load_from``, ``resume``, ``init_cfg``, mmdet's ``init_detector``; files and
addresses) end with an error instead, and checks the hash that a downloaded file has in its name.

torch's own variable ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` turns this off, for old files that one
trusts.
"""

import functools
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, checkpoint
from mmengine.utils import digit_version

TRUST = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
WEIGHTS_ONLY = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
HAS_HASH = re.compile(r'-[0-9a-f]{8,}\.')  # torch's and OpenMMLab's way to name a published file


class UnsafeCheckpoint(pickle.UnpicklingError):
    """A file that holds more than weights, or is no checkpoint at all."""


def is_trusted() -> bool:
    """Whether the user told torch to run what is in a checkpoint."""
    return os.environ.get(TRUST, '0') in ('1', 'y', 'yes', 'true')


def _statistics_method(owner: type, name: str) -> Callable:
    """What ``getattr`` is needed for in mmengine's log; the real one opens every door."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {name}')
    return getattr(owner, name)


def _log_history() -> list:
    """What a checkpoint of mmengine holds beside weights, by the names of numpy 1 and 2."""
    array = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes['AllInteger'] + '?efd'}
    functions: list[tuple[Any, str]] = [(_statistics_method, 'builtins.getattr')]
    for core in 'core', '_core':
        functions.append((array, f'numpy.{core}.multiarray._reconstruct'))
        functions.append((scalar, f'numpy.{core}.multiarray.scalar'))
    return [*functions, HistoryBuffer, np.ndarray, np.dtype, *dtypes]


@contextmanager
def weights_only() -> Iterator[None]:
    """While it is open torch reads weights, plain values and mmengine's log, or nothing.

    Whatever a caller of ``torch.load`` asks for; unless the user trusts the file.

    Note:
        torch before 2.6 takes no names of what else is safe: a training's own checkpoint, which has
        a log, is refused there.
    """
    if is_trusted():
        yield
        return
    before = os.environ.get(WEIGHTS_ONLY)
    os.environ[WEIGHTS_ONLY] = '1'
    try:
        if digit_version(torch.__version__) < digit_version('2.6'):
            yield
        else:
            with torch.serialization.safe_globals(_log_history()):
                yield
    finally:
        if before is None:
            del os.environ[WEIGHTS_ONLY]
        else:
            os.environ[WEIGHTS_ONLY] = before


@contextmanager
def safe_loading(source: str) -> Iterator[None]:
    """:func:`weights_only` with an error that names the file and says what to do.

    Args:
        source: path or address of the file.

    Raises:
        UnsafeCheckpoint: if it holds more than weights.
    """
    try:
        with weights_only():
            yield
    except UnsafeCheckpoint:
        raise
    except pickle.UnpicklingError as error:
        called = re.search(r'GLOBAL (\S+)', str(error))
        reason = (
            f'holds more than weights ({called[1]})' if called else 'is damaged or no checkpoint'
        )
        raise UnsafeCheckpoint(
            f'{source} was not loaded: it {reason}. Reading such a file may run any program. Only '
            f'if you trust whoever made it, set {TRUST}=1 and try again'
        ) from error


def load_url(url: str, **options: Any) -> dict:
    """The checkpoint at an address, from torch's cache if it is there.

    Args:
        url: whose last part may have a hash, ``NAME-<8 or more digits of its SHA-256>.pth``.
        **options: of ``torch.hub.load_state_dict_from_url``.

    Raises:
        UnsafeCheckpoint: if it holds more than weights.
        RuntimeError: if it is not the file that its hash says.
    """
    has_hash = HAS_HASH.search(os.path.basename(urlparse(url).path)) is not None
    with safe_loading(url):
        return torch.hub.load_state_dict_from_url(url, **dict(check_hash=has_hash) | options)


def _read(file: Any, map_location: Any = None, weights_only: bool | None = None) -> dict:
    """In the place of mmengine's function that falls back to running what it reads."""
    return torch.load(file, map_location=map_location, weights_only=not is_trusted())


def _protect_mmengine() -> None:
    load_checkpoint = CheckpointLoader.load_checkpoint.__func__

    @functools.wraps(load_checkpoint)
    def protected(
        cls: type, filename: str, map_location: Any = None, logger: Any = 'current'
    ) -> Any:
        with safe_loading(filename):
            loaded = load_checkpoint(cls, filename, map_location, logger)
        meta = loaded.get('meta') if isinstance(loaded, dict) else None
        if isinstance(meta, dict) and not is_trusted():
            meta.pop('config', None)  # of old files; Runner.resume would execute this text
        return loaded

    CheckpointLoader.load_checkpoint = classmethod(protected)
    checkpoint.load_url = load_url
    if hasattr(checkpoint, '_safe_torch_load'):  # onedl-mmengine
        checkpoint._safe_torch_load = _read


_protect_mmengine()
