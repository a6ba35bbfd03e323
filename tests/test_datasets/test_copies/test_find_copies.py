"""Copies of images by their bytes, their pictures, and the names that Roboflow gives."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, ImageOps

from mmpldc.datasets.copies import (
    find_copies,
    find_equal_files,
    find_same_pictures,
    group_copies,
    group_names,
)
from mmpldc.datasets.copies.roboflow import source_of

ANIMALS = Path(__file__).parents[4] / 'shared/data/animals'


@pytest.fixture
def write(tmp_path):
    def write(name, image, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)
        return str(path)

    return write


def upright(image):
    """An image turned by 90 degrees, with the EXIF that turns it back."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return image.transpose(Image.Transpose.ROTATE_90), dict(exif=exif)


@pytest.mark.parametrize(
    ('name', 'change'),
    [
        ('b.jpg', lambda image: (image, dict(quality=50))),
        ('b.webp', lambda image: (image, dict(quality=70))),
        ('b.png', lambda image: (image.resize((120, 90)), {})),
        ('b.jpg', lambda image: (image.resize((480, 360)), dict(quality=80))),
        ('b.jpg', lambda image: (image.resize((320, 320)), dict(quality=80))),
        ('b.png', lambda image: (image.convert('L'), {})),
        ('b.jpg', lambda image: (ImageOps.mirror(image), dict(quality=80))),
        ('b.jpg', upright),
    ],
    ids=['quality', 'format', 'smaller', 'larger', 'squeezed', 'grey', 'mirrored', 'EXIF'],
)
def test_same_picture(write, photo, name, change):
    image, options = change(photo(1))
    originals = [write('a.png', photo(1)), write('other.png', photo(2))]
    (copy,) = find_copies([write(name, image, **options), write('c.png', photo(3))], originals)
    assert (copy.original, copy.how) == (originals[0], 'stored anew')
    assert find_copies([copy.path], originals, equal_only=True) == []


@pytest.mark.parametrize('share', [0.05, 0.1, 0.3])
def test_a_fixed_camera_makes_no_copies(write, photo, share):
    """A new object on the same background, of a 400th of the image and more."""
    scene = photo(1)
    frame = scene.copy()
    x, y, side = 100, 60, round(share * 180)
    ImageDraw.Draw(frame).rectangle((x, y, x + side, y + side), fill=(230, 60, 40))
    assert find_copies([write('b.jpg', frame, quality=90)], [write('a.jpg', scene)]) == []


def test_without_contrast_only_bytes_count(write):
    black = [write(f'{n}.png', Image.new('L', (40 + n, 40))) for n in range(2)]
    assert find_copies(black[:1], black[1:]) == []
    shutil.copy(black[0], black[0] + '.png')
    (copy,) = find_copies([black[0] + '.png'], black)
    assert (copy.original, copy.how) == (black[0], 'equal')


def test_an_original_is_no_copy_of_itself(write, photo):
    paths = [write('a.png', photo(1)), write('b.png', photo(1))]
    assert find_copies(paths, paths) == []
    assert find_copies(paths[:1], paths[1:]) == [(paths[0], paths[1], 'equal')]
    assert find_equal_files(paths, paths) == {paths[1]: paths[0]}
    assert find_same_pictures(paths, paths) == {paths[0]: paths[1], paths[1]: paths[0]}
    assert find_copies([], paths) == find_copies(paths, []) == []
    assert find_copies(['/nowhere/a.jpg'], paths) == find_copies(paths, ['/nowhere/a.jpg']) == []


def test_groups(write, photo):
    """A chain of copies is one group, which is named by its first image."""
    paths = [
        write('z.png', photo(1)),
        write('other.png', photo(2)),
        write('a.jpg', photo(1), quality=80),
        write('b.png', photo(1)),
        write('c.jpg', photo(1).resize((120, 90))),
    ]
    assert group_copies(paths) == dict.fromkeys([paths[2], paths[3], paths[4]], paths[0])
    assert group_copies(paths[:2]) == group_copies([]) == {}


MARK = '_jpg.rf.0123456789abcdef0123456789abcdef'


