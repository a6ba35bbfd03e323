"""The loss on pseudo-labels of pixels: on two ranks it is that of one batch."""

import pytest
import torch

from mmpldc.models.segmentors import WeakToStrongLoss

NUM_IMAGES, NUM_CLASSES, SIZE = 4, 3, (5, 6)


@pytest.mark.parametrize('average', ['reliable', 'image', 'valid'])
def test_gradients_of_two_ranks_add_up_to_those_of_one(average, run_on_ranks):
    """Uneven: the second rank has hardly any pixel that counts, and much padding."""

    def gradient(images: slice) -> torch.Tensor:
        torch.manual_seed(0)
        weight = torch.randn(NUM_CLASSES, NUM_CLASSES, requires_grad=True)
        features = torch.randn(NUM_IMAGES, NUM_CLASSES, *SIZE)
        labels = torch.randint(NUM_CLASSES, (NUM_IMAGES, *SIZE))
        valid = torch.ones(NUM_IMAGES, *SIZE, dtype=torch.bool)
        valid[2:, 2:] = False
        reliable = valid & (torch.rand(NUM_IMAGES, *SIZE) < 0.7)
        reliable[2], reliable[3, 1:] = False, False
        ease = torch.tensor([0.9, 0.1, 0.5, 0.3])
        logits = torch.einsum('bchw,cd->bdhw', features, weight)[images]
        loss = WeakToStrongLoss(average=average)
        parts = (maps[images] for maps in (labels, reliable, valid, ease))
        loss(logits, *parts).backward()
        return weight.grad

    def on_rank(rank: int):
        return gradient(slice(2 * rank, 2 * rank + 2)).numpy()

    alone = gradient(slice(None))
    first, second = map(torch.from_numpy, run_on_ranks(on_rank))
    torch.testing.assert_close((first + second) / 2, alone)
    assert alone.abs().max() > 0.01 and not torch.equal(first, second)


def test_unknown_average():
    with pytest.raises(ValueError, match="got 'batch'"):
        WeakToStrongLoss(average='batch')
