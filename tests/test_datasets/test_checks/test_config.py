"""Which data sets are found in a config."""

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from mmpldc.datasets.checks import sets_of

PART = dict(type='CocoDataset', data_prefix=dict(img='images/'))
A, B, C = (dict(PART, ann_file=f'{name}.json') for name in 'abc')


def found(train, **others):
    sets, notes = sets_of(Config(dict(train_dataloader=dict(dataset=train), **others)))
    return [(data.name, data.role, data.ann_file) for data in sets], notes


def concat(*datasets):
    return dict(type='ConcatDataset', datasets=list(datasets))


def repeat(dataset):
    return dict(type='RepeatDataset', times=2, dataset=dataset)


def semi(labeled, unlabeled, **shared):
    return dict(type='mmpldc.SemiDataset', labeled=labeled, unlabeled=unlabeled, **shared)


LABELED, UNLABELED = ('labeled', 'labeled', 'a.json'), ('unlabeled', 'unlabeled', 'b.json')


@pytest.mark.parametrize(
    ('train', 'expected'),
    [
        (A, [LABELED]),
        (repeat(A), [LABELED]),
        (dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=repeat(A)), [LABELED]),
        (concat(A), [LABELED]),
        (concat(A, B), [LABELED, UNLABELED]),
        (semi(A, B), [LABELED, UNLABELED]),
        (repeat(semi(repeat(A), repeat(B))), [LABELED, UNLABELED]),
        (
            concat(A, B, C),
            [
                LABELED,
                ('unlabeled[0]', 'unlabeled', 'b.json'),
                ('unlabeled[1]', 'unlabeled', 'c.json'),
            ],
        ),
        (
            semi(concat(A, C), B),
            [('labeled[0]', 'labeled', 'a.json'), ('labeled[1]', 'labeled', 'c.json'), UNLABELED],
        ),
    ],
)
def test_training_sets(train, expected):
    assert found(train) == (expected, [])


def test_a_split_names_both_files():
    bare = dict(PART)
    expected = [
        ('labeled', 'labeled', 'r/s.json'),
        ('unlabeled', 'unlabeled', 'r/s-unlabeled.json'),
    ]
    assert found(semi(bare, bare, split='s', data_root='r')) == (expected, [])
    assert found(semi(bare, None, split='s', data_root='r')) == (expected[:1], [])
    assert found(semi(A, B, split=None)) == ([LABELED, UNLABELED], [])
    with pytest.raises(ValueError, match='remove one of them'):
        found(semi(A, bare, split='s'))


def test_settings_of_both_parts_are_shared_unless_a_part_has_its_own():
    dataset = semi(A, dict(B, data_root='other'), data_root='root', metainfo=dict(classes=('x',)))
    sets, _ = sets_of(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert [data.ann_file for data in sets] == ['root/a.json', 'other/b.json']
    assert [data.classes for data in sets] == [('x',), ('x',)]


def test_validation_and_test_sets():
    others = dict(val_dataloader=dict(dataset=repeat(B)), test_dataloader=dict(dataset=C))
    assert found(A, **others)[0] == [LABELED, ('val', 'val', 'b.json'), ('test', 'test', 'c.json')]


def test_empty_config():
    assert sets_of(Config(dict(val_dataloader=None))) == ([], [])


@pytest.mark.parametrize(
    ('root', 'ann_file', 'prefix'),
    [
        ('data', 'a.json', 'train/'),
        ('data/', '/x/a.json', '/y'),
        ('', 'a.json', ''),
        ('d', 'a', ''),
    ],
)
def test_paths_are_those_of_mmengine(root, ann_file, prefix):
    settings = dict(data_root=root, ann_file=ann_file, data_prefix=dict(img=prefix))
    (data,), _ = sets_of(
        Config(dict(val_dataloader=dict(dataset=dict(type='CocoDataset', **settings))))
    )
    expected = CocoDataset(**settings, lazy_init=True)
    assert (data.ann_file, data.img_prefix) == (expected.ann_file, expected.data_prefix['img'])


def test_classes_and_filters():
    dataset = dict(A, metainfo=dict(classes=['x', 'y']), filter_cfg=dict(min_size=32))
    (data,), _ = sets_of(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert (data.classes, data.has_default_classes) == (('x', 'y'), False)
    assert (data.filter_empty_gt, data.min_size) == (False, 32)
    dataset = dict(A, type='CityscapesDataset', filter_cfg=dict(filter_empty_gt=True))
    (data,), _ = sets_of(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert (len(data.classes), data.has_default_classes, data.filter_empty_gt) == (8, True, True)
    dataset.update(test_mode=True)  # mmdet filters nothing then
    (data,), _ = sets_of(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert not data.filter_empty_gt


def test_classes_in_a_file(tmp_path):
    (tmp_path / 'names.txt').write_text('x\ny')
    dataset = dict(A, metainfo=dict(classes=str(tmp_path / 'names.txt')))
    (data,), _ = sets_of(Config(dict(train_dataloader=dict(dataset=dataset))))
    assert data.classes == ('x', 'y')


@pytest.mark.parametrize(
    'settings',
    [
        dict(type='VOCDataset'),
        dict(type='LVISV1Dataset'),
        dict(type='CocoPanopticDataset'),
        dict(type='NoSuchDataset'),
        dict(type=None),
        dict(backend_args=dict(backend='petrel')),
        dict(ann_file='s3://bucket/a.json'),
    ],
)
def test_other_formats_and_places_are_noted(settings):
    sets, notes = found(concat(dict(A, **settings), B))
    assert sets == [UNLABELED]
    assert len(notes) == 1 and notes[0].startswith('labeled: not checked, ')


def test_data_sets_without_a_type_are_noted():
    """Other tools' tests have such configs."""
    assert found(dict(datasets=[dict(ann_file='a.json')]))[0] == []


def test_a_class_may_stand_for_its_name():
    assert found(dict(A, type=CocoDataset)) == ([LABELED], [])
