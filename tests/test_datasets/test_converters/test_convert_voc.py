"""Instance PNGs as Pascal VOC and CVAT write them."""

import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.converters import convert_voc
from mmpldc.datasets.converters.voc import CLASSES, _voc_colors

SHAPE = HEIGHT, WIDTH = 20, 30


@pytest.fixture
def root(tmp_path, write_image):
    for name in 'ab':
        write_image(tmp_path / f'JPEGImages/{name}.jpg', WIDTH, HEIGHT)
    return tmp_path


def colors():
    """``(256, 3)`` uint8."""
    values = _voc_colors()
    return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)


def write(root, name, objects, classes, mode='P', palette=None):
    """Write both PNGs, in the given mode of PIL."""
    for folder, values in (('SegmentationObject', objects), ('SegmentationClass', classes)):
        path = root / folder / f'{name}.png'
        path.parent.mkdir(exist_ok=True)
        own = palette if palette is not None and folder == 'SegmentationClass' else colors()
        if mode == 'RGB':
            image = Image.fromarray(own[values])
        else:
            image = Image.fromarray(values)
            if mode == 'P':
                image.putpalette(own.ravel().tolist())
        image.save(path)


def scene():
    """Two objects of class 15, one of them with a hole, one of class 8, and a border."""
    objects, classes = np.zeros((2, *SHAPE), np.uint8)
    objects[2:8, 2:8], classes[2:8, 2:8] = 1, 15
    objects[4, 4] = classes[4, 4] = 0
    objects[10:18, 2:8], classes[10:18, 2:8] = 2, 15
    objects[2:8, 20:28], classes[2:8, 20:28] = 3, 8
    objects[2:8, 8], classes[2:8, 8] = 255, 255
    classes[2, 2] = 8  # a stray pixel
    return objects, classes


@pytest.mark.parametrize('mode', ['P', 'L', 'RGB'])
@pytest.mark.filterwarnings('ignore:images without')
def test_vocs_own(root, mask_of, mode):
    objects, classes = scene()
    write(root, 'a', objects, classes, mode)
    with pytest.warns(
        UserWarning, match=r"VOC's twenty classes are taken \(aeroplane, .*--classes"
    ):
        coco = convert_voc(root, workers=1)
    assert [image['file_name'] for image in coco['images']] == ['a.jpg']
    assert [category['name'] for category in coco['categories']] == CLASSES
    keys = ('category_id', 'area', 'iscrowd')
    assert [tuple(a[k] for k in keys) for a in coco['annotations']] == [
        (15, 35, 0),
        (15, 48, 0),
        (8, 48, 0),
    ]
    np.testing.assert_array_equal(mask_of(coco['annotations'][0]), objects == 1)


def test_voc_colours():
    """Known ones: aeroplane, person, the border."""
    assert [f'{color:06x}' for color in _voc_colors()[[0, 1, 15, 255]].tolist()] == [
        '000000',
        '800000',
        'c08080',
        'e0e0c0',
    ]


@pytest.mark.parametrize('mode', ['P', 'RGB'])
@pytest.mark.filterwarnings('ignore:images without')
def test_label_map_of_cvat(root, mode):
    """Colours are what counts; the background may be anywhere in the list."""
    text = '# label:color_rgb:parts:actions\napple:10,200,30::\nbackground:0,0,0::\npear:7,7,7::\n'
    (root / 'labelmap.txt').write_text(text)
    palette = np.zeros((256, 3), np.uint8)
    palette[15], palette[8] = (10, 200, 30), (7, 7, 7)
    palette[255] = 224, 224, 192
    write(root, 'a', *scene(), mode, palette)
    coco = convert_voc(root, workers=1)
    assert [category['name'] for category in coco['categories']] == ['apple', 'pear']
    assert [a['category_id'] for a in coco['annotations']] == [1, 1, 2]
    with pytest.raises(ValueError, match=r'object 1 has a class in .* no name'):
        convert_voc(root, classes=['x'], workers=1)


@pytest.mark.parametrize('first', ['_background_', '__ignore__\n_background_\n', 'background'])
@pytest.mark.filterwarnings('ignore:images without')
def test_names_of_labelme2voc(root, recwarn, first):
    names = [f'class {value}' for value in range(1, 16)]
    (root / 'class_names.txt').write_text('\n'.join([first, *names]))
    write(root, 'a', *scene())
    coco = convert_voc(root, workers=1)
    assert [category['name'] for category in coco['categories']] == names
    assert [a['category_id'] for a in coco['annotations']] == [15, 15, 8]
    assert not any('twenty' in str(one.message) for one in recwarn)
    for text, words in (
        ('screw\nnut', 'does not begin with _background_'),
        ('_background_\n', 'has no class beside _background_'),
    ):
        (root / 'class_names.txt').write_text(text)
        with pytest.raises(ValueError, match=rf'class_names\.txt:? {words}'):
            convert_voc(root, workers=1)


