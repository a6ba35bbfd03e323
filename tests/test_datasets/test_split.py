"""Labelled and unlabelled parts of an annotated set."""

import json
import runpy
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmpldc.datasets.split import (
    count_instances,
    draw,
    draw_stratified,
    num_labeled,
    split_coco,
)

TOOL = Path(__file__).parents[2] / 'tools/dataset/split.py'


def coco(num_images):
    """Two instances in each image, of the two classes in turn."""
    return dict(
        info=dict(year=2026),
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(num_images)],
        annotations=[
            dict(id=2 * i + j, image_id=i, category_id=1 + (2 * i + j) % 3 % 2, iscrowd=0)
            for i in range(num_images)
            for j in (0, 1)
        ],
        categories=[dict(id=1, name='thing'), dict(id=2, name='other')],
    )


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the tool in this process (a new one takes seconds to import torch)."""

    def run(path, *args):
        monkeypatch.setattr('sys.argv', ['split.py', str(path), *map(str, args)])
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as end:
            print(end.code, file=sys.stderr)
            return SimpleNamespace(returncode=1, **capsys.readouterr()._asdict())
        return SimpleNamespace(returncode=0, **capsys.readouterr()._asdict())

    return run


@pytest.mark.parametrize(
    ('num_images', 'percent', 'count'),
    [(200, 1, 2), (200, 10, 20), (10, 0.1, 1), (100, 29, 29), (118287, 10, 11828), (9, 100, 9)],
)
def test_share(num_images, percent, count):
    assert num_labeled(num_images, percent=percent) == count


@pytest.mark.parametrize('percent', [0, 100.1, -1])
def test_share_out_of_range(percent):
    with pytest.raises(ValueError, match='percent must be above 0'):
        num_labeled(10, percent=percent)


@pytest.mark.parametrize('seed', range(3))
def test_draws_of_a_seed_are_nested_and_without_replacement(seed):
    small, large = (draw(100, count, seed=seed) for count in (7, 30))
    assert len(set(small.tolist())) == 7 and len(set(large.tolist())) == 30
    assert set(small.tolist()) < set(large.tolist())
    np.testing.assert_array_equal(small, draw(100, 7, seed=seed))
    assert draw(100, 7, seed=seed + 1).tolist() != small.tolist()


def test_every_image_is_as_likely():
    drawn = np.bincount(np.concatenate([draw(10, 3, seed=s) for s in range(2000)]), minlength=10)
    assert abs(drawn - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


@pytest.mark.parametrize('count', [0, 11])
@pytest.mark.parametrize('function', [draw, draw_stratified])
def test_more_images_than_there_are(function, count):
    stratified = function is draw_stratified
    with pytest.raises(ValueError, match=f'cannot label {count} of 10 images'):
        function(
            np.ones((10, 2), int) if stratified else 10,
            count,
            seed=0,
            **dict(minimum=1) if stratified else {},
        )


def random_instances(seed):
    """``(60, 6)``: frequent and rare classes, one of them in a single image, one nowhere."""
    rng = np.random.default_rng(seed)
    instances = rng.poisson([2.0, 1.0, 0.3, 0.05, 0, 0], size=(60, 6))
    instances[rng.integers(60), 4] = 2
    return instances


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('minimum', [1, 3])
def test_stratified(seed, minimum):
    instances = random_instances(seed)
    labeled = draw_stratified(instances, 25, minimum=minimum, seed=seed)
    assert len(set(labeled.tolist())) == 25 and (np.diff(labeled) > 0).all()
    kept, all_ = instances[labeled].sum(axis=0), instances.sum(axis=0)
    assert (kept >= np.minimum(all_, minimum)).all()
    again = draw_stratified(instances, 25, minimum=minimum, seed=seed)
    np.testing.assert_array_equal(labeled, again)


@pytest.mark.parametrize('seed', range(10))
def test_stratified_in_as_few_images_as_any(seed):
    """Two images are enough for one pair of ten at most; greedy finds one in which all are."""
    instances = np.random.default_rng(seed).integers(0, 2, (10, 4))
    full = [list(p) for p in combinations(range(10), 2) if (instances[list(p)].sum(0) >= 1).all()]
    single = [p for p in full if any(instances[i].sum() == 4 for i in p)]
    labeled = draw_stratified(instances, 2, minimum=1, seed=0).tolist()
    if single:
        assert labeled in full
    best = max(instances[list(p)].any(axis=0).sum() for p in combinations(range(10), 2))
    assert instances[labeled].any(axis=0).sum() >= best * 3 / 4  # greedy's bound for two sets


def test_stratified_with_too_few_images_takes_what_it_can():
    instances = np.eye(5, dtype=int)
    labeled = draw_stratified(instances, 3, minimum=1, seed=0)
    assert instances[labeled].sum() == 3


def test_stratified_adds_only_what_is_missing():
    """With nothing asked for it is a plain draw."""
    instances = random_instances(0)
    labeled = draw_stratified(instances, 12, minimum=0, seed=4)
    np.testing.assert_array_equal(labeled, draw(60, 12, seed=4))


def test_count_instances():
    content = coco(4)
    content['annotations'].append(dict(id=99, image_id=2, category_id=1, iscrowd=1))
    del content['annotations'][0]['iscrowd']
    counts = np.zeros((4, 2), int)
    for annotation in content['annotations'][:-1]:
        counts[annotation['image_id'], annotation['category_id'] - 1] += 1
    np.testing.assert_array_equal(count_instances(content), counts)
    assert count_instances(content | dict(annotations=[])).tolist() == [[0, 0]] * 4
    content['annotations'][3]['category_id'] = 7
    with pytest.raises(ValueError, match='image_id or category_id 7'):
        count_instances(content)


def test_parts():
    whole = coco(20)
    labeled, unlabeled = split_coco(whole, np.array([3, 17]))
    assert [image['id'] for image in labeled['images']] == [3, 17]
    assert [image['id'] for image in unlabeled['images']] == [
        i for i in range(20) if i not in (3, 17)
    ]
    assert unlabeled['annotations'] == []
    assert [a['image_id'] for a in labeled['annotations']] == [3, 3, 17, 17]
    for part in (labeled, unlabeled):
        assert (part['categories'], part['info']) == (whole['categories'], whole['info'])


def test_duplicate_ids():
    twice = coco(4)
    twice['images'].append(dict(id=3, file_name='again.jpg'))
    with pytest.raises(ValueError, match=r'twice in the annotation file: \[3\]'):
        split_coco(twice, np.array([0]))


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / 'instances_train.json'
    path.write_text(json.dumps(coco(40)))
    return path


def images(path):
    return {image['id'] for image in json.loads(path.read_text())['images']}


def test_tool_writes_shares_and_folds_as_mmdet_names_them(run, annotations, tmp_path):
    out = tmp_path / 'new/folder'
    process = run(annotations, '--percent', 5, 12.5, '--fold', 1, 3, '--out-dir', out)
    assert process.returncode == 0, process.err
    stems = [f'instances_train.{fold}@{p}' for fold in (1, 3) for p in ('12.5', '5')]
    names = sorted(f'{stem}{end}.json' for stem in stems for end in ('', '-unlabeled'))
    assert sorted(p.name for p in out.iterdir()) == names
    for fold in (1, 3):
        small, large = (images(out / f'instances_train.{fold}@{p}.json') for p in ('5', '12.5'))
        assert small < large and (len(small), len(large)) == (2, 5)
        rest = images(out / f'instances_train.{fold}@5-unlabeled.json')
        assert rest == set(range(40)) - small
    assert images(out / 'instances_train.1@5.json') != images(out / 'instances_train.3@5.json')


def test_tool_counts_and_stratifies(run, annotations, tmp_path):
    process = run(annotations, '--count', 2, '--min-instances', 100)
    assert process.returncode == 0, process.err
    assert 'instances of other are labelled (fold 1, 2 images)' in process.out
    assert len(images(tmp_path / 'instances_train.1@2images.json')) == 2


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (('--unlabeled', 'x.json', '--percent', 5), '--unlabeled labels everything'),
        (('--labeled-list', 'x.txt', '--min-instances', 5), '--min-instances is for drawing'),
        (('--count', 2, '--min-instances', -1), '--min-instances must be 0 or more'),
        (('--count', 2, '--label-maps', 'x'), '--label-maps is for --min-instances'),
    ],
)
def test_options_without_effect(run, annotations, options, words):
    process = run(annotations, *options)
    assert process.returncode and words in process.err


def test_a_part_of_the_unlabelled_images(run, annotations, tmp_path):
    """Drawn by the fold, nested, recorded; the labelled images stay those of a draw without it."""
    path = tmp_path / 'instances_train.1@10images-unlabeled.json'
    drawn = {}
    for count in (None, 5, 12):
        options = () if count is None else ('--unlabeled-count', count)
        process = run(annotations, '--count', 10, *options)
        assert process.returncode == 0, process.err
        labeled = images(tmp_path / 'instances_train.1@10images.json')
        drawn[count] = images(path)
        assert not drawn[count] & labeled and len(labeled) == 10
    assert (len(drawn[5]), len(drawn[12])) == (5, 12) and drawn[5] < drawn[12] < drawn[None]
    info = json.loads(path.read_text())['info']
    assert info == dict(year=2026, drawn=dict(images=12, of=30, seed=1))

    names = tmp_path / 'names.txt'
    names.write_text(''.join(f'{i}\n' for i in range(20)))
    assert run(names, '--count', 4, '--unlabeled-count', 6).returncode == 0
    own, others = (
        set((tmp_path / f'names.1@4images{end}.txt').read_text().split())
        for end in ('', '-unlabeled')
    )
    assert (len(own), len(others)) == (4, 6) and not own & others


@pytest.mark.parametrize(
    ('text', 'args', 'expected', 'name'),
    [
        ('3\n\n17\n4\n', (), {3, 4, 17}, '1@3images'),
        ('3.jpg\nfolder/17.jpg', (), {3, 17}, '1@2images'),
        ('3', ('--percent', 2.5), {3}, '1@2.5'),
        ('a photo of 8.jpg\n', (), {8}, '1@1images'),
        ('[3, 5]', (), {3, 5}, '1@2images'),
        (json.dumps(dict(images=[dict(file_name='7.jpg')])), (), {7}, '1@1images'),
        (
            json.dumps({'5.0': {'1': [0, 1], '2': [8, 30]}}),
            ('--percent', 5, '--fold', 2),
            {8, 30},
            '2@5',
        ),
    ],
    ids=['ids', 'file names', 'one id', 'spaces', 'json list', 'coco', 'Unbiased Teacher'],
)
def test_tool_takes_lists(run, annotations, tmp_path, text, args, expected, name):
    content = json.loads(annotations.read_text())
    content['images'][8]['file_name'] = 'a photo of 8.jpg'
    annotations.write_text(json.dumps(content))
    path = tmp_path / 'list.txt'
    path.write_text(text)
    process = run(annotations, '--labeled-list', path, *args)
    assert process.returncode == 0, process.err
    assert images(tmp_path / f'instances_train.{name}.json') == expected


def test_tool_gives_a_bare_file_categories(run, annotations, tmp_path):
    """As for all of train2017 with unlabeled2017, whose file has neither key."""
    bare = tmp_path / 'image_info.json'
    bare.write_text(json.dumps(dict(images=[dict(id=1, file_name='x.jpg')])))
    process = run(annotations, '--unlabeled', bare)
    assert process.returncode == 0, process.err
    content = json.loads((tmp_path / 'instances_train.1@100-unlabeled.json').read_text())
    assert (content['annotations'], len(content['images'])) == ([], 1)
    assert content['categories'] == coco(1)['categories']


@pytest.mark.parametrize(
    ('content', 'args', 'words'),
    [
        (None, (), 'say how much stays labelled'),
        (None, ('--percent', 200), 'split.py: percent must be above 0 and at most 100, got 200'),
        (None, ('--count', 41), 'split.py: cannot label 41 of 40 images'),
        (
            None,
            ('--count', 30, '--unlabeled-count', 11),
            'split.py: cannot take 11 of 10 unlabelled images',
        ),
        ('{', ('--percent', 5), 'instances_train.json: line 1, column 2: not valid JSON'),
        ('[]', ('--percent', 5), "it has no list 'images'"),
        ('{"images": []}', ('--percent', 5), "it has no list 'annotations'"),
        (None, ('--count', 0), 'split.py: cannot label 0 of 40 images'),
        (None, ('--percent', 5, '--fold', -1), '--fold must be 0 or more, got -1'),
        (
            json.dumps(coco(2) | dict(images=[dict(id=i, file_name='a.jpg') for i in (0, 1)])),
            ('--percent', 50),
            'image 1: file_name: an image is listed more than once',
        ),
    ],
)
def test_tool_refuses(run, annotations, tmp_path, content, args, words):
    if content is not None:
        annotations.write_text(content)
    process = run(annotations, *args)
    assert process.returncode != 0 and words in process.err
    assert [p.name for p in tmp_path.iterdir()] == ['instances_train.json']


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (dict(images=[dict(id=1)]), 'images[0] has no file_name'),
        ({'5.0': {'1': 7}}, 'percentage 5, fold 1: no list of whole numbers'),
        ({'5.0': {'1': [0, 99]}}, 'an index is beyond the 40 images'),
    ],
)
def test_tool_refuses_lists(run, annotations, tmp_path, content, words):
    path = tmp_path / 'list.json'
    path.write_text(json.dumps(content))
    process = run(annotations, '--percent', 5, '--labeled-list', path)
    assert process.returncode != 0 and f'{path}: {words}' in process.err


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_lists_of_windows(run, annotations, tmp_path, encoding):
    path = tmp_path / 'list.txt'
    path.write_text('3.jpg\n4.jpg\n', encoding=encoding)
    assert run(annotations, '--labeled-list', path).returncode == 0
    assert images(tmp_path / 'instances_train.1@2images.json') == {3, 4}


def test_a_name_listed_twice_is_not_drawn_for_both_sets(run, tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text('a\nb\na\n')
    process = run(path, '--count', 1)
    assert process.returncode != 0 and f'{path}: listed more than once: a' in process.err


@pytest.mark.parametrize(
    ('text', 'args', 'words'),
    [
        ('\n \n', (), 'names no image'),
        ('[]', (), 'names no image'),
        ('3.jpg\n4.jpg\n', ('--count', 5), 'names 2 images, --count is 5'),
    ],
)
def test_lists_that_do_not_fit(run, annotations, tmp_path, text, args, words):
    path = tmp_path / 'list.txt'
    path.write_text(text)
    process = run(annotations, '--labeled-list', path, *args)
    assert process.returncode != 0 and f'split.py: {path} {words}' in process.err
    assert not list(tmp_path.glob('*@*'))


def test_names_that_are_labelled_too_are_warned_of(run, annotations):
    """As train2017 and unlabeled2017 may share them, in folders of their own."""
    process = run(annotations, '--unlabeled', annotations)
    assert process.returncode == 0 and 'lists 40 names of' in process.out


@pytest.mark.parametrize('name', ['names.TXT', 'names.csv', 'names', '.'])
def test_sources_of_names(run, tmp_path, monkeypatch, name):
    (tmp_path / 'photos').mkdir()
    monkeypatch.chdir(tmp_path / 'photos')
    for number in range(4):
        Path(f'{number}.jpg').touch()
    if name != '.':
        Path(name).write_text('0.jpg\n1.jpg\n2.jpg\n3.jpg\n')
    process = run(name, '--count', 1)
    assert process.returncode == 0, process.err
    folder = tmp_path if name == '.' else tmp_path / 'photos'
    assert len(list(folder.glob('*.1@1images*.txt'))) == 2


def test_columns_of_a_table(run, tmp_path):
    (tmp_path / 'names.csv').write_text('a.jpg,a.png\nb.jpg,b.png\n')
    process = run(tmp_path / 'names.csv', '--count', 1)
    assert process.returncode != 0 and 'keep the column of images alone' in process.err
