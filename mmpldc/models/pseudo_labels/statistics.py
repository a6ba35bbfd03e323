"""Statistics of pseudo-labels for the log: their number and their own quality estimates."""

from collections.abc import Sequence

from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import mask_uncertainty

UNCERTAIN = 0.5  # a pixel counts as uncertain above this u: its probability is in (0.25, 0.75)


def pseudo_label_statistics(pseudo_instances: Sequence[InstanceData]) -> dict[str, Tensor]:
    """Compute statistics of a batch's pseudo-labels for the log.

    Args:
        pseudo_instances: per image, ``class_quality``, ``mask_quality`` ``(K,)`` and
            ``mask_logits (K, h, w)``, and with a refiner ``corrected (K,)`` bool.

    Returns:
        Float scalars: ``pseudo_per_image``, and unless nothing was kept (so that the log averages
        over kept labels only) ``pseudo_class_quality``, ``pseudo_mask_quality`` and
        ``pseudo_uncertain``, means over kept labels; the last is the share of a map's pixels with
        an uncertainty above 0.5. With a refiner also ``pseudo_corrected``, the share of kept labels
        whose class it changed. No name contains "loss": mmengine would train on it.
    """
    kept = InstanceData.cat(list(pseudo_instances))
    per_image = kept.class_quality.new_full((), len(kept) / len(pseudo_instances))
    statistics = dict(pseudo_per_image=per_image)
    if len(kept):
        uncertain = mask_uncertainty(kept.mask_logits) > UNCERTAIN
        statistics |= dict(
            pseudo_class_quality=kept.class_quality.mean(),
            pseudo_mask_quality=kept.mask_quality.mean(),
            pseudo_uncertain=uncertain.float().mean(),
        )
        if 'corrected' in kept:
            statistics['pseudo_corrected'] = kept.corrected.float().mean()
    return statistics
