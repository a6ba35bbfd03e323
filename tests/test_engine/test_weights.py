"""Weights that a run starts from are fetched first, or asked for in one line."""

import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from mmengine.config import Config

from mmpldc.engine.weights import fetch_weights
from mmpldc.utils.weight_sources import address_of, cached_path

URL = 'https://example.org/weights/net-0123abcd.pth'


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('LOCAL_RANK', raising=False)

    def no_network(*args, **kwargs):
        raise URLError('[Errno 111] Connection refused')

    monkeypatch.setattr(urllib.request, 'urlopen', no_network)
    monkeypatch.setattr(torch.hub, 'urlopen', no_network)


def config(checkpoint: str, **others) -> Config:
    backbone = dict(type='ResNet', init_cfg=dict(type='Pretrained', checkpoint=checkpoint))
    return Config(dict(model=dict(backbone=backbone, heads=[dict(init_cfg=None)]), **others))


@pytest.mark.parametrize('name', [URL, 'torchvision://resnet18'])
def test_without_a_network_the_file_and_its_place_are_named(name):
    with pytest.raises(SystemExit) as caught:
        fetch_weights(config(name))
    line = str(caught.value)
    url = address_of(name)
    assert '\n' not in line and url.startswith('https://') and url in line
    assert f'put it to {cached_path(url)}' in line and 'Connection refused' in line
    assert f'model.backbone.init_cfg.checkpoint={name}' in line
    place = cached_path(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    fetch_weights(config(name))  # as the line says


def test_load_from_and_nested_parts():
    with pytest.raises(SystemExit, match=r'load_from=https://example\.org'):
        fetch_weights(Config(dict(model=dict(), load_from=URL)))
    part = dict(init_cfg=dict(type='Pretrained', checkpoint=URL))
    with pytest.raises(SystemExit, match=r'model\.neck\.1\.init_cfg\.checkpoint='):
        fetch_weights(Config(dict(model=dict(neck=[dict(), part]))))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SystemExit, match=r'checkpoint=.*none\.pth: there is no such file'):
        fetch_weights(config(str(tmp_path / 'none.pth')))
    path = tmp_path / 'here.pth'
    path.touch()
    fetch_weights(config(str(path)))


def test_a_download_whose_hash_is_wrong_is_refused(monkeypatch):
    def download(url, path, hash_prefix=None, progress=True):
        assert (url, hash_prefix) == (URL, '0123abcd')
        raise RuntimeError('invalid hash value')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    with pytest.raises(SystemExit, match=r'cannot be downloaded \(invalid hash value'):
        fetch_weights(config(URL))


def test_other_processes_of_a_machine_wait_for_the_first(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    fetch_weights(config(URL))
    assert not Path(cached_path(URL)).exists()
