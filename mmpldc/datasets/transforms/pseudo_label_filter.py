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


@TRANSFORMS.register_module()
class PseudoLabelFilter(BaseTransform):
    """Keep the teacher's good predictions: decoupled (DDTF, Eq. 5) or coupled filtering.

    Stateless. Give either ``class_thr`` and ``mask_thr`` (DDTF) or ``score_thr`` (coupled).

    Required keys: ``cls_logits (B, Q, N + 1)``, ``mask_logits (B, Q, h, w)`` and ``input_shape``
    (H, W), the padded batch's size in pixels. Added key: ``pseudo_instances``, per image an
    ``InstanceData`` of K kept labels, best score first:

    - ``labels (K,)`` int64 in [0, N)
    - ``class_quality``, ``mask_quality``, ``scores`` ``(K,)`` float32 in [0, 1]; the score is the
      product of the two
    - ``mask_logits (K, h, w)`` float32, padded batch frame
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
        full_resolution: upsample the mask logits of all queries to ``input_shape`` first, as the
            released code does, at (H W)/(h w) times the memory. For fidelity checks.

    Note:
        Quality and area are computed at the mask logits' own stride; the paper's code computes
        them at full resolution. tests/test_models/test_full_resolution.py compares the two.
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
        """See the class."""
        cls_logits, mask_logits = results['cls_logits'].float(), results['mask_logits'].float()
        height, width = results['input_shape']
        if self.full_resolution:
            mask_logits = F.interpolate(mask_logits, (height, width), mode='bilinear')
        if self.max_candidates is None:
            class_quality, labels, query = best_class_per_query(cls_logits)
        else:
            class_quality, labels, query = topk_query_class_pairs(cls_logits, self.max_candidates)
        quality, area = (value.gather(1, query) for value in mask_quality(mask_logits))
        pixels_per_cell = (height * width) / mask_logits[0, 0].numel()
        keep = self._passes(class_quality, quality) & (area * pixels_per_cell > self.min_area)

        pseudo_instances = []
        for image, kept in enumerate(keep):
            scores = class_quality[image] * quality[image]
            # Host sync: how many labels an image keeps decides the shapes of its targets.
            index = kept.nonzero().squeeze(1)
            index = index[scores[index].argsort(descending=True, stable=True)]
            instances = InstanceData(
                labels=labels[image, index],
                class_quality=class_quality[image, index],
                mask_quality=quality[image, index],
                scores=scores[index],
                mask_logits=mask_logits[image, query[image, index]],
                cls_logits=cls_logits[image, query[image, index]],
            )
            if self.duplicate_iou is not None:
                unique = suppress_duplicates(
                    instances.mask_logits > 0, instances.scores, iou_thr=self.duplicate_iou
                )
                instances = instances[unique]
            pseudo_instances.append(instances)
        return results | dict(pseudo_instances=pseudo_instances)

    def _passes(self, class_quality: Tensor, mask_quality: Tensor) -> Tensor:
        if self.score_thr is not None:
            return coupled_threshold_filter(class_quality, mask_quality, score_thr=self.score_thr)
        return dual_threshold_filter(
            class_quality, mask_quality, class_thr=self.class_thr, mask_thr=self.mask_thr
        )

    def __repr__(self) -> str:
        options = ', '.join(f'{key}={value}' for key, value in vars(self).items())
        return f'{type(self).__name__}({options})'
