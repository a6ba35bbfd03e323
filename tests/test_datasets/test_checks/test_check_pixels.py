"""Images as training decodes them, compared with what is annotated."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.checks import check_content
from mmpldc.datasets.checks.pixels import UnreadableImage, read_size


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
    # of annotated images all headers are read, whatever is decoded
    assert len(check_content(paths, sizes, file='a.json', limit=0)) == 1
    some = dict(file='a.json', is_unlabeled=True)
    assert check_content(paths, sizes, limit=2, **some) == []  # the first and the last
    assert check_content(paths[5:], sizes[5:], limit=2, **some) != []
    assert check_content(paths, sizes, limit=0, **some) == []
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


@pytest.mark.parametrize(
    ('size', 'orientation', 'level', 'words'),
    [
        ((50, 30), 1, None, ''),
        ((50, 30), 3, 'warning', r'EXIF .*(orientation 3)'),
        ((50, 30), 2, 'warning', 'turns or mirrors'),
        ((40, 40), 6, 'warning', 'orientation 6'),
        ((50, 30), 6, 'error', 'EXIF orientation turns'),
        ((30, 50), 6, None, ''),  # annotated as it is shown
    ],
)
def test_orientation(tmp_path, size, orientation, level, words):
    """Sizes annotated are 50 x 30, or those of a square."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    paths = [str(tmp_path / f'{n}.jpg') for n in range(3)]
    for path in paths:
        Image.new('RGB', size).save(path, exif=exif)
    annotated = (40, 40) if size == (40, 40) else (30, 50)
    sizes = np.array([annotated] * 3)
    findings = check_content(paths, sizes, file='a.json', limit=1)
    assert [finding.level for finding in findings] == ([level] if level else [])
    if level:
        assert findings[0].where.startswith('images ')  # all of them
        assert all(word in findings[0].message for word in words.split('.*'))
    assert level == 'error' or not check_content(
        paths, sizes, file='a.json', limit=1, is_unlabeled=True
    )


def test_swapped_sizes(tmp_path):
    path = str(tmp_path / 'a.jpg')
    Image.new('RGB', (50, 30)).save(path)
    (finding,) = check_content([path], np.array([(50, 30)]), file='a.json', limit=1)
    assert 'swapped' in finding.message and '30 x 50 annotated, 50 x 30 read' in finding.message


@pytest.mark.parametrize(
    ('suffix', 'brightest', 'level', 'words'),
    [
        ('.png', 3825, 'warning', 'the brightest value, 3825, becomes 14 of 255'),
        ('.tif', 3825, 'warning', '--white 4095'),
        ('.png', 200, 'error', 'becomes 0 of 255'),
        ('.png', 60000, None, ''),
    ],
)
def test_deep_images(tmp_path, suffix, brightest, level, words):
    pixels = np.linspace(0, brightest, 300).astype(np.uint16).reshape(10, 30)
    path = str(tmp_path / f'a{suffix}')
    Image.fromarray(pixels).save(path)
    findings = check_content([path], np.array([(10, 30)]), file='a.json', limit=None)
    assert [finding.level for finding in findings] == ([level] if level else [])
    assert all(words in finding.message for finding in findings)


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.ppm'])
@pytest.mark.parametrize(('brightest', 'level'), [(1020, 'warning'), (200, 'error'), (60000, None)])
def test_deep_images_in_color(tmp_path, suffix, brightest, level):
    """Pillow reads the upper 8 bits of these; opacity is no brightness."""
    channels = 4 if suffix == '.png' else 3
    pixels = np.full((10, 30, channels), 65535, np.uint16)
    pixels[..., :3] = np.linspace(0, brightest, 900).reshape(10, 30, 3)
    path = str(tmp_path / f'a{suffix}')
    cv2.imwrite(path, pixels)
    findings = check_content([path], np.array([(10, 30)]), file='a.json', limit=None)
    assert [finding.level for finding in findings] == ([level] if level else [])
    words = f'{brightest}, becomes {brightest >> 8} of 255. divide'
    assert all(words in finding.message for finding in findings)


def test_pages(tmp_path):
    path = str(tmp_path / 'a.tif')
    pages = [Image.new('L', (30, 10), value) for value in (1, 2, 3)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    (finding,) = check_content([path], np.array([(10, 30)]), file='a.json', limit=None)
    assert finding.level == 'warning' and '(3 pages)' in finding.message
