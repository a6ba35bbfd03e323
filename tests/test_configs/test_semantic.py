"""The base configs of semantic segmentation: types of the right package, published numbers."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmdet import registry as mmdet_registry
from mmengine.config import Config
from mmengine.registry import Registry

from mmpldc import _compat
from mmpldc import registry as mmpldc_registry

pytest.importorskip('mmseg')

ROOT = Path(__file__).parents[2]
BASE = ROOT / 'configs/semantic/_base_'
FILES = sorted(str(path.relative_to(BASE)) for path in BASE.rglob('*.py'))
# Where a bare name is meant to be mmdet's, mmcv's, mmengine's, torch's or torchvision's.
BARE = {
    *('LoadImageFromFile', 'RandomFlip', 'RandomResize', 'RandomCrop', 'MultiBranch'),
    *('DefaultSampler', 'TestLoop', 'SGD', 'AdamW', 'PolyLR', 'LinearLR'),
    *('BN', 'SyncBN', 'Pretrained'),
    *('IterTimerHook', 'LoggerHook', 'ParamSchedulerHook', 'CheckpointHook'),
    *('DistSamplerSeedHook', 'LocalVisBackend', 'TensorboardVisBackend'),
    *('ColorJitter', 'RandomGrayscale', 'GaussianBlur', 'Resize'),
}


def types(cfg: object) -> Iterator[str]:
    if isinstance(cfg, dict):
        yield from (cfg[key] for key in ('type', 'constructor') if isinstance(cfg.get(key), str))
        cfg = list(cfg.values())
    if isinstance(cfg, list | tuple):
        for value in cfg:
            yield from types(value)


def find(name: str) -> object:
    """What any registry has under a name, looked up from mmdet's scope."""
    for registry in vars(mmdet_registry).values():
        if isinstance(registry, Registry) and (found := registry.get(name)) is not None:
            return found
    raise AssertionError(f'{name} is in no registry')


@pytest.mark.parametrize('name', FILES)
def test_every_type_is_of_the_package_that_is_meant(name):
    for kind in set(types(Config.fromfile(BASE / name).to_dict())):
        scope, _, bare = kind.rpartition('.')
        if not scope:
            assert kind in BARE, f"{kind} is mmdet's: write its package"
            continue
        found = find(kind)
        assert found.__name__ == bare and found.__module__.startswith(f'{scope}.')


def load(*names: str) -> Config:
    cfg = Config()
    for name in names:
        cfg.merge_from_dict(Config.fromfile(BASE / name).to_dict())
    return cfg


@pytest.mark.parametrize('depth', [50, 101])
def test_network_builds_from_mmsegmentations_parts(depth):
    cfg = load(f'models/deeplabv3plus_r{depth}.py')
    cfg.model.backbone.init_cfg = None
    network = mmdet_registry.MODELS.build(dict(cfg.model.segmentor, backbone=cfg.model.backbone))
    modules = [network, network.backbone, network.decode_head, network.decode_head.loss_decode]
    assert all(type(module).__module__.startswith('mmseg.') for module in modules)
    assert sum(len(getattr(network.backbone, f'layer{i}')) for i in range(1, 5)) == (depth - 2) // 3
    assert type(network.decode_head.conv_seg) is torch.nn.Conv2d


@pytest.mark.parametrize(
    ('options', 'stride', 'dilations'),
    [
        (dict(), 16, [1, 2, 2]),  # UniMatch: PyTorch's rule, the first block still has the old one
        (dict(multi_grid=(2, 4, 8)), 16, [2, 4, 8]),
        ('output_stride_8', 8, [4, 8, 16]),
    ],
)
def test_strides_and_dilations(options, stride, dilations):
    cfg = load('models/deeplabv3plus_r50.py')
    if isinstance(options, str):
        options = cfg[options]
    small = dict(base_channels=4, stem_channels=4, init_cfg=None, norm_cfg=dict(type='BN'))
    backbone = mmdet_registry.MODELS.build({**cfg.model.backbone, **options, **small})
    backbone.eval()
    maps = backbone(torch.zeros(1, 3, 64, 64))
    assert [64 // m.shape[-1] for m in maps] == [4, 8, min(16, stride), stride]
    assert [block.conv2.dilation[0] for block in backbone.layer4] == dilations


def test_u2pl_head_and_auxiliary_head_take_a_step():
    cfg = load('models/deeplabv3plus_r50.py')
    norm = dict(type='BN')
    head = {**cfg.model.segmentor.decode_head, **cfg.u2pl_head, 'norm_cfg': norm, 'num_classes': 19}
    head |= dict(in_channels=128, channels=8, c1_in_channels=16, c1_channels=8)
    auxiliary = {**cfg.auxiliary_head, 'norm_cfg': norm, 'in_channels': 64, 'channels': 8}
    small = dict(base_channels=4, stem_channels=4, init_cfg=None, norm_cfg=norm)
    network = mmdet_registry.MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            backbone={**cfg.model.backbone, **cfg.output_stride_8, **small},
            decode_head=head,
            auxiliary_head=auxiliary,
            test_cfg=dict(mode='whole'),
        )
    )
    features = network.extract_feat(torch.randn(2, 3, 65, 65))
    logits, representation = network.decode_head.forward_with_representation(features)
    assert logits.shape == (2, 19, 17, 17) and representation.shape == (2, 256, 17, 17)
    (logits.sum() + network.auxiliary_head(features).sum() + representation.sum()).backward()
    assert network.auxiliary_head.loss_decode.loss_weight == 0.4
    assert network.decode_head.align_corners and network.auxiliary_head.align_corners


