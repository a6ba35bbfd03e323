"""Where a config's pretrained weights come from, and whether they can be had before training."""

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlparse

import torch
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from . import checkpoint_loading  # noqa: F401  reads weights only

# A weight of each kind of backbone: ResNet, transformer, ConvNeXt of its authors, ConvNeXt of timm.
OF_BACKBONES = re.compile(
    r'(layer4\..*conv\d|patch_embed\.proj(ection)?|downsample_layers\.0\.0|stem\.0)\.weight'
)
SCHEMES = {  # mmengine's prefixes of names, and its lists of addresses
    'torchvision://': mmengine_checkpoint.get_torchvision_models,
    'modelzoo://': mmengine_checkpoint.get_torchvision_models,
    'open-mmlab://': mmengine_checkpoint.get_external_models,
    'openmmlab://': mmengine_checkpoint.get_external_models,
    'mmcls://': mmengine_checkpoint.get_mmcls_models,
}
# Settings that --init of tools/dataset/new_config.py writes.
OF_INIT = ('load_from', 'model.backbone.init_cfg.checkpoint')
TIMM = 'timm://'  # prefix of timm's names of weights, for mmpldc.TimmBackbone
TIMM_FILES = ('model.safetensors', 'pytorch_model.bin')
SECONDS = 5  # to wait for a server
SAM_FILE = 'model.safetensors'
CLIP_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')


class Source(NamedTuple):
    """Weights that a config names.

    Attributes:
        key: of the config.
        name: what the config says: a file or an address.
        url: of the download; None for a file.
        place: where the file is looked for.
        remedy: what to do with the file once it is there.
    """

    key: str
    name: str
    url: str | None
    place: Path
    remedy: str


def weight_sources(cfg: Mapping[str, Any]) -> Iterator[Source]:
    """Yield the pretrained weights of a config: backbone, whole model, teacher and refiners."""
    model = cfg.get('model') or {}
    hooks = cfg.get('default_hooks') or {}
    named = {
        'load_from': cfg.get('load_from'),
        'model.backbone.init_cfg.checkpoint': _checkpoint(model.get('backbone') or {}),
        'model.init_cfg.checkpoint': _checkpoint(model),
        'default_hooks.mean_teacher.teacher_checkpoint': (hooks.get('mean_teacher') or {}).get(
            'teacher_checkpoint'
        ),
    }
    for key, name in named.items():
        if isinstance(name, str) and name.startswith(TIMM):
            yield from _timm_source(key, name)
        elif isinstance(name, str):
            url = address_of(name)
            if url is None and '://' in name:  # another of mmengine's schemes
                continue
            place = Path(name).expanduser() if url is None else cached_path(url)
            yield Source(key, name, url, place, f'put it to {place}')
    scorer = (model.get('refiner') or {}).get('scorer') or {}
    if str(scorer.get('type', '')).endswith('OpenCLIPScorer') and scorer.get('pretrained'):
        yield from _clip_source(scorer)
    elif str(scorer.get('type', '')).endswith('ImageClassifierScorer'):
        yield from _classifier_source(scorer)
    refiner = model.get('mask_refiner') or {}
    if str(refiner.get('type', '')).endswith('SAMRefiner'):
        yield from _sam_source(str(refiner['model']))


def missing_weights(cfg: Mapping[str, Any]) -> list[str]:
    """Say for each of a config's weights that cannot be had what to do.

    Files are looked for where they will be read; an address whose file is not there is asked for
    its headers. Nothing is downloaded.

    Returns:
        A line each; [] if all are there or can be downloaded.
    """
    lines = []
    for source in weight_sources(cfg):
        if source.place.exists():
            continue
        if source.url is None:
            advice = ''
            if source.key in OF_INIT:
                advice = '; --init imagenet, coco or another file starts from other weights'
            lines.append(f'{source.key}: there is no file {source.name}{advice}')
            continue
        problem = _unreachable(source.url)
        if problem is not None:
            lines.append(
                f'{source.key}: {urlparse(source.url).netloc} cannot be reached ({problem}): get '
                f'{source.url} on another machine and {source.remedy}'
            )
    return lines


