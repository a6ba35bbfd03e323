"""Label maps and folders of binary masks."""

import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.converters import convert_instance_folders, convert_label_maps

SHAPE = HEIGHT, WIDTH = 6, 8


def found(coco):
    keys = ('image_id', 'category_id', 'area', 'bbox', 'iscrowd')
    return [tuple(a[key] for key in keys) for a in coco['annotations']]


@pytest.fixture
def folders(tmp_path, write_image):
    """Images ``b.jpg`` and ``a/c.jpg``, and a folder for their masks."""
    for name in ('b', 'a/c'):
        write_image(tmp_path / f'images/{name}.jpg', WIDTH, HEIGHT)
    return tmp_path / 'images', tmp_path / 'masks'


def label_map(dtype, value, other):
    """``value``: a ring around a hole and a far corner; ``other``: one pixel in the hole."""
    labels = np.zeros(SHAPE, dtype)
    labels[0:3, 0:3] = value
    labels[1, 1] = other
    labels[5, 7] = value
    return labels


@pytest.mark.parametrize(
    ('dtype', 'divisor', 'value', 'other', 'category_id'),
    [
        (np.uint16, 1000, 1000, 2001, 2),
        (np.uint16, 1000, 1999, 2000, 2),
        (np.uint16, 1000, 1001, 1002, 1),
        (np.uint16, 20000, 20001, 65535 - 20000, 2),
        (np.uint8, 100, 101, 255, 2),
        (np.uint8, 1, 1, 2, 2),
    ],
)
def test_label_maps(folders, write_labels, mask_of, dtype, divisor, value, other, category_id):
    images, masks = folders
    labels = label_map(dtype, value, other)
    write_labels(masks / 'b.png', labels)
    write_labels(masks / 'a/c.png', np.zeros(SHAPE, dtype))
    coco = convert_label_maps(images, masks, ['x', 'y'], divisor=divisor, workers=1)
    assert [(i['id'], i['file_name']) for i in coco['images']] == [(1, 'a/c.jpg'), (2, 'b.jpg')]
    assert all((i['width'], i['height']) == (WIDTH, HEIGHT) for i in coco['images'])
    assert found(coco) == [(2, 1, 9, [0, 0, 8, 6], 0), (2, category_id, 1, [1, 1, 1, 1], 0)]
    np.testing.assert_array_equal(mask_of(coco['annotations'][0]), labels == value)


@pytest.mark.parametrize(
    ('dtype', 'name'),
    [(np.uint8, 'b.png'), (np.uint16, 'b_cp_masks.tif'), (np.int32, 'b.tif'), ('f4', 'b.tif')],
)
@pytest.mark.filterwarnings('ignore:images without')
def test_values_that_number_objects(folders, write_labels, dtype, name):
    """As Cellpose, StarDist and ImageJ write them, which uses floats."""
    images, masks = folders
    write_labels(masks / name, label_map(dtype, 7, 250))
    coco = convert_label_maps(images, masks, ['cell'], divisor=None, workers=1)
    assert found(coco) == [(1, 1, 9, [0, 0, 8, 6], 0), (1, 1, 1, [1, 1, 1, 1], 0)]
    with pytest.raises(ValueError, match=r'value 7, with divisor 1000 .*: --object-ids'):
        convert_label_maps(images, masks, ['cell'], workers=1)
    with pytest.raises(ValueError, match='tell no classes, and there are 2: cell, dust'):
        convert_label_maps(images, masks, ['cell', 'dust'], divisor=None, workers=1)


@pytest.mark.parametrize(('value', 'words'), [(0.5, 'fractions where'), (-1, 'has the value -1')])
def test_values_that_number_nothing(folders, write_labels, value, words):
    images, masks = folders
    write_labels(masks / 'b.tif', label_map('f4', value, 2))
    with (
        pytest.warns(UserWarning, match='images without'),
        pytest.raises(ValueError, match=rf'b\.tif .*{words}'),
    ):
        convert_label_maps(images, masks, ['cell'], divisor=None, workers=1)


