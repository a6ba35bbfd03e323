"""Load checkpoints without executing code from them.

A checkpoint is a pickle, and a pickle can call any function. If restricted reading fails, mmengine
reads the file again without restrictions, and it reads downloads without any. Importing this module
turns both into errors wherever mmengine loads a checkpoint (``load_from``, ``resume``,
``init_cfg``, mmdet's ``init_detector``; files and URLs). It also checks the hash in a downloaded
file's name.

torch's own variable ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1`` turns this off, for old files from a
trusted source.
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
HAS_HASH = re.compile(r'-[0-9a-f]{8,}\.')  # in the names of files published by torch and OpenMMLab


class UnsafeCheckpoint(pickle.UnpicklingError):
    """The file holds more than weights, or is not a checkpoint."""


class MissingWeights(RuntimeError):
    """Weights that a config names cannot be loaded; the message says how to get them."""


def read_weights(source: str) -> dict[str, torch.Tensor]:
    """Read weights by name, from a file or an address; of safetensors from a file."""
    if source.endswith('.safetensors'):
        from safetensors.torch import load_file

        return load_file(source)
    content = CheckpointLoader.load_checkpoint(source, map_location='cpu', logger='silent')
    return content.get('state_dict', content)


def is_trusted() -> bool:
    """Whether the user allowed torch to run code from checkpoints."""
    return os.environ.get(TRUST, '0') in ('1', 'y', 'yes', 'true')


def _statistics_method(owner: type, name: str) -> Callable:
    """Stand in for ``getattr`` in mmengine's log; the real one would give access to everything."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {name}')
    return getattr(owner, name)


def _log_history() -> list:
    """List the types in mmengine's checkpoints besides weights, by their names in NumPy 1 and 2."""
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
    """Restrict ``torch.load`` to weights, plain values and mmengine's log within this context.

    The restriction overrides what a caller of ``torch.load`` asks for, unless the user trusts the
    file.

    Note:
        torch before 2.6 accepts no further safe names: it refuses checkpoints of our own runs,
        which contain a log.
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
    """Apply :func:`weights_only`; errors name the file and the remedy.

    Args:
        source: path or URL of the file.

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
            f'holds more than weights ({called[1]})' if called else 'is damaged or not a checkpoint'
        )
        raise UnsafeCheckpoint(
            f'{source} was not loaded: it {reason}. Reading such a file may run any program. Only '
            f'if you trust whoever made it, set {TRUST}=1 and try again'
        ) from error


def load_url(url: str, **options: Any) -> dict:
    """Load the checkpoint at a URL, from torch's cache if it is there.

    Args:
        url: its last part may contain a hash, ``NAME-<8 or more digits of its SHA-256>.pth``.
        **options: of ``torch.hub.load_state_dict_from_url``.

    Raises:
        UnsafeCheckpoint: if it holds more than weights.
        RuntimeError: if the file does not match its hash.
    """
    has_hash = HAS_HASH.search(os.path.basename(urlparse(url).path)) is not None
    with safe_loading(url):
        return torch.hub.load_state_dict_from_url(url, **dict(check_hash=has_hash) | options)


def _read(file: Any, map_location: Any = None, weights_only: bool | None = None) -> dict:
    """Replace mmengine's function that falls back to unrestricted reading."""
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
            meta.pop('config', None)  # in old files; Runner.resume would execute this text
        return loaded

    CheckpointLoader.load_checkpoint = classmethod(protected)
    checkpoint.load_url = load_url
    if hasattr(checkpoint, '_safe_torch_load'):  # onedl-mmengine
        checkpoint._safe_torch_load = _read


_protect_mmengine()
