"""From the teacher's raw outputs to pseudo-labels."""

from itertools import accumulate
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    best_class_per_query,
    coupled_threshold_filter,
    dual_threshold_filter,
    mask_quality,
    soft_area,
    suppress_duplicates,
    topk_query_class_pairs,
)
from mmpldc.registry import TRANSFORMS

MAX_PIXELS = 2**22  # upsampled at a time: 4 masks of 1024 x 1024
LARGEST_LOGIT = 60.0  # sigmoid is 1 in float32; interpolating infinities would give NaN

MaskQuality = Literal['mean_probability', 'predicted_iou']


@TRANSFORMS.register_module()
class PseudoLabelFilter(BaseTransform):
    """Keep the teacher's good predictions: decoupled (DDTF, Eq. 5) or coupled filtering.

    Stateless. Give either ``class_thr`` and ``mask_thr`` (DDTF) or ``score_thr`` (coupled).

    Required keys: ``cls_logits (B, Q, N + 1)``, ``mask_logits (B, Q, h, w)`` and ``input_shape``
    (H, W), the padded batch's size in pixels; ``iou_logits (B, Q)`` for predicted IoUs. With
    ``class_thr`` and ``mask_thr``, ``(N,)`` float, DDTF takes these thresholds, one per class,
    instead of its own (DF-ACAT). Added keys: ``candidates``, class quality, label and query index,
    each ``(B, C)``, of what was looked at, ``candidate_mask_quality (B, C)`` with predicted IoUs,
    ``has_nan``, per image whether a NaN in the teacher's output has cost it all of its labels, a
    list of B bool, and ``pseudo_instances``, per image an ``InstanceData`` of K kept labels, best
    score first:

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
        soft_area: ``min_area`` is of the sum of the mask's probabilities at its own stride, as in
            Guided Distillation; so is the mask quality, and nothing is upsampled.
        above_no_object: the class must also be at least as probable as "no object", as in Guided
            Distillation; above 0.5 it is.
        mask_quality: the mean probability inside of the mask (Eq. 4), or the IoU that the teacher's
            ``iou_head`` predicts for it, as in PAIS.
        full_resolution: keep the mask logits at ``input_shape``, for fidelity to the released code:
            (H W)/(h w) times the memory for the targets of the loss.

    Note:
        As released, quality and area are those of the mask upsampled to ``input_shape``; but only
        candidates whose class passes are upsampled, a few at a time, and the kept ones go on as
        logits at their own stride. tests/test_models/test_pseudo_labels/test_full_resolution.py compares that with
        ``full_resolution``.

        Guided Distillation asks for a class of more than 0.7 that is not "no object", and nothing
        of the mask's quality: ``class_thr=0.7, mask_thr=0, soft_area=True, above_no_object=True``.
        A quality of exactly ``class_thr`` passes here, not there.

        PAIS asks for s > 0.35 and a predicted IoU i > 0.30: ``class_thr=0.35, mask_thr=0.30,
        mask_quality='predicted_iou'``. Its s is a sigmoid's, here it is the softmax's.

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
        soft_area: bool = False,
        above_no_object: bool = False,
        mask_quality: MaskQuality = 'mean_probability',
        full_resolution: bool = False,
    ) -> None:
        decoupled = class_thr is not None and mask_thr is not None and score_thr is None
        coupled = class_thr is None and mask_thr is None and score_thr is not None
        if not decoupled and not coupled:
            raise ValueError(
                'give class_thr and mask_thr (decoupled) or score_thr (coupled), got '
                f'class_thr={class_thr}, mask_thr={mask_thr}, score_thr={score_thr}'
            )
        if soft_area and full_resolution:
            raise ValueError(
                'soft_area measures masks at their own stride: turn full_resolution off'
            )
        if mask_quality not in get_args(MaskQuality):
            raise ValueError(
                f'mask_quality must be one of {get_args(MaskQuality)}, got {mask_quality!r}'
            )
        self.class_thr = class_thr
        self.mask_thr = mask_thr
        self.score_thr = score_thr
        self.min_area = min_area
        self.max_candidates = max_candidates
        self.duplicate_iou = duplicate_iou
        self.soft_area = soft_area
        self.above_no_object = above_no_object
        self.mask_quality = mask_quality
        self.full_resolution = full_resolution

    def transform(self, results: dict) -> dict:
        """Add ``pseudo_instances``; keys, shapes and frames as in the class's docstring.

        Raises:
            ValueError: if thresholds do not fit together, or no IoU was predicted.
        """
        cls_logits, mask_logits = results['cls_logits'].float(), results['mask_logits'].float()
        if self.max_candidates is None:
            candidates = best_class_per_query(cls_logits)
        else:
            candidates = topk_query_class_pairs(cls_logits, self.max_candidates)
        thresholds = self._thresholds(results)
        class_quality, labels, query = candidates
        # A NaN fails nowhere: it is found below.
        fails = class_quality < _of_class(thresholds[0], labels)
        if self.above_no_object:
            fails = fails | (cls_logits.softmax(dim=-1)[..., -1].gather(1, query) > class_quality)
        # m_k <= 1: no mask saves a candidate whose class fails; only the others are upsampled.
        # Host sync: how many these are decides shapes.
        image, rank = fails.logical_not().nonzero(as_tuple=True)
        passed = InstanceData(
            labels=labels[image, rank],
            class_quality=class_quality[image, rank],
            cls_logits=cls_logits[image, query[image, rank]],
        )
        logits = mask_logits[image, query[image, rank]].clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        if self.soft_area:
            (passed.mask_quality, _), area = mask_quality(logits), soft_area(logits)
            passed.mask_logits = logits
        else:
            measures = self._at_full_size(logits, results['input_shape'])
            passed.mask_quality, area, full_size = measures
            passed.mask_logits = full_size if self.full_resolution else logits
        # In all masks, also of classes that fail. Infinite ones are no fault: they are sure.
        has_nan = class_quality.isnan().any(dim=1) | mask_logits.flatten(1).isnan().any(dim=1)
        if self.mask_quality == 'predicted_iou':
            iou = _predicted_iou(results)
            passed.mask_quality = iou[image, query[image, rank]]
            has_nan = has_nan | iou.isnan().any(dim=1)
            results = results | dict(candidate_mask_quality=iou.gather(1, query))
        passed.scores = passed.class_quality * passed.mask_quality
        keep = self._passes(passed, *thresholds) & (area > self.min_area)
        if self.duplicate_iou is not None:
            masks = (passed.mask_logits > 0) & keep[:, None, None]  # only kept ones suppress
            keep = keep & suppress_duplicates(
                masks, passed.scores, iou_thr=self.duplicate_iou, image=image
            )
        pseudo_instances, has_nan = _split_by_image(passed, image, keep, has_nan)
        return results | dict(
            candidates=candidates, has_nan=has_nan, pseudo_instances=pseudo_instances
        )

    def _at_full_size(
        self, mask_logits: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Quality, area and, if wanted, logits of upsampled masks; a few at a time."""
        if not len(mask_logits):  # interpolate refuses it
            nothing = mask_logits.new_zeros(0)
            return nothing, nothing, mask_logits.new_zeros(0, *size)
        found = []
        for few in mask_logits.split(max(1, MAX_PIXELS // (size[0] * size[1]))):
            full_size = F.interpolate(few[None], size, mode='bilinear')[0]
            found.append((*mask_quality(full_size), full_size if self.full_resolution else None))
        qualities, areas, masks = zip(*found, strict=True)
        return (
            torch.cat(qualities),
            torch.cat(areas),
            torch.cat(masks) if self.full_resolution else None,
        )

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


def _predicted_iou(results: dict) -> Tensor:
    """Of each query, ``(B, Q)`` float32 in [0, 1]."""
    if 'iou_logits' not in results:
        raise ValueError(
            "mask_quality='predicted_iou' needs a teacher that predicts it: set "
            "model.detector.panoptic_head.iou_head=dict(type='mmpldc.MaskIoUHead')"
        )
    return results['iou_logits'].float().sigmoid()


def _of_class(threshold: float | Tensor, labels: Tensor) -> float | Tensor:
    """A threshold for each label: one for all, or the ``(N,)`` thresholds' entries."""
    return threshold[labels] if isinstance(threshold, Tensor) else threshold


def _split_by_image(
    candidates: InstanceData, image: Tensor, keep: Tensor, has_nan: Tensor
) -> tuple[list[InstanceData], list[bool]]:
    """The kept candidates of each image, best score first, and ``has_nan`` on the host.

    A NaN compares false everywhere, so a broken output would pass for one without objects. Queries
    attend to one another: where one has a NaN, none is trusted.

    Args:
        candidates: K of them.
        image: ``(K,)`` int64, the image of each.
        keep: ``(K,)`` bool.
        has_nan: ``(B,)`` bool.
    """
    keep = keep & ~has_nan[image]
    counts = image.new_zeros(len(has_nan)).index_add(0, image, keep.long())
    # Host sync: the shapes of the images' targets, and what is broken, in one transfer.
    sizes, has_nan = torch.stack([counts, has_nan.long()]).tolist()
    # by image, the kept ones first, by score
    order = candidates.scores.argsort(descending=True, stable=True)
    order = order[image[order].argsort(stable=True)]
    order = order[keep[order].logical_not().long().argsort(stable=True)]
    kept = candidates[order[: sum(sizes)]]
    first = [0, *accumulate(sizes)]
    instances = [kept[start : start + size] for start, size in zip(first, sizes, strict=False)]
    return instances, [bool(nan) for nan in has_nan]
