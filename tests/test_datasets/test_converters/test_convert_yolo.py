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
    with pytest.warns(
        UserWarning, match=r'without a label file: 1, such as a/c\.png; they are left'
    ):
        assert len(convert_yolo(images, labels, ['x', 'y'])['images']) == 1
    with pytest.warns(UserWarning, match='they count as negatives'):
        coco = convert_yolo(images, labels, ['x', 'y'], negatives=True)
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
        ('1 0 0 1 0 1 1 0.9', '7 coordinates, .* a confidence or a track id; write them without'),
        ('1 0 0 1 0 1 1 0.9 3', r'coordinate 3, the last one, .* a track id; write them without'),
        ('1 0 0 1 0 1 1 3 3', r'coordinate 3 lies outside .* not pixels'),
        ('1', 'fewer than three points'),
        ('1 0 0', 'fewer than three points'),
        ('1 0 0 1.01 0 1 1', r'coordinate 1\.01 lies outside'),
        ('1 0 0 1 0 1 -0.5', r'coordinate -0\.5 lies outside'),
        ('1 0 0 1 0 1 nan', 'coordinate nan is no finite number'),
        ('x 0 0 1 0 1 1', 'not a class number'),
        ('0.5 0 0 1 0 1 1', r'class 0\.5 is no whole number'),
        ('nan 0 0 1 0 1 1', 'class nan is no whole number'),
        ('1 0 0 1 0 1 1,0', "not a class number and coordinates, .*: '1,0' is no number"),
        ('1 0 0 1 0 1 1 conf 0.9', "not a class number .*: 'conf' is no number"),
        ('1;0;0;1;0;1;1;', 'not a class number .*: .* is no number'),
        (',', "not a class number .*: ',' is no number"),
        (
            '1,' + '0.5,' * 99,
            r"not a class number .*: '1,0\.5,0\.5,0\.5,0\.5,0\.\.\.\.' is no number$",
        ),
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
        ('names: {1: a, 2: b}', r'numbered from 0 on, got 1, 2'),
        ('names: {a: 0, b: 1}', 'numbered from 0 on'),
        ('names: []', "has no 'names'"),
        ('nc: 3', "has no 'names'"),
        ('- a', "has no 'names'"),
        ('names: [a', 'is not yaml'),
        ('names: a, b', "no list of 'names'"),
        ('names: [[a], [b]]', "no list of 'names'"),
        ('names: [a]\nkpt_shape: [17, 3]', 'has kpt_shape: its labels are keypoints'),
        ('names: [a]\n---\nnames: [b]', 'is not yaml: expected a single document .* document in'),
        (b'names: [\xd6se]', 'line 1: is not in UTF-8'),
    ],
)
def test_bad_class_names(tmp_path, content, words):
    (tmp_path / 'data.yaml').write_bytes(content if type(content) is bytes else content.encode())
    with pytest.raises(ValueError, match=rf'data\.yaml.*{words}'):
        read_class_names(tmp_path / 'data.yaml')


def test_names_are_text(tmp_path):
    """YAML takes on, off, no, null and numbers for something else."""
    path = tmp_path / 'data.yaml'
    path.write_text('names: [on, off, no, null, 1.0, 007]\n', encoding='utf-8-sig')
    assert read_class_names(path) == ['on', 'off', 'no', 'null', '1.0', '007']
    path.write_text('nc: 2\nnames:\n  0: y\n  1: n\n', encoding='utf-16')
    assert read_class_names(path) == ['y', 'n']


@pytest.mark.parametrize('name', ['classes.txt', 'obj.names'])
def test_names_one_a_line(tmp_path, name):
    (tmp_path / name).write_text('big apple\r\npear\r\n\r\n', encoding='utf-8-sig')
    assert read_class_names(tmp_path / name) == ['big apple', 'pear']
    (tmp_path / name).write_text('\n')
    with pytest.raises(ValueError, match='has no names of classes'):
        read_class_names(tmp_path / name)
    (tmp_path / name).write_text('{"categories": [\n{"id": 0, "name": "apple"}\n]}')
    with pytest.raises(ValueError, match='is JSON: give a text with a name in each line'):
        read_class_names(tmp_path / name)


@pytest.mark.parametrize(
    ('content', 'names'),
    [
        ('2: plum\n\n0: big apple\n1: pear', ['big apple', 'pear', 'plum']),
        ('0 apple\n1 pear', ['apple', 'pear']),
        ('1,pear\n0,apple', ['apple', 'pear']),
        ('pear=1\napple = 0', ['apple', 'pear']),
        ('0. apple\n1. pear', ['apple', 'pear']),
        ('pear 1\napple 0', ['apple', 'pear']),
        ('level 0\nstage 1', ['level 0', 'stage 1']),  # the same order in either reading
        ('lane 1\nlane 0', ['lane 1', 'lane 0']),  # names with a number
        ('2 euro\n1 euro', ['2 euro', '1 euro']),
        ('7 up\n4 roses', ['7 up', '4 roses']),
        ('vitamin 1', ['vitamin 1']),
        ('0\n1\n2', ['0', '1', '2']),
        ('type 2\nother', ['type 2', 'other']),
        ('0.5 mm\n2.5 mm', ['0.5 mm', '2.5 mm']),
        ('nut, hex\nbolt: long', ['nut, hex', 'bolt: long']),
    ],
)
def test_numbers_beside_names(tmp_path, content, names):
    (tmp_path / 'classes.txt').write_text(content)
    assert read_class_names(tmp_path / 'classes.txt') == names


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('# my classes\napple\npear', "line 1: begins with '#', as a comment does: write a name"),
        ("\n['apple', 'pear']", r"line 2: begins with '\[', as a list does: .* --classes"),
        ('1: apple\n2: pear', "numbers 1, 2, but YOLO's classes are 0 to 1: number them from 0"),
        ('apple 2\npear 1', "numbers 2, 1, but YOLO's classes are 0 to 1"),
        ('0: apple\n5: pear', "numbers 0, 5, but YOLO's"),
        ('0: apple\n0: pear', "numbers 0, 0, but YOLO's"),
        ('id,name\n0,apple', r'line 1: has no number, as others have \(0,apple\): number all'),
    ],
)
def test_lists_that_are_no_names_alone(tmp_path, content, words):
    (tmp_path / 'classes.txt').write_text(content)
    with pytest.raises(ValueError, match=rf'classes\.txt.*{words}'):
        read_class_names(tmp_path / 'classes.txt')


