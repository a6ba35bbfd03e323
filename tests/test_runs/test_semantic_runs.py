"""Semantic segmentation by the Runner: training, validation, resuming bit for bit, testing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

pytest.importorskip('mmseg')
pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/semantic'
STEPS = 8


@pytest.fixture(scope='module')
def scenes(make_scenes) -> Path:
    return make_scenes(96, num_labeled=16, num_train=64, num_tuning=4, num_test=3)


@pytest.fixture
def load(scenes, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{scenes}/')

    def load(method: str, **settings) -> Config:
        cfg = Config.fromfile(CONFIGS / f'shapes/{method}.py')
        batch = dict(batch_size=2 if method == 'supervised' else 4)
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': 2,
                'train_cfg': dict(max_iters=STEPS, val_interval=4),
                'train_dataloader': dict(**batch, sampler=batch),
                'default_hooks.checkpoint': dict(interval=4, max_keep_ckpts=-1),
                'default_hooks.logger.interval': 1,
            }
        )
        if 'threshold' in cfg.model.get('reliability', {}):
            cfg.model.reliability.threshold = 0.0  # an untrained teacher is never sure
        cfg.merge_from_dict(settings)
        return cfg

    return load


def weights(folder: Path, step: int) -> dict:
    return torch.load(folder / f'iter_{step}.pth', weights_only=False)['state_dict']


@pytest.mark.parametrize('method', ['u2pl', 'imas'])
def test_a_resumed_run_is_the_uninterrupted_one(load, run, tmp_path, method):
    run(load(method), work_dir=tmp_path / 'whole')
    resumed = load(method)
    resumed.merge_from_dict(dict(load_from=str(tmp_path / 'whole/iter_4.pth'), resume=True))
    run(resumed, work_dir=tmp_path / 'resumed')
    expected, found = (weights(tmp_path / name, STEPS) for name in ('whole', 'resumed'))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    if method == 'u2pl':  # filled before the run was interrupted
        assert weights(tmp_path / 'whole', 4)['contrast.bank.filled'].sum() > 0


@pytest.mark.parametrize('method', ['supervised', 'mean_teacher', 'unimatch'])
def test_methods_train_and_are_tested(load, run, tmp_path, method):
    runner = run(load(method))
    names = str(list(runner.message_hub.log_scalars))
    assert 'teacher/mIoU' in names
    assert ('unsup_loss_ce' in names) == (method != 'supervised')
    cfg = load(method, work_dir=str(tmp_path / 'test'))
    cfg.load_from = str(tmp_path / f'work_dir/iter_{STEPS}.pth')
    cfg.experiment_name = cfg.visualizer.name = f'test_{method}'  # mmengine keeps one of a name
    assert 0 <= Runner.from_cfg(cfg).test()['mIoU'] <= 100


def write_pair(image: Path, label_map: Path, size: tuple[int, int], num_classes: int) -> None:
    """A noise image with a label map of two classes and a frame without labels."""
    rng = np.random.default_rng(sum(image.stem.encode()))
    labels = np.full(size, rng.integers(num_classes), dtype=np.uint8)
    labels[: size[0] // 2] = rng.integers(num_classes)
    labels[:2] = 255
    for path in (image, label_map):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(256, size=(*size, 3), dtype=np.uint8)).save(image)
    Image.fromarray(labels).save(label_map)


@pytest.fixture(scope='module')
def voc(tmp_path_factory) -> Path:
    """12 images in VOC's layout, 4 of them labelled, and 2 to validate on."""
    root = tmp_path_factory.mktemp('voc')
    names = [f'2007_{index:06d}' for index in range(14)]
    for index, name in enumerate(names):
        size = (50 + 3 * index, 90 - 3 * index)
        for folder in ('SegmentationClass', 'SegmentationClassAug'):
            write_pair(root / f'JPEGImages/{name}.jpg', root / f'{folder}/{name}.png', size, 21)
    lists = root / 'ImageSets/Segmentation'
    (lists / 'semi_supervised').mkdir(parents=True)
    (lists / 'val.txt').write_text('\n'.join(names[12:]))
    split = lists / 'semi_supervised/train_aug.1@1464images'
    Path(f'{split}.txt').write_text('\n'.join(names[:4]))
    Path(f'{split}-unlabeled.txt').write_text('\n'.join(names[4:12]))
    return root


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory) -> Path:
    """The same in Cityscapes' layout."""
    root = tmp_path_factory.mktemp('cityscapes')
    names = [f'aachen/aachen_{index:06d}_000019' for index in range(14)]
    for index, name in enumerate(names):
        part = 'train' if index < 12 else 'val'
        label_map = root / f'gtFine/{part}/{name}_gtFine_labelTrainIds.png'
        write_pair(root / f'leftImg8bit/{part}/{name}_leftImg8bit.png', label_map, (64, 128), 19)
    (root / 'semi_supervised').mkdir()
    split = root / 'semi_supervised/train.1@744images'
    Path(f'{split}.txt').write_text('\n'.join(names[:4]))
    Path(f'{split}-unlabeled.txt').write_text('\n'.join(names[4:12]))
    return root


