"""Masks between frames: what goes there and back is the same."""

import torch

from mmpldc.functional import to_batch_frame, to_image_frame


def test_there_and_back():
    """A mask drawn at a third of the original size survives both ways."""
    cells = torch.randint(2, (3, 4, 6)).float() * 2 - 1
    original = cells.repeat_interleave(6, 1).repeat_interleave(6, 2)
    batch = to_batch_frame(original, (32, 32), (12, 18))
    assert batch.shape == (3, 32, 32)
    assert (batch[:, 12:] == -1).all() and (batch[:, :, 18:] == -1).all()
    back = to_image_frame(batch, (32, 32), (12, 18), (24, 36))
    inner = torch.arange(4) * 6 + 3, torch.arange(6) * 6 + 3  # pixels far from the cells' edges
    assert ((back > 0) == (original > 0))[:, inner[0]][:, :, inner[1]].all()


def test_no_mask():
    assert to_batch_frame(torch.zeros(0, 5, 5), (8, 8), (4, 4)).shape == (0, 8, 8)
    assert to_image_frame(torch.zeros(0, 2, 2), (8, 8), (4, 4), None).shape == (0, 4, 4)
    assert to_image_frame(torch.zeros(0, 2, 2), (8, 8), (4, 4), (9, 9)).shape == (0, 9, 9)
