"""Cityscapes, from label maps and from polygons."""

import json

import numpy as np
import pytest
from mmdet.datasets import CityscapesDataset

from mmpldc.datasets.converters import convert_cityscapes
from mmpldc.datasets.converters.cityscapes import CLASSES, LABELS, draw_polygons
from mmpldc.utils.files import write_json

HEIGHT, WIDTH = 12, 16
SIZE = dict(imgHeight=HEIGHT, imgWidth=WIDTH)


@pytest.fixture
def add(tmp_path, write_image, write_labels):
    """Add an image with a label map or polygons to a data set of one split."""

    def add(name, labels=None, objects=None, *, split='val', size=SIZE):
        city = name.split('_')[0]
        write_image(tmp_path / f'leftImg8bit/{split}/{city}/{name}_leftImg8bit.png', WIDTH, HEIGHT)
        truth = tmp_path / f'gtFine/{split}/{city}'
        truth.mkdir(parents=True, exist_ok=True)
        if labels is not None:
            write_labels(truth / f'{name}_gtFine_instanceIds.png', labels)
        if objects is not None:
            content = size | dict(
                objects=[
                    dict(label=label, polygon=polygon, **dict.fromkeys(marks, 1))
                    for label, polygon, *marks in objects
                ]
            )
            (truth / f'{name}_gtFine_polygons.json').write_text(json.dumps(content))

    return add


def road():
    return np.full((HEIGHT, WIDTH), 7, np.uint16)


def box(left, top, right, bottom):
    """Corners of a rectangle whose last column and row Cityscapes' tool fills as well."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def found(coco):
    keys = ('image_id', 'category_id', 'area', 'bbox', 'iscrowd')
    return [tuple(a[key] for key in keys) for a in coco['annotations']]


def test_classes_are_mmdets():
    assert CLASSES == CityscapesDataset.METAINFO['classes']


def test_label_ids():
    """Some of Cityscapes' own, which its evaluation server goes by."""
    ids = dict(road=7, polegroup=18, sky=23, person=24, car=26, train=31, bicycle=33)
    assert {name: LABELS.index(name) for name in ids} == ids
    assert len(LABELS) == 34


def test_label_map(tmp_path, add, mask_of):
    labels = road()
    labels[0:3, 0:4] = 26000
    labels[1, 1] = 7  # a hole
    labels[5:7, 14:16] = 26001
    labels[11, 0] = 26001  # a second part
    labels[8:10, 8:12] = 24  # a group of persons
    labels[8, 0] = 29000  # caravan: no class of the benchmark
    labels[4, 4] = 33007
    add('aachen_000001_000019', labels)
    add('aachen_000000_000019', road())
    add('bonn_000000_000019', labels, split='train')
    coco = convert_cityscapes(tmp_path, 'val', workers=1)
    assert coco['images'] == [
        dict(
            id=index,
            file_name=f'aachen/aachen_{index - 1:06d}_000019_leftImg8bit.png',
            width=WIDTH,
            height=HEIGHT,
        )
        for index in (1, 2)
    ]
    assert found(coco) == [
        (2, 24, 8, [8, 8, 4, 2], 1),
        (2, 26, 11, [0, 0, 4, 3], 0),
        (2, 26, 5, [0, 5, 16, 7], 0),
        (2, 33, 1, [4, 4, 1, 1], 0),
    ]
    for annotation, value in zip(coco['annotations'], (24, 26000, 26001, 33007), strict=True):
        np.testing.assert_array_equal(mask_of(annotation), labels == value)


OBJECTS = [
    ('road', box(0, 0, 15, 11)),
    ('car', box(0, 0, 3, 2)),  # 4 x 3 pixels
    ('license plate', box(1, 1, 1, 2)),  # is not drawn
    ('person', box(10, 0, 11, 1)),  # hidden by the bus
    ('bus', box(9, 0, 12, 3)),
    ('bus', box(0, 0, 15, 11), 'deleted'),
    ('person', box(12, 3, 13, 5)),  # 2 x 3, hides the bus' corner
    ('cargroup', box(0, 6, 1, 7)),
    ('cargroup', box(3, 6, 4, 7)),  # both groups are one crowd
    ('polegroup', box(3, 0, 3, 11)),  # a class of its own, hides parts of car and crowd
    ('skygroup', box(6, 6, 7, 7)),
    ('caravan', box(14, 6, 20, 7)),  # reaches out of the image
    ('bicycle', box(14, 10, 20, 13)),  # 2 x 2 of it inside
]


