"""Label Studio's own JSON, as exported and broken."""

import json

import numpy as np
import pytest
from label_world import HEIGHT, SQUARE, WIDTH
from pycocotools.coco import COCO

from mmpldc.apis import label_studio_rle
from mmpldc.datasets.labels import RECORDS, Options, prepare
from mmpldc.datasets.labels.label_studio import coco_of_tasks, is_label_studio

RING = np.zeros((HEIGHT, WIDTH), bool)
RING[5:25, 5:25] = True
RING[10:15, 10:15] = False


def region(kind='brushlabels', label='square', **changes) -> dict:
    values = dict(
        brushlabels=dict(format='rle', rle=label_studio_rle(RING)),
        polygonlabels=dict(
            points=[
                [100 * x / WIDTH, 100 * y / HEIGHT]
                for x, y in zip(SQUARE[::2], SQUARE[1::2], strict=True)
            ],
            closed=True,
        ),
        rectanglelabels=dict(x=1, y=1, width=9, height=9, rotation=0),
    )
    return dict(
        id='r1',
        type=kind,
        from_name='label',
        to_name='image',
        original_width=WIDTH,
        original_height=HEIGHT,
        image_rotation=0,
        value=values[kind] | {kind: [label]},
    ) | changes  # fmt: skip


def task(number, *regions, **changes) -> dict:
    address = f'/data/local-files/?d=some/where/{number}.png'
    annotation = dict(id=10 * number, was_cancelled=False, result=list(regions))
    return dict(id=100 + number, data=dict(image=address), annotations=[annotation]) | changes


def write(world, tasks):
    world.labels.write_text(json.dumps(tasks))
    return prepare(world.labels, world.photos, role='test')


def test_masks_come_back_exactly(world):
    tasks = [task(1, region(), region('polygonlabels', 'triangle', id='r2')), task(2)]
    labels = write(world, tasks)
    assert not labels.errors and labels.lists_annotated_only
    assert [image['file_name'] for image in labels.coco['images']] == ['1.png', '2.png']
    assert [image['id'] for image in labels.coco['images']] == [101, 102]
    assert all(image['width'] == WIDTH for image in labels.coco['images'])  # 2: of the photo
    names = {one['id']: one['name'] for one in labels.coco['categories']}
    ring, square = labels.coco['annotations']
    coco = COCO()
    coco.imgs = {image['id']: image for image in labels.coco['images']}
    assert (coco.annToMask(ring) == RING).all() and names[ring['category_id']] == 'square'
    assert ring['area'] == RING.sum() and ring['bbox'] == [5, 5, 20, 20]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[8:28, 10:30] = True
    assert (coco.annToMask(square) == expected).all()
    assert names[square['category_id']] == 'triangle'


def test_what_counts_of_several_annotations():
    old = dict(result=[region(label='old')], updated_at='2026-01-01T10:00:00Z')
    new = dict(result=[region(label='new')], updated_at='2026-01-02T10:00:00Z')
    cancelled = new | dict(was_cancelled=True, updated_at='2026-01-03T10:00:00Z')
    truth = old | dict(ground_truth=True)
    for annotations, label in (
        ([new, old, cancelled], 'new'),
        ([new, truth], 'old'),
        ([old, cancelled], 'old'),
    ):
        found = coco_of_tasks([task(1, annotations=annotations)], 'a.json')
        assert [one['name'] for one in found.coco['categories']] == [label]
    waiting = [task(1, annotations=[]), task(2, annotations=[cancelled]), task(3, region())]
    found = coco_of_tasks(waiting, 'a.json')
    assert [image['id'] for image in found.coco['images']] == [103]
    (note,) = found.findings
    assert str(note) == (
        'note: a.json: tasks 101, 102: no submitted annotation: left out, as not corrected yet'
    )


def test_shape_and_label_as_two_entries():
    shape = region('brushlabels')
    shape['type'] = 'brush'
    del shape['value']['brushlabels']
    label = dict(id='r1', type='labels', value=dict(labels=['disc']))
    choice = dict(id='r9', type='choices', value=dict(choices=['good']))
    found = coco_of_tasks([task(1, shape, label, choice)], 'a.json')
    assert not found.findings and len(found.coco['annotations']) == 1
    assert found.coco['categories'] == [dict(id=1, name='disc')]


EMPTY = label_studio_rle(np.zeros((HEIGHT, WIDTH), bool))