def test_one_value_for_all_objects_is_asked_about(folders, write_image, write_labels):
    images, masks = folders
    write_image(images / 'd.jpg', WIDTH, HEIGHT)
    for name in 'a/c', 'b', 'd':
        write_labels(masks / f'{name}.png', label_map(np.uint8, 255, 0))
    with pytest.warns(UserWarning, match='no label map has more than one value'):
        convert_label_maps(images, masks, ['cell'], divisor=None, workers=1)


def test_palette_indices_count(folders, write_labels):
    images, masks = folders
    write_labels(masks / 'a/c.png', np.zeros(SHAPE, np.uint8))
    palette = Image.fromarray(label_map(np.uint8, 11, 20)).convert('P')
    palette.putpalette([(7 * i) % 256 for i in range(768)])
    palette.putdata(label_map(np.uint8, 11, 20).ravel().tolist())
    palette.save(masks / 'b.png')
    with Image.open(masks / 'b.png') as stored:
        assert stored.mode == 'P'
    coco = convert_label_maps(images, masks, ['x', 'y'], divisor=10, workers=1)
    assert [a['category_id'] for a in coco['annotations']] == [1, 2]
    assert [a['area'] for a in coco['annotations']] == [9, 1]


def test_levels_of_a_grey_palette_count(folders, write_labels):
    """A program that reduces colours orders them as it likes."""
    images, masks = folders
    write_labels(masks / 'a/c.png', np.zeros(SHAPE, np.uint8))
    labels = label_map(np.uint8, 1, 2)
    plain = Image.fromarray(np.array([2, 1, 0], np.uint8)[labels]).convert('P')
    for colors, is_grey in (
        ((2, 2, 2, 1, 1, 1, 0, 0, 0), True),
        ((9, 2, 2, 1, 1, 1, 0, 0, 0), False),
    ):
        plain.putpalette(colors)
        plain.save(masks / 'b.png')
        if is_grey:
            coco = convert_label_maps(images, masks, ['x', 'y'], divisor=1, workers=1)
            assert [one[1:3] for one in found(coco)] == [(1, 9), (2, 1)]
            continue
        with pytest.raises(ValueError, match=r'b\.png: index 2 of its palette is black, 0 is not'):
            convert_label_maps(images, masks, ['x', 'y'], divisor=1, workers=1)


def test_ignored_values(folders, write_labels):
    images, masks = folders
    write_labels(masks / 'b.png', label_map(np.uint8, 11, 255))
    write_labels(masks / 'a/c.png', label_map(np.uint8, 3, 255))
    coco = convert_label_maps(images, masks, ['x'], divisor=10, ignore=[255, 3], workers=1)
    assert found(coco) == [(2, 1, 9, [0, 0, 8, 6], 0)]


@pytest.mark.parametrize(
    ('labels', 'options', 'error', 'words'),
    [
        pytest.param(None, {}, FileNotFoundError, r'no label map .*a/c\.png', id='missing'),
        pytest.param(label_map(np.uint16, 1000, 3000), {}, ValueError, 'class 3', id='class'),
        pytest.param(
            label_map(np.uint8, 1, 2), {}, ValueError, 'value 1, with divisor 1000', id='divisor'
        ),
        pytest.param(np.zeros((8, 6), np.uint8), {}, ValueError, 'is for 6 x 8 pixels', id='size'),
        pytest.param(np.zeros((6, 8, 3), np.uint8), {}, ValueError, 'colours', id='RGB'),
        pytest.param(
            np.zeros(SHAPE, np.uint8), dict(divisor=0), ValueError, 'divisor must', id='zero'
        ),
    ],
)
def test_bad_label_maps(folders, write_labels, labels, options, error, words):
    images, masks = folders
    if labels is not None:
        write_labels(masks / 'a/c.png', labels)
    with pytest.raises(error, match=words):
        convert_label_maps(images, masks, ['x', 'y'], workers=1, **options)


