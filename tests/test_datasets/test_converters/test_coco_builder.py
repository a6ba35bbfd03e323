"""Annotations and ids that all converters share."""

import json

import numpy as np
import pytest

from mmpldc.datasets.converters.coco import (
    build_coco,
    categories_from,
    mask_annotation,
    polygon_annotation,
    read_json,
    summary,
)

IMAGE = dict(file_name='a.jpg', width=8, height=6)


def test_category_ids_follow_the_names():
    assert categories_from(['b', 'a']) == [dict(id=1, name='b'), dict(id=2, name='a')]


@pytest.mark.parametrize(
    ('names', 'words'),
    [
        ([], 'need a name'),
        (['a', ' '], 'need a name'),
        (['a', 3], 'need a name'),
        (['a', 'b', 'a', 'c', 'c'], 'twice: a, c$'),
    ],
)
def test_bad_categories(names, words):
    with pytest.raises(ValueError, match=words):
        categories_from(names)


def test_mask_with_hole_and_parts(mask_of):
    mask = np.zeros((6, 8), bool)
    mask[0:3, 0:3] = True  # touches two edges
    mask[1, 1] = False  # hole
    mask[5, 7] = True  # second part, in the opposite corner
    annotation = mask_annotation(mask, category_id=4, iscrowd=True)
    rle = annotation.pop('segmentation')
    assert annotation == dict(category_id=4, area=9, bbox=[0, 0, 8, 6], iscrowd=1)
    assert rle['size'] == [6, 8]
    assert isinstance(rle['counts'], str)
    np.testing.assert_array_equal(mask_of(dict(segmentation=rle)), mask)


@pytest.mark.parametrize(
    ('polygons', 'area', 'bbox'),
    [
        pytest.param([[0, 0, 4, 0, 4, 3, 0, 3]], 12, [0, 0, 4, 3], id='rectangle'),
        pytest.param(
            [[0, 0, 2, 0, 2, 3, 0, 3], [1, 0, 4, 0, 4, 3, 1, 3]], 12, [0, 0, 4, 3], id='overlap'
        ),
        pytest.param(
            [[0, 0, 2, 0, 2, 2, 0, 2], [5, 4, 8, 4, 8, 6, 5, 6]], 10, [0, 0, 8, 6], id='parts'
        ),
        pytest.param([[6, 1, 20, 1, 20, 4, 6, 4]], 6, [6, 1, 2, 3], id='partly outside'),
        pytest.param([[9, 9, 12, 9, 12, 12]], 0, [0, 0, 0, 0], id='outside'),
    ],
)
def test_polygons(polygons, area, bbox):
    annotation = polygon_annotation(polygons, category_id=1, width=8, height=6)
    assert annotation == dict(category_id=1, segmentation=polygons, area=area, bbox=bbox, iscrowd=0)


def test_polygons_have_two_decimals():
    polygon = [[1 / 3, 0, np.float64(2.006), 0, 4, 3]]
    annotation = polygon_annotation(polygon, category_id=1, width=8, height=6)
    assert annotation['segmentation'] == [[0.33, 0, 2.01, 0, 4, 3]]
    json.dumps(annotation)


def annotation(area=1, category_id=1, iscrowd=0):
    return dict(area=area, category_id=category_id, iscrowd=iscrowd)


def test_ids_and_empty_annotations():
    records = [
        (IMAGE, [annotation(0), annotation(5)]),
        (IMAGE | dict(file_name='b.jpg'), []),
        (IMAGE | dict(file_name='c.jpg'), [annotation(6), annotation(7), annotation(0)]),
    ]
    with pytest.warns(UserWarning, match=r'without a pixel are left out: 2, in a\.jpg, c\.jpg$'):
        coco = build_coco(records, categories_from(['x']), description='test')
    assert coco['info'] == dict(description='test')
    assert coco['categories'] == [dict(id=1, name='x')]
    assert [(i['id'], i['file_name']) for i in coco['images']] == [
        (1, 'a.jpg'),
        (2, 'b.jpg'),
        (3, 'c.jpg'),
    ]
    assert [(a['id'], a['image_id'], a['area']) for a in coco['annotations']] == [
        (1, 1, 5),
        (2, 3, 6),
        (3, 3, 7),
    ]


def test_summary():
    found = [annotation(), annotation(category_id=3), annotation(), annotation(iscrowd=1)]
    categories = categories_from(['x', 'y', 'z'])
    with_crowd = build_coco([(IMAGE, found)], categories, description='')
    assert summary(with_crowd) == '1 images, 3 instances (x: 2, y: 0, z: 1), 1 crowds'
    assert summary(build_coco([(IMAGE, [])], categories, description='')) == '1 images, 0 instances'


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'{"a": 1', 'line 1, column 8: not valid JSON'),
        (b'[' * 100_000, 'cannot be read'),
        (b'{"a": 1, "b": 2, "a": 3}', '"a" is there twice'),
        (b'[1]', "has no 'a', 'b'"),
        (b'{"a": 1}', "has no 'b'"),
    ],
)
def test_json_that_is_another(tmp_path, content, words):
    path = tmp_path / 'x.json'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'x\.json:? {words}'):
        read_json(path, 'a', 'b')
