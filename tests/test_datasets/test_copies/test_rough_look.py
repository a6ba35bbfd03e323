"""The rough look passes every pair that hash and pixels take for copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmpldc.datasets.copies import find_copies, same_picture
from mmpldc.datasets.copies.rough_look import look_alike, look_at

ANIMALS = Path(__file__).parents[4] / 'shared/data/animals'


@pytest.fixture
def paths(tmp_path, photo):
    """Photos 1 and 2; copies of the first, one of them mirrored; what is no photo."""
    found = {name: str(tmp_path / name) for name in ('a.png', 'other.png', 'b.jpg', 'm.jpg')}
    photo(1).save(found['a.png'])
    photo(2).save(found['other.png'])
    photo(1).resize((100, 100)).convert('CMYK').save(found['b.jpg'], quality=60)
    ImageOps.mirror(photo(1)).save(found['m.jpg'], quality=60)
    for name in ('flat.png', 'text.png', 'none.png'):
        found[name] = str(tmp_path / name)
    Image.new('RGB', (30, 30), (90, 90, 90)).save(found['flat.png'])
    (tmp_path / 'text.png').write_text('no image')
    return found


def test_look_alike(paths):
    own = [paths[name] for name in ('other.png', 'b.jpg', 'm.jpg', 'flat.png', 'text.png')]
    originals = [paths[name] for name in ('none.png', 'a.png', 'flat.png')]
    assert look_alike(own, originals) == ([paths['b.jpg'], paths['m.jpg']], [paths['a.png']])
    every = list(paths.values())
    alike = [paths[name] for name in ('a.png', 'b.jpg', 'm.jpg')]
    assert look_alike(every, every) == (alike, alike)
    assert look_alike(every[1:2], every[1:2]) == look_alike([], every) == ([], [])


def test_an_image_is_not_compared_with_itself_in_any_chunk(paths, monkeypatch):
    monkeypatch.setattr('mmpldc.datasets.copies.rough_look.CHUNK', 1)
    every = list(paths.values())
    alike = [paths[name] for name in ('a.png', 'b.jpg', 'm.jpg')]
    assert look_alike(every, every) == (alike, alike)


def test_cells(tmp_path):
    """Means of an eighth of each side, scaled."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    path = str(tmp_path / 'a.png')
    Image.fromarray(pixels).save(path)
    _, (cells,) = look_at([path, path])
    expected = pixels.reshape(8, 4, 8, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(cells, (expected - pixels.mean()) / pixels.std(), rtol=1e-5)


def test_a_sample_of_the_pictures(paths):
    """Every image can be a copy by its bytes, but only some are decoded."""
    own, originals = [paths['b.jpg'], paths['other.png'], paths['m.jpg']], [paths['a.png']]
    assert len(find_copies(own, originals)) == 2
    (copy,) = find_copies(own, originals, most_pictures=1)
    assert copy.path == paths['b.jpg']


@pytest.mark.skipif(not ANIMALS.exists(), reason='needs photographs')
def test_nothing_is_lost_among_photographs(monkeypatch):
    paths = sorted(map(str, ANIMALS.glob('*/*.jpg')))
    found = same_picture.find_same_pictures(paths, paths)
    monkeypatch.setattr(same_picture, 'look_alike', lambda own, others: (own, others))
    assert found == same_picture.find_same_pictures(paths, paths) and len(found) > 10