@pytest.mark.parametrize('spoil', [lambda c: b'no image', lambda c: c[:-30], lambda c: flip(c)])
def test_broken_label_map(folders, write_labels, spoil):
    images, masks = folders
    path = masks / 'a/c.png'
    write_labels(path, label_map(np.uint8, 1, 2))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r'c\.png cannot be read as a mask'):
        convert_label_maps(images, masks, ['x'], workers=1)


def flip(content):
    """Change a byte of the pixels."""
    place = content.index(b'IDAT') + 6
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def test_label_maps_of_32_bits(folders):
    """Negative values and billions are named."""
    images, masks = folders
    (masks / 'a').mkdir(parents=True)
    for value in -1, 2**31 - 1:
        Image.fromarray(label_map(np.int32, 1000, value)).save(masks / 'a/c.tif')
        with pytest.raises(ValueError, match=rf'c\.tif has the value {value}, '):
            convert_label_maps(images, masks, ['x'], workers=1)


def test_label_maps_of_other_byte_orders_sizes_and_pages(folders, write_labels, monkeypatch):
    images, masks = folders
    labels = label_map(np.uint16, 1000, 1001)
    write_labels(masks / 'a/c.png', labels)
    big_endian = Image.frombytes('I;16B', SHAPE[::-1], labels.astype('>u2').tobytes())
    big_endian.save(masks / 'b.tif')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 20)  # these are bombs, for Pillow
    coco = convert_label_maps(images, masks, ['x'], workers=1)
    assert [a['area'] for a in coco['annotations']] == [9, 1, 9, 1]
    page = Image.fromarray(labels)
    page.save(masks / 'b.tif', save_all=True, append_images=[page])
    with pytest.raises(ValueError, match=r'b\.tif cannot be read as a mask: 2 pages'):
        convert_label_maps(images, masks, ['x'], workers=1)


@pytest.mark.parametrize('orientation', [3, 6])
def test_label_maps_with_an_orientation(folders, write_labels, orientation):
    """Pillow garbles an uncompressed TIFF whose sides are swapped."""
    images, masks = folders
    write_labels(masks / 'a/c.png', label_map(np.uint16, 1000, 1001))
    picture = Image.fromarray(label_map(np.uint16, 1000, 1001))
    picture.save(masks / 'b.tif', tiffinfo={274: orientation})
    with pytest.raises(ValueError, match=rf'b\.tif .*TIFF orientation \({orientation}\).*: save'):
        convert_label_maps(images, masks, ['x'], workers=1)


def test_same_name_but_suffix(folders, write_image, write_labels):
    images, masks = folders
    write_image(images / 'b.png', WIDTH, HEIGHT)
    with pytest.raises(ValueError, match=r'b\.jpg and b\.png share'):
        convert_label_maps(images, masks, ['x'], workers=1)


CLASSES = ['light', 'traffic light', 'traffic_light', 'traffic']


def test_instance_folders(folders, write_labels, mask_of):
    images, masks = folders
    ring = label_map(np.uint8, 255, 0)
    write_labels(masks / 'b/traffic_light_0.png', ring)
    write_labels(masks / 'b/traffic_1.png', np.eye(6, 8, dtype=bool))
    write_labels(masks / 'b/traffic light.png', np.full(SHAPE, 7, np.uint8))
    write_labels(masks / 'b/light_2_b.png', np.zeros(SHAPE, np.uint8))
    with pytest.warns(UserWarning) as warned:
        coco = convert_instance_folders(images, masks, CLASSES, negatives=True, workers=1)
    told = [str(warning.message) for warning in warned]
    assert any('without a pixel are left out: 1, in b.jpg' in text for text in told)
    assert any('without a folder of masks: 1, such as a/c.jpg; they count' in t for t in told)
    assert found(coco) == [
        (2, 2, 48, [0, 0, 8, 6], 0),
        (2, 4, 6, [0, 0, 6, 6], 0),
        (2, 3, 9, [0, 0, 8, 6], 0),
    ]
    np.testing.assert_array_equal(mask_of(coco['annotations'][2]), ring > 0)
    assert [i['file_name'] for i in coco['images']] == ['a/c.jpg', 'b.jpg']


