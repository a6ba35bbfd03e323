"""YOLO's segmentation labels."""

import pytest

from mmpldc.datasets.converters import convert_yolo, read_class_names


@pytest.fixture
def folders(tmp_path, write_image):
    """Images ``b.jpg`` and ``a/c.png`` of 8 x 6 pixels, and folders of labels."""
    write_image(tmp_path / 'images/b.jpg', 8, 6)
    write_image(tmp_path / 'images/a/c.png', 8, 6)
    (tmp_path / 'labels/a').mkdir(parents=True)
    return tmp_path / 'images', tmp_path / 'labels'


def test_polygons(folders):
    images, labels = folders
    (labels / 'b.txt').write_text(
        '1 0 0 0.5 0 0.5 0.5 0 0.5\n'  # 4 x 3 pixels
        '\n'
        '0 0.75 0.5 1.0 0.5 1 1 0.75 1 \n'  # 2 x 3 pixels, to the corner
    )
    (labels / 'classes.txt').write_text('x\ny\n')  # belongs to no image
    coco = convert_yolo(images, labels, ['x', 'y'])
    assert coco['images'] == [
        dict(id=1, file_name='a/c.png', width=8, height=6),
        dict(id=2, file_name='b.jpg', width=8, height=6),
    ]
    assert coco['annotations'] == [
        dict(
            id=1,
            image_id=2,
            category_id=2,
            segmentation=[[0, 0, 4, 0, 4, 3, 0, 3]],
            area=12,
            bbox=[0, 0, 4, 3],
            iscrowd=0,
        ),
        dict(
            id=2,
            image_id=2,
            category_id=1,
            segmentation=[[6, 3, 8, 3, 8, 6, 6, 6]],
            area=6,
            bbox=[6, 3, 2, 3],
            iscrowd=0,
        ),
    ]
    assert coco['categories'] == [dict(id=1, name='x'), dict(id=2, name='y')]


def test_turned_image(folders, write_image):
    """Shares are those of the image as it is shown."""
    images, labels = folders
    write_image(
        images / 'b.jpg',
        6,
        8,
        exif=b'Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0',
    )
    (labels / 'b.txt').write_text('0 0 0 0.5 0 0.5 0.5 0 0.5\n')
    (labels / 'a/c.txt').write_text('')
    coco = convert_yolo(images, labels, ['x'])
    assert coco['images'][1] == dict(id=2, file_name='b.jpg', width=8, height=6)
    assert coco['annotations'][0]['segmentation'] == [[0, 0, 4, 0, 4, 3, 0, 3]]


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('2 0 0 1 0 1 1', 'class 2, but the classes are 0 to 1'),
        ('-1 0 0 1 0 1 1', 'class -1'),
        ('1 0.5 0.5 0.2 0.2', 'a box, but masks are needed'),
        ('1 0 0 1 0 1 1 0', '7 coordinates, an odd number'),
        ('1', 'fewer than three points'),
        ('1 0 0', 'fewer than three points'),
        ('1 0 0 1.01 0 1 1', r'coordinate 1\.01 lies outside'),
        ('1 0 0 1 0 1 -0.5', r'coordinate -0\.5 lies outside'),
        ('1 0 0 1 0 1 nan', 'coordinate nan lies outside'),
        ('x 0 0 1 0 1 1', 'not a class number'),
        ('1 0 0 1 0 1 1,0', 'not a class number and coordinates'),
    ],
)
def test_bad_lines(folders, line, words):
    images, labels = folders
    (labels / 'b.txt').write_text(f'0 0 0 1 0 1 1\n\n{line}\n')
    with pytest.raises(ValueError, match=rf'b\.txt, line 3: {words}'):
        convert_yolo(images, labels, ['x', 'y'])


def test_no_labels(folders):
    images, labels = folders
    (labels / 'd.txt').write_text('')
    with pytest.raises(FileNotFoundError, match=r'no label file .*: not .*labels/a/c\.txt'):
        convert_yolo(images, labels, ['x'])


@pytest.mark.parametrize(
    'content', ['names: [b, a, 3]', 'names: {1: a, 0: b, 2: 3}', 'nc: 3\nnames:\n- b\n- a\n- 3']
)
def test_class_names(tmp_path, content):
    (tmp_path / 'data.yaml').write_text(content)
    assert read_class_names(tmp_path / 'data.yaml') == ['b', 'a', '3']


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('names: {1: a, 2: b}', r'numbered from 0 on, got \[1, 2\]'),
        ('names: {a: 0, b: 1}', 'numbered from 0 on'),
        ('names: []', "has no 'names'"),
        ('nc: 3', "has no 'names'"),
        ('- a', "has no 'names'"),
        ('names: [a', 'is not yaml'),
    ],
)
def test_bad_class_names(tmp_path, content, words):
    (tmp_path / 'data.yaml').write_text(content)
    with pytest.raises(ValueError, match=rf'data\.yaml.*{words}'):
        read_class_names(tmp_path / 'data.yaml')
