"""Settings with which no run can start, or end well: batches, workers, metrics."""

from types import SimpleNamespace

import pytest
from mmdet.datasets.samplers import MultiSourceSampler
from mmengine.config import Config, ConfigDict
from torch.utils.data import ConcatDataset, Dataset

from mmpldc.datasets.checks import check_settings
from mmpldc.datasets.checks.best import check_best, check_numbers_of_detections, metrics_of
from mmpldc.datasets.checks.loaders import check_loaders, images_of_sources


def loader(**settings) -> Config:
    sampler = dict(batch_size=settings.get('batch_size', 4), source_ratio=[1, 1])
    return Config(dict(train_dataloader=dict(sampler=sampler) | settings))


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(batch_size=4, num_workers=0), []),
        (dict(batch_size=3), []),
        (dict(batch_size=1), ['is 1', '1:1', 'to 2 or more']),
        (dict(batch_size=4, sampler=dict(batch_size=4, source_ratio=[1, 4])), []),
        (
            dict(batch_size=3, sampler=dict(batch_size=3, source_ratio=[3, 1])),
            ['3:1', 'to 4 or more'],
        ),
        (dict(batch_size=4, sampler=dict(batch_size=2, source_ratio=[1, 1])), ['is 4', 'of 2']),
        (dict(batch_size=0), ['batch_size', 'at least 1']),
        (dict(batch_size='8'), ['batch_size', "'8'"]),
        (dict(num_workers=-1), ['num_workers', 'at least 0']),
    ],
)
def test_batches_and_workers(settings, words):
    findings = check_loaders(loader(**settings), 'a.py')
    assert len(findings) == bool(words)
    assert all(word in str(findings[0]) for word in words)


class Five(Dataset):
    def __len__(self):
        return 5


@pytest.mark.parametrize('batch_size', [1, 2, 3, 8])
@pytest.mark.parametrize('ratio', [[1, 1], [1, 4], [3, 2]])
def test_images_of_sources_are_mmdets(batch_size, ratio):
    sampler = MultiSourceSampler(ConcatDataset([Five(), Five()]), batch_size, ratio, seed=0)
    assert images_of_sources(batch_size, ratio) == sampler.num_per_source


PAIR = dict(type='mmpldc.TeacherStudentValLoop', student_interval=4)
COCO = dict(type='mmpldc.CocoMetric', metric='segm')


def run(save_best, *, evaluator=COCO, val_cfg=PAIR) -> Config:
    hooks = dict(checkpoint=dict(type='CheckpointHook', save_best=save_best))
    return Config(dict(default_hooks=hooks, val_evaluator=evaluator, val_cfg=val_cfg))


@pytest.mark.parametrize(
    ('save_best', 'words'),
    [
        ('teacher/coco/segm_mAP', ''),
        (['teacher/coco/segm_mAP', 'teacher/coco/segm_mAP_50'], ''),
        ('auto', ''),
        (None, ''),
        ('teacher/coco/segm_maap', 'did you mean teacher/coco/segm_mAP?'),
        ('coco/segm_mAP', 'did you mean teacher/coco/segm_mAP?'),
        ('teacher/coco/bbox_mAP', 'did you mean teacher/coco/segm_mAP?'),
        ('student/coco/segm_mAP', 'does not compute'),  # only at every fourth validation
    ],
)
def test_save_best_that_no_validation_computes(save_best, words):
    found = [str(one) for one in check_best(run(save_best), 'a.py')]
    assert (words in found[0] and 'save_best' in found[0]) if words else not found


@pytest.mark.parametrize(
    ('name', 'kind'),
    [('early_stopping', 'EarlyStoppingHook'), ('supervised_guard', 'SupervisedGuardHook')],
)
def test_what_a_hook_monitors(name, kind):
    cfg = run('teacher/coco/segm_mAP')
    hook = cfg.default_hooks[name] = ConfigDict(type=f'mmpldc.{kind}')
    assert not check_best(cfg, 'a.py')
    hook.monitor = 'coco/segm_mAP'
    (found,) = check_best(cfg, 'a.py')
    assert f'{name}.monitor' in str(found) and 'did you mean' in str(found)


def test_save_best_of_a_size_that_is_not_there():
    validated = [SimpleNamespace(by_area=(0, 3, 1)), SimpleNamespace(by_area=(0, 1, 1))]
    assert not check_best(run('teacher/coco/segm_mAP_m'), 'a.py', validated)
    (found,) = check_best(run('teacher/coco/segm_mAP_s'), 'a.py', validated)
    assert 'always be -1' in str(found) and 'no small object' in str(found)


def test_names_of_metrics():
    every = dict(PAIR, student_interval=1)
    both = metrics_of(run(None, val_cfg=every))
    assert {'teacher/coco/segm_mAP_l', 'student/coco/segm_mAP'} <= both and len(both) == 12
    plain = run(None, val_cfg=dict(type='ValLoop'), evaluator=dict(COCO, metric_items=['mAP']))
    assert metrics_of(plain) == {'coco/segm_mAP'}
    assert metrics_of(run(None, evaluator=dict(type='Own'))) is None
    assert not check_best(run('anything', evaluator=dict(type='Own')), 'a.py')


@pytest.mark.parametrize(
    ('kind', 'nums', 'words'),
    [
        ('mmpldc.CocoMetric', (1, 10, 500), ''),
        ('mmpldc.CocoMetric', (300, 1, 10), ''),
        ('mmpldc.CocoMetric', (300,), 'three different'),
        ('mmpldc.CocoMetric', (300, 100, 300), 'three different'),
        ('CocoMetric', (300, 100, 1000), 'increasing'),
        ('CocoMetric', (100, 300, 1000), ''),
        ('CocoMetric', (1, 10, 500), 'AP would be -1'),
    ],
)
def test_numbers_of_detections(kind, nums, words):
    cfg = Config(dict(val_evaluator=dict(type=kind, proposal_nums=nums)))
    found = [str(one) for one in check_numbers_of_detections(cfg, 'a.py')]
    assert words in found[0] if words else not found


def test_a_run_is_refused_before_anything_is_built():
    with pytest.raises(SystemExit, match=r'the config has 1 error\n.*batch_size: is 1'):
        check_settings(loader(batch_size=1))
    check_settings(loader(batch_size=2))