def test_polygons(tmp_path, add, mask_of):
    add('aachen_0_0', objects=OBJECTS)
    coco = convert_cityscapes(tmp_path, 'val', workers=1)
    expected = road()
    expected[0:3, 0:4] = 26000  # cars count from 0
    expected[0:4, 9:13] = 28000
    expected[3:6, 12:14] = 24001  # the first person's number is not given again
    expected[6:8, 0:2] = expected[6:8, 3:5] = 26
    expected[:, 3] = 18
    expected[6:8, 6:8] = 23
    expected[6:8, 14:16] = 29
    expected[10:12, 14:16] = 33000
    image = dict(file_name='aachen_0_0_leftImg8bit.png', width=WIDTH, height=HEIGHT)
    path = tmp_path / 'gtFine/val/aachen/aachen_0_0_gtFine_polygons.json'
    np.testing.assert_array_equal(draw_polygons(path, image), expected)
    values = (26, 24001, 26000, 28000, 33000)
    assert found(coco) == [
        (1, 26, 6, [0, 6, 5, 2], 1),
        (1, 24, 6, [12, 3, 2, 3], 0),
        (1, 26, 9, [0, 0, 3, 3], 0),
        (1, 28, 15, [9, 0, 4, 4], 0),
        (1, 33, 4, [14, 10, 2, 2], 0),
    ]
    for annotation, value in zip(coco['annotations'], values, strict=True):
        np.testing.assert_array_equal(mask_of(annotation), expected == value)
    # The label map, where there is one, has precedence.
    add('aachen_0_0', labels=expected)
    assert convert_cityscapes(tmp_path, 'val', workers=1) == coco
    add('aachen_0_0', labels=road())
    assert convert_cityscapes(tmp_path, 'val', workers=1)['annotations'] == []


def test_processes_change_nothing(tmp_path, add):
    labels = road()
    for index in range(5):
        labels[index, 0] = 26000 + index
        add(f'aachen_{index}_0', labels.copy())
    one, two = (convert_cityscapes(tmp_path, 'val', workers=workers) for workers in (1, 2))
    assert one == two
    assert len(two['annotations']) == 15


def test_mmdet_reads_it(tmp_path, add):
    labels = road()
    labels[0:2, 0:2] = 33000
    labels[4:6, 4:6] = 31000
    labels[8:10, 8:10] = 24
    add('aachen_0_0', labels)
    path = tmp_path / 'annotations/instancesonly_filtered_gtFine_val.json'
    write_json(path, convert_cityscapes(tmp_path, 'val', workers=1))
    dataset = CityscapesDataset(
        ann_file=str(path), data_prefix=dict(img=f'{tmp_path}/leftImg8bit/val/'), pipeline=[]
    )
    info = dataset.get_data_info(0)
    assert info['img_path'].endswith('/leftImg8bit/val/aachen/aachen_0_0_leftImg8bit.png')
    names = [dataset.metainfo['classes'][i['bbox_label']] for i in info['instances']]
    assert names == ['person', 'train', 'bicycle']
    assert [i['ignore_flag'] for i in info['instances']] == [1, 0, 0]


def bad_labels(value):
    labels = road()
    labels[0, 0] = value
    return dict(labels=labels)


@pytest.mark.parametrize(
    ('kwargs', 'error', 'words'),
    [
        pytest.param({}, FileNotFoundError, 'has neither .*_instanceIds.png nor', id='none'),
        pytest.param(
            dict(labels=road()[:-1]), ValueError, 'is for 16 x 11 pixels, but', id='map size'
        ),
        pytest.param(bad_labels(40000), ValueError, 'value 40000: .* no label 40', id='value'),
        pytest.param(
            dict(labels=np.zeros((HEIGHT, WIDTH, 3), np.uint8)), ValueError, 'colours', id='RGB'
        ),
        pytest.param(
            dict(objects=[('road', box(0, 0, 1, 1)), ('cars', box(0, 0, 1, 1))]),
            ValueError,
            r"polygons\.json: object 1 has the label 'cars'",
            id='label',
        ),
        pytest.param(
            dict(objects=[('car', [[0, 0], [1, 1]])]), ValueError, 'fewer than three', id='points'
        ),
        pytest.param(
            dict(objects=[], size=dict(imgHeight=16, imgWidth=12)),
            ValueError,
            'is for 12 x 16 pixels',
            id='polygon size',
        ),
        pytest.param(
            dict(objects=[], size=dict(imgHeight=HEIGHT)), ValueError, "has no 'imgWidth'", id='key'
        ),
    ],
)
def test_bad_input(tmp_path, add, kwargs, error, words):
    add('aachen_0_0', **kwargs)
    with pytest.raises(error, match=words):
        convert_cityscapes(tmp_path, 'val', workers=1)


def test_error_of_a_process_is_the_same(tmp_path, add):
    for index in range(3):
        add(f'aachen_{index}_0', **({} if index else bad_labels(40000)))
    with pytest.raises(ValueError, match=r'aachen_0_0_gtFine_instanceIds\.png has the value 40000'):
        convert_cityscapes(tmp_path, 'val', workers=2)


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no image .*leftImg8bit/val/CITY/'):
        convert_cityscapes(tmp_path, 'val')
