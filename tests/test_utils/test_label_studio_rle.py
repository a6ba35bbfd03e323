"""Brush regions of Label Studio, read."""

import numpy as np
import pytest

from mmpldc.apis import label_studio_rle
from mmpldc.utils.label_studio_rle import decode_label_studio_rle


@pytest.mark.parametrize(
    'mask',
    [
        np.zeros((3, 5), bool),
        np.ones((3, 5), bool),
        np.eye(9, dtype=bool),
        np.random.default_rng(0).random((40, 31)) > 0.5,
        np.ones((300, 200), bool),  # runs longer than the largest length
    ],
    ids=lambda mask: f'{mask.shape}',
)
def test_what_we_write_comes_back(mask):
    found = decode_label_studio_rle(label_studio_rle(mask), mask.shape)
    assert found.dtype == bool and (found == mask).all()


def bytes_of(bits: str) -> list[int]:
    bits = bits.ljust(-(-len(bits) // 8) * 8, '0')
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


HEADER = '00111' + '0010' + '0011' + '0111' + '1111'  # values of 8 bits; lengths of 3, 4, 8, 16


def test_literal_values_and_soft_edges():
    """Two pixels as literals, (1, 2, 3, 127) and (0, 0, 0, 128); then a run of four 255."""
    values = [1, 2, 3, 127, 0, 0, 0, 128]
    literals = '0' + '00' + f'{8 - 1:03b}' + ''.join(f'{value:08b}' for value in values)
    code = bytes_of(f'{12:032b}' + HEADER + literals + '1' + '00' + f'{4 - 1:03b}' + '1' * 8)
    assert decode_label_studio_rle(code, (1, 3)).tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda code: code[:-2], 'ends early'),
        (lambda code: code[:3], 'ends early'),
        (lambda code: [], 'no list of bytes'),
        (lambda code: [300, *code[1:]], 'no list of bytes'),
        (lambda code: [-1, *code[1:]], 'no list of bytes'),
        (lambda code: 'abc', 'no list of bytes'),
        (lambda code: [[1], [2, 3]], 'no list of bytes'),
        (
            lambda code: [0, 0, 0, 4, *code[4:]],
            'stands for 4 values, but an image of 6 x 5 has 120',
        ),
        (lambda code: [*code[:4], code[4] & 7, *code[5:]], 'values of 1 bits'),
    ],
)
def test_broken_code(change, words):
    code = label_studio_rle(np.eye(5, 6, dtype=bool))
    with pytest.raises(ValueError, match=words):
        decode_label_studio_rle(change(code), (5, 6))
