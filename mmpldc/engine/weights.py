"""Fetch the weights that a run starts from before it starts."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed, is_main_process
from mmengine.logging import print_log

from mmpldc.utils.checkpoint_loading import HAS_HASH
from mmpldc.utils.rank_zero_first import load_first_on_one_rank
from mmpldc.utils.weight_sources import address_of, cached_path, missing_weights


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
        if path.is_file() and not is_distributed():  # another machine may lack the file
            continue
        try:
            load_first_on_one_rank(partial(_download, url, path))
        except Exception as error:  # URLError, HTTPError, timeouts, hash: from as many libraries
            raise SystemExit(
                f'{file}: {setting}={source}: cannot be downloaded ({_reason(error)}): get '
                f'{url} elsewhere and put it to {path}, or name its path: '
                f'--cfg-options {setting}=FILE'
            ) from error
    missing = missing_weights(cfg)  # what others download when they need it: CLIP
    if missing:
        raise SystemExit(f'{file}: ' + '\n'.join(missing))


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