@pytest.mark.parametrize(
    ('name', 'mask', 'error', 'words'),
    [
        ('d/light_0', np.ones(SHAPE, bool), FileNotFoundError, 'no folder of masks .*masks/a/c/'),
        ('b/lights_0', np.ones(SHAPE, bool), ValueError, 'is of no known class .*: light, traffic'),
        ('b/light_0', np.ones((3, 3), bool), ValueError, 'is for 3 x 3 pixels'),
        ('b/light_0', label_map(np.uint8, 1, 2), ValueError, 'more than two values'),
        ('b/light_0', np.ones((6, 8, 3), np.uint8), ValueError, 'colours'),
        (
            'b/light_0',
            label_map(np.uint8, 255, 1).clip(1),
            ValueError,
            r'light_0\.png has the values 1 and 255: .*: write 0 where it is not',
        ),
        (
            'b/light_0',
            np.dstack([label_map(np.uint8, 255, 0)] + [np.zeros(SHAPE, np.uint8)] * 2),
            ValueError,
            r'colours \(RGB\) where one channel belongs: save it in black and white',
        ),
        (
            'b/light_0',
            np.dstack([np.zeros(SHAPE, np.uint8)] * 3 + [label_map(np.uint8, 255, 0)]),
            ValueError,
            'transparency and colour show different shapes: save it in',
        ),
    ],
    ids=['folder', 'class', 'size', 'values', 'RGB', 'no 0', 'red', 'transparent'],
)
def test_bad_instance_folders(folders, write_labels, name, mask, error, words):
    images, masks = folders
    write_labels(masks / f'{name}.png', mask)
    with pytest.raises(error, match=words):
        convert_instance_folders(images, masks, CLASSES, workers=1)


@pytest.mark.parametrize(('number', 'is_inverted'), [(3, True), (2, True), (3, False)])
@pytest.mark.filterwarnings('ignore:images without')
def test_masks_that_are_black_where_the_object_is(
    folders, write_labels, recwarn, number, is_inverted
):
    images, masks = folders
    mask = label_map(np.uint8, 255, 0) > 0
    assert 0 < mask.mean() < 0.5
    for place in range(number):
        write_labels(masks / f'b/light_{place}.png', 255 * (mask ^ is_inverted).astype(np.uint8))
    convert_instance_folders(images, masks, CLASSES, workers=1)
    said = any('if objects are black in them, invert them' in str(one.message) for one in recwarn)
    assert said == (is_inverted and number == 3)


PALETTES = {
    'white first': ([255, 255, 255, 0, 0, 0], 0),
    'black first': ([0, 0, 0, 255, 255, 255], 1),
    'red first': ([255, 0, 0, 0, 0, 0], 0),
    'red second': ([0, 0, 0, 255, 0, 0], 1),
    'no black': ([9, 9, 9, 255, 0, 0], 1),
    'all black': ([0, 0, 0, 0, 0, 0], 1),
}


@pytest.mark.parametrize('palette', PALETTES)
@pytest.mark.filterwarnings('ignore:images without')
def test_black_of_a_palette_is_where_no_object_is(folders, mask_of, palette):
    images, masks = folders
    colors, index_of_object = PALETTES[palette]
    inside = label_map(np.uint8, 255, 0) > 0
    picture = Image.fromarray(np.where(inside, index_of_object, 1 - index_of_object).astype('u1'))
    picture = picture.convert('P')
    picture.putdata(np.where(inside, index_of_object, 1 - index_of_object).ravel().tolist())
    picture.putpalette(colors)
    (masks / 'b').mkdir(parents=True)
    picture.save(masks / 'b/light_0.png')
    (annotation,) = convert_instance_folders(images, masks, CLASSES, workers=1)['annotations']
    np.testing.assert_array_equal(mask_of(annotation), inside)


