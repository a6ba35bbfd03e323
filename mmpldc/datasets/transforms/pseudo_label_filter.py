"""From the teacher's raw outputs to pseudo-labels."""

import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    best_class_per_query,
    coupled_threshold_filter,
    dual_threshold_filter,
    mask_quality,
    suppress_duplicates,
    topk_query_class_pairs,
)
from mmpldc.registry import TRANSFORMS

LARGEST_LOGIT = 60.0  # sigmoid is 1 in float32; interpolating infinities would give NaN


@TRANSFORMS.register_module()
class PseudoLabelFilter(BaseTransform):
    """Keep the teacher's good predictions: decoupled (DDTF, Eq. 5) or coupled filtering.

    Stateless. Give either ``class_thr`` and ``mask_thr`` (DDTF) or ``score_thr`` (coupled).

    Required keys: ``cls_logits (B, Q, N + 1)``, ``mask_logits (B, Q, h, w)`` and ``input_shape``
    (H, W), the padded batch's size in pixels. With ``class_thr`` and ``mask_thr``, ``(N,)`` float,
    DDTF takes these thresholds, one per class, instead of its own (DF-ACAT). Added keys:
    ``candidates``, class quality, label and query index, each ``(B, C)``, of what was looked at,
    and ``pseudo_instances``, per image an ``InstanceData`` of K kept labels, best score first:

    - ``labels (K,)`` int64 in [0, N)
    - ``class_quality``, ``mask_quality``, ``scores`` ``(K,)`` float32 in [0, 1]; the score is the
      product of the two
    - ``mask_logits (K, h, w)`` float32, padded batch frame; ``(K, H, W)`` with ``full_resolution``
    - ``cls_logits (K, N + 1)`` float32, of the query that each label comes from

    Args:
        class_thr: c_t, 0.85 in the paper.
        mask_thr: m_t, 0.90 in the paper.
        score_thr: threshold on c_k * m_k instead; 0.765 (= 0.85 * 0.90) in the paper's ablation.
        min_area: a mask must have more pixels than this, counted in the padded batch frame; 5 in
            the released code.
        max_candidates: None takes each query's best class. A number takes that many best
            (query, class) pairs an image, 100 in the released code.
        duplicate_iou: drop masks that overlap a better one by more than this IoU; None keeps all,
            as the paper does.
        full_resolution: keep the mask logits at ``input_shape``, for fidelity to the released code:
            (H W)/(h w) times the memory for the targets of the loss.

    Note:
        As released, quality and area are those of the mask upsampled to ``input_shape``; but only
        candidates whose class passes are upsampled, one image at a time, and the kept ones go on
        as logits at their own stride. tests/test_models/test_full_resolution.py compares that with
        ``full_resolution``.

        Neither the paper nor the released code removes duplicates; short schedules leave some.
    """

    def __init__(
        self,
        *,
        class_thr: float | None = None,
        mask_thr: float | None = None,
        score_thr: float | None = None,
        min_area: float = 5,
        max_candidates: int | None = None,
        duplicate_iou: float | None = None,
        full_resolution: bool = False,
    ) -> None:
        decoupled = class_thr is not None and mask_thr is not None and score_thr is None
        coupled = class_thr is None and mask_thr is None and score_thr is not None
        if not decoupled and not coupled:
            raise ValueError(
                'give class_thr and mask_thr (decoupled) or score_thr (coupled), got '
                f'class_thr={class_thr}, mask_thr={mask_thr}, score_thr={score_thr}'
            )
        self.class_thr = class_thr
        self.mask_thr = mask_thr
        self.score_thr = score_thr
        self.min_area = min_area
        self.max_candidates = max_candidates
        self.duplicate_iou = duplicate_iou
        self.full_resolution = full_resolution

    def transform(self, results: dict) -> dict:
        """Add ``pseudo_instances``; keys, shapes and frames as in the class's docstring."""
        cls_logits, mask_logits = results['cls_logits'].float(), results['mask_logits'].float()
        if self.max_candidates is None:
            candidates = best_class_per_query(cls_logits)
        else:
            candidates = topk_query_class_pairs(cls_logits, self.max_candidates)
        thresholds = self._thresholds(results)
        pseudo_instances = []
        for class_quality, labels, query, cls, masks in zip(
            *candidates, cls_logits, mask_logits, strict=True
        ):
            # m_k <= 1: no mask saves a candidate whose class fails; only the others are upsampled.
            # Host sync: how many these are decides the shapes of the image's targets.
            index = (class_quality >= _of_class(thresholds[0], labels)).nonzero().squeeze(1)
            logits = masks[query[index]].clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
            full_size = _upsample(logits, results['input_shape'])
            quality, area = mask_quality(full_size)
            instances = InstanceData(
                labels=labels[index],
                class_quality=class_quality[index],
                mask_quality=quality,
                scores=class_quality[index] * quality,
                mask_logits=full_size if self.full_resolution else logits,
                cls_logits=cls[query[index]],
            )
            instances = instances[self._passes(instances, *thresholds) & (area > self.min_area)]
            instances = instances[instances.scores.argsort(descending=True, stable=True)]
            if self.duplicate_iou is not None:
                unique = suppress_duplicates(
                    instances.mask_logits > 0, instances.scores, iou_thr=self.duplicate_iou
                )
                instances = instances[unique]
            pseudo_instances.append(instances)
        return results | dict(candidates=candidates, pseudo_instances=pseudo_instances)

    def _thresholds(self, results: dict) -> tuple[float | Tensor, float | Tensor | None]:
        """What class quality must reach at least, and mask quality (None: see ``_passes``)."""
        per_class = 'class_thr' in results
        if self.score_thr is None:
            source = results if per_class else vars(self)
            return source['class_thr'], source['mask_thr']
        if per_class:
            raise ValueError(
                'thresholds per class go with decoupled filtering: give PseudoLabelFilter '
                'class_thr and mask_thr instead of score_thr, or drop model.class_thresholds'
            )
        return self.score_thr, None

    def _passes(
        self, candidates: InstanceData, class_thr: float | Tensor, mask_thr: float | Tensor | None
    ) -> Tensor:
        qualities = candidates.class_quality, candidates.mask_quality
        if self.score_thr is not None:
            return coupled_threshold_filter(*qualities, score_thr=self.score_thr)
        return dual_threshold_filter(
            *qualities,
            class_thr=_of_class(class_thr, candidates.labels),
            mask_thr=_of_class(mask_thr, candidates.labels),
        )

    def __repr__(self) -> str:
        options = ', '.join(f'{key}={value}' for key, value in vars(self).items())
        return f'{type(self).__name__}({options})'


def _of_class(threshold: float | Tensor, labels: Tensor) -> float | Tensor:
    """A threshold for each label: one for all, or the ``(N,)`` thresholds' entries."""
    return threshold[labels] if isinstance(threshold, Tensor) else threshold


def _upsample(mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
    """``(K, h, w)`` to ``(K, *size)``, bilinear; K may be 0, which ``interpolate`` refuses."""
    if not len(mask_logits):
        return mask_logits.new_zeros(0, *size)
    return F.interpolate(mask_logits[None], size, mode='bilinear')[0]
