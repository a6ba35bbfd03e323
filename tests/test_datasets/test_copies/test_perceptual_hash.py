"""The hash against ImageHash's, and what it does not change for."""

import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.copies.perceptual_hash import (
    hash_files,
    mirrored,
    perceptual_hash,
    squeeze,
    turned,
)


def test_bits_are_those_of_the_library(photo):
    imagehash = pytest.importorskip('imagehash')
    images = [photo(number, (64, 64)).convert('L') for number in range(20)]
    expected = [imagehash.phash(image, hash_size=16).hash for image in images]
    found = perceptual_hash(np.stack([np.asarray(image) for image in images]))
    np.testing.assert_array_equal(found, expected)


def bits_of(image):
    return perceptual_hash(squeeze(image.convert('L'), 64)[None])[0]


def test_mirrored_and_turned(photo):
    """All eight turns have one of the eight hashes, but for a few bits."""
    image = photo(1)
    others = [image.transpose(turn) for turn in Image.Transpose]
    hashes = turned(bits_of(image))
    assert hashes.shape == (8, 16, 16) and (hashes[0] == bits_of(image)).all()
    nearest = [(hashes ^ bits_of(other)).sum(axis=(1, 2)) for other in others]
    assert max(distances.min() for distances in nearest) <= 24
    assert len({int(distances.argmin()) for distances in nearest}) == 7
    flipped = bits_of(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert (mirrored(bits_of(image)) ^ flipped).sum() <= 24


def test_files(tmp_path, photo):
    """What cannot be decoded or has no contrast has no hash; a changed file gets another one."""
    paths = [str(tmp_path / name) for name in ('a.png', 'flat.png', 'text.png', 'none.png')]
    photo(1).save(paths[0])
    Image.new('RGB', (30, 30), (90, 90, 90)).save(paths[1])
    (tmp_path / 'text.png').write_text('no image')
    found, bits = hash_files([*paths, paths[0]])
    assert found == paths[:1] and (bits[0] == bits_of(photo(1))).all()
    photo(2, (241, 180)).save(paths[0])
    assert (hash_files(paths)[1][0] == bits_of(photo(2, (241, 180)))).all()
    none, bits = hash_files(paths[1:])
    assert none == [] and bits.shape == (0, 16, 16)


@pytest.mark.parametrize('mode', ['L', 'P', 'RGBA', 'CMYK', 'I;16'])
def test_modes(tmp_path, photo, mode):
    path = tmp_path / 'a.tif'
    image = photo(1)
    if mode == 'I;16':
        image = Image.fromarray(np.asarray(image.convert('L'), np.uint16) * 15)
    else:
        image = image.convert(mode)
    image.save(path)
    ((_, *others), (bits,)) = hash_files([str(path)])
    assert not others and (bits ^ bits_of(photo(1))).sum() <= 16
