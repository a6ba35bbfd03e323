"""What is read from checkpoints, and what is said of files that are none."""

import pickle

import pytest
import torch
from torch import nn

from mmpldc.utils.checkpoints import (
    check_weights,
    class_information,
    read_checkpoint,
    teacher_weights,
)

CLASSES = ('cat', 'dog', 'owl')


def test_a_checkpoint_is_read_without_running_its_pickle(tmp_path, tiny_checkpoint):
    path = tmp_path / 'a.pth'
    torch.save(tiny_checkpoint, path)
    torch.load(path, weights_only=True)
    assert set(read_checkpoint(path)) == {'state_dict', 'meta', 'optimizer'}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'not a checkpoint', 'cannot be read as a checkpoint'),
        (b'', 'cannot be read as a checkpoint'),
        (pickle.dumps(0), 'cannot be read as a checkpoint'),
        (dict(weights=1, epoch=2), r"no 'state_dict', but \['weights', 'epoch'\]"),
        ([1], "no 'state_dict', but list"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    path = tmp_path / 'a.pth'
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match=rf'a\.pth.*{message}'):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'there is no checkpoint .*b\.pth'):
        read_checkpoint(tmp_path / 'b.pth')


def test_teacher_weights():
    state_dict = {'student.a.b': 1, 'teacher.a.b': 2, 'teacher.teacher.c': 3, 'teacher_is_set': 4}
    assert teacher_weights(state_dict) == {'a.b': 2, 'teacher.c': 3}
    with pytest.raises(ValueError, match='no teacher: its weights are those of backbone, head'):
        teacher_weights({'head.w': 1, 'backbone.w': 2})
    with pytest.raises(ValueError, match='those of nothing'):
        teacher_weights({})


def test_weights_of_another_model_are_counted_and_one_is_named():
    model = nn.ModuleDict(dict(a=nn.Linear(2, 3), b=nn.Linear(3, 1)))
    weights = model.state_dict()
    check_weights(weights, model)
    weights['c'] = weights.pop('a.weight')
    weights['b.weight'] = torch.zeros(3)
    message = (
        r'of 4 weights 1 missing \(a\.weight\), 1 not of the model \(c\), 1 of another shape \(b\.w'
    )
    with pytest.raises(ValueError, match=message):
        check_weights(weights, model)
    with pytest.raises(ValueError, match=r'of 4 weights 4 missing \(a\.weight\)$'):
        check_weights({}, model)


def test_classes_are_the_checkpoints_own(tiny_test_cfg, tiny_checkpoint):
    tiny_checkpoint['meta']['dataset_meta']['classes'] = ['x', 'y', 'z']
    palette = [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert class_information(tiny_checkpoint, tiny_test_cfg, 3) == dict(
        classes=('x', 'y', 'z'), palette=palette
    )


@pytest.mark.parametrize('meta', [dict(), dict(dataset_meta=dict(CLASSES=['one'] * 80))])
def test_classes_are_the_configs_if_the_checkpoints_do_not_fit(
    tiny_test_cfg, tiny_checkpoint, meta
):
    tiny_checkpoint['meta'] = meta
    assert class_information(tiny_checkpoint, tiny_test_cfg, 3) == dict(classes=CLASSES)
    tiny_test_cfg.test_dataloader.dataset.metainfo.palette = [(9, 9, 9)] * 3
    assert class_information(tiny_checkpoint, tiny_test_cfg, 3)['palette'] == [(9, 9, 9)] * 3


def test_unknown_classes_are_refused(tiny_test_cfg, tiny_checkpoint):
    message = "has 4 classes, but there are names for 3 in the checkpoint, 3 in the config's test"
    with pytest.raises(ValueError, match=message):
        class_information(tiny_checkpoint, tiny_test_cfg, 4)