@pytest.mark.parametrize('background', ['', 'background 0 0 0\n'])
@pytest.mark.filterwarnings('ignore:images without')
def test_colours_of_supervisely(root, background):
    """The border is listed, too, and is no class; that of an object is the larger part here."""
    text = f'{background}neutral 224 224 192\nred apple 10 200 30\npear 7 7 7\n'
    (root / 'colors.txt').write_text(text)
    palette = np.zeros((256, 3), np.uint8)
    palette[15], palette[8], palette[255] = (10, 200, 30), (7, 7, 7), (224, 224, 192)
    objects, classes = scene()
    classes[2:7, 20:28] = 255
    write(root, 'a', objects, classes, 'RGB', palette)
    coco = convert_voc(root, workers=1)
    assert [category['name'] for category in coco['categories']] == ['red apple', 'pear']
    assert [a['category_id'] for a in coco['annotations']] == [1, 1, 2]
    (root / 'colors.txt').write_text('apple: 10 200 x\n')
    with pytest.raises(ValueError, match=r'colors\.txt, line 1: not NAME RED GREEN BLUE'):
        convert_voc(root, workers=1)


@pytest.mark.parametrize(
    ('pear', 'words'),
    [
        ('7,7,7', r'labelmap\.txt: apple and pear have one colour \(7,7,7\)'),
        ('0,0,0', r'labelmap\.txt: background and pear have one colour \(0,0,0\)'),
    ],
)
def test_two_classes_of_one_colour(root, pear, words):
    (root / 'labelmap.txt').write_text(f'background:0,0,0::\napple:7,7,7::\npear:{pear}::\n')
    write(root, 'a', *scene())
    with pytest.raises(ValueError, match=words):
        convert_voc(root, workers=1)


def test_splits_and_negatives(root):
    write(root, 'a', *scene())
    (root / 'ImageSets/Segmentation').mkdir(parents=True)
    (root / 'ImageSets/Segmentation/train.txt').write_text('a\n')
    (root / 'ImageSets/Segmentation/val.txt').write_text('a\nc\n')
    assert len(convert_voc(root, split='train', workers=1)['images']) == 1
    (root / 'JPEGImages/b.jpg').rename(root / 'JPEGImages/b 1.jpg')
    write(root, 'b 1', *scene())
    (root / 'ImageSets/Segmentation/all.txt').write_text('a 1\n"b 1"\n')
    assert len(convert_voc(root, split='all', workers=1)['images']) == 2
    (root / 'JPEGImages/b 1.jpg').rename(root / 'JPEGImages/b.jpg')
    for folder in 'SegmentationObject', 'SegmentationClass':
        (root / folder / 'b 1.png').unlink()
    with pytest.raises(ValueError, match=r'val\.txt: 1 of 2 images are missing: c'):
        convert_voc(root, split='val', workers=1)
    with pytest.warns(UserWarning, match='without a PNG of objects: 1, such as b'):
        assert len(convert_voc(root, negatives=True, workers=1)['images']) == 2


@pytest.mark.filterwarnings('ignore:images without')
def test_bad_input(root):
    with pytest.raises(FileNotFoundError, match='SegmentationObject is not a folder'):
        convert_voc(root, workers=1)
    objects, classes = scene()
    write(root, 'a', objects, np.zeros_like(classes))
    with pytest.raises(ValueError, match=r'a\.png: object 1 has no class in'):
        convert_voc(root, workers=1)
    write(root, 'a', objects[:, :10], classes[:, :10])
    with pytest.raises(ValueError, match='is for 10 x 20 pixels'):
        convert_voc(root, workers=1)
    (root / 'labelmap.txt').write_text('background:0,0,0::\n')
    with pytest.raises(ValueError, match=r'labelmap\.txt has no class beside background: add'):
        convert_voc(root, workers=1)
    (root / 'labelmap.txt').write_text('apple\n')
    with pytest.raises(ValueError, match=r'labelmap\.txt, line 1: not NAME:RED,GREEN,BLUE'):
        convert_voc(root, workers=1)


@pytest.mark.filterwarnings('ignore:images without')
def test_pngs_of_no_image_are_counted(root):
    for name in ('a', 'gone'):
        write(root, name, *scene())
    with pytest.warns(UserWarning) as warned:
        assert len(convert_voc(root, workers=1)['images']) == 1
    told = [str(warning.message) for warning in warned]
    for folder in ('SegmentationObject', 'SegmentationClass'):
        start = f'{folder} PNGs without an image: 1, such as gone.png'
        assert any(text.startswith(start) for text in told), told
