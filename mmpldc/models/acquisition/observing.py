"""What a teacher sees in images, as the criteria of active learning need it."""

from typing import NamedTuple

import torch
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    content_mask,
    image_of_each,
    mirror_content,
    suppress_duplicates,
    unit_rgb,
)
from mmpldc.models.detectors import SemiMask2Former
from mmpldc.models.refiners import RegionScores

MIN_CLASS_QUALITY = 0.05  # fainter candidates are queries without an object
DUPLICATE_IOU = 0.6  # two queries on one object are one prediction


class Observation(NamedTuple):
    """The teacher's predictions of one image, kept and rejected ones.

    Attributes:
        predictions: K candidates of the pseudo-label filter, best score first, without duplicates:
            the fields of :attr:`mmpldc.models.pseudo_labels.Selection.pseudo_instances`. Masks are
            in the padded batch frame.
        mirrored: J of the mirrored image, in the same frame; None unless asked for.
        refined: what the refiner's scorer says of the K masks; None unless asked for.
        name: of the image.
    """

    predictions: InstanceData
    mirrored: InstanceData | None = None
    refined: RegionScores | None = None
    name: str = ''


@torch.no_grad()
def observe(
    model: SemiMask2Former,
    images: Tensor,
    samples: SampleList,
    *,
    mirror: bool = False,
    refine: bool = False,
) -> list[Observation]:
    """Let the teacher look at a batch.

    Args:
        model: with class names and, for ``refine``, a prepared refiner, see
            :func:`mmpldc.apis.load_labeler`.
        images: normalised ``(B, 3, H, W)``.
        samples: their B data samples, with ``img_shape`` and ``img_path``.
        mirror: look at the mirrored images, too.
        refine: ask the refiner's scorer for classes.

    Returns:
        One for each image.

    Raises:
        ValueError: if the teacher's output contains NaN, or the model has no refiner with a scorer.
    """
    found = _predictions(model, images, samples)
    mirrored: list[InstanceData | None] = [None] * len(samples)
    if mirror:
        share = torch.tensor([sample.img_shape[1] / images.shape[-1] for sample in samples])
        mirrored = []
        for one, part in zip(
            _predictions(model, mirror_content(images, share), samples), share, strict=True
        ):
            if len(one):
                masks = mirror_content(one.mask_logits[None], part[None], padding='border')[0]
                one.mask_logits = masks
            mirrored.append(one)
    refined: list[RegionScores | None] = [None] * len(samples)
    if refine:
        refined = _refine(model, images, samples, found)
    return [
        Observation(own, other, scores, sample.img_path)
        for own, other, scores, sample in zip(found, mirrored, refined, samples, strict=True)
    ]


def _predictions(model: SemiMask2Former, images: Tensor, samples: SampleList) -> list[InstanceData]:
    """Candidates of each image without duplicates."""
    candidates = model.get_candidates(images, samples, min_class_quality=MIN_CLASS_QUALITY)
    return [
        one[suppress_duplicates(one.mask_logits > 0, one.scores, iou_thr=DUPLICATE_IOU)]
        for one in candidates
    ]


def _refine(
    model: SemiMask2Former, images: Tensor, samples: SampleList, found: list[InstanceData]
) -> list[RegionScores | None]:
    """The scorer's classes of all masks in one call."""
    scorer = getattr(model.refiner, 'scorer', None)
    if scorer is None:
        raise ValueError(
            'RefinerDisagreement compares the teacher with a refiner: set model.refiner to one '
            "with a scorer, such as dict(type='mmpldc.CLIPRefiner', scorer=...)"
        )
    counts = [len(one) for one in found]
    if not sum(counts):
        return [RegionScores(one.cls_logits[:, :-1].float(), one.labels > 0) for one in found]
    everything = InstanceData.cat(found)
    probabilities, valid = scorer.score(
        unit_rgb(images, model.data_preprocessor.pixel_normalization),
        [tuple(sample.img_shape[:2]) for sample in samples],
        everything.mask_logits,
        image_of_each(counts, images.device),
    )
    return [
        RegionScores(*parts)
        for parts in zip(probabilities.split(counts), valid.split(counts), strict=True)
    ]


@torch.no_grad()
def pooled_features(model: SemiMask2Former, images: Tensor, samples: SampleList) -> Tensor:
    """Mean of the teacher's coarsest backbone features over each image's content.

    Args:
        model, images, samples: as for :func:`observe`.

    Returns:
        ``(B, C)`` float32.
    """
    features = model.teacher.extract_feat(images)[-1].float()
    sizes = [tuple(sample.img_shape[:2]) for sample in samples]
    height, width = images.shape[-2:]
    content = content_mask(
        sizes, padded=(height, width), shape=tuple(features.shape[-2:]), device=features.device
    )
    content = content | ~content.flatten(1).any(dim=1)[:, None, None]  # smaller than a cell
    total = (features * content[:, None]).sum(dim=(2, 3))
    return total / content.sum(dim=(1, 2))[:, None]