def kind_of_weights(path: str | Path) -> Literal['backbone', 'detector']:
    """Whether a file has the weights of a backbone alone, or of a whole detector.

    Raises:
        FileNotFoundError: with the file's name.
        ValueError: if it has neither, or cannot be read.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no file {path}')
    try:
        names = _names_of_weights(str(path))
    except Exception as error:  # decoders raise many types
        raise ValueError(
            f'{path} cannot be read as weights ({type(error).__name__}): copy or download it again'
        ) from error
    if any('panoptic_head.' in name for name in names):
        return 'detector'
    if any(OF_BACKBONES.search(name) for name in names):
        return 'backbone'
    raise ValueError(
        f'{path} has weights of neither a backbone nor a Mask2Former: '
        f'{", ".join(names[:3]) or "none"}, ...'
    )


def _names_of_weights(path: str) -> list[str]:
    if path.endswith('.safetensors'):
        from safetensors import safe_open

        with safe_open(path, framework='pt') as file:
            return list(file.keys())
    content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    weights = content.get('state_dict', content) if isinstance(content, dict) else {}
    return [str(name) for name in weights]


def _checkpoint(module: Mapping[str, Any]) -> str | None:
    init_cfg = module.get('init_cfg')
    return init_cfg.get('checkpoint') if isinstance(init_cfg, Mapping) else None


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
    return Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(url).path).name


def _timm_source(key: str, name: str) -> Iterator[Source]:
    """Weights that timm downloads from the Hugging Face Hub."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from timm import get_pretrained_cfg
    except ImportError:
        return  # building the network says what to install
    try:
        known = get_pretrained_cfg(name.removeprefix(TIMM))
    except RuntimeError:  # a name that timm does not know, as loading says
        known = None
    if known is None or not known.hf_hub_id:
        return
    found = (try_to_load_from_cache(known.hf_hub_id, file) for file in TIMM_FILES)
    cached = next((path for path in found if isinstance(path, str)), '')
    url = f'https://huggingface.co/{known.hf_hub_id}/resolve/main/{TIMM_FILES[0]}'
    place = Path(cached or f'{known.hf_hub_id}/{TIMM_FILES[0]}')
    yield Source(key, name, url, place, f'name the file by {key}')


def _clip_source(scorer: Mapping[str, Any]) -> Iterator[Source]:
    """CLIP's weights, from where open_clip takes them."""
    key, name = 'model.refiner.scorer.pretrained', str(scorer['pretrained'])
    try:
        import open_clip
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return  # loading says what to install
    known = open_clip.get_pretrained_cfg(scorer['model'], name)
    cache = scorer.get('cache_dir')
    remedy = f'name the file by {key}'
    if not known:
        yield Source(key, name, None, Path(name), remedy)
    elif known.get('hf_hub'):
        repo, file = os.path.split(known['hf_hub'])
        files = (file,) if file else CLIP_FILES
        url = f'https://huggingface.co/{repo}/resolve/main/{files[0]}'
        found = (try_to_load_from_cache(repo, each, cache_dir=cache) for each in files)
        cached = next((path for path in found if isinstance(path, str)), '')
        yield Source(key, name, url, Path(cached or f'{repo}/{files[0]}'), remedy)
    else:
        place = Path(cache or '~/.cache/clip').expanduser() / Path(known['url']).name
        yield Source(key, name, known['url'], place, remedy)


def _classifier_source(scorer: Mapping[str, Any]) -> Iterator[Source]:
    """An image classifier's weights: a file, an address, or timm's."""
    key, name = 'model.refiner.scorer.checkpoint', scorer.get('checkpoint')
    if name is None:
        model = str(scorer['classifier'].get('model_name', ''))
        for source in _timm_source(key, f'{TIMM}{model}'):
            yield source._replace(name=model)
    else:
        url = address_of(name)
        place = Path(name).expanduser() if url is None else cached_path(url)
        yield Source(key, name, url, place, f'put it to {place}')


def _sam_source(name: str) -> Iterator[Source]:
    """SAM's weights: a folder, or a repository on the Hugging Face hub."""
    key = 'model.mask_refiner.model'
    remedy = f'name its folder, with the other files of the repository, by {key}'
    if Path(name).is_dir():
        return
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return  # loading says what to install
    cached = try_to_load_from_cache(name, SAM_FILE) if name.count('/') == 1 else None
    place = Path(cached if isinstance(cached, str) else f'{name}/{SAM_FILE}')
    yield Source(key, name, f'https://huggingface.co/{name}/resolve/main/{SAM_FILE}', place, remedy)


def _unreachable(url: str) -> str | None:
    """Why an http(s) address gives nothing; None if it does."""
    headers = {'User-Agent': 'mmpldc'}
    request = urllib.request.Request(url, method='HEAD', headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f'HTTP {error.code}'
    except (urllib.error.URLError, OSError, ValueError) as error:
        return str(getattr(error, 'reason', error)) or type(error).__name__