NUMBERS = {  # of the released code of U2PL and iMAS
    ('schedules/voc_80e.py',): {
        'optim_wrapper.optimizer.lr': 0.001,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'optim_wrapper.optimizer.momentum': 0.9,
        'param_scheduler.power': 0.9,
        'max_iters': 45600,
        'train_cfg.max_iters': 45600,
        'param_scheduler.end': 45600,
    },
    ('schedules/cityscapes_200e.py',): {
        'optim_wrapper.optimizer.lr': 0.01,
        'optim_wrapper.optimizer.weight_decay': 5e-4,
        'train_cfg.max_iters': 27800,
        'param_scheduler.end': 27800,
        'optim_wrapper.paramwise_cfg': {},
    },
    ('models/deeplabv3plus_r50.py',): {
        'model.segmentor.decode_head.dilations': (1, 6, 12, 18),
        'model.segmentor.decode_head.c1_channels': 48,
        'model.segmentor.decode_head.loss_decode.avg_non_ignore': True,
        'u2pl_head.c1_channels': 256,
        'u2pl_head.dilations': (1, 12, 24, 36),
        'u2pl_head.dropout_ratio': 0.1,
        'u2pl_head.representation_channels': 256,
        'hard_pixels.max_probability': 0.7,
        'hard_pixels.min_kept': 100000,
    },
    ('datasets/voc.py',): {
        'crop_size': (513, 513),
        'imas_resize.scale': (500, 500),
        'imas_resize.ratio_range': (0.5, 2.0),
        'load_labels.num_classes': 21,
        'train_dataloader.batch_size': 32,
        'train_dataloader.sampler.source_ratio': [1, 1],
    },
    ('datasets/cityscapes.py',): {
        'crop_size': (769, 769),
        'imas_resize.scale': (2048, 1024),
        'load_labels.num_classes': 19,
        'train_dataloader.batch_size': 32,
    },
}


@pytest.mark.parametrize('names', NUMBERS)
def test_numbers(names):
    cfg = load(*names)
    for key, expected in NUMBERS[names].items():
        value = cfg
        for part in key.split('.'):
            value = value[part]
        assert value == expected, key


def test_head_learns_ten_times_as_fast_on_voc():
    cfg = load('schedules/voc_80e.py')
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult == 10


def test_shapes_have_the_classes_of_the_generator():
    from mmpldc.datasets.shapes import SEMANTIC_CLASSES, SEMANTIC_PALETTE

    cfg = load('datasets/shapes.py')
    for dataset in (
        cfg.train_dataloader.dataset.labeled,
        cfg.train_dataloader.dataset.unlabeled,
        cfg.val_dataloader.dataset,
        cfg.test_dataloader.dataset,
    ):
        assert tuple(dataset.metainfo.classes) == SEMANTIC_CLASSES
        assert list(map(tuple, dataset.metainfo.palette)) == SEMANTIC_PALETTE
    assert cfg.load_labels.num_classes == len(SEMANTIC_CLASSES)


class TestWithoutMmsegmentation:
    def test_a_config_ends_with_one_line(self, monkeypatch):
        cfg = load('runtime.py', 'datasets/voc.py')
        _compat.check_extras(cfg)
        monkeypatch.setattr(_compat, 'is_installed', lambda module: False)
        with pytest.raises(SystemExit, match=r"pip install 'mmpldc\[semantic\]'") as ended:
            _compat.check_extras(cfg)
        assert '\n' not in str(ended.value)
        _compat.check_extras(Config.fromfile(ROOT / 'configs/quickstart/pldc.py'))

    @pytest.mark.parametrize(
        ('registry', 'name'),
        [('MODELS', 'RepresentationASPPHead'), ('TRANSFORMS', 'PackSegTrainingInputs')],
    )
    def test_a_type_that_needs_it_says_so(self, monkeypatch, registry, name):
        monkeypatch.setattr(mmpldc_registry, 'is_installed', lambda module: False)
        with pytest.raises(ImportError, match='semantic segmentation needs mmsegmentation'):
            getattr(mmdet_registry, registry).build(dict(type=f'mmpldc.{name}'))

    @pytest.mark.slow
    def test_training_tools_say_so(self, python, tmp_path):
        """In a process in which mmsegmentation is out of sight."""
        code = (
            'import importlib.util as u, runpy, sys; find = u.find_spec; del sys.argv[0]; '
            "u.find_spec = lambda name, *a: None if name == 'mmseg' else find(name, *a); "
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        done = subprocess.run(
            [python, '-c', code, ROOT / 'tools/train.py', BASE / 'datasets/voc.py'],
            env=os.environ | dict(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
        )
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == _compat.NEEDS_MMSEG

    @pytest.mark.slow
    def test_instance_segmentation_does_not_import_it(self, python):
        code = (
            'import sys; from mmdet.registry import MODELS, TRANSFORMS, DATASETS, HOOKS; '
            "MODELS.get('mmpldc.SemiMask2Former'); TRANSFORMS.get('mmpldc.LoadAnnotations'); "
            "DATASETS.get('mmpldc.SemiDataset'); HOOKS.get('mmpldc.MeanTeacherHook'); "
            "print([name for name in sys.modules if name.split('.')[0] == 'mmseg'])"
        )
        done = subprocess.run(
            [python, '-c', code],
            env=os.environ | dict(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.stdout.strip().splitlines()[-1] == '[]', done.stderr
