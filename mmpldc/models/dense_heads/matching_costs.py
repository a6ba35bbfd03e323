"""Matching costs between queries and targets, for all decoder layers."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import point_sample

from .mask_targets import MaskTargets


@torch.no_grad()
def matching_costs(
    cls_logits: Tensor,
    all_mask_logits: Sequence[Tensor],
    targets: MaskTargets,
    *,
    terms: Sequence[Callable[[InstanceData, InstanceData], Tensor]],
    num_points: int,
) -> list[Tensor]:
    """Sum the configured costs at random points, which an image's layers share.

    Args:
        cls_logits: ``(L, B, Q, N + 1)`` float32.
        all_mask_logits: L tensors ``(B, Q, h, w)``.
        targets: the batch's targets.
        terms: mmdet's match costs.
        num_points: P, drawn for each image.

    Returns:
        One ``(L, Q, G_i)`` float32 tensor per image, with its G_i targets.
    """
    num_layers, num_images, num_queries = cls_logits.shape[:3]
    device = cls_logits.device
    points = torch.rand(num_images, num_points, 2, device=device)
    # no wait: a copy from pageable memory returns once the host memory has been read
    sizes = torch.tensor(targets.sizes).to(device, non_blocking=True)
    image_of_target = torch.arange(num_images, device=device).repeat_interleave(
        sizes, output_size=len(targets)
    )
    every = torch.arange(len(targets), device=device)
    target_values = targets.values(targets.sample(every, points[image_of_target]))
    values = torch.stack(  # (L, B, Q, P)
        [point_sample(mask_logits.float(), points) for mask_logits in all_mask_logits]
    )
    costs = []
    for image, (target_value, label) in enumerate(
        zip(target_values.split(targets.sizes), targets.labels.split(targets.sizes), strict=True)
    ):
        # the queries of all layers, (L * Q, ...), against the same targets
        predicted = InstanceData(
            scores=cls_logits[:, image].flatten(0, 1), masks=values[:, image].flatten(0, 1)
        )
        wanted = InstanceData(labels=label, masks=target_value)
        cost = reduce(add, (term(predicted, wanted) for term in terms))
        costs.append(cost.unflatten(0, (num_layers, num_queries)))
    return costs
