"""Why a filter keeps or rejects each candidate, for reports."""

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.schedules import Progress
from mmpldc.structures import LayerOutputs

from .elimination import eliminate
from .filter import PseudoLabelFilter
from .selection import Thresholds

REASONS = ('kept', 'class', 'no object', 'score', 'mask', 'area', 'duplicate', 'limit', 'rule')


@torch.no_grad()
def explain_selection(
    selector: PseudoLabelFilter,
    outputs: LayerOutputs,
    input_shape: tuple[int, int],
    *,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    min_class_quality: float = 0.05,
) -> list[InstanceData]:
    """Give the reason for which each candidate is kept or rejected.

    Args:
        selector: the filter. What it keeps is what :meth:`PseudoLabelFilter.select` returns.
        outputs, input_shape, thresholds, progress: as for ``select``.
        min_class_quality: leave out candidates below it that are rejected; most of them are
            queries without an object.

    Returns:
        Per image, the fields of :meth:`PseudoLabelFilter.measure`, best score first, with
        ``class_thr``, ``mask_thr`` and ``score_thr`` ``(K,)`` float32, the thresholds of each
        candidate, 0 where there is none; and ``reason (K,)`` int64, the place of the first cause in
        :data:`REASONS`: kept; class quality too low; "no object" more likely than the class;
        coupled score too low; mask quality too low; too small; a duplicate of a better label; the
        image has its most labels; or another rule of the filter.
    """
    outputs = outputs.in_float32()
    if thresholds is None:
        thresholds = selector.thresholds(progress)
    candidates = selector.propose(outputs)
    of_candidates = thresholds.of_labels(candidates.labels)
    wanted = (candidates.class_quality >= min_class_quality) | (
        candidates.class_quality >= of_candidates.class_thr
    )
    image, rank = wanted.nonzero(as_tuple=True)
    measured = selector.measure(outputs, candidates, image, rank, input_shape)
    own = thresholds.of_labels(measured.labels)
    good = selector.keep(measured, own, progress)
    quality = measured.class_quality
    passes_class = quality >= own.class_thr
    no_object = torch.zeros_like(good)
    if selector.above_no_object:
        no_object = measured.cls_logits.softmax(dim=-1)[:, -1] > quality
    low_score = torch.zeros_like(good)
    if own.score_thr is not None:
        low_score = measured.scores < own.score_thr
    left = eliminate(
        measured,
        image,
        passes_class & ~no_object,
        good,
        own,
        min_area=selector.min_area,
        duplicate_iou=selector.duplicate_iou,
    )
    causes = {
        'class': ~passes_class & ~low_score,
        'no object': no_object,
        'score': low_score,
        'mask': measured.mask_quality < own.mask_thr,
        'area': left.too_small,
        'duplicate': left.duplicate,
        'limit': left.beyond,
        'rule': ~left.keep,
    }
    reason = torch.zeros_like(measured.labels)
    for name, applies in reversed(causes.items()):  # the first cause is written last
        reason = reason.masked_fill(applies, REASONS.index(name))
    measured.reason = reason
    for name in ('class_thr', 'mask_thr', 'score_thr'):
        # at most 1, which no score exceeds: a threshold that nothing passes may be infinite
        measured.set_field(_filled(getattr(own, name), quality).clamp(max=1.0), name)
    order = measured.scores.argsort(descending=True, stable=True)
    return [measured[order[image[order] == index]] for index in range(len(wanted))]


def _filled(value: float | Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) + (0.0 if value is None else value)
