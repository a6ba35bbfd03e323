"""Fetch the weights that a run starts from before it starts."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed, is_main_process
from mmengine.logging import print_log
from mmengine.runner import checkpoint as mmengine_checkpoint

from mmpldc.utils.checkpoint_loading import HAS_HASH
from mmpldc.utils.rank_zero_first import load_first_on_one_rank

SCHEMES = {  # mmengine's prefixes of names, and its lists of addresses
    'torchvision://': mmengine_checkpoint.get_torchvision_models,
    'modelzoo://': mmengine_checkpoint.get_torchvision_models,
    'open-mmlab://': mmengine_checkpoint.get_external_models,
    'openmmlab://': mmengine_checkpoint.get_external_models,
    'mmcls://': mmengine_checkpoint.get_mmcls_models,
}


def fetch_weights(cfg: Config) -> None:
    """Download what ``init_cfg`` and ``load_from`` name, unless it is in torch's cache.

    Args:
        cfg: of a run.

    Raises:
        SystemExit: naming the setting, the file to get and where to put it, if a file is missing
            or cannot be downloaded.
    """
    if not is_distributed() and int(os.environ.get('LOCAL_RANK', 0)) > 0:
        return  # the first process of the machine fetches them; mmengine lets it go first, too
    file = Path(cfg.filename).name if cfg.filename else 'the config'
    for setting, source in dict(_sources(cfg)).items():
        url = address_of(source)
        if url is None:
            if '://' not in source and not Path(source).expanduser().is_file():
                raise SystemExit(f'{file}: {setting}={source}: there is no such file')
            continue
        path = cached_path(url)
        if path.is_file():
            continue
        try:
            load_first_on_one_rank(partial(_download, url, path))
        except Exception as error:  # URLError, HTTPError, timeouts, hash: from as many libraries
            raise SystemExit(
                f'{file}: {setting}={source}: cannot be downloaded ({_reason(error)}): get '
                f'{url} elsewhere and put it to {path}, or name its path: '
                f'--cfg-options {setting}=FILE'
            ) from error


def _sources(value: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """Settings that name weights, with their dotted keys; of a detector only what is built."""
    if isinstance(value, Config):
        if value.get('load_from'):
            yield 'load_from', str(value.load_from)
        value, key = value.get('model') or {}, 'model'
    if isinstance(value, dict):
        if key.endswith('init_cfg') and value.get('type') == 'Pretrained':
            yield f'{key}.checkpoint', str(value.get('checkpoint'))
        for name, part in value.items():
            yield from _sources(part, f'{key}.{name}')
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _sources(part, f'{key}.{place}')


def address_of(source: str) -> str | None:
    """The URL of weights, also of those with a name such as ``'torchvision://resnet50'``.

    Args:
        source: as in ``init_cfg.checkpoint``.

    Returns:
        None for a file, and for a name that mmengine's lists do not have.
    """
    if source.startswith(('http://', 'https://')):
        return source
    for prefix, urls in SCHEMES.items():
        if source.startswith(prefix):
            url = urls().get(source.removeprefix(prefix))
            return url if str(url).startswith('http') else None
    return None


def cached_path(url: str) -> Path:
    """Where torch keeps the file of a URL."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / os.path.basename(urlparse(url).path)


def _download(url: str, path: Path) -> None:
    if path.is_file():
        return
    if is_main_process():
        print_log(f'Downloading {url} to {path}', logger='current')
    path.parent.mkdir(parents=True, exist_ok=True)
    found = HAS_HASH.search(path.name)
    prefix = None if found is None else found[0].strip('-.')
    torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)


def _reason(error: Exception) -> str:
    reason = getattr(error, 'reason', None) or error
    return str(reason).splitlines()[0] if str(reason) else type(error).__name__
