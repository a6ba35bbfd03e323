"""Batches of images through a network, at once if they have one size."""

from collections.abc import Sequence

import torch
from mmdet.models.detectors import Mask2Former
from torch import Tensor, nn

Predictions = tuple[list[Tensor], ...]  # class, mask (and IoU) logits of all decoder layers


def forward_batches(
    network: Mask2Former, batches: Sequence[Tensor], *, jointly: bool
) -> list[Predictions]:
    """Predictions for each batch.

    Args:
        network: student.
        batches: normalised images, ``(B_i, 3, H_i, W_i)``.
        jointly: in one pass where all have the same size.

    Returns:
        For each batch L class logits ``(B_i, Q, N + 1)``, L mask logits ``(B_i, Q, h, w)`` and,
        with an IoU head, L of its logits ``(B_i, Q)``.
    """

    def forward(images: Tensor) -> Predictions:
        return network.panoptic_head(network.extract_feat(images), None)

    if not jointly or len({images.shape[1:] for images in batches}) > 1:
        return [forward(images) for images in batches]
    sizes = [len(images) for images in batches]
    predictions = forward(torch.cat(list(batches)))
    of_layers = [[logits.split(sizes) for logits in layers] for layers in predictions]
    return [
        tuple([parts[index] for parts in layers] for layers in of_layers)
        for index in range(len(sizes))
    ]


def refuse_training_norms(network: nn.Module) -> None:
    """Refuse batch norms that train, for a pass that mixes labelled and unlabelled images.

    Raises:
        ValueError: if there is one.
    """
    if any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for module in network.modules()
    ):
        raise ValueError(
            'model.joint_forward=True is not for batch norms that train, whose statistics '
            'would be those of labelled and unlabelled images: set it to False'
        )
