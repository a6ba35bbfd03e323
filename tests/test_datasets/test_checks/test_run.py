"""Counts of a report, and the check before training."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch.distributed as dist

from mmpldc.datasets.checks import DataSet, before_training, check_coco, check_datasets
from mmpldc.datasets.checks.before_training import check_before_training
from mmpldc.datasets.checks.pictures import draw_samples


def square(identity, side, **settings):
    """At the upper left corner of image 1."""
    return dict(
        id=identity,
        image_id=1,
        category_id=1,
        bbox=[0, 0, side, side],
        area=side**2,
        iscrowd=0,
        segmentation=[[0, 0, side, 0, side, side, 0, side]],
    ) | dict(settings)


@pytest.fixture
def counted():
    crowd = dict(size=[200, 200], counts=[0, 200 * 200])
    return dict(
        images=[dict(id=i, file_name=f'{i}.jpg', width=200, height=200) for i in (1, 2, 3)],
        categories=[dict(id=1, name='a'), dict(id=5, name='b')],
        annotations=[
            square(1, 31),
            square(2, 32),  # 32 * 32 is medium
            square(3, 95, category_id=5),
            square(4, 96, category_id=5),
            square(5, 100, category_id=5, image_id=2),
            square(6, 200, iscrowd=1, image_id=3, segmentation=crowd),
        ],
    )


def test_counts(counted):
    findings, contents = check_coco(counted, file='a.json', role='labeled')
    assert findings == []
    assert contents.instances == dict(a=2, b=3)
    assert contents.categories == dict(a=1, b=5)
    assert contents.by_area == (1, 2, 2)
    assert contents.num_crowds == 1
    assert contents.annotated.tolist() == [True, True, False]  # crowds alone do not count
    assert contents.sizes.tolist() == [[200, 200]] * 3


def test_tables(counted, tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(counted))
    sets = [DataSet('labeled', 'labeled', str(path)), DataSet('val', 'val', 'no.json')]
    report = check_datasets(sets)
    lines = report.markdown().splitlines()
    assert lines[:4] == [
        '| set     | images | with instances | instances | small | medium | large | crowds |',
        '| ------- | -----: | -------------: | --------: | ----: | -----: | ----: | -----: |',
        '| labeled |      3 |              2 |         5 |     1 |      2 |     2 |      1 |',
        '| val     |      ? |              ? |         ? |     ? |      ? |     ? |      ? |',
    ]
    assert lines[5:9] == [
        '| class | labeled |',
        '| ----- | ------: |',
        '| a     |       2 |',
        '| b     |       3 |',
    ]
    assert '- labeled: 1 image without instances' in lines
    assert lines[-3:] == [
        '- error: no.json: no such file: correct ann_file or data_root',
        '',
        '1 error, 0 warnings',
    ]


def test_pictures(world, tmp_path):
    prefix = str(world.image(''))
    sets = [
        DataSet('labeled', 'labeled', str(world.path('labeled')), prefix),
        DataSet('unlabeled', 'unlabeled', str(world.path('unlabeled')), prefix),
    ]
    drawn = draw_samples(check_datasets(sets), tmp_path, count=3)
    assert len(drawn) == 3
    assert all((tmp_path / path).stat().st_size > 0 for path in drawn)
    world.edit('labeled', lambda coco: coco['annotations'][0].pop('area'))
    assert draw_samples(check_datasets(sets), tmp_path) == []  # it has an error


# ---------------------------------------------------------------- before training


def break_labels(world):
    world.edit('labeled', lambda coco: coco['annotations'][0].pop('bbox'))


def test_sound_data_may_be_trained_on(world):
    assert check_before_training(world.cfg) is None


def test_a_config_without_data_sets_may_be_trained():
    class Empty(dict):
        filename = None

    assert check_before_training(Empty()) is None


def test_errors_end_the_run_with_one_text(world):
    break_labels(world)
    with pytest.raises(SystemExit) as caught:
        check_before_training(world.cfg)
    first, error, last = str(caught.value).splitlines()
    assert first == 'Nothing was trained: the data has 1 error'
    assert error.startswith(f'  error: {world.path("labeled")}: annotation ')
    assert error.endswith(': bbox: missing; must be [x, y, width, height]')
    assert '--skip-data-check' in last


def test_warnings_are_logged(world, monkeypatch):
    world.edit('labeled', lambda coco: coco['annotations'][0].pop('iscrowd'))
    logged = []
    monkeypatch.setattr(before_training, 'print_log', lambda text, **_: logged.append(text))
    assert check_before_training(world.cfg) is None
    assert len(logged) == 1 and 'iscrowd: missing' in logged[0]


def test_faults_of_the_test_set_do_not_stop_training(world, monkeypatch):
    world.path('test').unlink()
    logged = []
    monkeypatch.setattr(before_training, 'print_log', lambda text, **_: logged.append(text))
    assert check_before_training(world.cfg) is None
    assert len(logged) == 1 and 'test.json: no such file' in logged[0]


def test_test_images_to_train_on_stop_it(world):
    world.cfg.test_dataloader.dataset.data_prefix.img = 'images/train'
    world.cfg.test_dataloader.dataset.ann_file = 'annotations/train_all.json'
    world.cfg.test_evaluator.ann_file = str(world.path('train_all'))
    with pytest.raises(SystemExit, match='in both the labeled and the test set'):
        check_before_training(world.cfg)


def _train_rank(rank: int, store: Path, cfg, connection) -> None:
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
    checked = []
    original = before_training.check_run
    before_training.check_run = lambda *args, **kwargs: (
        checked.append(rank) or original(*args, **kwargs)
    )
    try:
        check_before_training(cfg)
        connection.send(('trains', checked))
    except SystemExit as error:
        connection.send((str(error), checked))
    dist.destroy_process_group()


@pytest.mark.parametrize('is_broken', [False, True])
def test_each_rank_ends_with_the_text_of_the_one_that_checked(world, tmp_path, is_broken):
    if is_broken:
        break_labels(world)
    fork = multiprocessing.get_context('fork')
    ranks = []
    for rank in range(2):
        mine, theirs = fork.Pipe(duplex=False)
        process = fork.Process(
            target=_train_rank, args=(rank, tmp_path / 'store', world.cfg, theirs)
        )
        process.start()
        ranks.append((process, mine))
    assert all(connection.poll(60) for _, connection in ranks)
    (first, by_first), (second, by_second) = (connection.recv() for _, connection in ranks)
    for process, _ in ranks:
        process.join(timeout=5)
    assert first == second
    assert ('bbox: missing' in first) == is_broken
    assert (by_first, by_second) == ([0], [])
