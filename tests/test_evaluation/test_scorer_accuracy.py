"""What a scorer knows of the classes, for one that reads the class from the pixels."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmpldc.evaluation.scorer_accuracy import precision_and_recall, scorer_confusion
from mmpldc.models.refiners import RegionScores

NUM_CLASSES = 3


class ReadsPixels:
    """The class is the mean of the pixels under the mask, in steps of 0.2; none for small masks."""

    def score(self, images, sizes, mask_logits, image_index):
        assert mask_logits.shape[1:] == images.shape[2:]
        masks = mask_logits > 0
        areas = masks.flatten(1).sum(dim=1)
        values = (images[image_index].mean(dim=1) * masks).flatten(1).sum(dim=1) / areas
        labels = (values / 0.2).round().long() - 1
        return RegionScores(torch.nn.functional.one_hot(labels, NUM_CLASSES).float(), areas > 30)


def sample(labels: list[int], shape: tuple[int, int], scale: int):
    """An image in which each object is a square of its class's grey; annotations are ``scale``
    times as large as the image."""
    image = torch.full((3, *shape), 255, dtype=torch.uint8)
    masks = np.zeros((len(labels), shape[0] * scale, shape[1] * scale), np.uint8)
    for index, label in enumerate(labels):
        side = 4 if label == 2 else 10  # the last class is too small to tell
        left = 12 * index
        image[:, 5 : 5 + side, left : left + side] = round(51 * (label + 1))
        masks[index, 5 * scale : (5 + side) * scale, left * scale : (left + side) * scale] = 1
    data_sample = DetDataSample(
        metainfo=dict(img_shape=shape, ori_shape=masks.shape[1:], batch_input_shape=None)
    )
    data_sample.gt_instances = InstanceData(
        labels=torch.tensor(labels, dtype=torch.long), masks=BitmapMasks(masks, *masks.shape[1:])
    )
    return image, data_sample


@pytest.mark.parametrize('scale', [1, 2])
def test_confusion(tiny_model_cfg, scale):
    model = MODELS.build(tiny_model_cfg)
    model.refiner = SimpleNamespace(scorer=ReadsPixels())
    images, samples = zip(
        *[
            sample(labels, shape, scale)
            for labels, shape in [([0, 1, 1], (40, 40)), ([], (50, 30)), ([2, 0, 2], (33, 47))]
        ],
        strict=True,
    )
    batches = [
        dict(inputs=[image], data_samples=[data_sample])
        for image, data_sample in zip(images[:1], samples[:1], strict=True)
    ]
    batches.append(dict(inputs=list(images[1:]), data_samples=list(samples[1:])))
    confusion = scorer_confusion(model, batches)
    assert confusion.tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 2]]


def test_precision_and_recall():
    confusion = np.array([[3, 1, 0, 0], [1, 1, 0, 2], [0, 0, 0, 0]])
    precision, recall = precision_and_recall(confusion)
    np.testing.assert_allclose(precision[:2], [0.75, 0.5])
    np.testing.assert_allclose(recall[:2], [0.75, 0.25])
    assert np.isnan(precision[2]) and np.isnan(recall[2])
