"""Statistics of pseudo-labels for the log: their number and their own quality estimates."""

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import mask_uncertainty

QUANTILES = (0.5, 0.9, 0.99, 1.0)
SHARES = ('corrected', 'refined', 'weak')
UNCERTAIN = 0.5  # a pixel counts as uncertain above this u: its probability is in (0.25, 0.75)


def pseudo_label_statistics(pseudo_instances: Sequence[InstanceData]) -> dict[str, Tensor]:
    """Compute statistics of a batch's pseudo-labels for the log.

    Args:
        pseudo_instances: per image, ``class_quality``, ``mask_quality`` ``(K,)`` and
            ``mask_logits (K, h, w)``; with a refiner of classes ``corrected``, with one of masks
            ``refined``, with weak labels ``weak``, ``(K,)`` bool.

    Returns:
        Float scalars: ``pseudo_per_image``, and unless nothing was kept (so that the log averages
        over kept labels only) ``pseudo_class_quality``, ``pseudo_mask_quality`` and
        ``pseudo_uncertain``, means over kept labels; the last is the share of a map's pixels with
        an uncertainty above 0.5. Also shares of kept labels: ``pseudo_corrected``, whose class a
        refiner changed; ``pseudo_refined``, whose mask one changed; ``pseudo_weak``, that are not
        the teacher's. No name contains "loss": mmengine would train on it.
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
        shares = (name for name in SHARES if name in kept)
        statistics |= {f'pseudo_{name}': kept[name].float().mean() for name in shares}
    return statistics


def describe_candidates(candidates: InstanceData, num_images: int) -> str:
    """Say how candidates spread over both qualities.

    Args:
        candidates: of all images, with ``class_quality`` and ``mask_quality`` ``(M,)``.
        num_images: images that they are of.

    Returns:
        A sentence for a warning, with a space behind it; empty without candidates.
    """
    if not len(candidates):
        return ''
    qualities = torch.stack([candidates.class_quality, candidates.mask_quality])
    # Host sync: for a warning.
    found = torch.quantile(qualities, qualities.new_tensor(QUANTILES), dim=1).T.tolist()
    of_class, of_mask = (' / '.join(f'{value:.2f}' for value in values) for values in found)
    shares = ', '.join(f'{share:.0%}' for share in QUANTILES)
    return (
        f'Of {len(candidates)} candidates in {num_images} images the quantiles ({shares}) are '
        f'{of_class} in class quality and {of_mask} in mask quality. '
    )
