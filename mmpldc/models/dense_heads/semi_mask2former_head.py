"""Mask2Former's head with a loss that also accepts pseudo-labels."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import SampleList
from mmdet.utils import OptConfigType, reduce_mean
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import hungarian_match, point_sample, resize, scale_scores, uncertain_points
from mmpldc.models.pseudo_labels import LabelWeights, MaskPoints
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress
from mmpldc.structures import HeadOutputs, LayerOutputs

from .fast_mask2former_head import FastMask2FormerHead
from .mask_targets import MaskTargets
from .matching_costs import matching_costs

MOVED = {  # options of version 0.1
    'pseudo_label_weights': 'model.pseudo_label_weights',
    'pseudo_pixel_weights': 'model.detector.panoptic_head.loss_mask.pixel_weights, a list',
}


@MODELS.register_module()
class SemiMask2FormerHead(FastMask2FormerHead):
    """mmdet's ``Mask2FormerHead`` with its loss rewritten; network and weights are the same.

    Differences from mmdet's loss:

    - Pseudo-labels are targets too: their masks stay logits at stride 4 and are read at the loss's
      own points (:class:`MaskTargets`).
    - Matching and losses run for all decoder layers at once, in float32 under any autocast.
    - Mask losses are divided by the number of targets, as in the official Mask2Former; mmdet counts
      an image without targets as one mask. All divisors are totals over all ranks.
    - Losses of the auxiliary layers are summed into ``aux_loss_*``.

    ``loss_mask`` may be :class:`~mmpldc.models.UncertaintyWeightedCrossEntropyLoss`, which weights
    the pixels of pseudo-masks (PMUA), or mmdet's ``CrossEntropyLoss(use_sigmoid=True)``, which
    does not.

    Args:
        upsample_masks: whether :meth:`predict` resizes all masks to the padded batch, as mmdet's
            fusion heads expect. False for :class:`mmpldc.models.TopKMaskFormerFusionHead`, which
            resizes only the masks that it keeps.
        iou_head: config of a module that predicts the IoU of each query's mask, such as
            :class:`MaskIoUHead`; None: the network is mmdet's.
        score_by_iou: whether :meth:`predict` multiplies class probabilities by predicted IoUs.
        **kwargs: as in mmdet.

    Raises:
        ValueError: for options that do not fit together, or that have moved.

    Note:
        The points for matching are drawn once per image and shared by its decoder layers; mmdet
        and the released code draw them anew for each layer, from the same distribution.

        The number of masks that normalises the mask losses equals mmdet's only if no image of the
        batch is empty (see above). Official Mask2Former and mmdet divide the class loss by each
        rank's own weights, so images on a rank with few targets count more there.

        A labelled batch without any target trains every query towards "no object". In the released
        code its class loss is 0, on each rank separately.

        Mask losses are divided by at least one mask on all ranks together; the released code
        divides by at least one mask per rank. With fewer targets than ranks a mask therefore weighs
        more here, by up to the number of ranks; it counts the same on one rank and on eight.
    """

    def __init__(
        self,
        *,
        upsample_masks: bool = True,
        iou_head: OptConfigType = None,
        score_by_iou: bool = False,
        **kwargs: Any,
    ) -> None:
        for name in MOVED.keys() & kwargs.keys():  # mmdet's head would take and ignore them
            raise ValueError(
                f'model.detector.panoptic_head.{name} has moved: set {MOVED[name]} instead'
            )
        super().__init__(**kwargs)
        self.upsample_masks = upsample_masks
        if score_by_iou and iou_head is None:
            raise ValueError('score_by_iou=True needs an iou_head, which predicts the IoU')
        self.score_by_iou = score_by_iou
        self.iou_head: Any = None
        if iou_head is not None:
            self.iou_head = MODELS.build(dict(channels=self.cls_embed.in_features) | iou_head)
        # On the device once; the loss would copy its list there at every call.
        self.register_buffer('class_weights', torch.tensor(self.class_weight), persistent=False)
        self.loss_cls.class_weight = None

    def predict(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> tuple[Tensor, Tensor]:
        """Predict as the parent, with two options.

        Without ``upsample_masks`` the masks stay at the network's resolution. With ``score_by_iou``
        the class probabilities are multiplied by the predicted IoU.

        Args:
            x: the backbone's feature maps.
            batch_data_samples: as for the parent.

        Returns:
            Class logits ``(B, Q, N + 1)`` and mask logits ``(B, Q, h, w)``.
        """
        cls_logits, mask_logits, iou_logits = self.predict_last(x)
        if self.score_by_iou and iou_logits is not None:
            cls_logits = scale_scores(cls_logits, iou_logits)
        if self.upsample_masks:
            mask_logits = resize(mask_logits, batch_data_samples[0].batch_input_shape[:2])
        return cls_logits, mask_logits

    def _predict_layer(self, query: Tensor, mask_features: Tensor) -> LayerOutputs:
        """Predict as the parent; with an IoU head also its logits."""
        outputs = super()._predict_layer(query, mask_features)
        if self.iou_head is None:
            return outputs
        return outputs._replace(iou_logits=self.iou_head(self._normalize(query)))

    def loss(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Run the network and compute the losses.

        Args:
            x: the backbone's feature maps.
            batch_data_samples: with ``gt_instances`` as for :meth:`MaskTargets.from_instances`;
                these may be pseudo-labels.

        Returns:
            ``loss_cls``, ``loss_mask``, ``loss_dice`` of the last layer and ``aux_loss_*`` of the
            others, summed; float32 scalars. With an IoU head and ground truth also ``loss_iou``.
        """
        instances = [sample.gt_instances for sample in batch_data_samples]
        return self.loss_by_outputs(self(x, batch_data_samples), instances)

    def loss_by_feat(
        self,
        all_cls_logits: Sequence[Tensor],
        all_mask_logits: Sequence[Tensor],
        batch_instances: Sequence[InstanceData],
        batch_img_metas: Sequence[dict] | None = None,
    ) -> dict[str, Tensor]:
        """Call :meth:`loss_by_outputs` with mmdet's signature; meta information is not used."""
        return self.loss_by_outputs(
            HeadOutputs(list(all_cls_logits), list(all_mask_logits)), batch_instances
        )

    def loss_by_outputs(
        self,
        outputs: HeadOutputs,
        batch_instances: Sequence[InstanceData],
        label_weights: LabelWeights | None = None,
        progress: Progress | None = None,
        ignored: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the losses of all L prediction layers.

        Args:
            outputs: of :meth:`forward`; IoU logits are trained on ground truth alone.
            batch_instances: B targets, see :meth:`MaskTargets.from_instances`.
            label_weights: weights of the batch's T targets; None: all count the same.
            progress: the position of the run, for pixel weights that depend on it.
            ignored: ``(B, Q)`` bool, queries that are not taught "no object" if no target is
                matched with them.

        Returns:
            As :meth:`loss`.
        """
        all_cls_logits, all_mask_logits, all_iou_logits = outputs
        device = all_cls_logits[0].device
        targets = MaskTargets.from_instances(batch_instances, device)
        # fp32 island: costs sum over 12,544 points, which overflows in float16.
        with torch.autocast(device.type, enabled=False):
            cls_logits = torch.stack(list(all_cls_logits)).float()  # (L, B, Q, N + 1)
            costs = matching_costs(
                cls_logits,
                all_mask_logits,
                targets,
                terms=self.assigner.match_costs,
                num_points=self.num_points,
            )
            image, query, target = hungarian_match(costs)  # (L, M) each
            layer = torch.arange(len(cls_logits), device=device)[:, None].expand_as(image)

            labels = torch.full(
                cls_logits.shape[:3], self.num_classes, dtype=torch.long, device=device
            )
            labels[layer, image, query] = targets.labels[target]
            weight = self.class_weights[labels]
            if ignored is not None:
                weight = weight.masked_fill((labels == self.num_classes) & ignored, 0.0)
            # Means over ranks, so that the ranks' mean gradient is that of one batch of all images.
            totals = reduce_mean(
                torch.cat([weight.sum(dim=(1, 2)), weight.new_full((1,), len(targets))])
            )
            total_weight, num_masks = totals[:-1], totals[-1].clamp(min=1 / get_world_size())
            if ignored is not None:  # all queries may be
                total_weight = total_weight.clamp(min=torch.finfo(torch.float32).eps)
            if label_weights is not None:
                if label_weights.no_object is not None:
                    is_free = (labels == self.num_classes) & (weight > 0)
                    weight = weight.masked_fill(is_free, label_weights.no_object)
                    total_weight = num_masks
                weight[layer, image, query] *= label_weights.label[target]
            loss_cls = self._classification_loss(cls_logits, labels, weight) / total_weight
            row = image * cls_logits.shape[2] + query
            matched = torch.stack(
                [
                    mask_logits.flatten(0, 1).index_select(0, rows).float()
                    for mask_logits, rows in zip(all_mask_logits, row, strict=True)
                ]
            )  # (L, M, h, w); a single tensor of all masks of all layers would be a needless copy
            loss_mask, loss_dice = self._mask_losses(
                matched, target, targets, label_weights, progress
            )
            losses = dict(  # (L,) each
                loss_cls=loss_cls, loss_mask=loss_mask / num_masks, loss_dice=loss_dice / num_masks
            )
            if all_iou_logits is not None and not targets.are_pseudo_labels:
                iou_logits = torch.stack(list(all_iou_logits)).float()
                reached = targets.iou_with(matched, target)
                iou_loss = self.iou_head.loss(iou_logits[layer, image, query], reached)
                losses['loss_iou'] = iou_loss.sum(dim=1) / num_masks
        last = {name: loss[-1] for name, loss in losses.items()}
        auxiliary = {f'aux_{name}': loss[:-1].sum() for name, loss in losses.items()}
        return last | auxiliary

    def _classification_loss(self, cls_logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        """Cross-entropy with a low weight on "no object".

        Args:
            cls_logits: ``(L, B, Q, N + 1)``.
            labels: ``(L, B, Q)`` int64 in [0, N], N is "no object".
            weight: ``(L, B, Q)``.

        Returns:
            ``(L,)``, summed over images and queries.
        """
        loss = self.loss_cls(
            cls_logits.flatten(0, 2), labels.flatten(), weight.flatten(), reduction_override='none'
        )
        return loss.view_as(labels).sum(dim=(1, 2))

    def _mask_losses(
        self,
        matched: Tensor,
        target: Tensor,
        targets: MaskTargets,
        label_weights: LabelWeights | None,
        progress: Progress | None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the point-sampled mask loss and dice loss of the matched queries.

        Args:
            matched: ``(L, M, h, w)`` mask logits.
            target: ``(L, M)`` index of each one's target.
            targets: the batch's targets.
            label_weights: weight of each target; None: all count the same.
            progress: the position of the run.

        Returns:
            Mask loss and dice loss, ``(L,)`` each, summed over masks.
        """
        if target.numel() == 0:
            # Zero, but connected to the network: each rank must compute a gradient for each
            # parameter.
            nothing = matched.sum(dim=(1, 2, 3))
            return nothing, nothing
        logits = matched.flatten(0, 1)  # (L * M, h, w)
        points = uncertain_points(
            logits,
            self.num_points,
            oversample_ratio=self.oversample_ratio,
            importance_ratio=self.importance_sample_ratio,
        )
        samples = targets.sample(target.flatten(), points)
        value = targets.values(samples)
        predicted = point_sample(logits[:, None], points).squeeze(1)  # (L * M, P)
        pixel_weight = None
        if targets.are_pseudo_labels and hasattr(self.loss_mask, 'weigh'):
            pixel_weight = self.loss_mask.weigh(MaskPoints(logits, points, samples, progress))
        loss_mask = self.loss_mask(predicted, value, weight=pixel_weight, reduction_override='none')
        loss_dice = self.loss_dice(predicted, value, reduction_override='none')
        loss_mask, loss_dice = loss_mask.mean(dim=1).view_as(target), loss_dice.view_as(target)
        if label_weights is not None:
            loss_mask = label_weights.mask[target] * loss_mask
            loss_dice = label_weights.mask[target] * loss_dice
        return loss_mask.sum(dim=1), loss_dice.sum(dim=1)
