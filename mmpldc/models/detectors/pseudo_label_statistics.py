"""What to watch during training: how many pseudo-labels there are and how good they claim to be."""

from collections.abc import Sequence

from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import mask_uncertainty

UNCERTAIN = 0.5  # a pixel counts as uncertain above this u: its probability is in (0.25, 0.75)


def pseudo_label_statistics(pseudo_instances: Sequence[InstanceData]) -> dict[str, Tensor]:
    """Statistics of a batch's pseudo-labels, for the log.

    Args:
        pseudo_instances: per image, ``class_quality``, ``mask_quality`` ``(K,)`` and
            ``mask_logits (K, h, w)``.

    Returns:
        Float scalars, 0 where nothing was kept: ``pseudo_per_image``, ``pseudo_class_quality`` and
        ``pseudo_mask_quality`` (means over kept labels) and ``pseudo_uncertain`` (share of pixels
        of their maps with an uncertainty above 0.5). No name contains "loss": mmengine would train
        on it.
    """
    kept = InstanceData.cat(list(pseudo_instances))
    count = kept.class_quality.new_tensor(float(len(kept)))
    uncertain = mask_uncertainty(kept.mask_logits) > UNCERTAIN
    per_mask = uncertain.float().mean(dim=(-2, -1))
    return dict(
        pseudo_per_image=count / len(pseudo_instances),
        pseudo_class_quality=kept.class_quality.sum() / count.clamp(min=1),
        pseudo_mask_quality=kept.mask_quality.sum() / count.clamp(min=1),
        pseudo_uncertain=per_mask.sum() / count.clamp(min=1),
    )
