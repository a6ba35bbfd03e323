"""Cache text embeddings on disk, so that the text tower runs once for all runs."""

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmpldc.utils.checkpoint_loading import safe_loading
from mmpldc.utils.files import atomic_write


def default_cache() -> Path:
    """Return ``$MMPLDC_CACHE/text_embeddings``, by default in ``~/.cache/mmpldc``."""
    root = os.environ.get('MMPLDC_CACHE', '~/.cache/mmpldc')
    return Path(root).expanduser() / 'text_embeddings'


def weights_key(model: str, pretrained: str | None) -> str:
    """Name a model's weights by their tag, or by the content of their files.

    Args:
        model: as for open_clip, possibly ``'local-dir:FOLDER'``.
        pretrained: a tag, the path of a checkpoint, or None.

    Returns:
        A string fit for a file name.
    """
    files: list[Path] = []
    if model.startswith('local-dir:'):
        files = sorted(path for path in Path(model.split(':', 1)[1]).iterdir() if path.is_file())
    if pretrained is not None and Path(pretrained).is_file():
        files.append(Path(pretrained))
    identity = hashlib.sha256(f'{model} {pretrained}'.encode())
    for path in files:
        with open(path, 'rb') as file:
            while block := file.read(1 << 20):
                identity.update(block)
    readable = re.sub(r'[^\w.-]+', '_', f'{model.split("/")[-1]}-{Path(str(pretrained)).name}')
    return f'{readable}-{identity.hexdigest()[:16]}'


def cached_text_embeddings(
    texts: Sequence[str], key: str, encode: Callable[[list[str]], Tensor], folder: Path
) -> Tensor:
    """Return embeddings from the cache; encode and add missing ones.

    Args:
        texts: T texts.
        key: identifies the weights behind ``encode``, see :func:`weights_key`.
        encode: maps t texts to ``(t, D)``.
        folder: cache folder.

    Returns:
        ``(T, D)`` float32 on the CPU.
    """
    path = folder / f'{key}.pt'
    known: dict[str, Tensor] = {}
    if path.exists():
        with safe_loading(str(path)):
            known = torch.load(path, weights_only=True)
    unknown = [text for text in dict.fromkeys(texts) if text not in known]
    if unknown:
        known |= dict(zip(unknown, encode(unknown).float().cpu().unbind(), strict=True))
        try:
            # Another process, possibly on another machine, sees either the old file or the new one.
            with atomic_write(path, 'wb') as file:
                torch.save(known, file)
        except OSError as error:  # a cache that is not writable must not stop a run
            warnings.warn(f'text embeddings are not cached: {error}', stacklevel=2)
    return torch.stack([known[text] for text in texts])
