"""Measure on annotated masks how well the refiner's scorer knows the classes."""

from collections.abc import Iterable

import numpy as np
import torch
from mmdet.structures.mask.structures import BaseInstanceMasks
from torch import Tensor

from mmpldc.functional import image_of_each, to_batch_frame, unit_rgb
from mmpldc.models import SemiMask2Former


@torch.no_grad()
def scorer_confusion(model: SemiMask2Former, dataloader: Iterable[dict]) -> np.ndarray:
    """Classify the annotated objects by the refiner's scorer alone (the paper's Table II).

    Args:
        model: a :class:`~mmpldc.models.SemiMask2Former` whose refiner is prepared.
        dataloader: single-view batches with ground truth (a test pipeline with
            ``LoadAnnotations``).

    Returns:
        ``(N, N + 1)`` int64, truth x scored class; the last column counts objects that the scorer
        cannot classify, for example because they are too small.
    """
    if model.refiner is None:
        raise ValueError('the model has no scorer: set model.refiner')
    num_classes = model.num_classes
    confusion = np.zeros((num_classes, num_classes + 1), np.int64)
    for batch in dataloader:
        data = model.data_preprocessor(batch, False)
        images, samples = data['inputs'], data['data_samples']
        labels = [sample.gt_instances.labels for sample in samples]
        counts = [len(own) for own in labels]
        if not sum(counts):
            continue
        masks = [_logits_in_batch_frame(s.gt_instances.masks, s.metainfo) for s in samples]
        scores = model.refiner.scorer.score(
            unit_rgb(images, model.data_preprocessor.pixel_normalization),
            [tuple(sample.img_shape[:2]) for sample in samples],
            torch.cat(masks).to(images.device),
            image_of_each(counts, images.device),
        )
        scored = torch.where(scores.valid, scores.probabilities.argmax(dim=-1), num_classes)
        np.add.at(confusion, (torch.cat(labels).cpu().numpy(), scored.cpu().numpy()), 1)
    return confusion


def precision_and_recall(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute precision and recall of each class.

    Args:
        confusion: ``(N, N + 1)``, see :func:`scorer_confusion`.

    Returns:
        Precision and recall, each ``(N,)`` float in [0, 1]; NaN for a class that was never scored
        or never annotated.
    """
    right = np.diag(confusion).astype(float)
    with np.errstate(invalid='ignore'):
        return right / confusion[:, :-1].sum(axis=0), right / confusion.sum(axis=1)


def _logits_in_batch_frame(masks: BaseInstanceMasks, metainfo: dict) -> Tensor:
    """Map annotated masks (original frame) to ``(K, H, W)`` float, above 0 on the masks."""
    logits = masks.to_tensor(torch.float32, 'cpu') * 2 - 1
    return to_batch_frame(
        logits, tuple(metainfo['batch_input_shape']), tuple(metainfo['img_shape'][:2])
    )
