"""What lies among photographs and is none: masks, thumbnails, painted pictures, copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmpldc.datasets.image_header import read_headers
from mmpldc.datasets.unwanted_images import by_kind, is_flat
from mmpldc.datasets.unwanted_images import find_unwanted as find_among
from mmpldc.utils.pictures import save_picture

ANIMALS = Path(__file__).parents[3] / 'shared/data/animals'


def find_unwanted(paths, known):
    found, compared = find_among(read_headers(paths), known)
    assert compared == len(paths) - sum('cop' not in reason.kind for reason in found.values())
    return found


def label_map(mode='L', size=(240, 180)):
    """Two objects with round borders."""
    image = Image.new('L', size)
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 30, 120, 110), fill=51)
    draw.rectangle((140, 60, 200, 150), fill=101)
    if mode == 'P':
        image.putpalette([value for i in range(256) for value in (i, 255 - i, 128)])
    if mode == '1':
        return image.point(lambda value: 255 * (value > 0)).convert('1')
    return image if mode in 'LP' else image.convert(mode)


@pytest.fixture
def photos(tmp_path, photo):
    """Four photos, of which the first is annotated; and how to write more beside them."""

    def write(name, image, **options):
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)
        return str(path)

    paths = [write(f'{number:04d}.jpg', photo(number), quality=90) for number in range(4)]
    return paths, write


def test_pictures_with_drawings(photos, photo):
    """Of an image of that name, and like it; another photograph of such a name is one."""
    (known, *paths), write = photos
    for number, word in enumerate(('_vis', '-overlay', ' pred')):
        image = photo(number)
        ImageDraw.Draw(image).rectangle((30, 30, 120, 90), outline=(0, 255, 0), width=4)
        paths.append(write(f'{number:04d}{word}.jpg', image, quality=90))
    paths.append(write('0003_result.jpg', photo(9)))
    found = find_unwanted(paths, [known])
    assert {Path(path).name for path in found} == {
        '0000_vis.jpg',
        '0001-overlay.jpg',
        '0002 pred.jpg',
    }
    assert found[paths[3]].why == f'drawn into {known}'


DRAWN = (
    'runs/segment/predict/0001.jpg',
    'vis/0001.png',
    'a/overlays/0001.jpg',
    'predictions/0001.jpg',
    'SegmentationClassVisualization/0001.jpg',
    'pred_0001.jpg',
)


@pytest.mark.parametrize('name', DRAWN)
def test_drawings_in_folders_or_behind_a_word(photos, photo, name):
    """Into an image of that name, of whichever folder; a photograph of such a name is one."""
    paths, write = photos
    paths.append(write('b/0001.jpg', photo(8), quality=90))
    known = [paths[1], paths[4]]
    image = photo(1)
    ImageDraw.Draw(image).rectangle((30, 30, 120, 90), outline=(0, 255, 0), width=4)
    path = write(name, image)
    assert find_unwanted([paths[2], path], known)[path].why == f'drawn into {paths[1]}'
    write(name, photo(9))
    assert find_unwanted([paths[2], path], known) == {}
    write(name, photo(1).convert('L').point(lambda value: value * 0.8))  # of another camera
    assert find_unwanted([paths[2], path], known)[path].kind == 'copies of annotated images'


MASKS = [
    ('masks/0001.png', 'L'),
    ('0001.png', 'P'),  # beside 0001.jpg
    ('0001_mask.png', 'RGB'),
    ('0001_mask.jpg', 'L'),
    ('0001-instanceIds.tif', 'L'),
    ('mask_0001.PNG', '1'),
    ('SegmentationClass/0001.png', 'P'),
    ('gt/7.bmp', 'RGB'),
    ('annotations/0001/disc_0.png', '1'),
    ('depthless.png', 'L'),  # one channel among colour photos
    ('labels/0009.png', 'RGBA'),
]


@pytest.mark.parametrize(('name', 'mode'), MASKS, ids=[name for name, _ in MASKS])
def test_masks(photos, name, mode):
    paths, write = photos
    mask = write(name, label_map(mode))
    found = find_unwanted([*paths[1:], mask], paths[:1])
    assert [(path, reason.kind) for path, reason in found.items()] == [(mask, 'masks')]


@pytest.mark.parametrize('name', ['0001_mask.png', 'masks/0001.png', '0001.png'])
def test_photographs_are_no_masks_whatever_their_names(photos, photo, name):
    paths, write = photos
    for image in (photo(9), photo(9).convert('L')):
        assert find_unwanted([*paths[1:], write(name, image)], paths[:1]) == {}


def test_measured_values_are_no_label_map(photos, photo):
    """From 0 to 1, all of which would become 0."""
    paths, write = photos
    values = np.asarray(photo(9).convert('L'), np.float32) / 255
    assert find_unwanted([*paths[1:], write('x.tif', Image.fromarray(values))], paths[:1]) == {}


def test_flat_pictures_are_wanted_where_annotated_ones_are_flat(photos):
    """Scans and drawings: none is taken for a mask."""
    _, write = photos
    drawings = [write(f'd/{n}.png', label_map('L', (240 + n, 180))) for n in range(3)]
    assert find_unwanted(drawings[1:], drawings[:1]) == {}


@pytest.mark.parametrize(
    'name', ['thumbs/0001.jpg', '0001_thumb.jpg', 'thumb-0001.png', 'small/0001.webp']
)
def test_thumbnails(photos, photo, name):
    paths, write = photos
    small = write(name, photo(1).resize((80, 60)))
    found = find_unwanted([*paths[1:], small], paths[:1])
    assert {path: reason.why for path, reason in found.items()} == {
        small: f'a thumbnail of {paths[1]}'
    }
    write(name, photo(7).resize((80, 60)))  # another camera counts alike
    assert find_unwanted([*paths[1:], small], paths[:1]) == {}


def test_painted_pictures(photos, photo):
    paths, write = photos
    save_picture(Path(paths[0]).parent / 'report/samples/1.jpg', np.asarray(photo(5)))
    painted = [
        str(Path(paths[0]).parent / 'report/samples/1.jpg'),
        write('work_dirs/mine/20260101/vis_data/vis_image/val_0.png', photo(6)),
    ]
    found = find_unwanted([*paths[1:], *painted], paths[:1])
    assert [path for path, reason in found.items() if 'painted' in reason.kind] == painted


def test_copies_and_words(photos, photo):
    paths, write = photos
    copies = [write('a.png', photo(0)), write('b (1).jpg', photo(0), quality=90)]
    found = find_unwanted([*paths[1:], *copies], paths[:1])
    assert by_kind(found, dict(zip(copies, 'ab', strict=True))) == {
        'copies of annotated images': [
            f'a, stored anew, or mirrored, from {paths[0]}',
            f'b, a copy of {paths[0]}',
        ]
    }


def test_nothing(tmp_path):
    assert find_unwanted([], []) == find_unwanted([], [str(tmp_path / 'a.jpg')]) == {}
    (tmp_path / 'masks').mkdir()
    (tmp_path / 'masks/x.png').write_text('no image')
    assert find_unwanted([str(tmp_path / 'masks/x.png')], []) == {}


@pytest.mark.skipif(not ANIMALS.exists(), reason='needs photographs')
def test_no_photograph_is_flat():
    assert not any(is_flat(str(path)) for path in sorted(ANIMALS.glob('*/*.jpg'))[::3])


def test_many_pictures(photos, photo, monkeypatch):
    """Of many images, some are compared; if any of these is a copy, all are."""
    paths, write = photos
    monkeypatch.setattr('mmpldc.datasets.unwanted_images.FIRST_PICTURES', 2)
    copy = write('0002x.png', photo(0))
    headers = read_headers(sorted([*paths[1:], copy]))  # the first and the last one are compared
    assert find_among(headers, paths[:1], all_pictures=False) == ({}, 2)
    assert list(find_among(headers, paths[:1])[0]) == [copy]
    last = write('1.png', photo(0))
    headers |= read_headers([last])
    assert find_among(headers, paths[:1], all_pictures=False)[0].keys() == {copy, last}
    monkeypatch.setattr('mmpldc.datasets.unwanted_images.MOST_PICTURES', 4)
    found, compared = find_among(headers, paths[:1], all_pictures=False)
    assert (list(found), compared) == ([last], 2)
