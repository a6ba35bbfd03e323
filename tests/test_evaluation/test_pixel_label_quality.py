"""Quality of pixels' pseudo-labels against a loop over pixels, and what a class counts for."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from mmpldc.evaluation.pixel_label_quality import PixelLabelCounts, compare_pixel_labels
from mmpldc.functional import dense_labels, valid_pixels
from mmpldc.models.pseudo_labels.dense import ConfidentPixels, DenseLabels
from mmpldc.schedules import Progress

C, THRESHOLD = 3, 0.5


def stand_in(logits: torch.Tensor, num_images: int) -> SimpleNamespace:
    """A model that gives these logits, and the real rule for pixels."""

    def teacher_labels(labeled, images, samples):
        assert len(labeled) == 0 and len(images) == num_images
        size = tuple(images.shape[2:])
        labels, confidence = dense_labels(logits)
        valid = valid_pixels([sample.img_shape for sample in samples], size)
        return None, SimpleNamespace(dense=DenseLabels(logits, labels, confidence, valid))

    return SimpleNamespace(
        num_classes=C,
        progress=Progress(5, 0, 10),
        eval=lambda: None,
        data_preprocessor=lambda batch, training: batch,
        teacher_labels=teacher_labels,
        reliability=ConfidentPixels(threshold=THRESHOLD),
    )


def batch(truth: torch.Tensor, shapes: list[tuple[int, int]], size: tuple[int, int]) -> dict:
    """Images of some shapes in a padded batch, whose label maps may have another size."""
    samples = [
        SimpleNamespace(img_shape=shape, gt_sem_seg=PixelData(data=one[None]))
        for shape, one in zip(shapes, truth, strict=True)
    ]
    return dict(inputs=torch.zeros(len(samples), 3, *size), data_samples=samples)


def test_counts_are_those_of_a_loop():
    torch.manual_seed(0)
    logits = 2 * torch.randn(2, C, 4, 6)
    truth = torch.randint(0, C + 1, (2, 4, 4))
    truth[truth == C] = 255
    shapes = [(4, 4), (4, 4)]  # two columns of padding
    found = compare_pixel_labels(stand_in(logits, 2), [batch(truth, shapes, (4, 6))])
    kept, everything = np.zeros((2, C, C), int)
    for image in range(2):
        for y in range(4):
            for x in range(4):
                true = int(truth[image, y, x])
                p = logits[image, :, y, x].softmax(dim=0)
                if true != 255:
                    everything[true, p.argmax()] += 1
                    kept[true, p.argmax()] += bool(p.max() >= THRESHOLD)
    assert 0 < kept.sum() < everything.sum() < 32
    np.testing.assert_array_equal(found.kept, kept)
    np.testing.assert_array_equal(found.all, everything)


def test_labels_are_compared_in_the_label_maps_frame():
    logits = torch.zeros(1, C, 2, 2)
    logits[0, 1, :, 1] = 9.0  # the right half
    truth = torch.ones(1, 4, 8, dtype=torch.int64)
    found = compare_pixel_labels(stand_in(logits, 1), [batch(truth, [(2, 2)], (2, 2))])
    assert found.all[1].tolist() == [16, 16, 0] and found.kept[1].tolist() == [0, 16, 0]


def test_summary_by_hand():
    everything = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    kept = np.array([[4, 1, 0], [0, 3, 0], [0, 0, 0]])
    found = PixelLabelCounts(kept, everything).summary()
    assert found == pytest.approx(
        dict(
            coverage=8 / 12,
            accuracy=7 / 8,
            all_accuracy=9 / 12,
            precision=(4 / 4 + 3 / 4) / 2,  # no label of the third class
            recall=(4 / 8 + 3 / 4) / 2,  # no pixel of it
        )
    )


def test_nothing_kept_is_not_an_error():
    zeros = np.zeros((C, C), int)
    assert set(PixelLabelCounts(zeros, zeros).summary().values()) == {0.0}


def test_the_position_of_the_run_is_needed():
    model = stand_in(torch.zeros(1, C, 2, 2), 1)
    model.progress = None
    with pytest.raises(RuntimeError, match='set_progress'):
        compare_pixel_labels(model, [])
