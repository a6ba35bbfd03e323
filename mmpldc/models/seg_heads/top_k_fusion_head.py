"""MaskFormer's post-processing with resizing only of the returned masks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.seg_heads import MaskFormerFusionHead
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmpldc.functional import mask_boxes, resize, to_image_frame
from mmpldc.registry import MODELS
from mmpldc.utils.run_lengths import encode_masks

MAX_PIXELS = 2**26  # of all masks resized at a time, to bound memory


@MODELS.register_module()
class TopKMaskFormerFusionHead(MaskFormerFusionHead):
    """mmdet's ``MaskFormerFusionHead`` with the same instances for less work.

    It first selects the best pairs of query and class. It then resizes only the masks of their
    queries, each once, however many of its classes were selected. Boxes are computed for all masks
    at a time, not in a loop that waits for the GPU at each. Masks may have any size, so the head
    need not resize them before (``SemiMask2FormerHead(upsample_masks=False)``).

    With ``panoptic_on``, which needs every mask, everything is as in mmdet.

    With ``test_cfg.masks='rle'`` masks are returned as COCO's run lengths, and no more than one is
    held at full size on a CPU: 100 masks of 24 million pixels would fill 2.4 GB.
    :func:`predict_run_lengths` sets it.

    Note:
        Scores are computed in float32 under any autocast; mmdet's overflow in float16.
        ``max_per_image`` may exceed the number of pairs of query and class; mmdet fails then.
    """

    def predict(
        self,
        mask_cls_results: Tensor,
        mask_pred_results: Tensor,
        batch_data_samples: SampleList,
        rescale: bool = False,
        **kwargs: Any,
    ) -> list[dict]:
        """Predict the instances of each image.

        Args:
            mask_cls_results: ``(B, Q, N + 1)`` class logits, the last is "no object".
            mask_pred_results: ``(B, Q, h, w)`` mask logits in the padded batch frame, at any
                resolution.
            batch_data_samples: with ``batch_input_shape``, ``img_shape`` and ``ori_shape``.
            rescale: return the original image's frame instead of the network image's.

        Returns:
            For each image ``ins_results`` of K = ``max_per_image`` pairs, minus those of stuff
            classes: ``bboxes`` ``(K, 4)``, ``labels`` ``(K,)``, ``scores`` ``(K,)`` and ``masks``
            ``(K, H, W)`` bool, or a list of K run lengths (``size`` [H, W] and ``counts`` as
            bytes). They are in mmdet's order, which is not that of the scores.
        """
        if self.test_cfg.get('panoptic_on', True) or self.test_cfg.get('semantic_on', False):
            size = tuple(batch_data_samples[0].metainfo['batch_input_shape'])
            if mask_pred_results.shape[-2:] != size:
                mask_pred_results = resize(mask_pred_results, size)
            return super().predict(
                mask_cls_results, mask_pred_results, batch_data_samples, rescale=rescale, **kwargs
            )
        if not self.test_cfg.get('instance_on', False):
            return [{} for _ in batch_data_samples]
        return [
            dict(ins_results=self._instances(cls_logits, mask_logits, sample.metainfo, rescale))
            for cls_logits, mask_logits, sample in zip(
                mask_cls_results, mask_pred_results, batch_data_samples, strict=True
            )
        ]

    def _instances(
        self, cls_logits: Tensor, mask_logits: Tensor, meta: dict, rescale: bool
    ) -> InstanceData:
        """Predict one image from class logits ``(Q, N + 1)`` and mask logits ``(Q, h, w)``."""
        class_scores, queries, labels = top_pairs(
            cls_logits, self.test_cfg.get('max_per_image', 100)
        )
        if self.num_stuff_classes > 0:
            thing = labels < self.num_things_classes
            class_scores, queries, labels = class_scores[thing], queries[thing], labels[thing]
        # Host sync, once per image: it fixes the number of masks to resize.
        queries, pair_of = queries.unique(return_inverse=True)
        sizes = (
            tuple(meta['batch_input_shape']),
            tuple(meta['img_shape'][:2]),
            tuple(meta['ori_shape'][:2]) if rescale else None,
        )
        # On a CPU one mask at a time, which stays in the cache. A GPU takes as many as fit.
        height, width = sizes[-1] or sizes[1]
        on_cpu = mask_logits.device.type == 'cpu'
        num_at_once = 1 if on_cpu else max(1, MAX_PIXELS // (height * width))
        as_runs = self.test_cfg.get('masks', 'tensor') == 'rle'
        masks: list = []
        boxes, scores = [], []
        for some in queries.split(num_at_once):
            logits = to_image_frame(mask_logits[some].float(), *sizes)
            inside = logits > 0
            boxes.append(mask_boxes(inside))
            scores.append(mask_scores(logits))
            masks += encode_masks(inside) if as_runs else [inside]
        # Host sync, for run lengths only: they are on the host.
        selected = [masks[i] for i in pair_of.tolist()] if as_runs else torch.cat(masks)[pair_of]
        return InstanceData(
            bboxes=torch.cat(boxes)[pair_of],
            labels=labels,
            scores=class_scores * torch.cat(scores)[pair_of],
            masks=selected,
        )


@contextmanager
def predict_run_lengths(model: nn.Module) -> Iterator[None]:
    """Have a model return masks as run lengths within this context, where it can.

    Args:
        model: with a :class:`TopKMaskFormerFusionHead` somewhere, or not.
    """
    heads = [one for one in model.modules() if isinstance(one, TopKMaskFormerFusionHead)]
    before = [head.test_cfg for head in heads]
    try:
        for head in heads:
            head.test_cfg = dict(head.test_cfg, masks='rle')
        yield
    finally:
        for head, test_cfg in zip(heads, before, strict=True):
            head.test_cfg = test_cfg


def top_pairs(cls_logits: Tensor, num: int) -> tuple[Tensor, Tensor, Tensor]:
    """Select the best pairs of query and class, in mmdet's choice and order.

    Args:
        cls_logits: ``(Q, N + 1)``, the last is "no object".
        num: number of pairs; all Q * N if fewer exist.

    Returns:
        Probability (float32), query and class (int64) of each, ``(num,)``.
    """
    num_classes = cls_logits.shape[1] - 1
    probabilities = cls_logits.float().softmax(dim=-1)[:, :-1].flatten()
    # Unsorted as in mmdet, so that ties are broken alike.
    scores, pairs = probabilities.topk(min(num, len(probabilities)), sorted=False)
    return scores, pairs // num_classes, pairs % num_classes


def mask_scores(mask_logits: Tensor) -> Tensor:
    """Average the probability of the pixels inside each mask (above 0.5); 0 for an empty mask.

    Args:
        mask_logits: ``(K, H, W)``.

    Returns:
        ``(K,)`` in [0, 1].
    """
    inside = mask_logits > 0
    total = (mask_logits.sigmoid() * inside).flatten(1).sum(dim=1)
    return total / (inside.flatten(1).sum(dim=1) + 1e-6)
