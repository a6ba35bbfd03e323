"""Copies that training reads as they are meant."""

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.converters import write_plain_images
from mmpldc.datasets.converters.image_files import image_size


def test_plain_images(tmp_path, write_image):
    source, out = tmp_path / 'in', tmp_path / 'in/out'
    write_image(source / 'a/x.jpg')
    deep = np.array([[0, 819, 4095, 5000]], np.uint16)
    Image.fromarray(deep).save(source / 'y.png')
    Image.fromarray(np.array([[-1, 0.5, 4095, np.nan]], np.float32)).save(source / 'z.tif')
    pages = [Image.new('RGB', (5, 4), (value, 0, 0)) for value in (1, 2, 3)]
    pages[0].save(source / 'p.tiff', save_all=True, append_images=pages[1:])
    for _ in range(2):  # its own copies are no input
        counts = write_plain_images(source, out, white=4095)
    assert counts == dict(copied=1, scaled=3, pages=2)
    assert (out / 'a/x.jpg').read_bytes() == (source / 'a/x.jpg').read_bytes()
    assert np.asarray(Image.open(out / 'y.png')).tolist() == [[0, 51, 255, 255]]
    assert np.asarray(Image.open(out / 'z.tif')).tolist() == [[0, 0, 255, 0]]
    found = [np.asarray(Image.open(out / name))[0, 0, 0] for name in ('p.tiff', 'p_page3.png')]
    assert found == [1, 3]


def test_colours_of_16_bits(tmp_path):
    """Dark ones, too, of which Pillow would read the upper 8 bits."""
    source, out = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    pixels = np.full((2, 3, 3), (0, 819, 4095), np.uint16)  # BGR
    alpha = np.full((2, 3, 1), 65535, np.uint16)
    cv2.imwrite(str(source / 'x.png'), pixels)
    cv2.imwrite(str(source / 'y.png'), np.concatenate([pixels, alpha], axis=2))
    cv2.imwritemulti(str(source / 'z.tif'), [pixels, pixels * 2])
    assert write_plain_images(source, out, white=4095) == dict(copied=0, scaled=3, pages=1)
    found = {path.name: np.asarray(Image.open(path))[1, 2].tolist() for path in out.iterdir()}
    assert found == {
        'x.png': [255, 51, 0],
        'y.png': [255, 51, 0],
        'z.tif': [255, 51, 0],
        'z_page2.png': [255, 102, 0],
    }


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_a_photo_stays_turned_as_its_exif_says(tmp_path, suffix):
    """Names stay, so that annotation files stay right; sizes do, too."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / 'in').mkdir()
    Image.fromarray(np.ones((6, 8), np.uint16)).save(tmp_path / f'in/x.{suffix}', exif=exif)
    write_plain_images(tmp_path / 'in', tmp_path / 'out')
    assert image_size(tmp_path / f'out/x.{suffix}') == (6, 8)
    assert mmcv.imread(tmp_path / f'out/x.{suffix}').shape == (8, 6, 3)


def test_bad_input(tmp_path, write_image):
    write_image(tmp_path / 'in/x.png')
    with pytest.raises(ValueError, match='choose another --out-dir'):
        write_plain_images(tmp_path / 'in', tmp_path / 'in/../in')
    for white in (-1, float('nan'), float('inf')):
        with pytest.raises(ValueError, match='--white must be a number above 0'):
            write_plain_images(tmp_path / 'in', tmp_path / 'out', white=white)
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / 'in/y.tif')
    with pytest.raises(ValueError, match=r'y\.tif has values .* give --white'):
        write_plain_images(tmp_path / 'in', tmp_path / 'out')


def test_nothing_is_written_over_or_half(tmp_path, write_image):
    write_image(tmp_path / 'in/x.jpg')
    write_image(tmp_path / 'out/x.jpg')
    before = (tmp_path / 'out/x.jpg').read_bytes()
    with pytest.raises(ValueError, match=r'out/x\.jpg is there already, with other content'):
        write_plain_images(tmp_path / 'in', tmp_path / 'out')
    assert (tmp_path / 'out/x.jpg').read_bytes() == before
    (tmp_path / 'in/y.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'y\.png cannot be read'):
        write_plain_images(tmp_path / 'in', tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_a_page_does_not_take_the_name_of_an_image(tmp_path):
    page = Image.new('L', (5, 4))
    (tmp_path / 'in').mkdir()
    page.save(tmp_path / 'in/p.tif', save_all=True, append_images=[page])
    page.save(tmp_path / 'in/p_page2.png')
    with pytest.raises(ValueError, match=r'p\.tif and .*p_page2\.png would both become'):
        write_plain_images(tmp_path / 'in', tmp_path / 'out')
