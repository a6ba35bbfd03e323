"""Pictures of several sizes on one page."""

import numpy as np
import pytest

from mmpldc.visualization import contact_sheet, shrink_to_fit


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_each_picture_is_in_its_cell():
    pictures = [plain(40, 80, 10), plain(200, 100, 20), plain(30, 30, 30)]
    sheet = contact_sheet(pictures, ['a', 'b' * 200, 'ü'], side=100, columns=2)
    assert sheet.shape == (2 * 128 + 6, 2 * 106 + 6, 3)
    assert (sheet[6:46, 6:86] == 10).all() and (sheet[68:100, 6:86] == 255).all()
    assert (sheet[6:106, 112:162] == 20).all()  # shrunk to 100 x 50
    assert (sheet[134:164, 6:36] == 30).all()
    assert (sheet[46:68, 6:86] < 200).any()  # the caption, below its picture
    assert (sheet[:, -6:] == 255).all()


@pytest.mark.parametrize('count', [1, 2, 3])
def test_columns_are_no_more_than_pictures(count):
    sheet = contact_sheet([plain(9, 9, 0)] * count, [''] * count, side=20, columns=3)
    assert sheet.shape[1] == count * 26 + 6


def test_masks_stay_masks():
    mask = np.zeros((400, 200), bool)
    mask[:200] = True
    small = shrink_to_fit(mask, 100)
    assert small.dtype == bool and small.shape == (100, 50)
    assert small[:50].all() and not small[50:].any()
    assert shrink_to_fit(mask, 400) is mask
