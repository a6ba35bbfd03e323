"""The choice of images by a tiny model, and the files for annotators."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO

from mmpldc.apis import label_next, load_labeler
from mmpldc.apis.image_ranking import (
    Pool,
    build_criteria,
    class_counts_of,
    rank_images,
)
from mmpldc.apis.images import folder_images
from mmpldc.datasets.labels import prepare
from mmpldc.models.acquisition import Criterion
from mmpldc.registry import TASK_UTILS


@pytest.fixture
def pool(folder):
    """Nine images, of which two are equal."""
    generator = np.random.default_rng(1)
    for number in range(6):
        coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f'{min(number, 4)}-{number}.png'), cv2.resize(coarse, (60, 48)))
    (folder / '4-5.png').write_bytes((folder / '4-4.png').read_bytes())
    return folder


@pytest.fixture
def choose(cfg, checkpoint, pool, tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(checkpoint, path)

    def choose(**options):
        options = dict(images=pool, device='cpu', count=3) | options
        return label_next(cfg, path, tmp_path / 'next', **options)

    return choose


def rows_of(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def test_pictures_of_an_earlier_call_are_no_candidates(choose, pool, tmp_path):
    (tmp_path / 'next').mkdir()
    (tmp_path / 'next/contact_sheet.jpg').write_bytes((pool / '4-4.png').read_bytes())
    assert len(rows_of(choose(images=tmp_path).ranking)) == 9


def test_files(choose, pool, tmp_path):
    chosen = choose()
    assert {path.name for path in (tmp_path / 'next').iterdir()} == {
        'ranking.csv',
        'next.json',
        'pre_annotations.json',
        'label_studio.json',
        'label_studio.xml',
        'contact_sheet.jpg',
    }
    rows = rows_of(chosen.ranking)
    assert len(rows) == 9 and list(rows[0]) == [
        'rank', 'chosen', 'file_name', 'score', 'ScoreUncertainty'
    ]  # fmt: skip
    scores = [float(row['score']) for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] == 1
    names = [image['file_name'] for image in chosen.images]
    order = sorted((int(row['chosen']), row['file_name']) for row in rows if row['chosen'])
    assert [name for _, name in order] == names and len(names) == 3
    listed = json.loads(chosen.chosen.read_text())
    assert listed['images'] == chosen.images and listed['annotations'] == []
    coco = COCO(str(chosen.pre_annotations))
    assert coco.dataset['images'] == chosen.images
    assert len(coco.dataset['annotations']) == chosen.num_labels > 0
    tasks = json.loads(chosen.tasks.read_text())
    assert [task['data']['image'] for task in tasks] == [
        f'/data/local-files/?d=images/{name}' for name in names
    ]
    sheet = cv2.imread(str(chosen.contact_sheets[0]))
    assert sheet.shape[1] > 3 * 300


def test_scores_do_not_depend_on_the_pool_or_the_batch(cfg, checkpoint, pool):
    model = load_labeler(cfg, checkpoint)
    criteria = build_criteria(['ScoreUncertainty', 'ViewDisagreement=2', 'RandomOrder=0'])
    assert [one.weight for one in criteria] == [1, 2, 0]
    images = folder_images(pool)
    ranking = rank_images(model, cfg, Pool(images, pool), criteria)
    assert ranking.names == ('ScoreUncertainty', 'ViewDisagreement', 'RandomOrder')
    assert [image['file_name'] for image in ranking.images] == [i['file_name'] for i in images]
    alone = rank_images(model, cfg, Pool(images[2:3], pool), criteria)
    assert torch.allclose(alone.values[0], ranking.values[2], atol=1e-5)
    ranks = ranking.values.argsort(dim=0).argsort(dim=0)[:, :2].float() / 8
    # two files are equal, and share the mean of their ranks
    expected = (ranks[:, 0] + 2 * ranks[:, 1]) / 3
    assert (ranking.scores - expected).abs().max() <= 0.5 / 8 + 1e-5


def test_equal_images_are_not_chosen_twice(choose):
    """With six of nine among which to choose, one of the equal pair is enough."""
    names = {image['file_name'] for image in choose(count=6, strategy='diverse').images}
    assert len(names) == 6 and not {'4-4.png', '4-5.png'} <= names


def test_strategies(choose):
    by_score = choose(strategy='uncertain')
    best = [row['file_name'] for row in rows_of(by_score.ranking)[:3]]
    assert [image['file_name'] for image in by_score.images] == best
    at_random = choose(strategy='random')
    assert list(rows_of(at_random.ranking)[0])[-1] == 'RandomOrder'
    assert at_random.images == choose(strategy='random').images
    other = choose(criteria=[dict(type='RandomOrder', seed=5)], chooser=dict(type='HighestFirst'))
    assert other.images != at_random.images


def test_the_configs_own_criteria(cfg, choose):
    cfg.label_next = dict(criteria=['QualityDisagreement', 'PixelUncertainty=0.5'])
    columns = list(rows_of(choose().ranking)[0])[4:]
    assert columns == ['QualityDisagreement', 'PixelUncertainty']
    assert list(rows_of(choose(strategy='uncertain').ranking)[0])[4:] == ['ScoreUncertainty']
    cfg.label_next = dict(criterion='RandomOrder')
    with pytest.raises(ValueError, match=r'label_next takes criteria .* and chooser, got'):
        choose()


def test_images_that_cannot_be_read(choose, pool, tmp_path):
    (pool / 'broken.png').write_bytes(b'\x89PNG\r\n')
    with pytest.raises(ValueError, match=r'cannot read .*broken\.png: (.|\n)*--skip-unreadable'):
        choose()
    assert not (tmp_path / 'next').exists()
    chosen = choose(skip_unreadable=True, count=100)
    assert [item.path.name for item in chosen.unreadable] == ['broken.png']
    assert len(chosen.images) == 9


def test_few_images(choose, capsys):
    assert len(choose(count=20).images) == 9
    assert 'there are only 9 images to choose from, not 20' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(count=0), '--count must be at least 1'),
        (dict(strategy='best'), "one of diverse, uncertain, random, got 'best'"),
        (dict(criteria=['Nothing']), 'there is no Nothing: the criteria are ScoreUncertainty'),
        (dict(criteria=['RandomOrder=much']), 'weight of RandomOrder must be a number'),
        (dict(criteria=[dict(type='RandomOrder', sead=3)]), 'RandomOrder.*sead'),
        (dict(criteria=['RandomOrder=0']), 'all criteria have weight 0'),
        (dict(criteria=['RareClasses']), 'names no COCO-format file'),
        (dict(criteria=['RefinerDisagreement']), r'set model\.refiner'),
        (dict(images=None), 'give --images'),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else '',
)
def test_refused(choose, options, words):
    with pytest.raises(ValueError, match=words):
        choose(**options)


def test_class_counts_follow_the_names(tmp_path):
    path = tmp_path / 'labeled.json'
    annotations = [
        dict(id=number, image_id=1, category_id=category, iscrowd=crowd)
        for number, (category, crowd) in enumerate([(7, 0), (7, 0), (2, 0), (2, 1)], 1)
    ]
    categories = [dict(id=2, name='owl'), dict(id=7, name='cat')]
    images = [dict(id=1, file_name='a.png')]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    assert class_counts_of(path, ('cat', 'dog', 'owl')).tolist() == [2, 0, 1]


def test_own_criteria_are_found_by_name(cfg, checkpoint, pool):
    @TASK_UTILS.register_module(force=True)
    class ManyPredictions(Criterion):
        def __call__(self, seen):
            return torch.tensor(float(len(seen.predictions)))

    model = load_labeler(cfg, checkpoint)
    criteria = build_criteria(['ManyPredictions'])
    ranking = rank_images(model, cfg, Pool(folder_images(pool), pool), criteria)
    assert ranking.names == ('ManyPredictions',) and ranking.values.max() >= 1


def test_annotated_images_are_not_chosen_again(cfg, choose, pool, tmp_path, capsys):
    listed = [dict(id=1, file_name='a.png'), dict(id=2, file_name='4-4.png')]
    content = dict(images=listed, annotations=[], categories=[])
    (tmp_path / 'test.json').write_text(json.dumps(content))
    dataset = cfg.test_dataloader.dataset
    dataset.update(ann_file=str(tmp_path / 'test.json'), data_prefix=dict(img=str(pool)))
    chosen = choose(count=20)
    assert not {'a.png', '4-4.png'} & {image['file_name'] for image in chosen.images}
    assert len(chosen.images) == 7
    assert f'2 images of {pool} are annotated already' in capsys.readouterr().out
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='are in a labelled set'):
        choose(images=path, img_root=pool)
    dataset.ann_file = str(tmp_path / 'gone.json')
    assert len(choose(count=20).images) == 9
    assert 'gone.json: no such file; the test set' in capsys.readouterr().out


def test_what_label_studio_takes_over_unchanged_is_what_was_written(choose, pool, tmp_path):
    """Predictions that become annotations, read by the way back: pixel by pixel."""
    chosen = choose(count=9)
    tasks = json.loads(chosen.tasks.read_text())
    for number, task in enumerate(tasks, 1):
        regions = [region for one in task['predictions'] for region in one['result']]
        task |= dict(id=number, annotations=[dict(id=number, result=regions)])
    path = tmp_path / 'export.json'
    path.write_text(json.dumps(tasks))
    labels = prepare(path, pool, role='test')
    assert not labels.errors and labels.lists_annotated_only
    back, written = COCO(), COCO(str(chosen.pre_annotations))
    back.dataset = labels.coco
    back.createIndex()

    def masks(coco):
        return {
            (
                coco.imgs[one['image_id']]['file_name'],
                coco.cats[one['category_id']]['name'],
                coco.annToMask(one).tobytes(),
            )
            for one in coco.dataset['annotations']
        }

    assert masks(back) == masks(written) and len(masks(written)) > 9
