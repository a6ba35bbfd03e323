"""Mask2Former's head with a criterion that also takes pseudo-labels."""

from collections.abc import Sequence

import torch
from mmcv.ops import point_sample
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.models.utils import get_uncertain_point_coords_with_randomness
from mmdet.structures import SampleList
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import hungarian_match
from mmpldc.models.losses import UncertaintyWeightedCrossEntropyLoss
from mmpldc.registry import MODELS

from .mask_targets import MaskTargets


@MODELS.register_module()
class SemiMask2FormerHead(Mask2FormerHead):
    """mmdet's ``Mask2FormerHead`` with its criterion rewritten; network and weights are the same.

    What differs from the parent's loss:

    - Pseudo-labels are targets too: their masks stay logits at stride 4 and are read at the loss's
      own points, together with their uncertainty (:class:`MaskTargets`).
    - Matching and losses run for all decoder layers at once, in float32 under any autocast.
    - The normaliser is the number of targets, as in the official Mask2Former; mmdet counts an
      image without targets as one mask.
    - Losses of the auxiliary layers are summed into ``aux_loss_*``.

    ``loss_mask`` may be mmdet's ``CrossEntropyLoss(use_sigmoid=True)``, which ignores the
    uncertainty, or :class:`UncertaintyWeightedCrossEntropyLoss` (PMUA).

    Note:
        The points for matching are drawn once per image and shared by its decoder layers; mmdet
        and the released code draw them anew for each layer, from the same distribution.

        The number of masks that normalises the mask losses is mmdet's only where no image of the
        batch is empty (see above).
    """

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
            mask_logits = torch.stack(list(all_mask_logits)).float()  # (L, B, Q, h, w)
            image, query, target = self._match(cls_logits, mask_logits, targets)  # (L, M) each
            layer = torch.arange(len(cls_logits), device=device)[:, None].expand_as(image)

            labels = torch.full(
                cls_logits.shape[:3], self.num_classes, dtype=torch.long, device=device
            )
            labels[layer, image, query] = targets.labels[target]
            loss_cls = self._classification_loss(cls_logits, labels)  # (L,)
            loss_mask, loss_dice = self._mask_losses(
                mask_logits[layer, image, query], target, targets
            )
        losses = dict(loss_cls=loss_cls, loss_mask=loss_mask, loss_dice=loss_dice)
        last = {name: loss[-1] for name, loss in losses.items()}
        auxiliary = {f'aux_{name}': loss[:-1].sum() for name, loss in losses.items()}
        return last | auxiliary

    @torch.no_grad()
    def _match(
        self, cls_logits: Tensor, mask_logits: Tensor, targets: MaskTargets
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Match with the configured costs at random points, shared by an image's layers.

        Returns:
            Image, query and target index, each ``(L, M)`` int64.
        """
        num_layers, num_images, num_queries = cls_logits.shape[:3]
        points = torch.rand(num_images, self.num_points, 2, device=cls_logits.device)
        sizes = torch.tensor(targets.sizes, device=cls_logits.device)
        image_of_target = torch.arange(num_images, device=cls_logits.device).repeat_interleave(
            sizes, output_size=len(targets)
        )
        target_values, _ = targets.at(
            torch.arange(len(targets), device=cls_logits.device), points[image_of_target]
        )
        costs = []
        for image, (target_value, label) in enumerate(
            zip(
                target_values.split(targets.sizes), targets.labels.split(targets.sizes), strict=True
            )
        ):
            # the queries of all layers, (L * Q, ...), against the same targets
            values = point_sample(mask_logits[:, image].flatten(0, 1)[None], points[image, None])[0]
            predicted = InstanceData(scores=cls_logits[:, image].flatten(0, 1), masks=values)
            wanted = InstanceData(labels=label, masks=target_value)
            cost = sum(term(predicted, wanted) for term in self.assigner.match_costs)
            costs.append(cost.unflatten(0, (num_layers, num_queries)))
        return hungarian_match(costs)

    def _classification_loss(self, cls_logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with a low weight on "no object".

        Args:
            cls_logits: ``(L, B, Q, N + 1)``.
            labels: ``(L, B, Q)`` int64 in [0, N], N is "no object".

        Returns:
            ``(L,)``.
        """
        loss = self.loss_cls(cls_logits.flatten(0, 2), labels.flatten(), reduction_override='none')
        normaliser = cls_logits.new_tensor(self.class_weight)[labels].sum(dim=(1, 2))
        return loss.view_as(labels).sum(dim=(1, 2)) / normaliser

    def _mask_losses(
        self, matched: Tensor, target: Tensor, targets: MaskTargets
    ) -> tuple[Tensor, Tensor]:
        """Point-sampled mask and dice loss of the matched queries.

        Args:
            matched: ``(L, M, h, w)`` mask logits.
            target: ``(L, M)`` the target of each.
            targets: the batch's targets.

        Returns:
            Mask loss and dice loss, ``(L,)`` each.
        """
        num_layers = len(matched)
        num_masks = reduce_mean(matched.new_tensor(float(len(targets)))).clamp(min=1)
        if target.numel() == 0:
            # Zero, but connected to the network: each rank must give each parameter a gradient.
            nothing = matched.sum(dim=(1, 2, 3))
            return nothing, nothing
        logits = matched.flatten(0, 1).unsqueeze(1)  # (L * M, 1, h, w)
        with torch.no_grad():
            points = get_uncertain_point_coords_with_randomness(
                logits, None, self.num_points, self.oversample_ratio, self.importance_sample_ratio
            )
            value, uncertainty = targets.at(target.flatten(), points)
        predicted = point_sample(logits, points).squeeze(1)  # (L * M, P)
        weighting = {}
        if isinstance(self.loss_mask, UncertaintyWeightedCrossEntropyLoss):
            weighting = dict(uncertainty=uncertainty)
        loss_mask = self.loss_mask(predicted, value, reduction_override='none', **weighting)
        loss_dice = self.loss_dice(predicted, value, reduction_override='none')
        loss_mask = loss_mask.mean(dim=1).view(num_layers, -1).sum(dim=1) / num_masks
        loss_dice = loss_dice.view(num_layers, -1).sum(dim=1) / num_masks
        return loss_mask, loss_dice
