"""A config made for somebody's data, from files that are as different as they come."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config

TOOL = Path(__file__).parents[2] / 'tools/dataset/new_config.py'


def write_coco(path, names, *, first_id=1):
    """An image of 96 x 64 pixels, with one object, for each name."""
    images = [
        dict(id=i, file_name=name, width=96, height=64) for i, name in enumerate(names, first_id)
    ]
    annotations = [
        dict(
            id=i,
            image_id=image['id'],
            category_id=3 + i % 2,
            bbox=[10, 10, 20, 20],
            area=400,
            iscrowd=0,
            segmentation=[[10, 10, 30, 10, 30, 30, 10, 30]],
        )
        for i, image in enumerate(images, 1)
    ]
    categories = [dict(id=4, name='dog'), dict(id=3, name='cat')]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path


@pytest.fixture
def data(tmp_path):
    """Ten images in a folder with a subfolder; six of them are annotated."""
    rng = np.random.default_rng(0)
    names = [f'{i}.jpg' for i in range(5)] + [f'more/{i}.png' for i in range(5)]
    for name in names:
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3), np.uint8))
    labels = write_coco(tmp_path / 'labels.json', names[2:8])
    return SimpleNamespace(root=tmp_path, names=names, labels=labels, images=tmp_path / 'photos')


@pytest.fixture
def run(data, monkeypatch, capsys):
    def run(*args, labels=data.labels, images=data.images):
        args = ['--labeled', labels, '--images', images, '--out-dir', data.root / 'mine', *args]
        monkeypatch.setattr('sys.argv', ['new_config.py', *map(str, args)])
        code = 0
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as end:
            code = end.code
        return SimpleNamespace(code=code, out=capsys.readouterr().out)

    return run


def names_in(data, part):
    content = json.loads((data.root / f'mine/{part}.json').read_text())
    return {image['file_name'] for image in content['images']}


def test_hold_out(run, data):
    result = run('--val-percent', 34)
    assert result.code == 0, result
    labeled, unlabeled, val = (names_in(data, part) for part in ('labeled', 'unlabeled', 'val'))
    assert labeled | val == set(data.names[2:8]) and not labeled & val
    assert len(val) == 2 and unlabeled == {*data.names[:2], *data.names[8:]}
    assert 'work_dirs/mine/iter_10000.pth' in result.out

    config = Config.fromfile(data.root / 'mine/pldc.py')
    assert config.model.num_classes == 2
    parts = config.train_dataloader.dataset
    assert parts.metainfo.classes == ('dog', 'cat')  # in the file's order, not that of the ids
    assert parts.unlabeled.ann_file == str(data.root / 'mine/unlabeled.json')
    assert config.val_dataloader.dataset.data_prefix.img == str(data.images)
    assert config.val_evaluator.ann_file == str(data.root / 'mine/val.json')
    # 50 * 8 / 8 steps are raised to 10,000; sides of 96 to 256
    assert config.train_cfg.max_iters == 10000 and config.model.burn_in_iters == 2000
    assert config.model.data_preprocessor.data_preprocessor.batch_augments[0]['size'] == (256, 256)


def test_validation_set_of_its_own_in_the_same_folder(run, data):
    val = write_coco(data.root / 'their_val.json', data.names[8:], first_id=50)
    result = run('--val', val, '--batch-size', 4)
    assert result.code == 0, result
    assert names_in(data, 'labeled') == set(data.names[2:8])
    assert names_in(data, 'unlabeled') == set(data.names[:2])
    assert names_in(data, 'val') == set(data.names[8:])
    config = Config.fromfile(data.root / 'mine/pldc.py')
    assert config.train_dataloader.batch_size == config.train_dataloader.sampler.batch_size == 4


def test_unlabelled_images_elsewhere(run, data):
    other = data.root / 'other'
    other.mkdir()
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert cv2.imwrite(str(other / '0.jpg'), image)
    assert run('--unlabeled-images', other).code == 0
    assert names_in(data, 'unlabeled') == {'0.jpg'}
    parts = Config.fromfile(data.root / 'mine/pldc.py').train_dataloader.dataset
    assert parts.unlabeled.data_prefix.img == str(other)
    assert parts.labeled.data_prefix.img == str(data.images)


def test_leaks_and_broken_data_are_reported(run, data):
    """An image that is in the validation set under another name."""
    copy = data.root / 'copies'
    copy.mkdir()
    (copy / '0.jpg').write_bytes((data.images / '0.jpg').read_bytes())
    val = write_coco(data.root / 'their_val.json', ['0.jpg'])
    result = run('--val', val, '--val-images', copy)
    assert result.code == 1
    assert 'the data is not' in result.out and '0.jpg' in result.out


@pytest.mark.parametrize(
    ('break_it', 'words'),
    [
        (lambda d: d.labels.unlink(), 'labels.json'),
        (lambda d: d.labels.write_text('{'), 'labels.json is not valid JSON'),
        (lambda d: write_coco(d.labels, d.names[:1]), 'too few to hold some out'),
        (lambda d: write_coco(d.labels, d.names), 'none is left'),
        (lambda d: (d.images / 'bad.jpg').write_text('no image'), 'bad.jpg'),
    ],
    ids=['missing', 'not json', 'one image', 'all annotated', 'no image'],
)
def test_bad_input_ends_with_one_line(run, data, break_it, words):
    break_it(data)
    result = run()
    assert isinstance(result.code, str) and '\n' not in result.code
    assert result.code.startswith('new_config.py: ') and words in result.code
    assert not (data.root / 'mine').exists()


def test_input_is_not_overwritten(run, data):
    (data.root / 'mine').mkdir()
    labels = write_coco(data.root / 'mine/labeled.json', data.names[2:8])
    before = labels.read_text()
    assert 'choose another --out-dir' in run(labels=labels).code
    assert labels.read_text() == before


def test_unlabelled_images_in_a_folder_below(run, data):
    """None of the annotated images is in there: there is nothing to leave out."""
    below = data.images / 'unlabelled'
    below.mkdir()
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert cv2.imwrite(str(below / '0.jpg'), image)
    assert run('--unlabeled-images', below).code == 0
    assert names_in(data, 'unlabeled') == {'0.jpg'}


@pytest.mark.parametrize('seed', range(5))
def test_a_rare_class_is_kept_to_train_on(run, data, seed):
    content = json.loads(data.labels.read_text())
    for annotation in content['annotations']:
        annotation['category_id'] = 4 if annotation['id'] == 2 else 3
    data.labels.write_text(json.dumps(content))
    assert run('--val-percent', 60, '--seed', seed).code == 0
    labeled = json.loads((data.root / 'mine/labeled.json').read_text())
    assert {annotation['category_id'] for annotation in labeled['annotations']} == {3, 4}
