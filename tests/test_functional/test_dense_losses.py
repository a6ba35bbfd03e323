"""Losses of pixels: published values by hand, padding, halves of a batch, OHEM like a loop."""

import pytest
import torch

from mmpldc.functional import (
    hard_pixel_mean,
    image_mean,
    pixel_cross_entropy,
    reliable_mean,
    reliable_pixels,
    valid_mean,
)

# Four pixels of one image.
LOGITS = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 0, 3], [1, 1, 0]]).T[None, :, None]
LABELS = torch.tensor([[[0, 1, 2, 0]]])
ENTROPY = torch.tensor([[[0.1, 0.4, 0.2, 0.9]]])
CONFIDENCE = torch.tensor([[[0.95, 0.7, 0.9, 0.5]]])
ALL = torch.ones(1, 1, 4, dtype=torch.bool)


@pytest.fixture
def losses():
    losses = pixel_cross_entropy(LOGITS, LABELS)
    assert losses.flatten().tolist() == pytest.approx(
        [0.239545, 0.551445, 0.094923, 0.861995], abs=1e-6
    )
    return losses


def test_u2pl(losses):
    reliable, _ = reliable_pixels(ENTROPY, ALL, 0.2)
    assert reliable.sum() == 3
    numbers = dict(num_valid=torch.tensor(4.0), num_reliable=torch.tensor(3.0))
    assert reliable_mean(losses, reliable, **numbers).item() == pytest.approx(0.393739, abs=1e-6)


def test_u2pl_of_two_ranks_is_one_batch():
    losses, reliable = torch.rand(2, 5, 5), torch.rand(2, 5, 5) < 0.3
    reliable[1] = False
    whole = losses[reliable].mean() * 50 / reliable.sum()
    numbers = dict(num_valid=torch.tensor(25.0), num_reliable=reliable.sum() / 2)
    of_ranks = [reliable_mean(losses[i : i + 1], reliable[i : i + 1], **numbers) for i in (0, 1)]
    torch.testing.assert_close(sum(of_ranks) / 2, whole)


def test_u2pl_without_reliable_pixels():
    losses = torch.rand(1, 2, 2, requires_grad=True)
    nothing = torch.tensor(0.0)
    loss = reliable_mean(losses, losses < 0, num_valid=nothing + 4, num_reliable=nothing)
    loss.backward()
    assert loss.item() == 0 and losses.grad.eq(0).all()


def test_imas(losses):
    found = image_mean(losses, CONFIDENCE >= 0.8, ALL, torch.tensor([0.5]))
    assert found.item() == pytest.approx(0.041808, abs=1e-6)


def test_imas_weighs_images_not_pixels():
    losses, counted = torch.rand(3, 4, 6), torch.rand(3, 4, 6) < 0.5
    valid = torch.ones_like(counted)
    valid[0, 2:], valid[2] = False, False
    ease = torch.tensor([0.2, 0.9, 0.4])
    expected = 0.0
    for image in range(3):
        total = (losses[image] * (counted[image] & valid[image])).sum()
        expected += ease[image] * total / max(1, valid[image].sum()) / 3
    torch.testing.assert_close(image_mean(losses, counted, valid, ease), expected)
    torch.testing.assert_close(
        image_mean(losses, counted, valid), image_mean(losses, counted, valid, torch.ones(3))
    )


def test_unimatch_leaves_padding_out(losses):
    valid = torch.tensor([[[True, True, True, False]]])
    counted = (CONFIDENCE >= 0.8) & valid
    found = valid_mean(losses, counted, num_valid=valid.sum().float())
    assert found.item() == pytest.approx(0.111489, abs=1e-6)
    nothing = valid_mean(losses, counted & False, num_valid=torch.tensor(0.0))
    assert nothing.item() == 0


def test_pixels_without_label_have_no_loss_or_gradient():
    logits = LOGITS.clone().requires_grad_()
    pixel_cross_entropy(logits, torch.full_like(LABELS, 255)).sum().backward()
    assert logits.grad.eq(0).all()


class TestHardPixels:
    @staticmethod
    def by_sorting(logits, labels, max_probability, min_kept):
        """The published rule, pixel by pixel."""
        pixels = []
        for image, row, column in (labels != 255).nonzero().tolist():
            of_classes = logits[image, :, row, column].softmax(dim=0)
            pixels.append(of_classes[labels[image, row, column]].item())
        pixels.sort()
        threshold = max_probability
        if 0 < min_kept <= len(pixels):
            threshold = max(threshold, pixels[min_kept - 1])
        elif min_kept > 0:
            threshold = 1.0
        kept = [pixel for pixel in pixels if pixel <= threshold]
        return -torch.tensor(kept).log().mean().item()

    @pytest.mark.parametrize('min_kept', [0, 1, 30, 80, 100, 10_000])
    def test_like_a_loop(self, min_kept):
        logits = 3 * torch.randn(2, 4, 6, 9)
        labels = logits.argmax(dim=1).where(torch.rand(2, 6, 9) < 0.9, 1)
        labels[0, :1] = 255
        found = hard_pixel_mean(logits, labels, max_probability=0.7, min_kept=min_kept).item()
        assert found == pytest.approx(self.by_sorting(logits, labels, 0.7, min_kept), rel=1e-5)

    def test_easy_pixels_do_not_shrink_it(self):
        hard = hard_pixel_mean(LOGITS, LABELS, max_probability=0.5, min_kept=1)
        easy = torch.tensor([9.0, 0, 0]).view(1, 3, 1, 1).expand(-1, -1, -1, 6)
        more = torch.cat([LOGITS, easy], dim=-1)
        labels = torch.cat([LABELS, torch.zeros(1, 1, 6, dtype=torch.int64)], dim=-1)
        found = hard_pixel_mean(more, labels, max_probability=0.5, min_kept=1)
        torch.testing.assert_close(found, hard)

    def test_without_labels(self):
        nothing = torch.full_like(LABELS, 255)
        logits = LOGITS.clone().requires_grad_()
        loss = hard_pixel_mean(logits, nothing, max_probability=0.7, min_kept=2)
        loss.backward()
        assert loss.item() == 0 and logits.grad.eq(0).all()
