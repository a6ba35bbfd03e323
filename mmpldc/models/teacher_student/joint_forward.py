"""Run a network on several batches, in one pass if their images have one size."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Outputs = TypeVar('Outputs')


def forward_batches(
    forward: Callable[[Tensor], Outputs], batches: Sequence[Tensor], *, jointly: bool
) -> list[Outputs]:
    """Compute the outputs of each batch.

    Args:
        forward: from normalised images ``(B, 3, H, W)`` to a tensor, or a list, tuple or named
            tuple of such things, whose first dimension is the batch.
        batches: images, ``(B_i, 3, H_i, W_i)``.
        jointly: make one pass if all images have the same size.

    Returns:
        For each batch the output of ``forward``.
    """
    if not jointly or len({images.shape[1:] for images in batches}) > 1:
        return [forward(images) for images in batches]
    return split_outputs(forward(torch.cat(list(batches))), [len(images) for images in batches])


def split_outputs(outputs: Any, sizes: list[int]) -> list[Any]:
    """Split what a network made of joined batches into the outputs of each batch.

    Args:
        outputs: tensors whose first dimension is the batch, None, or a list, tuple or named tuple
            of such things.
        sizes: of the batches.
    """
    if outputs is None:
        return [None] * len(sizes)
    if isinstance(outputs, Tensor):
        return list(outputs.split(sizes))
    if not outputs:
        return [outputs] * len(sizes)
    parts = zip(*(split_outputs(part, sizes) for part in outputs), strict=True)
    if hasattr(outputs, '_fields'):  # a named tuple
        return [type(outputs)(*part) for part in parts]
    return [type(outputs)(part) for part in parts]


def refuse_training_norms(network: nn.Module) -> None:
    """Raise an error for batch norms that train, before a pass mixes both kinds of images.

    Raises:
        ValueError: if the network has such a norm.
    """
    if any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        for module in network.modules()
    ):
        raise ValueError(
            'model.joint_forward=True does not work with batch norms that train: their statistics '
            'would mix labelled and unlabelled images. Set it to False'
        )
