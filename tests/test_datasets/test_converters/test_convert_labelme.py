"""Labelme's files."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_utils

from mmpldc.datasets.converters import convert_labelme

WIDTH, HEIGHT = 40, 30
SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4]]  # 16 pixels


def shape(label='x', points=SQUARE, shape_type='polygon', group_id=None):
    return dict(label=label, points=points, shape_type=shape_type, group_id=group_id, flags={})


@pytest.fixture
def add(tmp_path, write_image):
    """Write an image and its json; ``fields`` replace those of the json, None removes one."""

    def add(name, shapes, **fields):
        write_image(tmp_path / f'{name}.jpg', WIDTH, HEIGHT)
        content = dict(
            version='5.4.1',
            imagePath=f'{name.split("/")[-1]}.jpg',
            imageData=None,
            imageHeight=HEIGHT,
            imageWidth=WIDTH,
            shapes=shapes,
        )
        content = {key: value for key, value in (content | fields).items() if value is not None}
        (tmp_path / f'{name}.json').write_text(json.dumps(content))

    return add


def test_polygons_and_groups(tmp_path, add, write_image):
    far = [[10, 10], [13, 10], [13, 12], [10, 12]]  # 6 pixels
    over = [[2, 0], [6, 0], [6, 4], [2, 4]]  # 16, 8 of them in the square
    add(
        'b',
        [
            shape('y', SQUARE, group_id=1),
            shape('x', far),
            shape('x', SQUARE, group_id=1),  # another label: another instance
            shape('y', far, group_id=1),
            shape('y', over, group_id=1),
            shape('x', far),  # no group: not the same as the first one
        ],
    )
    add('a/c', [])
    write_image(tmp_path / 'not_annotated.jpg')
    with pytest.warns(UserWarning, match=r'without a json: 1, such as not_annotated\.jpg'):
        coco = convert_labelme(tmp_path)
    assert coco['images'] == [
        dict(id=1, file_name='a/c.jpg', width=WIDTH, height=HEIGHT),
        dict(id=2, file_name='b.jpg', width=WIDTH, height=HEIGHT),
    ]
    assert coco['categories'] == [dict(id=1, name='x'), dict(id=2, name='y')]
    keys = ('id', 'image_id', 'category_id', 'area', 'bbox', 'iscrowd')
    assert [tuple(a[key] for key in keys) for a in coco['annotations']] == [
        (1, 2, 2, 30, [0, 0, 13, 12], 0),
        (2, 2, 1, 6, [10, 10, 3, 2], 0),
        (3, 2, 1, 16, [0, 0, 4, 4], 0),
        (4, 2, 1, 6, [10, 10, 3, 2], 0),
    ]
    flat = [[v for point in polygon for v in point] for polygon in (SQUARE, far, over)]
    assert coco['annotations'][0]['segmentation'] == flat


@pytest.mark.parametrize(
    'points',
    [[[3, 2], [9, 6]], [[9, 2], [3, 6]], [[3, 2], [9, 2], [9, 6], [3, 6]]],
    ids=['two corners', 'the other two', 'four corners'],
)
def test_rectangle(tmp_path, add, points):
    add('a', [shape(points=points, shape_type='rectangle')])
    (annotation,) = convert_labelme(tmp_path)['annotations']
    assert annotation['segmentation'] == [[3, 2, 9, 2, 9, 6, 3, 6]]
    assert (annotation['area'], annotation['bbox']) == (24, [3, 2, 6, 4])


@pytest.mark.parametrize('center', [(20, 15), (0, 15)], ids=['inside', 'at the edge'])
def test_circle(tmp_path, add, center):
    add('a', [shape(points=[center, [center[0] + 6, center[1] + 8]], shape_type='circle')])
    (annotation,) = convert_labelme(tmp_path)['annotations']
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    disc = np.hypot(x - center[0], y - center[1]) <= 10
    rle = mask_utils.merge(mask_utils.frPyObjects(annotation['segmentation'], HEIGHT, WIDTH))
    mask = mask_utils.decode(rle).astype(bool)
    assert annotation['area'] == mask.sum()
    assert (mask & disc).sum() / (mask | disc).sum() > 0.95


def test_image_root_and_windows_path(tmp_path, add, write_image):
    write_image(tmp_path / 'images/site/c.jpg', WIDTH, HEIGHT)
    add('labels/c', [shape()], imagePath='..\\images\\site\\c.jpg')
    coco = convert_labelme(tmp_path / 'labels', images=tmp_path / 'images')
    assert [image['file_name'] for image in coco['images']] == ['site/c.jpg']


def test_images_are_sorted(tmp_path, add, write_image):
    for name in ('y', 'z'):
        write_image(tmp_path / f'{name}.jpg', WIDTH, HEIGHT)
    add('1', [shape('first')], imagePath='z.jpg')
    add('2', [shape('second')], imagePath='y.jpg')
    with pytest.warns(UserWarning, match='they count as negatives'):
        coco = convert_labelme(tmp_path, negatives=True)
    assert [image['file_name'] for image in coco['images']] == ['1.jpg', '2.jpg', 'y.jpg', 'z.jpg']
    coco = {key: value for key, value in coco.items() if key != 'images'}
    assert [(a['image_id'], a['category_id']) for a in coco['annotations']] == [(3, 2), (4, 1)]


def test_given_classes(tmp_path, add):
    add('a', [shape('x')])
    coco = convert_labelme(tmp_path, classes=['z', 'x'])
    assert coco['categories'] == [dict(id=1, name='z'), dict(id=2, name='x')]
    assert coco['annotations'][0]['category_id'] == 2


def test_files_of_old_versions(tmp_path, add):
    add('a', [dict(label='x', points=SQUARE)] * 2, imageHeight=None, imageWidth=None)
    assert [a['area'] for a in convert_labelme(tmp_path)['annotations']] == [16, 16]


def test_unsupported_shapes(tmp_path, add):
    line = shape(shape_type='line', points=[[0, 0], [1, 1]])
    add('a', [shape(), line, shape(shape_type='point', points=[[0, 0]]), line])
    with pytest.raises(ValueError, match=r"a\.json has a shape of type 'line'; supported are poly"):
        convert_labelme(tmp_path)
    with pytest.warns(UserWarning, match='unsupported shapes are left out: 2 line, 1 point'):
        coco = convert_labelme(tmp_path, skip_unsupported=True)
    assert len(coco['annotations']) == 1


@pytest.mark.parametrize(
    ('shapes', 'fields', 'words'),
    [
        pytest.param([], dict(imagePath=None), "has no 'imagePath'", id='other json'),
        pytest.param([], dict(imagePath='no.jpg'), "'no.jpg' does not exist", id='missing'),
        pytest.param([], dict(imagePath='D:\\'), 'does not exist', id='folder'),
        pytest.param(
            [shape(points=[[0, 0], [1, None], [2, 2]])], {}, r'point 1 is \[1, None\]', id='null'
        ),
        pytest.param([shape(points=None)], {}, 'has no points: too few', id='no points'),
        pytest.param([shape(label=None)], {}, 'has the label None', id='no label'),
        pytest.param([shape(shape_type=['x'])], {}, r"shape_type \['x'\], no text", id='type'),
        pytest.param([shape(shape_type=False)], {}, 'shape_type False, no text', id='false'),
        pytest.param([shape(group_id=[1])], {}, r'group_id \[1\], no text', id='group'),
        pytest.param(
            [shape(points=[[0, 0], [1e9, 0], [2, 2]])], {}, 'millions of pixels outside', id='far'
        ),
        pytest.param(['x'], {}, "shape 0 has no 'label'", id='text'),
        pytest.param(
            [shape(shape_type='mask', points=SQUARE[:2])], {}, "'mask' is not a PNG", id='mask'
        ),
        pytest.param([], dict(imagePath='../a.jpg'), 'is not in ', id='outside'),
        pytest.param([], dict(imageWidth=30, imageHeight=40), 'is for 30 x 40 pixels', id='size'),
        pytest.param([shape('z')], {}, r'shape 0 \(z\) is of no known class: x, y', id='class'),
        pytest.param(
            [shape(), shape(points=SQUARE[:2])], {}, r'shape 1 \(x\), a polygon, has 2', id='points'
        ),
        pytest.param(
            [shape(points=SQUARE[:1], shape_type='circle')], {}, 'a circle, has 1 p', id='circle'
        ),
        pytest.param([dict(label='x')], {}, "shape 0 has no 'label' or no 'points'", id='keys'),
    ],
)
def test_bad_input(tmp_path, add, write_image, shapes, fields, words):
    write_image(tmp_path / 'a.jpg', WIDTH, HEIGHT)
    add('in/a', shapes, **fields)
    for skip in {False, 'shape_type' in words}:
        with pytest.raises(ValueError, match=rf'a\.json:? .*{words}'):
            convert_labelme(tmp_path / 'in', classes=['x', 'y'], skip_unsupported=skip)


def test_nulls_and_texts_of_other_tools(tmp_path, add):
    """As labelme reads them: a polygon, and no group."""
    shapes = [shape(shape_type=None, group_id=''), shape(group_id='')]
    add('a', shapes, imageWidth=str(WIDTH), imageHeight=str(HEIGHT))
    assert len(convert_labelme(tmp_path)['annotations']) == 2


def test_image_annotated_twice(tmp_path, add):
    add('a', [])
    add('b', [], imagePath='a.jpg')
    with pytest.raises(ValueError, match=r'a\.json and .*b\.json annotate the same image'):
        convert_labelme(tmp_path)


def test_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='no json below'):
        convert_labelme(tmp_path)


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, 'PNG')
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ('corner', 'box', 'area'),
    [
        ((10, 8), [12, 8, 4, 4], 16),
        ((10.4, 7.6), [12, 8, 4, 4], 16),
        ((37, 8), [39, 8, 1, 4], 4),  # cut off by the right edge
        ((-3, -2), [0, 0, 3, 2], 6),
    ],
)
def test_masks(tmp_path, add, mask_of, corner, box, area):
    """Run lengths of the PNG, at its place in the image."""
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 2:] = 1
    (x, y) = corner
    one = shape(points=[[x, y], [x + 5, y + 3]], shape_type='mask') | dict(mask=png(mask))
    add('a', [one])
    (annotation,) = convert_labelme(tmp_path)['annotations']
    assert (annotation['bbox'], annotation['area']) == (box, area)
    assert mask_of(annotation).shape == (HEIGHT, WIDTH)


def test_corners_of_a_mask_in_another_order(tmp_path, add, mask_of):
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 2:] = 1
    for points in ([[15, 11], [10, 8]], [[15, 8], [10, 11]], [[10, 8], [16, 12]]):
        add('a', [shape(points=points, shape_type='mask') | dict(mask=png(mask))])
        (annotation,) = convert_labelme(tmp_path)['annotations']
        assert annotation['bbox'] == [12, 8, 4, 4]


@pytest.mark.parametrize('last', [(21, 15), (15, 20), (12, 9)], ids=['double', 'high', 'small'])
def test_mask_of_another_size_than_its_box(tmp_path, add, last):
    one = shape(points=[[10, 8], list(last)], shape_type='mask')
    add('a', [one | dict(mask=png(np.ones((4, 6), np.uint8)))])
    words = rf'shape 0 \(x\): .* PNG of 6 x 4 pixels, but its box .* {last[0] - 9} x {last[1] - 7}'
    with pytest.raises(ValueError, match=words):
        convert_labelme(tmp_path)


def test_embedded_photo(tmp_path, add):
    add('a', [shape()], imageData='aGVsbG8=', imagePath='b.jpg')
    with pytest.raises(ValueError, match=r"a\.json: its photo 'b\.jpg' is no file, but embedded"):
        convert_labelme(tmp_path)
    (tmp_path / 'a.jpg').unlink()  # no photo at all
    with pytest.raises(ValueError, match=r'embedded .* into a file of that name beside the json'):
        convert_labelme(tmp_path)
    (tmp_path / 'a.json').unlink()
    add('b', [shape()], imageData='aGVsbG8=')
    assert len(convert_labelme(tmp_path)['annotations']) == 1


@pytest.mark.parametrize('kind', ['oriented_rectangle', 'rotation'])
def test_turned_rectangles(tmp_path, add, kind):
    points = [[10, 2], [14, 6], [10, 10], [6, 6]]
    add('a', [shape(points=points, shape_type=kind) | dict(direction=0.8)])
    (annotation,) = convert_labelme(tmp_path)['annotations']
    assert annotation['segmentation'] == [[value for point in points for value in point]]


@pytest.mark.parametrize('classes', [None, ['__ignore__', '_background_', 'x']])
def test_labels_that_are_no_classes(tmp_path, add, classes):
    ignored = shape('__ignore__', [[0, 0]], 'line')
    add('a', [shape('x'), ignored, ignored, shape('_background_')])
    with pytest.warns(UserWarning, match='no classes are left out: 2 __ignore__, 1 _background_'):
        coco = convert_labelme(tmp_path, classes=classes)
    assert [one['name'] for one in coco['categories']] == ['x']
    assert len(coco['annotations']) == 1


def test_too_few_points(tmp_path, add):
    add('a', [shape(), shape(points=SQUARE[:2]), shape(points=None)])
    words = r'shape 1 \(x\), a polygon, has 2 points: too few: draw it anew .* --skip-unsupported'
    with pytest.raises(ValueError, match=words):
        convert_labelme(tmp_path)
    with pytest.warns(UserWarning, match='left out: 2 polygon with too few points'):
        coco = convert_labelme(tmp_path, skip_unsupported=True)
    assert len(coco['annotations']) == 1


@pytest.mark.parametrize(('groups', 'count'), [((0, 0), 1), ((0, 1), 2), ((None, 0), 2)])
def test_a_group_of_all_shapes_is_pointed_out(tmp_path, add, recwarn, groups, count):
    """Some tools write 0 for no group."""
    other = [[5, 1], [8, 1], [8, 4]]
    add('a', [shape(group_id=groups[0]), shape(points=other, group_id=groups[1])])
    assert len(convert_labelme(tmp_path)['annotations']) == count
    said = [str(one.message) for one in recwarn]
    assert any('every shape has the group_id 0, ' in one for one in said) == (count == 1)


def test_mask_and_polygon_of_a_group(tmp_path, add):
    mask = np.ones((2, 3), np.uint8)
    one = shape(points=[[10, 10], [12, 11]], shape_type='mask', group_id=3) | dict(mask=png(mask))
    add('a', [shape(group_id=3), one])
    (annotation,) = convert_labelme(tmp_path)['annotations']
    assert annotation['area'] == 16 + 6 and 'counts' in annotation['segmentation']


def test_path_of_another_computer(tmp_path, add, write_image):
    """The image lies beside the json, or in the folder of images."""
    add('in/a', [shape()], imagePath='D:\\data\\photos\\a.jpg')
    add('in/b', [shape()], imagePath='/home/else/photos/b.jpg')
    images = convert_labelme(tmp_path / 'in')['images']
    assert [image['file_name'] for image in images] == ['a.jpg', 'b.jpg']
    write_image(tmp_path / 'all/c.jpg', WIDTH, HEIGHT)
    add('json/c', [shape()], imagePath='D:\\c.jpg')
    (tmp_path / 'json/c.jpg').unlink()
    (image,) = convert_labelme(tmp_path / 'json', images=tmp_path / 'all')['images']
    assert image['file_name'] == 'c.jpg'


@pytest.mark.parametrize(
    ('json', 'given', 'photos', 'meant'),
    [
        ('camB/2', '2.jpg', ['2', 'camB/2'], 'camB/2.jpg'),
        ('camB/2', '2.jpg', ['camA/2', 'camB/2'], 'camB/2.jpg'),
        ('camB/2', './2.jpg', ['camA/2', 'camB/2', '2'], 'camB/2.jpg'),
        ('camB/2', '2.jpg', ['2', 'camA/1'], '2.jpg'),
        ('2', '2.jpg', ['2', 'camB/2'], '2.jpg'),
        ('2', '..\\else\\camB\\2.jpg', ['2', 'camB/2'], 'camB/2.jpg'),
        ('2', 'D:/else/camB/2.jpg', ['camA/2', 'camB/2'], 'camB/2.jpg'),
        ('camB/2', '2.JPG', ['2', 'camB/2'], 'camB/2.jpg'),
        ('camB/2', '2.jpg', ['2', 'camA/2'], r"'2\.jpg' may be that in .*all or camA/2\.jpg there"),
        ('2', '/else/photos/2.jpg', ['2', 'camA/2'], '2.jpg'),
        ('camB/2', '2.jpg', ['camA/2'], r'subfolders \(camA/2\.jpg\): put the json in'),
        ('camB/2', '2.jpg', ['1'], 'add it there, or give another folder with --images'),
    ],
)
@pytest.mark.filterwarnings('ignore:images without', 'ignore:the names of 1 images')
def test_subfolders_of_the_images(tmp_path, add, write_image, json, given, photos, meant):
    """A json in a subfolder is of the photo in the subfolder of that name."""
    for name in photos:
        write_image(tmp_path / f'all/{name}.jpg', WIDTH, HEIGHT)
    add(f'in/{json}', [shape()], imagePath=given)
    (tmp_path / f'in/{json}.jpg').unlink()
    if not meant.endswith('2.jpg'):
        with pytest.raises(ValueError, match=rf'2\.json: .*{meant}'):
            convert_labelme(tmp_path / 'in', images=tmp_path / 'all')
        return
    (image,) = convert_labelme(tmp_path / 'in', images=tmp_path / 'all')['images']
    assert image['file_name'] == meant


def test_no_shapes(tmp_path, add):
    add('a', [])
    with pytest.raises(ValueError, match='no shape in 1 json files'):
        convert_labelme(tmp_path)
    add('a', [shape(shape_type='line', points=[[0, 0], [1, 1]])])
    with pytest.raises(ValueError, match=r'no shape in .* but those of unsupported types \(1 line'):
        convert_labelme(tmp_path, skip_unsupported=True)


def test_names_that_differ(tmp_path, add):
    add('a', [shape()], imagePath='A.JPG')
    with pytest.warns(UserWarning, match=r'1 images differ .* A\.JPG of a\.json, which is a\.jpg'):
        assert convert_labelme(tmp_path)['images'][0]['file_name'] == 'a.jpg'
    add('a', [shape()], imagePath='')
    with pytest.warns(UserWarning, match=r'1 images differ .* a of a\.json, which is a\.jpg'):
        assert convert_labelme(tmp_path)['images'][0]['file_name'] == 'a.jpg'


def test_copies_of_notebooks_are_passed_over(tmp_path, add):
    add('a', [shape()])
    (tmp_path / '.ipynb_checkpoints').mkdir()
    (tmp_path / '.ipynb_checkpoints/a-checkpoint.json').write_text(
        (tmp_path / 'a.json').read_text()
    )
    assert len(convert_labelme(tmp_path)['annotations']) == 1


def test_no_label(tmp_path, add):
    add('a', [shape(), shape(label=' ')])
    with pytest.raises(ValueError, match=r"a\.json: shape 1 has the label ' '"):
        convert_labelme(tmp_path)
