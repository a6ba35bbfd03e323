"""Every config reads COCO's and Cityscapes' layout and takes a training step, made small."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from emulated_device import emulated_device
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

ROOTS = {'data/coco/': 'coco_root', 'data/cityscapes/': 'cityscapes_root'}
CONFIGS = Path(__file__).parents[2] / 'configs'
# The quickstart and the custom template have runs of their own, in tests/test_runs.
PUBLISHED = sorted(
    str(path.relative_to(CONFIGS))
    for family in ('pldc', 'supervised', 'guided_distillation', 'pais', 'compatibility')
    for path in (CONFIGS / family).rglob('*.py')
)
# A share of labels is a file over the one for 10 %, and takes the same steps on other images.
SHARES = [name for name in PUBLISHED if re.search(r'_(?!10pct)\d+pct\.py$', name)]
COMPARISON = sorted(f'comparison/{path.name}' for path in (CONFIGS / 'comparison').glob('*.py'))
STEPPED = [name for name in PUBLISHED if name not in SHARES] + COMPARISON
# one of each kind of part, some on Cityscapes
OF_ALL_PARTS = [
    'pldc/pldc_aaai_mask2former_r50_cityscapes_10pct.py',
    'guided_distillation/guided_distillation_mask2former_r50_coco_10pct.py',
    *COMPARISON,
]
LENGTHS = dict(
    RandomResize='scale', Resize='scale', RandomCrop='crop_size', BatchFixedSizePad='size'
)
SHRINK = 16  # all lengths in pixels are divided by it
RUNS = itertools.count()


# What the methods on equal terms are compared on, here.
COMPARISON_BASE = CONFIGS / 'pldc/pldc_mask2former_r50_coco_1pct.py'


def is_cityscapes(name: str) -> bool:
    return 'cityscapes' in name


@pytest.fixture
def on_stand_in(request, compared_methods, tmp_path):
    """Load a config with its data root replaced by the stand-in."""

    def on_stand_in(name: str) -> Config:
        path = CONFIGS / name
        if name in COMPARISON:
            path = compared_methods.rebase_config(path, COMPARISON_BASE, tmp_path / 'configs')
        cfg = Config.fromfile(path)
        root = 'data/cityscapes/' if is_cityscapes(name) else 'data/coco/'
        stand_in = f'{request.getfixturevalue(ROOTS[root])}/'
        parts = cfg.train_dataloader.dataset
        for dataset in filter(None, (parts.labeled, parts.unlabeled, cfg.val_dataloader.dataset)):
            assert dataset.data_root == root
            dataset.data_root = stand_in
        for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
            assert evaluator.ann_file.startswith(root)
            evaluator.ann_file = evaluator.ann_file.replace(root, stand_in)
        return cfg

    return on_stand_in


def shrink_lengths(cfg: object) -> None:
    """Divide sizes of images, crops and pads, in place."""
    for item in cfg.values() if isinstance(cfg, dict) else cfg:
        if isinstance(item, dict | list):
            shrink_lengths(item)
    if isinstance(cfg, dict) and cfg.get('type') in LENGTHS:
        key = LENGTHS[cfg['type']]
        cfg[key] = tuple(length // SHRINK for length in cfg[key])


MOST_WAITS = 6  # of a step for its device, with the networks, CLIP, the teacher and the optimiser


class Waits(Hook):
    """Begins to count with the first hook of a step."""

    priority = 'HIGHEST'

    def __init__(self, emulation):
        self.emulation = emulation

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.emulation.waits.clear()


class Watch(Hook):
    """Keeps what a step saw and did, without the checkpoint that follows."""

    priority = 'LOW'
    emulation = None

    def __init__(self):
        self.steps = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batch = data_batch
        waits = [] if self.emulation is None else list(self.emulation.waits)
        weights = runner.model.state_dict()
        self.before = {name: tensor.clone().to('cpu') for name, tensor in weights.items()}
        if self.emulation is not None:
            self.emulation.waits[:] = waits

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append(outputs)
        self.waits = [] if self.emulation is None else list(self.emulation.waits)


def changed(watch: Watch, model, prefix: str) -> bool:
    return any(
        not torch.equal(value, watch.before[name])
        for name, value in model.state_dict().items()
        if name.startswith(prefix) and value.is_floating_point()
    )


@contextmanager
def on_cpu() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.device.utils.DEVICE', 'cpu')
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:for .* copying from a non-meta parameter')  # emulated: it does
@pytest.mark.parametrize(
    ('name', 'device'),
    # the emulated device shows what the CPU shows, and what the host waits for, but takes longer
    [(name, emulated_device if name in OF_ALL_PARTS else on_cpu) for name in STEPPED],
)
def test_step(name, device, on_stand_in, shrink, clip_folder, tmp_path, monkeypatch):
    cfg = shrink(on_stand_in(name))
    supervised = cfg.model.unsup_weight == 0
    guided = cfg.model.get('burn_in') == 'guided' and not supervised
    num_steps = 2 if guided else 1  # one of burn-in before that of mutual learning
    for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.model.data_preprocessor):
        shrink_lengths(part)
    batch_size = 1 if supervised else sum(cfg.train_dataloader.sampler.source_ratio)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'randomness': dict(seed=0),
            'train_dataloader': dict(
                batch_size=batch_size,
                num_workers=0,
                persistent_workers=False,
                sampler=dict(batch_size=batch_size),
            ),
            'val_dataloader': dict(num_workers=0, persistent_workers=False),
            'test_dataloader': dict(num_workers=0, persistent_workers=False),
            # methods on equal terms are validated as their base is
            'train_cfg': dict(max_iters=num_steps, val_interval=num_steps + (name in COMPARISON)),
            'model.burn_in_iters': num_steps - 1,
            'model.pseudo_label_filter': dict(min_area=0),
            'visualizer.name': f'step_{next(RUNS)}',
            'vis_backends': [],
            'visualizer.vis_backends': [],
        }
    )
    # labels of a teacher that has learnt nothing yet pass
    for key in ('class_thr', 'mask_thr', 'score_thr'):
        if cfg.model.pseudo_label_filter.get(key) is not None:
            cfg.model.pseudo_label_filter[key] = 0.0
    if cfg.model.get('class_thresholds'):
        by_count = cfg.model.class_thresholds.type == 'mmpldc.ExpectedCountThreshold'
        cfg.model.class_thresholds.update(
            dict(floor=0.0, objects_per_image=1.0)
            if by_count
            else dict(class_range=(0.0, 0.01), mask_range=(0.0, 0.01))
        )
    if cfg.model.get('refiner'):
        cfg.model.refiner.scorer.update(
            model=f'local-dir:{clip_folder}', pretrained=None, text_cache=str(clip_folder / 'texts')
        )
        if 'crop_size' in cfg.model.refiner.scorer:
            cfg.model.refiner.scorer.crop_size = 64
    if guided:
        teacher = MODELS.build(cfg.model).teacher.state_dict()
        teacher['panoptic_head.cls_embed.bias'][-1] = -99.0  # it sees objects everywhere
        torch.save(dict(state_dict=teacher), tmp_path / 'teacher.pth')
        cfg.default_hooks.mean_teacher.teacher_checkpoint = str(tmp_path / 'teacher.pth')
    cfg.experiment_name = cfg.visualizer.name
    watch = Watch()
    with device() as watch.emulation:
        runner = Runner.from_cfg(cfg)
        runner.register_hook(watch)
        if watch.emulation is not None:
            runner.register_hook(Waits(watch.emulation))
        runner.train()
        runner.model.to('cpu')

    branches = set(cfg.model.sup_views)
    if not supervised:
        branches |= {'unsup_weak', 'unsup_strong'}
    seen = {k for k, views in watch.batch['inputs'].items() if any(v is not None for v in views)}
    assert seen == branches
    assert len(watch.steps) == num_steps
    for outputs in watch.steps:
        losses = {k: v for k, v in outputs.items() if 'loss' in k}
        assert all(torch.isfinite(torch.as_tensor(v)).all() for v in losses.values())
        assert any(k.startswith('unsup_') for k in losses) != supervised
    # a threshold by count keeps nothing in its first steps
    by_count = 'expected_count' in name
    assert supervised or (watch.steps[0]['pseudo_per_image'] > 0) != by_count
    assert bool(watch.waits) == (device is emulated_device) and len(watch.waits) <= MOST_WAITS
    model = runner.model
    assert changed(watch, model, 'student.panoptic_head')
    assert changed(watch, model, 'teacher.panoptic_head')
    trains_backbone = name.startswith(('guided_distillation/', 'pais/', 'compatibility/'))
    assert changed(watch, model, 'student.backbone') == trains_backbone
    if name not in COMPARISON:
        score = runner.message_hub.get_scalar('val/teacher/coco/segm_mAP').current()
        assert score >= -1 and np.isfinite(score)  # -1: none of the classes is in the two images


def without_share(cfg: Config) -> dict:
    """Of a run, all but which images are labelled, when burn-in ends and the rate drops."""
    cfg = cfg.to_dict()
    dataset = cfg['train_dataloader']['dataset']
    del dataset['split'], cfg['model']['burn_in_iters']
    for part in filter(None, (dataset['labeled'], dataset['unlabeled'])):
        part.pop('ann_file', None)
        del part['data_prefix']
    if 'milestones' in cfg['param_scheduler']:
        del cfg['param_scheduler']['milestones']
    return cfg


@pytest.mark.parametrize('name', SHARES)
def test_a_share_takes_the_same_steps_on_other_images(name, on_stand_in):
    """On as many as its name says; the file for 10 % is the one that takes a step above."""
    cfg, main = (on_stand_in(n) for n in (name, re.sub(r'_\d+pct\.py$', '_10pct.py', name)))
    assert without_share(cfg) == without_share(main)
    percent = int(re.search(r'_(\d+)pct', name).group(1))
    parts = DATASETS.build(cfg.train_dataloader.dataset).datasets
    num_train, num_unlabeled = (20, 20) if is_cityscapes(name) else (100, 3)
    labeled = num_train * percent // 100
    expected = [labeled, num_unlabeled if percent == 100 else num_train - labeled]
    assert [len(part) for part in parts] == expected[: len(parts)]
    paths = [{part.get_data_info(i)['img_path'] for i in range(len(part))} for part in parts]
    assert len(parts) == 1 or not paths[0] & paths[1]
    assert all(Path(path).exists() for files in paths for path in files)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('pldc/pldc_mask2former_r50_coco_1pct.py', (1024, 1024)),
        ('pldc/pldc_mask2former_r50_cityscapes_5pct.py', (512, 1024)),
    ],
)
def test_full_size(name, size, on_stand_in):
    """The pipeline as it is; images grow to the paper's range of sizes and are cropped."""
    cfg = on_stand_in(name)
    (pad,) = cfg.model.data_preprocessor.data_preprocessor.batch_augments
    assert pad['size'] == size
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    num_labeled = len(dataset.datasets[0])
    for index, views in (
        (0, ('sup_weak', 'sup_strong')),
        (num_labeled, ('unsup_weak', 'unsup_strong')),
    ):
        sample = dataset[index]
        weak, strong = (sample['inputs'][view] for view in views)
        height, width = weak.shape[1:]
        assert height <= size[0] and width <= size[1] and weak.shape == strong.shape
        shapes = {tuple(sample['data_samples'][v].gt_instances.masks.size) for v in views}
        assert shapes == {(height, width)}
