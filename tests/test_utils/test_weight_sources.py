"""Weights that a config names: found, to be had, or missing, in one line each."""

import functools
import http.server
import threading
from types import SimpleNamespace

import pytest
import torch

from mmpldc.utils import weight_sources
from mmpldc.utils.weight_sources import kind_of_weights, missing_weights

IMAGENET = 'torchvision://resnet50'
COCO = 'https://download.openmmlab.com/mask2former_r50-41b088b6.pth'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    return tmp_path / 'checkpoints'


@pytest.fixture
def offline(monkeypatch):
    """No server answers; the addresses that were asked."""
    asked = []
    monkeypatch.setattr(
        weight_sources, '_unreachable', lambda url: asked.append(url) or 'no network'
    )
    return asked


def config(backbone=None, load_from=None, teacher=None, **model):
    init_cfg = None if backbone is None else dict(type='Pretrained', checkpoint=backbone)
    return dict(
        load_from=load_from,
        model=dict(backbone=dict(init_cfg=init_cfg), **model),
        default_hooks=dict(mean_teacher=dict(teacher_checkpoint=teacher)),
    )


def test_nothing_to_get(cache, offline):
    assert missing_weights({}) == missing_weights(config()) == []
    assert not offline


def test_what_is_in_the_cache_is_not_asked_for(cache, offline):
    (cache / 'resnet50-0676ba61.pth').touch()
    (cache / COCO.rpartition('/')[2]).touch()
    assert missing_weights(config(IMAGENET, COCO)) == []
    assert not offline


def test_a_line_for_each_that_is_missing(cache, offline, tmp_path):
    backbone, coco = sorted(missing_weights(config(IMAGENET, COCO)), reverse=True)
    assert coco.startswith('load_from: download.openmmlab.com cannot be reached (no network)')
    assert f'get {COCO} on another machine and put it to {cache}/mask2former_r50' in coco
    assert coco.endswith('-41b088b6.pth')
    assert 'https://download.pytorch.org/models/resnet50-0676ba61.pth' in backbone
    assert backbone.startswith('model.backbone.init_cfg.checkpoint: ')
    assert all('\n' not in line for line in (backbone, coco))


def test_a_file_that_is_not_there(cache, offline, tmp_path):
    (line,) = missing_weights(config(teacher=str(tmp_path / 'gone.pth')))
    assert line.startswith('default_hooks.mean_teacher.teacher_checkpoint: there is no file')
    assert line.endswith('gone.pth') and not offline
    (tmp_path / 'gone.pth').touch()
    assert missing_weights(config(teacher=str(tmp_path / 'gone.pth'))) == []


@pytest.mark.parametrize('name', ['no_such_network', 'vit_small_patch14_dinov2.no_such_tag'])
def test_timm_does_not_know_the_name(cache, offline, name):
    pytest.importorskip('timm')
    assert missing_weights(config(f'timm://{name}')) == []  # building says what is wrong


def test_timm(cache, offline, monkeypatch, tmp_path):
    pytest.importorskip('timm')
    name = 'vit_small_patch16_dinov3.lvd1689m'
    monkeypatch.setattr('huggingface_hub.try_to_load_from_cache', lambda *_: None)
    (line,) = missing_weights(config(f'timm://{name}'))
    assert line.startswith('model.backbone.init_cfg.checkpoint: huggingface.co cannot be reached')
    assert f'https://huggingface.co/timm/{name}/resolve/main/model.safetensors' in line
    assert line.endswith('name the file by model.backbone.init_cfg.checkpoint')
    here = tmp_path / 'model.safetensors'
    here.touch()
    monkeypatch.setattr('huggingface_hub.try_to_load_from_cache', lambda *_: str(here))
    assert missing_weights(config(f'timm://{name}')) == []


def test_kinds(tmp_path):
    save_file = pytest.importorskip('safetensors.torch').save_file
    for number, (name, kind) in enumerate(
        {
            'backbone.layer4.1.conv2.weight': 'backbone',
            'blocks.0.norm1.weight': None,
            'patch_embed.proj.weight': 'backbone',
            'downsample_layers.0.0.weight': 'backbone',
            'stem.0.weight': 'backbone',
            'student.panoptic_head.cls_embed.weight': 'detector',
        }.items()
    ):
        paths = [tmp_path / f'{number}{suffix}' for suffix in ('.pth', '.safetensors')]
        torch.save({name: torch.zeros(1)}, paths[0])
        save_file({name: torch.zeros(1)}, paths[1])
        for path in paths:
            if kind is not None:
                assert kind_of_weights(path) == kind
                continue
            with pytest.raises(ValueError, match='neither a backbone nor a Mask2Former'):
                kind_of_weights(path)


def test_image_classifier(cache, offline, tmp_path):
    scorer = dict(
        type='mmpldc.ImageClassifierScorer',
        classifier=dict(
            type='mmpretrain.TimmClassifier', model_name='resnet50.tv_in1k', pretrained=True
        ),
    )
    cfg = dict(model=dict(refiner=dict(scorer=scorer)))
    (line,) = missing_weights(cfg)
    assert 'timm/resnet50.tv_in1k' in line and 'model.refiner.scorer.checkpoint' in line
    scorer['checkpoint'] = str(tmp_path / 'classifier.pth')
    (line,) = missing_weights(cfg)
    assert 'no file' in line
    (tmp_path / 'classifier.pth').touch()
    assert missing_weights(cfg) == []


def test_clip(cache, offline, tmp_path):
    scorer = dict(type='mmpldc.OpenCLIPScorer', model='RN50-quickgelu', pretrained='openai')
    scorer['cache_dir'] = str(tmp_path)
    (line,) = missing_weights(config(refiner=dict(scorer=scorer)))
    assert line.startswith('model.refiner.scorer.pretrained: ')
    assert line.endswith('name the file by model.refiner.scorer.pretrained')
    scorer['pretrained'] = str(tmp_path / 'clip.pt')
    (line,) = missing_weights(config(refiner=dict(scorer=scorer)))
    assert 'there is no file' in line
    (tmp_path / 'clip.pt').touch()
    assert missing_weights(config(refiner=dict(scorer=scorer))) == []


def test_sam(cache, offline, tmp_path):
    refiner = dict(type='mmpldc.SAMRefiner', model='facebook/sam-vit-base')
    (line,) = missing_weights(config(mask_refiner=refiner))
    assert line.startswith('model.mask_refiner.model: huggingface.co cannot be reached')
    assert 'facebook/sam-vit-base/resolve/main/model.safetensors' in line
    refiner['model'] = str(tmp_path)
    assert missing_weights(config(mask_refiner=refiner)) == []


def test_a_server_is_asked_without_a_download(cache, tmp_path):
    """Of a file that is there, and of one that is not."""
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def send_head(self):
            requests.append(self.command)
            return super().send_head()

        def log_message(self, *_):
            pass

    (tmp_path / 'there.pth').write_bytes(b'weights')
    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = SimpleNamespace(root=f'http://127.0.0.1:{server.server_port}')
        assert missing_weights(config(load_from=f'{address.root}/there.pth')) == []
        (line,) = missing_weights(config(load_from=f'{address.root}/gone.pth'))
        server.shutdown()
    assert 'HTTP 404' in line
    assert requests == ['HEAD', 'HEAD'] and not list(cache.iterdir())