def dicts(cfg: object) -> Iterator[dict]:
    if isinstance(cfg, dict):
        yield cfg
        cfg = list(cfg.values())
    if isinstance(cfg, list | tuple):
        for value in cfg:
            yield from dicts(value)


def shrink(cfg: Config, root: Path) -> None:
    """The config with stand-in data, thin networks, crops of 65 pixels and three steps."""
    for part in dicts(cfg._cfg_dict):
        if 'data_root' in part:
            part['data_root'] = f'{root}/'
        if part.get('type') in ('SyncBN', 'BN'):
            part['type'] = 'BN'
        if 'crop_size' in part:
            part['crop_size'] = (65, 65)
        if part.get('type') == 'mmseg.SegDataPreProcessor':
            part['size'] = (65, 65)
        if part.get('type') == 'RandomResize':
            part['scale'] = (100, 100)
        if 'num_workers' in part:
            part.update(num_workers=0, persistent_workers=False)
    model = cfg.model
    head = model.segmentor.decode_head
    if model.backbone.type == 'mmpldc.TimmBackbone':
        vit = dict(embed_dim=24, depth=4, num_heads=2, mlp_ratio=2, img_size=56)
        model.backbone.update(vit, out_indices=(0, 1, 2, 3), init_cfg=None)
        head.update(in_channels=(24,) * 4, embed_dims=24)
        head.update(post_process_channels=[8, 8, 8, 8], channels=8)
    else:
        model.backbone.update(base_channels=4, stem_channels=4, init_cfg=None)
        head.update(in_channels=128, channels=8, c1_in_channels=16, c1_channels=8)
    if model.segmentor.get('auxiliary_head'):
        model.segmentor.auxiliary_head.update(in_channels=64, channels=8)
    if 'contrast' in model:
        model.contrast.update(capacity=64, background_capacity=128)
    if 'threshold' in model.get('reliability', {}):
        model.reliability.threshold = 0.0
    model.burn_in_iters = min(model.burn_in_iters, 1)
    batch = dict(batch_size=4)
    cfg.merge_from_dict(
        {
            'train_cfg': dict(max_iters=3, val_interval=3),
            'train_dataloader': dict(**batch, sampler=batch),
            'default_hooks.logger.interval': 1,
        }
    )


@pytest.mark.parametrize(
    ('dataset', 'method'),
    [
        (dataset, path.stem)
        for dataset in ('voc', 'cityscapes')
        for path in sorted((CONFIGS / dataset).glob('[!_]*.py'))
    ],
)
def test_published_configs_step_and_validate(request, run, dataset, method):
    if method == 'unimatch_v2':
        pytest.importorskip('timm')
    cfg = Config.fromfile(CONFIGS / f'{dataset}/{method}.py')
    shrink(cfg, request.getfixturevalue(dataset))
    runner = run(cfg)
    scalars = runner.message_hub.log_scalars
    assert 'val/teacher/mIoU' in scalars
    losses = [name for name in scalars if 'loss' in name]
    assert any(name.startswith('train/unsup_loss_ce') for name in losses) == (
        method != 'supervised'
    )
    assert all(np.isfinite(scalars[name].current()) for name in losses)
