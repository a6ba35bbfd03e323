"""The way back from annotators: what they corrected is merged, and counted."""

import json
import os
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from mmpldc.apis import (
    LabeledImage,
    PseudoLabel,
    encode_mask,
    label_studio_rle,
    write_coco,
    write_label_studio,
)

TOOLS = Path(__file__).parents[2] / 'tools/dataset'
CATEGORIES = [dict(id=4, name='dog'), dict(id=3, name='cat')]
CLASSES = ['dog', 'cat']
HEIGHT, WIDTH = 64, 96
SIZE = dict(height=HEIGHT, width=WIDTH)


def disc(x: int, y: int, radius: int, *, hole: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = (rows - y) ** 2 + (columns - x) ** 2
    return (distance < radius**2) & (distance >= hole**2)


def annotation(identity, image, category, mask):
    return dict(
        id=identity,
        image_id=image,
        category_id=category,
        segmentation=encode_mask(mask),
        area=int(mask.sum()),
        bbox=cv2.boundingRect(mask.astype(np.uint8)),
        iscrowd=0,
    )


# On photos 3 to 5: what the teacher drew, and what is there.
PREDICTED = {
    3: [(0, disc(20, 20, 12, hole=4)), (1, disc(60, 30, 15))],
    4: [(0, disc(30, 30, 10)), (1, disc(70, 20, 9))],
    5: [(1, disc(40, 30, 8))],
}
CORRECTED = {
    3: [(0, PREDICTED[3][0][1]), (1, disc(63, 30, 15)), (0, disc(85, 50, 8))],  # moved, added
    4: [(1, PREDICTED[4][0][1])],  # another class, deleted
    5: [],  # deleted: nothing is there
}


@pytest.fixture
def data(tmp_path):
    """Eight photos: 1 and 2 labelled, 8 to validate on, the others unlabelled."""
    photos = tmp_path / 'photos'
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(1, 9):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        assert cv2.imwrite(str(photos / f'{number}.png'), pixels)

    def write(name, numbers, *, labels=True):
        images = [dict(id=n, file_name=f'{n}.png', **SIZE) for n in numbers]
        annotations = [annotation(9 * n, n, 4, disc(40, 30, 20)) for n in numbers if labels]
        path = tmp_path / f'{name}.json'
        content = dict(images=images, annotations=annotations, categories=CATEGORIES)
        path.write_text(json.dumps(content))
        return path

    files = dict(
        labeled=write('labeled', [1, 2]),
        val=write('val', [8]),
        unlabeled=write('unlabeled', range(3, 8), labels=False),
    )
    predicted = [
        LabeledImage(
            dict(id=n, file_name=f'{n}.png', **SIZE),
            [PseudoLabel(label, 0.9, 0.9, 1.0, encode_mask(mask)) for label, mask in objects],
        )
        for n, objects in PREDICTED.items()
    ]
    predictions, tasks = tmp_path / 'pre_annotations.json', tmp_path / 'tasks.json'
    write_coco(predictions, predicted, CATEGORIES)
    write_label_studio(tasks, predicted, CLASSES, image_prefix='/d=', model_version='v')
    return SimpleNamespace(
        root=tmp_path, photos=photos, predictions=predictions, tasks=tasks, **files
    )


@pytest.fixture
def run(data, monkeypatch, capsys):
    def run(corrected, *options):
        args = [data.labeled, corrected, '--images', data.photos, '--out', data.root / 'out']
        monkeypatch.setattr('sys.argv', ['merge_labels.py', *map(str, [*args, *options])])
        error = None
        try:
            runpy.run_path(str(TOOLS / 'merge_labels.py'), run_name='__main__')
        except SystemExit as end:
            error = end.code
        return SimpleNamespace(error=error, out=capsys.readouterr().out)

    return run


def exported(data) -> Path:
    """Label Studio's export after correction: the predictions were taken over, and changed."""
    tasks = json.loads(data.tasks.read_text())
    for number, (task, objects) in enumerate(zip(tasks, CORRECTED.values(), strict=True), 700):
        regions = task['predictions'][0]['result']
        result = []
        for place, (label, mask) in enumerate(objects):
            region = dict(regions[0], id=f'new{place}', value=dict(format='rle'))
            region['value'] |= dict(rle=label_studio_rle(mask), brushlabels=[CLASSES[label]])
            result.append(region)
        if number == 700:
            result[0] = regions[0]  # as it was
        task |= dict(id=number, annotations=[dict(id=number, result=result, was_cancelled=False)])
        address = task['data']['image'].removeprefix('/d=')
        task['data']['image'] = f'/data/upload/1/1a2b3c4d-{address}'
    tasks.append(dict(id=9, data=dict(image='/d=6.png'), annotations=[], predictions=[]))
    path = data.root / 'export.json'
    path.write_text(json.dumps(tasks))
    return path


def cvat(data) -> Path:
    """The same as COCO, with classes of its own order, in which a brush draws crowds."""
    images = [dict(id=i, file_name=f'{n}.png', **SIZE) for i, n in enumerate([*CORRECTED, 6], 1)]
    annotations = [
        annotation(10 * i + place, i, [2, 1][label], mask) | dict(iscrowd=1)
        for i, objects in enumerate(CORRECTED.values(), 1)
        for place, (label, mask) in enumerate(objects)
    ]
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    path = data.root / 'instances_default.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path


def masks_of(path: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    coco = COCO(str(path))
    return {
        image['file_name']: [
            (coco.cats[one['category_id']]['name'], coco.annToMask(one).astype(bool))
            for one in coco.imgToAnns[identity]
        ]
        for identity, image in coco.imgs.items()
    }


def same(found, wanted) -> bool:
    return len(found) == len(wanted) and all(
        name == CLASSES[label] and (mask == other).all()
        for (name, mask), (label, other) in zip(found, wanted, strict=True)
    )


def test_label_studio_round_trip_pixel_by_pixel(run, data):
    options = ['--val', data.val, '--unlabeled', data.unlabeled, '--predictions', data.predictions]
    val = data.val.read_bytes()
    result = run(exported(data), *options)
    assert result.error is None, result
    merged = masks_of(data.root / 'out/labeled.json')
    assert [*merged] == ['1.png', '2.png', '3.png', '4.png', '5.png']
    for number, objects in CORRECTED.items():
        assert same(merged[f'{number}.png'], objects)
    coco = json.loads((data.root / 'out/labeled.json').read_text())
    before = json.loads(data.labeled.read_text())
    assert coco['images'][:2] == before['images'] and coco['categories'] == CATEGORIES
    assert coco['annotations'][:2] == before['annotations']
    assert [image['id'] for image in coco['images']] == [1, 2, 3, 4, 5]  # the unlabelled set's
    unlabeled = json.loads((data.root / 'out/unlabeled.json').read_text())
    assert [image['file_name'] for image in unlabeled['images']] == ['6.png', '7.png']
    counts = json.loads((data.root / 'out/corrections.json').read_text())
    assert counts == dict(kept=1, moved=1, class_changed=1, deleted=2, added=1, images=3)
    assert 'of 5 labels of the teacher on 3 images 1 (20%) were kept, 1 moved' in result.out
    assert 'task 9: no submitted annotation: left out' in result.out
    assert '1 new image with nothing on it' in result.out
    assert data.val.read_bytes() == val


def test_coco_of_cvat(run, data):
    options = ['--crowds-as-instances', '--predictions', data.predictions]
    result = run(cvat(data), *options)
    assert result.error is None, result
    merged = masks_of(data.root / 'out/labeled.json')
    # 5 and 6 have no annotation: nobody may have looked at them
    assert [*merged] == ['1.png', '2.png', '3.png', '4.png']
    assert same(merged['3.png'], CORRECTED[3]) and same(merged['4.png'], CORRECTED[4])
    assert '2 images without an annotation: not merged' in result.out
    counts = json.loads((data.root / 'out/corrections.json').read_text())
    assert counts == dict(kept=1, moved=1, class_changed=1, deleted=1, added=1, images=2)
    assert not (data.root / 'out/unlabeled.json').exists()

    names = data.root / 'negatives.txt'
    names.write_text('5.png\n')
    result = run(cvat(data), *options, '--negatives', names)
    assert result.error is None and '5.png' in masks_of(data.root / 'out/labeled.json')


def test_an_image_of_the_validation_set_is_refused(run, data):
    shutil.copy(data.photos / '8.png', data.photos / 'other.png')
    path = exported(data)
    tasks = json.loads(path.read_text())
    tasks[1]['data']['image'] = '/data/upload/1/1a2b3c4d-other.png'
    path.write_text(json.dumps(tasks))
    result = run(path, '--val', data.val, '--unlabeled', data.unlabeled)
    assert result.error.startswith('merge_labels.py: nothing was written: the data has 1 error')
    assert 'other.png = 8.png: in both the corrected and the val set' in result.out
    assert not (data.root / 'out').exists()


@pytest.mark.parametrize(
    ('change', 'options', 'words'),
    [
        (lambda coco: coco['categories'][0].update(name='Cat'), [], "'Cat' is 'cat' in"),
        (lambda coco: coco['images'][0].update(file_name='1.png'), [], 'labelled already: --repl'),
        (lambda coco: coco['images'][0].update(file_name='nowhere.png'), [], 'nowhere.png'),
        (
            lambda coco: coco['annotations'][0].update(category_id=77),
            [],
            'annotation 10: category_id',
        ),
        (lambda coco: coco['annotations'].clear(), [], 'no corrected image: nothing to merge'),
        (lambda coco: coco.pop('images'), [], 'images missing'),
    ],
)
def test_refused_and_nothing_written(run, data, change, options, words):
    path = cvat(data)
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))
    result = run(path, '--crowds-as-instances', *options)
    assert result.error and words in result.out + str(result.error)
    assert not (data.root / 'out').exists()


def test_classes_that_the_labelled_set_lacks_are_left_out_and_named(run, data):
    path = cvat(data)
    coco = json.loads(path.read_text())
    coco['categories'].append(dict(id=3, name='owl'))
    coco['annotations'][0]['category_id'] = 3
    path.write_text(json.dumps(coco))
    result = run(path, '--crowds-as-instances')
    assert result.error is None and 'category owl not in' in result.out
    assert len(masks_of(data.root / 'out/labeled.json')['3.png']) == 2


def test_the_input_is_not_overwritten(run, data):
    os.link(data.labeled, data.root / 'same.json')
    (data.root / 'out').mkdir()
    (data.root / 'out/labeled.json').symlink_to(data.labeled)
    result = run(cvat(data), '--crowds-as-instances')
    assert 'holds the input: choose another --out' in result.error
