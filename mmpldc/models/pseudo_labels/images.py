"""Split a batch's labels by image, and find images whose outputs are broken."""

from itertools import accumulate

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.structures import LayerOutputs

from .selection import Candidates


def has_nan(outputs: LayerOutputs, candidates: Candidates) -> Tensor:
    """Whether an image has NaN in any class or mask; ``(B,)`` bool.

    Infinite logits are valid: they express certainty. Masks of all queries count, including those
    of classes that fail.
    """
    has_nan = candidates.class_quality.isnan().any(dim=1)
    has_nan = has_nan | outputs.mask_logits.flatten(1).isnan().any(dim=1)
    if candidates.mask_quality is not None and outputs.iou_logits is not None:
        has_nan = has_nan | outputs.iou_logits.isnan().any(dim=1)
    return has_nan


def split_by_image(
    candidates: InstanceData, image: Tensor, keep: Tensor, broken: Tensor
) -> tuple[list[InstanceData], list[bool]]:
    """Return each image's kept candidates, best score first, and ``broken`` on the host.

    NaN compares false everywhere, so a broken output would look like one without objects. Queries
    attend to one another: if one has a NaN, none is trusted.

    Args:
        candidates: M candidates.
        image: ``(M,)`` int64, the image of each candidate.
        keep: ``(M,)`` bool.
        broken: ``(B,)`` bool, see :func:`has_nan`.
    """
    keep = keep & ~broken[image]
    counts = image.new_zeros(len(broken)).index_add(0, image, keep.long())
    # Host sync: the shapes of the images' targets and the NaN flags, in one transfer.
    sizes, flags = torch.stack([counts, broken.long()]).tolist()
    # by image, the kept ones first, by score
    order = candidates.scores.argsort(descending=True, stable=True)
    order = order[image[order].argsort(stable=True)]
    order = order[keep[order].logical_not().long().argsort(stable=True)]
    kept = candidates[order[: sum(sizes)]]
    first = [0, *accumulate(sizes)]
    instances = [kept[start : start + size] for start, size in zip(first, sizes, strict=False)]
    return instances, [bool(flag) for flag in flags]
