"""Measure the quality of pixels' pseudo-labels against label maps that training does not use."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from mmpldc.functional import joint_counts

if TYPE_CHECKING:  # it needs mmsegmentation
    from mmpldc.models.segmentors.semi_segmentor import SemiSegmentor


@dataclass(frozen=True)
class PixelLabelCounts:
    """Pixels by their class in the label map and in the pseudo-label.

    Attributes:
        kept: ``(C, C)`` int64, those that count in training, by true class and pseudo-label.
        all: ``(C, C)`` int64, all pixels with a class in the label map.
    """

    kept: np.ndarray
    all: np.ndarray

    def summary(self) -> dict[str, float]:
        """Compute shares of pixels.

        Returns:
            ``coverage``, the share of pixels that are kept; ``accuracy``, the share of those with
            the right class, and ``all_accuracy`` of all pixels; ``precision``, the share of right
            ones among the kept pixels with a label, and ``recall``, the share of a class's pixels
            that are kept with the right label, both the mean over classes that are there. 0 where
            nothing is kept.
        """
        right = self.kept.diagonal()
        labelled, true = self.kept.sum(axis=0), self.all.sum(axis=1)
        return dict(
            coverage=_share(self.kept.sum(), self.all.sum()),
            accuracy=_share(right.sum(), self.kept.sum()),
            all_accuracy=_share(self.all.trace(), self.all.sum()),
            precision=_mean_share(right, labelled),
            recall=_mean_share(right, true),
        )


def _share(part: int, whole: int) -> float:
    return float(part / max(whole, 1))


def _mean_share(parts: np.ndarray, wholes: np.ndarray) -> float:
    is_there = wholes > 0
    return float((parts[is_there] / wholes[is_there]).mean()) if is_there.any() else 0.0


@torch.no_grad()
def compare_pixel_labels(model: 'SemiSegmentor', dataloader: Iterable[dict]) -> PixelLabelCounts:
    """Label annotated images as if they were unlabelled and compare with their label maps.

    Args:
        model: a :class:`~mmpldc.models.segmentors.semi_segmentor.SemiSegmentor` that knows the
            position of the run (``set_progress``); its own rule chooses the pixels, among those of
            a batch where it compares them (U2PL).
        dataloader: single-view batches with label maps (a test pipeline with
            ``mmpldc.LoadSegAnnotations``).

    Returns:
        Counts over all images. Labels are compared in the label maps' frame.

    Raises:
        RuntimeError: if the model does not know the position of the run.
    """
    if model.progress is None:
        raise RuntimeError('call model.set_progress(step, max_steps) first')
    model.eval()
    counts = np.zeros((2, model.num_classes, model.num_classes), np.int64)
    for batch in dataloader:
        data = model.data_preprocessor(batch, False)
        images, samples = data['inputs'], data['data_samples']
        _, teacher = model.teacher_labels(images[:0], images, samples)
        kept, _ = model.reliability(teacher.dense, model.progress)
        for labels, is_kept, sample in zip(teacher.dense.labels, kept, samples, strict=True):
            truth = sample.gt_sem_seg.data.to(labels.device).long()
            height, width = sample.img_shape[:2]
            maps = torch.stack([labels, is_kept])[:, :height, :width]
            found, is_kept = F.interpolate(maps[None].float(), truth.shape[1:])[0]
            known = truth < model.num_classes
            for total, chosen in zip(counts, (known & (is_kept > 0), known), strict=True):
                pairs = joint_counts(truth, found[None].long(), chosen, model.num_classes)
                total += pairs[0].cpu().numpy()
    return PixelLabelCounts(*counts)
