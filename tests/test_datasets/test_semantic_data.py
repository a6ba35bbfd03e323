"""Batches of semantic segmentation, from the generated scenes to the device and to the metric."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS, MODELS
from mmengine.config import Config
from mmengine.runner import Runner

from mmpldc.datasets import input_faults

pytest.importorskip('mmseg')

CONFIGS = Path(__file__).parents[2] / 'configs/semantic/_base_'
SIDE = 48


@pytest.fixture
def cfg(make_scenes, monkeypatch) -> Config:
    """14 labelled and 8 unlabelled scenes of 48 x 48, 3 to validate on."""
    root = make_scenes(SIDE, num_labeled=14, num_train=22, num_tuning=3, num_test=1)
    monkeypatch.setenv('MMPLDC_SHAPES', f'{root}/')
    cfg = Config.fromfile(CONFIGS / 'datasets/shapes.py')
    cfg.train_dataloader.update(batch_size=6)
    cfg.train_dataloader.sampler.batch_size = 6
    return cfg


@pytest.fixture
def preprocessor():
    model = Config.fromfile(CONFIGS / 'models/deeplabv3plus_r50.py').model
    inner = model.data_preprocessor.data_preprocessor
    inner.size = (96, 96)
    return MODELS.build(dict(type='mmpldc.MultiBranchDataPreprocessor', data_preprocessor=inner))


def first_batch(cfg: Config) -> dict:
    return next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))


def test_training_batch(cfg, preprocessor):
    from mmpldc.models.teacher_student import check_views
    from mmpldc.structures.seg_training_sample import SegTrainingSample, stack_labels

    part = cfg.train_dataloader.dataset.unlabeled
    part.pipeline[-1].unsup_strong = [
        dict(type='mmpldc.RandomIntensity'),
        dict(type='mmpldc.PackSegTrainingInputs'),
    ]
    data = preprocessor(first_batch(cfg), training=True)
    inputs, samples = data['inputs'], data['data_samples']
    assert set(inputs) == {'sup_weak', 'unsup_weak', 'unsup_strong'}
    assert all(batch.shape == (3, 3, 96, 96) for batch in inputs.values())
    check_views(samples, [('sup_weak',), ('unsup_weak', 'unsup_strong')])
    assert all(isinstance(sample, SegTrainingSample) for sample in samples['sup_weak'])
    assert all('gt_sem_seg' not in sample for sample in samples['unsup_weak'])
    labels = stack_labels(samples['sup_weak'])
    assert labels.shape == (3, 96, 96)
    for image, sample, of_image in zip(
        inputs['sup_weak'], samples['sup_weak'], labels, strict=True
    ):
        height, width = sample.img_shape
        assert of_image[:height, :width].max() < 9
        padding = torch.ones(96, 96, dtype=torch.bool)
        padding[:height, :width] = False
        assert of_image[padding].eq(255).all() and image[:, padding].eq(0).all()


def test_geometry_inside_multi_branch_is_refused(cfg, preprocessor):
    """What moves one view alone would be compared with labels of other pixels."""
    from mmpldc.models.teacher_student import check_views

    part = cfg.train_dataloader.dataset.unlabeled
    part.pipeline[-1].unsup_strong = [
        dict(type='RandomFlip', prob=1.0, direction='horizontal'),
        dict(type='mmpldc.PackSegTrainingInputs'),
    ]
    samples = preprocessor(first_batch(cfg), training=True)['data_samples']
    with pytest.raises(ValueError, match=r'two views of .* differ in'):
        check_views(samples, [('unsup_weak', 'unsup_strong')])


def test_broken_label_map_is_named_and_skipped(cfg, monkeypatch):
    faults = []
    monkeypatch.setattr(input_faults, 'print_log', lambda text, **_: faults.append(text))
    root = Path(cfg.data_root)
    names = (root / 'lists/labeled.txt').read_text().split()
    for name in names[1:]:
        (root / f'labels/train/{name}.png').write_bytes(b'no image')
    batch = first_batch(cfg)
    labeled = [sample for sample in batch['data_samples']['sup_weak'] if sample is not None]
    assert {Path(sample.img_path).stem for sample in labeled} == {names[0]}
    assert faults and all('its label map' in text for text in faults)
    assert all('cannot be decoded' in text for text in faults)
    assert f'({root}/lists/labeled.txt)' in faults[0] and 'image id' not in faults[0]


def test_validation_batch(cfg):
    batch = next(iter(Runner.build_dataloader(cfg.val_dataloader)))
    assert len(batch['inputs']) == 3
    assert all(sample.gt_sem_seg.data.shape == (1, SIDE, SIDE) for sample in batch['data_samples'])


def test_metric_leaves_absent_classes_and_unlabelled_pixels_out():
    """The released evaluation gives 27.78 here."""
    truth, predicted = np.array([0, 0, 1, 1, 255, 1]), np.array([0, 1, 1, 1, 0, 0])
    metric = METRICS.build(dict(type='mmseg.IoUMetric', iou_metrics=['mIoU']))
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    one, other = (dict(data=torch.from_numpy(values)[None, None]) for values in (truth, predicted))
    metric.process({}, [dict(gt_sem_seg=one, pred_sem_seg=other)])
    assert metric.evaluate(1)['mIoU'] == pytest.approx(41.67, abs=0.005)