@pytest.mark.parametrize(
    ('index', 'colors', 'transparent', 'area'),
    [
        (1, [255, 255, 255, 0, 0, 0], None, 0),  # nothing but black
        (0, [0, 0, 0, 255, 255, 255], None, 0),
        (0, [255, 255, 255, 0, 0, 0], None, 48),
        (1, [0, 0, 0, 0, 0, 0], None, 48),  # tells nothing: the indices count
        ('ring', [255, 255, 255, 255, 255, 255], 1, 'transparency and colour show different'),
        ('ring', [255, 255, 255, 0, 0, 0], 0, 'transparency and colour show different'),
        ('ring', [0, 0, 0, 255, 0, 0], 0, 9),
    ],
)
@pytest.mark.filterwarnings('ignore:images without')
def test_palettes_of_one_colour_and_transparent_ones(folders, index, colors, transparent, area):
    images, masks = folders
    indices = label_map(np.uint8, 1, 0) if index == 'ring' else np.full(SHAPE, index, np.uint8)
    picture = Image.frombytes('P', SHAPE[::-1], indices.tobytes())
    picture.putpalette(colors)
    (masks / 'b').mkdir(parents=True)
    options = {} if transparent is None else dict(transparency=transparent)
    picture.save(masks / 'b/light_0.png', **options)
    if isinstance(area, str):
        with pytest.raises(ValueError, match=rf'light_0\.png: {area}'):
            convert_instance_folders(images, masks, CLASSES, workers=1)
        return
    found = convert_instance_folders(images, masks, CLASSES, workers=1)['annotations']
    assert sum(one['area'] for one in found) == area


@pytest.mark.filterwarnings('ignore:images without')
def test_names_that_go_on_with_a_word(folders, write_labels, recwarn):
    """They may be of a class that was not given."""
    images, masks = folders
    for name in ('light', 'light_2', 'light_2_b', 'light_mask_1', 'light_a1b2', 'traffic_light_1'):
        write_labels(masks / f'b/{name}.png', np.ones(SHAPE, np.uint8))
    convert_instance_folders(images, masks, CLASSES, workers=1)
    assert not any('go on with a word' in str(one.message) for one in recwarn)
    words = r'of 1 masks go on with a word .* b/traffic_light_1\.png \(traffic\): .* --classes'
    with pytest.warns(UserWarning, match=words):
        convert_instance_folders(images, masks, ['light', 'traffic'], workers=1)


@pytest.mark.parametrize('image', ['{}/images/{}.png', '{}.png'])
def test_masks_without_a_class_beside_the_images(tmp_path, write_image, write_labels, image):
    """As DSB2018 has them, and in folders called as the images beside them."""
    folder = '{}/masks' if '/' in image else '{}'
    for name, masks in ('00ae65c1c6', ['7f0e1d2c3b4a', '2']), ('0c2550a23b', ['0c2550a23b_mask1']):
        write_image(tmp_path / image.format(name, name), WIDTH, HEIGHT)
        for mask in masks:
            write_labels(tmp_path / folder.format(name) / f'{mask}.png', np.eye(6, 8, dtype=bool))
    with pytest.warns(UserWarning, match=r"3 masks have no class, such as .*: taken for 'nucleus'"):
        coco = convert_instance_folders(tmp_path, tmp_path, ['nucleus'], workers=1)
    assert [one['image_id'] for one in coco['annotations']] == [1, 1, 2]
    with pytest.raises(ValueError, match='is of no known class'):
        convert_instance_folders(tmp_path, tmp_path, ['nucleus', 'dust'], workers=1)
    write_labels(tmp_path / folder.format('0c2550a23b') / 'dust_1.png', np.eye(6, 8, dtype=bool))
    with pytest.raises(ValueError, match=r'dust_1\.png is of no known class'):
        convert_instance_folders(tmp_path, tmp_path, ['nucleus'], workers=1)