@pytest.mark.parametrize(
    ('line', 'polygon'),
    [
        ('0.0 0 0 0.5 0 0.5 0.5', [0, 0, 4, 0, 4, 3]),
        ('0 -0.0000001 0 1.0000002 0 1 1.0009', [0, 0, 8, 0, 8, 6]),
        ('\ufeff0\t0 0 0.5 0 0.5 0.5', [0, 0, 4, 0, 4, 3]),
        ('0 0 0 5e-1 0 0.5 0.5\r', [0, 0, 4, 0, 4, 3]),
        ('0 0 0 0.5 0 0.5 0.5 ;,', [0, 0, 4, 0, 4, 3]),
    ],
    ids=['class', 'rounding', 'byte order mark', 'exponent', 'marks at the end'],
)
@pytest.mark.filterwarnings('ignore:images without')
def test_variants(folders, line, polygon):
    images, labels = folders
    (labels / 'b.TXT').write_text(f'{line}\n', encoding='utf-8', newline='')
    (annotation,) = convert_yolo(images, labels, ['x'])['annotations']
    assert annotation['segmentation'] == [polygon] and annotation['category_id'] == 1


@pytest.mark.filterwarnings('ignore:images without')
def test_parts_joined_by_a_bridge(folders, write_image):
    """Ultralytics joins the parts of an object by a line to and fro, which has no pixels."""
    images, labels = folders
    write_image(images / 'b.jpg', 100, 100)
    first, second = '.1 .1 .3 .1 .3 .3 .1 .3 .1 .1', '.6 .61 .8 .6 .8 .8 .6 .8 .6 .61'
    (labels / 'b.txt').write_text(f'0 {first} {second} .1 .1\n0 {first}\n0 {second}\n')
    joined, *parts = convert_yolo(images, labels, ['x'])['annotations']
    assert joined['area'] == sum(part['area'] for part in parts)


@pytest.mark.filterwarnings('ignore:images without')
def test_boxes(folders):
    images, labels = folders
    (labels / 'b.txt').write_text('0 0.5 0.5 0.2 0.2\n0 0 0 1 0 1 1\n0 0.5 0.5 0.2 0.2\n')
    with pytest.raises(ValueError, match=r'b\.txt, line 1: a box.*--skip-boxes'):
        convert_yolo(images, labels, ['x'])
    with pytest.warns(UserWarning, match=r'boxes are left out: 2, in b\.jpg'):
        assert len(convert_yolo(images, labels, ['x'], skip_boxes=True)['annotations']) == 1
    (labels / 'b.txt').write_text('0 0.5 0.5 0.2 0.2\n')
    with pytest.raises(ValueError, match='has boxes only, but masks are needed'):
        convert_yolo(images, labels, ['x'], skip_boxes=True)


@pytest.mark.parametrize('name', ['1a2b3c4d-b', 'B', f'b_jpg.rf.{"0f" * 16}'])
def test_names_as_annotation_tools_write_them(folders, write_image, name):
    images, labels = folders
    (images / 'a/c.png').unlink()
    (labels / f'{name}.txt').write_text('0 0 0 1 0 1 1\n')
    with pytest.warns(UserWarning, match=rf'names of 1 images differ .* {name}\.txt of b\.jpg'):
        coco = convert_yolo(images, labels, ['x'])
    assert len(coco['annotations']) == 1


@pytest.mark.filterwarnings('ignore:images without')
def test_labels_of_no_image_are_counted(folders):
    """Their photos may be lost, or have another name; lists of classes are none of them."""
    images, labels = folders
    for name in ('b', 'a/gone', 'lost'):
        (labels / f'{name}.txt').write_text('0 0 0 1 0 1 1\n')
    (labels / 'classes.txt').write_text('x\n')
    with pytest.warns(UserWarning, match=r'label files without an image: 2, such as a/gone\.txt'):
        assert len(convert_yolo(images, labels, ['x'])['annotations']) == 1


@pytest.mark.filterwarnings('ignore:images without')
def test_oriented_boxes_and_keypoints_are_pointed_out(folders, recwarn):
    images, labels = folders
    (labels / 'b.txt').write_text('0 .1 .2 .3 .1 .4 .3 .2 .4\n' * 2)
    with pytest.warns(UserWarning, match='labels: every outline has four corners: if these are'):
        assert len(convert_yolo(images, labels, ['x'])['annotations']) == 2
    (labels / 'b.txt').write_text('0 .4 .4 .9 .1 .6 .9\n' * 2)
    with pytest.warns(UserWarning, match='three corners: if these are boxes with a keypoint each'):
        assert len(convert_yolo(images, labels, ['x'])['annotations']) == 2
    recwarn.clear()
    (labels / 'b.txt').write_text('0 .1 .2 .3 .1 .4 .3 .2 .4\n0 0 0 1 0 1 1\n')
    assert len(convert_yolo(images, labels, ['x'])['annotations']) == 2
    assert not any('corners' in str(one.message) for one in recwarn)