@pytest.mark.parametrize(
    ('name', 'change', 'is_version'),
    [
        (f'IMG-1-2{MARK}.jpg', lambda image: image.crop((4, 3, 237, 177)), True),
        (f'IMG-1-2{MARK}.jpg', lambda image: image.transpose(Image.Transpose.ROTATE_90), True),
        (f'IMG-1-2{MARK}.jpg', lambda image: image.resize((90, 90)).rotate(180), True),
        ('IMG 1_2 b.jpg', lambda image: image.crop((4, 3, 237, 177)), False),
        (f'IMG-1-3{MARK}.jpg', lambda image: image.crop((4, 3, 237, 177)), False),
    ],
    ids=['crop', 'turn', 'turn and size', 'another name', 'another source'],
)
def test_versions_of_roboflow(write, photo, name, change, is_version):
    original = write('IMG 1 (2).jpg', photo(1))
    found = find_copies([write(f'train/{name}', change(photo(1)), quality=90)], [original])
    assert [copy.how for copy in found] == (['version'] if is_version else [])
    other = write(f'valid/{name}', photo(2))
    assert find_copies([other], [original]) == []  # of another camera that counts alike


@pytest.mark.parametrize(
    ('path', 'source'),
    [
        ('a/0001.jpg', ('0001', False)),
        (f'a/IMG_0001{MARK}.jpg', ('img-0001', True)),
        ('x_png.rf.AbCdEf0123456789.png', ('x', True)),
        ('x.rf.png', ('x-rf', False)),
    ],
)
def test_source(path, source):
    assert source_of(path) == source


@pytest.mark.skipif(not ANIMALS.exists(), reason='needs photographs')
def test_no_false_alarm_among_photographs():
    """All that is found was looked at: equal files, and collages stored anew or mirrored."""
    train, val = (sorted(map(str, (ANIMALS / name).glob('*.jpg'))) for name in ('train', 'val'))
    pairs = {(Path(c.path).stem, Path(c.original).stem, c.how) for c in find_copies(train, val)}
    assert pairs == {
        ('000521', '000171', 'equal'),
        ('000547', '000176', 'equal'),
        ('000187', '000064', 'stored anew'),
        ('000188', '000065', 'stored anew'),
        ('000220', '000081', 'stored anew'),
    }
    inside = find_same_pictures(train, train)
    assert {frozenset((Path(a).stem, Path(b).stem)) for a, b in inside.items()} == {
        frozenset(pair)
        for pair in (
            ('000221', '000268'),
            ('000222', '000269'),
            ('000280', '000305'),
            ('000558', '000599'),
        )
    }
    assert find_same_pictures(val, val) == {}


@pytest.mark.slow
def test_20000_files_are_compared_within_15_s(tmp_path):
    """All of one size, half of them copies."""
    content = np.random.default_rng(0).integers(0, 256, (10000, 3000), np.uint8)
    for folder in 'ab':
        (tmp_path / folder).mkdir()
        for number, own in enumerate(content):
            (tmp_path / folder / f'{number}.jpg').write_bytes(own.tobytes())
    paths, originals = (sorted(map(str, (tmp_path / f).iterdir())) for f in 'ab')
    start = time.process_time()  # other processes do not count
    copies = find_copies(paths, originals, equal_only=True)
    assert time.process_time() - start < 15
    assert len(copies) == 10000
    assert all(os.path.basename(c.path) == os.path.basename(c.original) for c in copies)


def test_names_that_link_to_one_file(tmp_path, write, photo):
    for name in 'ab':
        write(f'{name}.png', photo(ord(name)))
    (tmp_path / 'c.png').symlink_to(tmp_path / 'a.png')
    assert group_names(tmp_path, ['b.png', 'a.png', 'c.png']) == {'c.png': 'a.png'}


def test_versions_of_one_source_stay_together(write, photo):
    """By their names, however far they were turned and cropped."""
    made = [photo(1), photo(1).rotate(25), photo(1).crop((40, 30, 200, 150))]
    paths = [
        write(f'a_jpg.rf.{number:032x}.jpg', image)
        for number, image in enumerate([*made, photo(2)])
    ]
    other = write('b_jpg.rf.0123456789abcdef.jpg', photo(3))
    assert group_copies([*paths, other]) == dict.fromkeys(paths[1:], paths[0])
