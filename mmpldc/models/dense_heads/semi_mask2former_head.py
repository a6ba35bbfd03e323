"""Mask2Former's head with a criterion that also takes pseudo-labels."""

from collections.abc import Sequence

import torch
from mmcv.ops import point_sample
from mmdet.structures import SampleList
from mmdet.utils import reduce_mean
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import hungarian_match, uncertain_points
from mmpldc.models.losses import UncertaintyWeightedCrossEntropyLoss
from mmpldc.registry import MODELS

from .fast_mask2former_head import FastMask2FormerHead
from .mask_targets import MaskTargets


@MODELS.register_module()
class SemiMask2FormerHead(FastMask2FormerHead):
    """mmdet's ``Mask2FormerHead`` with its criterion rewritten; network and weights are the same.

    What differs from mmdet's loss:

    - Pseudo-labels are targets too: their masks stay logits at stride 4 and are read at the loss's
      own points, together with their uncertainty (:class:`MaskTargets`).
    - Matching and losses run for all decoder layers at once, in float32 under any autocast.
    - Mask losses are divided by the number of targets, as in the official Mask2Former; mmdet counts
      an image without targets as one mask. All losses are divided by what all ranks hold.
    - Losses of the auxiliary layers are summed into ``aux_loss_*``.

    ``loss_mask`` may be mmdet's ``CrossEntropyLoss(use_sigmoid=True)``, which ignores the
    uncertainty, or :class:`UncertaintyWeightedCrossEntropyLoss` (PMUA).

    Args:
        upsample_masks: whether :meth:`predict` resizes all masks to the padded batch, as mmdet's
            fusion heads expect. False for :class:`mmpldc.models.TopKMaskFormerFusionHead`, which
            resizes those that it keeps.
        **kwargs: as in mmdet.

    Note:
        The points for matching are drawn once per image and shared by its decoder layers; mmdet
        and the released code draw them anew for each layer, from the same distribution.

        The number of masks that normalises the mask losses is mmdet's only where no image of the
        batch is empty (see above). Official Mask2Former and mmdet divide the class loss by each
        rank's own weights, which gives images with few targets on a rank more say.
    """

    def __init__(self, *, upsample_masks: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.upsample_masks = upsample_masks
        # On the device once, where the loss would copy its list there at every call.
        self.register_buffer('class_weights', torch.tensor(self.class_weight), persistent=False)
        self.loss_cls.class_weight = None

    def predict(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> tuple[Tensor, Tensor]:
        """As the parent; without ``upsample_masks`` the masks stay at the network's resolution.

        Args:
            x: the backbone's feature maps.
            batch_data_samples: as for the parent.

        Returns:
            Class logits ``(B, Q, N + 1)`` and mask logits ``(B, Q, h, w)``.
        """
        if self.upsample_masks:
            return super().predict(x, batch_data_samples)
        return self.predict_last(x)

    def loss(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Forward and compute the losses.

        Args:
            x: the backbone's feature maps.
            batch_data_samples: with ``gt_instances`` as :meth:`MaskTargets.from_instances` takes
                them. Pseudo-labels stand there too.

        Returns:
            ``loss_cls``, ``loss_mask``, ``loss_dice`` of the last layer and ``aux_loss_*`` of the
            others, summed; float32 scalars.
        """
        all_cls_logits, all_mask_logits = self(x, batch_data_samples)
        instances = [sample.gt_instances for sample in batch_data_samples]
        return self.loss_by_feat(all_cls_logits, all_mask_logits, instances)

    def loss_by_feat(
        self,
        all_cls_logits: Sequence[Tensor],
        all_mask_logits: Sequence[Tensor],
        batch_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Losses of all L prediction layers.

        Args:
            all_cls_logits: L tensors ``(B, Q, N + 1)``.
            all_mask_logits: L tensors ``(B, Q, h, w)``.
            batch_instances: B targets, see :meth:`MaskTargets.from_instances`.

        Returns:
            As :meth:`loss`.
        """
        device = all_cls_logits[0].device
        targets = MaskTargets.from_instances(batch_instances, device)
        # fp32 island: costs sum over 12,544 points, which overflows in float16.
        with torch.autocast(device.type, enabled=False):
            cls_logits = torch.stack(list(all_cls_logits)).float()  # (L, B, Q, N + 1)
            image, query, target = self._match(cls_logits, all_mask_logits, targets)  # (L, M) each
            layer = torch.arange(len(cls_logits), device=device)[:, None].expand_as(image)

            labels = torch.full(
                cls_logits.shape[:3], self.num_classes, dtype=torch.long, device=device
            )
            labels[layer, image, query] = targets.labels[target]
            weight = self.class_weights[labels]
            # Means over ranks, so that the ranks' mean gradient is that of one batch of all images.
            totals = reduce_mean(
                torch.cat([weight.sum(dim=(1, 2)), weight.new_full((1,), len(targets))])
            )
            total_weight, num_masks = totals[:-1], totals[-1].clamp(min=1 / get_world_size())
            loss_cls = self._classification_loss(cls_logits, labels, weight) / total_weight
            row = image * cls_logits.shape[2] + query
            matched = torch.stack(
                [
                    mask_logits.flatten(0, 1).index_select(0, rows).float()
                    for mask_logits, rows in zip(all_mask_logits, row, strict=True)
                ]
            )  # (L, M, h, w); all masks of all layers in one tensor would be copied for nothing
            loss_mask, loss_dice = self._mask_losses(matched, target, targets)
        losses = dict(  # (L,) each
            loss_cls=loss_cls, loss_mask=loss_mask / num_masks, loss_dice=loss_dice / num_masks
        )
        last = {name: loss[-1] for name, loss in losses.items()}
        auxiliary = {f'aux_{name}': loss[:-1].sum() for name, loss in losses.items()}
        return last | auxiliary

    @torch.no_grad()
    def _match(
        self, cls_logits: Tensor, all_mask_logits: Sequence[Tensor], targets: MaskTargets
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Match with the configured costs at random points, shared by an image's layers.

        Args:
            cls_logits: ``(L, B, Q, N + 1)``.
            all_mask_logits: L tensors ``(B, Q, h, w)``.
            targets: the batch's targets.

        Returns:
            Image, query and target index, each ``(L, M)`` int64.
        """
        num_layers, num_images, num_queries = cls_logits.shape[:3]
        points = torch.rand(num_images, self.num_points, 2, device=cls_logits.device)
        # no wait: such a copy from pageable memory returns once the host's part is read
        sizes = torch.tensor(targets.sizes).to(cls_logits.device, non_blocking=True)
        image_of_target = torch.arange(num_images, device=cls_logits.device).repeat_interleave(
            sizes, output_size=len(targets)
        )
        target_values, _ = targets.at(
            torch.arange(len(targets), device=cls_logits.device), points[image_of_target]
        )
        values = torch.stack(  # (L, B, Q, P)
            [point_sample(mask_logits.float(), points) for mask_logits in all_mask_logits]
        )
        costs = []
        for image, (target_value, label) in enumerate(
            zip(
                target_values.split(targets.sizes), targets.labels.split(targets.sizes), strict=True
            )
        ):
            # the queries of all layers, (L * Q, ...), against the same targets
            predicted = InstanceData(
                scores=cls_logits[:, image].flatten(0, 1), masks=values[:, image].flatten(0, 1)
            )
            wanted = InstanceData(labels=label, masks=target_value)
            cost = sum(term(predicted, wanted) for term in self.assigner.match_costs)
            costs.append(cost.unflatten(0, (num_layers, num_queries)))
        return hungarian_match(costs)

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
        self, matched: Tensor, target: Tensor, targets: MaskTargets
    ) -> tuple[Tensor, Tensor]:
        """Point-sampled mask and dice loss of the matched queries.

        Args:
            matched: ``(L, M, h, w)`` mask logits.
            target: ``(L, M)`` the target of each.
            targets: the batch's targets.

        Returns:
            Mask loss and dice loss, ``(L,)`` each, summed over masks.
        """
        num_layers = len(matched)
        if target.numel() == 0:
            # Zero, but connected to the network: each rank must give each parameter a gradient.
            nothing = matched.sum(dim=(1, 2, 3))
            return nothing, nothing
        logits = matched.flatten(0, 1)  # (L * M, h, w)
        points = uncertain_points(
            logits,
            self.num_points,
            oversample_ratio=self.oversample_ratio,
            importance_ratio=self.importance_sample_ratio,
        )
        value, uncertainty = targets.at(target.flatten(), points)
        predicted = point_sample(logits[:, None], points).squeeze(1)  # (L * M, P)
        weighting = {}
        if isinstance(self.loss_mask, UncertaintyWeightedCrossEntropyLoss):
            weighting = dict(uncertainty=uncertainty)
        loss_mask = self.loss_mask(predicted, value, reduction_override='none', **weighting)
        loss_dice = self.loss_dice(predicted, value, reduction_override='none')
        loss_mask = loss_mask.mean(dim=1).view(num_layers, -1).sum(dim=1)
        loss_dice = loss_dice.view(num_layers, -1).sum(dim=1)
        return loss_mask, loss_dice