def test_masks_beside_several_images(tmp_path, write_image, write_labels):
    write_labels(tmp_path / 'x/masks/1.png', np.eye(6, 8, dtype=bool))
    for name in 'bc':
        write_image(tmp_path / f'x/images/{name}.png', WIDTH, HEIGHT)
    with pytest.raises(ValueError, match=r'masks: 2 images are below .*: write DIR/masks for each'):
        convert_instance_folders(tmp_path, tmp_path, ['nucleus'], workers=1)


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'RGB', 'RGBA', 'quantized', 'on transparent'])
@pytest.mark.filterwarnings('ignore:images without')
def test_black_and_white_in_any_mode(folders, mask_of, mode):
    images, masks = folders
    inside = label_map(np.uint8, 255, 0) > 0
    picture = Image.fromarray(np.where(inside, 255, 0).astype(np.uint8))
    if mode == 'quantized':
        picture = picture.convert('RGB').quantize(2)
    elif mode == 'on transparent':
        picture = Image.merge('LA', (picture, picture))
    else:
        picture = picture.convert(mode)
    (masks / 'b').mkdir(parents=True)
    picture.save(masks / 'b/light_0.png')
    (annotation,) = convert_instance_folders(images, masks, CLASSES, workers=1)['annotations']
    np.testing.assert_array_equal(mask_of(annotation), inside)


@pytest.mark.parametrize('name', ['light_0.PNG', 'light.tif', 'light_1.bmp'])
@pytest.mark.filterwarnings('ignore:images without')
def test_suffixes_of_masks(folders, write_labels, name):
    images, masks = folders
    write_labels(masks / 'b' / name, np.ones(SHAPE, np.uint8))
    assert len(convert_instance_folders(images, masks, CLASSES, workers=1)['annotations']) == 1


@pytest.mark.filterwarnings('ignore:images without')
def test_masks_with_loss(folders, write_labels):
    images, masks = folders
    write_labels(masks / 'b/light_0.jpg', np.ones(SHAPE, np.uint8))
    with pytest.raises(ValueError, match=r'light_0\.jpg: saving a mask in this format changes it'):
        convert_instance_folders(images, masks, CLASSES, workers=1)
    write_labels(masks / 'b.jpg', np.ones(SHAPE, np.uint8))
    with pytest.raises(FileNotFoundError, match=r'no label map .*jpg cannot hold labels'):
        convert_label_maps(images, masks, ['x'], workers=1)


@pytest.mark.parametrize(
    'name', ['b.PNG', 'b.tif', 'b_mask.png', 'b-labels.bmp', 'mask_b.png', 'b_gt_labelIds.png']
)
@pytest.mark.parametrize('folder', ['masks', 'images', 'images/masks'], ids=str)
@pytest.mark.filterwarnings('ignore:images without')
def test_names_of_label_maps(folders, write_labels, tmp_path, name, folder):
    """In a folder of their own, below that of the images, or beside the images."""
    images, _ = folders
    write_labels(tmp_path / folder / name, np.ones(SHAPE, np.uint8))
    coco = convert_label_maps(images, tmp_path / folder, ['x'], divisor=1, workers=1)
    assert [image['file_name'] for image in coco['images']] == ['b.jpg']
    assert [one['area'] for one in coco['annotations']] == [48]


def test_two_label_maps_of_an_image(folders, write_labels):
    images, masks = folders
    for name in ('b.png', 'b.tif'):
        write_labels(masks / name, np.ones(SHAPE, np.uint8))
    with pytest.raises(ValueError, match=r'b\.png and b\.tif are for the same image'):
        convert_label_maps(images, masks, ['x'], divisor=1, workers=1)


@pytest.mark.filterwarnings('ignore:images without')
def test_masks_of_no_image_are_counted(folders, write_labels):
    images, masks = folders
    for name in ('b', 'gone_mask'):
        write_labels(masks / f'{name}.png', np.ones(SHAPE, np.uint8))
    with pytest.warns(UserWarning, match=r'maps without an image: 1, such as .*gone_mask\.png'):
        convert_label_maps(images, masks, ['x'], divisor=1, workers=1)
    for name in ('b', 'b/more', 'gone'):
        write_labels(masks / f'folders/{name}/x.png', np.ones(SHAPE, np.uint8))
    with pytest.warns(UserWarning, match='mask folders without an image: 1, such as gone'):
        convert_instance_folders(images, masks / 'folders', ['x'], workers=1)