@pytest.mark.parametrize(
    ('broken', 'words'),
    [
        (region('rectanglelabels'), 'region 101/r1: a rectanglelabels is no mask: draw'),
        (region('polygonlabels', type='newlabels'), 'region 101/r1: a newlabels is no mask: draw'),
        (region(type=['brush']), "region 101/r1: a ['brush'] is no mask: draw"),
        (region(image_rotation=90), 'was rotated'),
        (region(original_width=None), 'original_width is missing'),
        (region(original_width=10**9), 'original_width is missing, or no'),
        (region(original_width=WIDTH + 1), 'an image of 65 x 48 has'),
        (region(value=dict(format='rle', rle=[1, 2, 3], brushlabels=['a'])), 'ends early'),
        (region(value=dict(format='png', brushlabels=['a'])), "format 'png'"),
        (region(value=dict(brushlabels=['a'])), 'no list of bytes'),
        (region(value=dict(format='rle', rle=EMPTY, brushlabels=['a', 'b'])), 'or several: give'),
        (region(value=dict(format='rle', rle=EMPTY)), 'has no label'),
        (region(value=None), 'has no label'),
        (region('polygonlabels', value=dict(points=[[1, 1]], polygonlabels=['a'])), 'three points'),
        (
            region('polygonlabels', value=dict(points=[[1, 1], [2], [3, 3]], polygonlabels=['a'])),
            'no pair of numbers',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_broken_regions_are_named(broken, words):
    sound = region(id='r2')
    found = coco_of_tasks([task(1, broken, sound)], 'a.json')
    (error,) = [one for one in found.findings if one.level == 'error']
    assert words in str(error)
    dropped = coco_of_tasks([task(1, broken, sound)], 'a.json', drop_invalid=True)
    assert not any(one.level == 'error' for one in dropped.findings)
    assert len(dropped.coco['annotations']) == 1
    assert len(dropped.left_out) == 1 and words in dropped.left_out[0]


@pytest.mark.parametrize(
    ('broken', 'words'),
    [
        (task(1, data=None), 'task 101: data names no image'),
        (task(1, data=dict(a='x', b='y')), '"image" is missing among a (a str), b (a str)'),
        (task(1, data={}), 'data names no image: it is empty'),
        (
            task(1, data=dict(pages=['1.png', '2.png'])),
            '"image" is missing among pages (a list): make a task of each image',
        ),
        (
            task(1, region(item_index=1), data=dict(pages=['1.png', '2.png'])),
            'regions are on pages of a list (pages) (item_index): make a task of each page',
        ),
        (
            task(1, region(item_index=0), data=dict(image='1.png', pages=['1.png', '2.png'])),
            'regions are on pages of a list (pages)',
        ),
        (task(1, region(item_index=2)), 'regions are on pages of a list (item_index)'),
        (
            task(
                *(1, region(), region(to_name='img2', id='r2')),
                data=dict(image='1.png', image2='2.png'),
            ),
            'regions are on several of its images (to_name image, img2): make a task of each',
        ),
        (task(1, annotations=-1), 'task 101: no list "annotations"'),
        (task(1, annotations=None), 'export as JSON, not as JSON-MIN'),
        (dict(id=None), 'task [0]: no list "annotations"'),
        (7, 'task [0]: no list'),
        (task(1, annotations=[dict(id=3)]), 'no list "result"'),
    ],
)
def test_broken_tasks_are_named(broken, words):
    (error,) = coco_of_tasks([broken], 'a.json').findings
    assert error.level == 'error' and words in str(error)


def test_the_image_that_regions_are_on():
    two = dict(left='a/1.png', image='a/2.png?token=x.y', note='see 3.txt')
    for data, tag, address in (
        (two, 'left', 'a/1.png'),
        (two, 'image', 'a/2.png?token=x.y'),
        (two, 'img', 'a/2.png?token=x.y'),  # the only one of the file: its usual name decides
        (dict(photo='a', note=3), 'image', 'a'),
        (dict(pages=['a.png']), 'image', 'a.png'),
    ):
        found = coco_of_tasks([task(1, region(to_name=tag, item_index=0), data=data)], 'a.json')
        assert not found.findings and found.coco['images'][0]['file_name'] == address
    one, other = (task(n, region(to_name=f'img{n}'), data=two) for n in (1, 2))
    (error,) = coco_of_tasks([one, other], 'a.json').findings
    assert str(error) == (
        'error: a.json: tasks 101, 102: has several images (left, image), and regions of the file '
        'are on several (to_name img1, img2): make a task of each image'
    )


def test_errors_are_one_line_of_each_kind():
    boxes = [region('rectanglelabels', id=f'r{n}') for n in range(120)]
    error, turned = coco_of_tasks(
        [task(1, *boxes), task(2, region(image_rotation=90), *boxes)], 'a.json'
    ).findings
    assert str(error) == (
        'error: a.json: 240 regions (101/r0, 101/r1, 101/r2, ...): a rectanglelabels is no mask: '
        'draw it with the brush or as a polygon'
    )
    assert 'region 102/r1: the image was rotated' in str(turned)
    assert {error.kind, turned.kind} <= set(RECORDS)  # for which --drop-invalid is named
    left_out = coco_of_tasks([task(1, *boxes)], 'a.json', drop_invalid=True).left_out
    assert len(left_out) == 120 and left_out[7].startswith('a.json: region 101/r7: a rectangle')


def test_regions_of_another_size_than_the_first():
    other = region(id='r2', original_width=10, original_height=10)
    (error,) = coco_of_tasks([task(1, region(), other)], 'a.json').findings
    assert 'is of an image of 10 x 10, others of the task are of 64 x 48' in str(error)


def test_empty_regions_and_repeated_ids():
    empty = region(value=dict(format='rle', rle=EMPTY, brushlabels=['a']))
    found = coco_of_tasks([task(1, empty), task(1) | dict(data=dict(photo='2.png'))], 'a.json')
    (note,) = found.findings
    assert 'region 101/r1: no pixel is painted' in str(note)
    assert [image['file_name'][-5:] for image in found.coco['images']] == ['1.png', '2.png']
    assert len({image['id'] for image in found.coco['images']}) == 2


def test_images_that_lost_a_region_are_known():
    tasks = [task(1, region('rectanglelabels')), task(2), task(3, region())]
    found = coco_of_tasks(tasks, 'a.json', drop_invalid=True)
    assert [image['id'] for image in found.coco['images']] == [101, 102, 103]
    assert found.lost == {101}


def test_recognised_by_its_fields():
    assert is_label_studio([task(1)])
    for other in ([], {}, [1], [dict(image_id=1)], dict(data=1, annotations=[])):
        assert not is_label_studio(other)


def test_findings_reach_the_user(world):
    labels = write(world, [task(1, region('rectanglelabels')), task(2, region())])
    assert any('is no mask' in str(error) for error in labels.errors)
    labels = prepare(world.labels, world.photos, role='test', options=Options(drop_invalid=True))
    assert not labels.errors and len(labels.left_out) == 1
