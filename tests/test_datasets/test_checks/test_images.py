"""Looking up images and decoding them."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.checks import check_content, find_images
from mmpldc.datasets.checks.images import Folders
from mmpldc.datasets.checks.pixels import UnreadableImage, read_size

# ---------------------------------------------------------------- looking up


def find(names, prefix):
    return find_images(names, str(prefix), file='a.json', folders=Folders())


def test_paths_have_no_symbolic_links(tmp_path):
    (tmp_path / 'real/city').mkdir(parents=True)
    for name in ('a.jpg', 'city/b.jpg'):
        (tmp_path / 'real' / name).touch()
    (tmp_path / 'real/link.jpg').symlink_to('a.jpg')
    (tmp_path / 'folder').symlink_to('real')
    root = os.path.realpath(tmp_path / 'real')
    for prefix in (tmp_path / 'real', f'{tmp_path}/folder/', tmp_path / 'real/../folder'):
        paths, findings = find(['a.jpg', 'city/b.jpg', 'link.jpg', None], prefix)
        assert paths == [f'{root}/a.jpg', f'{root}/city/b.jpg', f'{root}/a.jpg', None]
        assert findings == []


def test_relative_and_empty_prefix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.jpg').touch()
    expected = [os.path.realpath('a.jpg')]
    assert find(['a.jpg'], '') == (expected, [])
    assert find(['a.jpg'], '.') == (expected, [])
    assert find([str(tmp_path / 'a.jpg')], 'elsewhere') == (expected, [])


@pytest.mark.parametrize(
    ('on_disk', 'name', 'advice'),
    [
        ('train/A.jpg', 'a.jpg', "there is 'A.jpg', of another case"),
        ('train/a.png', 'a.jpg', "there is 'a.png', of another suffix"),
        (
            'train/u\N{COMBINING DIAERESIS}.jpg',
            '\N{LATIN SMALL LETTER U WITH DIAERESIS}.jpg',
            'case',
        ),
        ('train/x/a.jpg', 'a.jpg', 'such files in {root}/train/x; correct'),
        ('val/a.jpg', 'a.jpg', 'such files in {root}/val; correct data_prefix.img'),
        ('train/a.jpg', 'train/a.jpg', 'such files in {root}; correct data_prefix.img'),
        ('train/a.jpg', 'old/a.jpg', "'a.jpg' is in data_prefix.img itself; remove the folder"),
        ('train/a.json', 'a.jpg', 'correct data_prefix.img, data_root or file_name'),
        ('train/b.jpg', 'a.jpg', 'correct data_prefix.img, data_root or file_name'),
        ('train/x/a.jpg', 'x\\a.jpg', 'file_name has backslashes; write slashes'),
        ('elsewhere/a.jpg', 'b.jpg', 'there is no folder {root}/train; correct data_prefix.img'),
    ],
)
def test_advice_for_missing_images(tmp_path, on_disk, name, advice):
    path = tmp_path / on_disk
    path.parent.mkdir(parents=True)
    path.touch()
    paths, (finding,) = find([name], tmp_path / 'train')
    assert paths == [None]
    assert '1 of 1 images are not on disk, for example' in finding.message
    assert advice.format(root=tmp_path) in finding.message


def test_the_folder_that_has_all_is_named(tmp_path):
    for folder, names in dict(train='', a='13', b='123', c='12').items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f'{name}.jpg').touch()
    _, (finding,) = find(['1.jpg', '2.jpg', '3.jpg'], tmp_path / 'train')
    assert f'such files in {tmp_path}/b; correct' in finding.message


def test_broken_links_are_missing_and_folders_no_images(tmp_path):
    (tmp_path / 'a.jpg').symlink_to('nowhere.jpg')
    (tmp_path / 'b.jpg').mkdir()
    paths, findings = find(['a.jpg', 'b.jpg'], tmp_path)
    assert paths == [None, None]
    assert ['are not on disk' in findings[0].message, 'is a folder' in findings[1].message]
    assert findings[1].where == 'image b.jpg: file_name'


# ---------------------------------------------------------------- decoding


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp', '.tiff'])
def test_size_of_common_formats(tmp_path, suffix):
    path = str(tmp_path / f'a{suffix}')
    cv2.imwrite(path, np.zeros((30, 50, 3), np.uint8))
    assert read_size(path) == ((30, 50), False)


@pytest.mark.parametrize(('orientation', 'size'), [(1, (30, 50)), (3, (30, 50)), (6, (50, 30))])
def test_size_is_that_after_turning(tmp_path, orientation, size):
    """As an independent reference, what OpenCV loads."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / 'a.jpg')
    Image.new('RGB', (50, 30)).save(path, exif=exif)
    assert cv2.imread(path).shape[:2] == size
    assert read_size(path) == (size, size == (50, 30))


def test_16_bit_and_transparent_images(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((30, 50), np.uint16))
    cv2.imwrite(str(tmp_path / 'b.png'), np.zeros((30, 50, 4), np.uint8))
    assert read_size(str(tmp_path / 'a.png')) == read_size(str(tmp_path / 'b.png'))


def test_unreadable_file(tmp_path):
    with pytest.raises(UnreadableImage, match=r'cannot be read \(No such file'):
        read_size(str(tmp_path / 'a.jpg'))


@pytest.fixture
def images(tmp_path):
    """Ten images of 20 x 10, the sixth of 5 x 5."""
    paths = []
    for index in range(10):
        paths.append(str(tmp_path / f'{index}.png'))
        size = (5, 5, 3) if index == 5 else (10, 20, 3)
        cv2.imwrite(paths[-1], np.zeros(size, np.uint8))
    return paths, np.full((10, 2), (10, 20))


def test_all_or_some_are_decoded(images):
    paths, sizes = images
    (finding,) = check_content(paths, sizes, file='a.json', limit=None)
    assert (finding.level, finding.where) == ('error', f'image {paths[5]}')
    assert '(20 x 10 annotated, 5 x 5 read)' in finding.message
    assert check_content(paths, sizes, file='a.json', limit=2) == []  # the first and the last
    assert check_content(paths[5:], sizes[5:], file='a.json', limit=2) != []
    assert check_content(paths, sizes, file='a.json', limit=0) == []
    assert check_content([None, paths[0]], sizes[:2], file='a.json', limit=99) == []


def test_size_of_an_unlabelled_image_is_a_warning(images):
    paths, sizes = images
    (finding,) = check_content(paths, sizes, file='a.json', limit=None, is_unlabeled=True)
    assert finding.level == 'warning'


def test_unknown_sizes_are_not_compared(images):
    paths, sizes = images
    sizes[5] = 0, 20
    assert check_content(paths, sizes, file='a.json', limit=None) == []


def test_one_finding_for_all_empty_images(images):
    paths, sizes = images
    for path in paths[:4]:
        open(path, 'w').close()
    findings = check_content(paths, sizes, file='a.json', limit=None)
    assert len(findings) == 2
    assert findings[0].where.startswith('4 images (')
