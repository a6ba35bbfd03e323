"""The pass of a run's networks over validation images and a sample of unlabelled ones."""

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import Tensor
from torch.utils.data import DataLoader

from mmpldc.apis import encode_mask, load_labeler
from mmpldc.apis.pseudo_labels import prepared_batches
from mmpldc.datasets.checks.config import DataSet, sets_of
from mmpldc.datasets.coco_files import read_coco
from mmpldc.evaluation.coco_metric import encode_masks
from mmpldc.evaluation.pseudo_label_quality import logits_in_original_frame
from mmpldc.models import SemiMask2Former
from mmpldc.models.pseudo_labels import REASONS, explain_selection
from mmpldc.utils.checkpoints import read_checkpoint

from .run_folder import Run

NETWORKS = ('teacher', 'student')
MOST_REJECTED = 8  # shown of an image, the best ones
Say = Callable[[str], None]


class Looked(NamedTuple):
    """What a run's networks see; everything in it can be written as JSON.

    Attributes:
        ann_file: validation annotations.
        image_ids: validation images that were looked at.
        category_ids: ids by label.
        paths: files of these images.
        predictions: by network, in COCO's format for results.
        unlabelled: images with their candidates, see :func:`_candidates`.
        num_unlabelled: images that the sample was drawn from.
    """

    ann_file: str
    image_ids: list[int]
    category_ids: list[int]
    paths: list[str]
    predictions: dict[str, list[dict]]
    unlabelled: list[dict]
    num_unlabelled: int


def look(run: Run, *, num_images: int | None, num_unlabelled: int, device: str, say: Say) -> Looked:
    """Predict for validation images, and label a sample of the unlabelled ones.

    Args:
        run: with a checkpoint.
        num_images: validation images, evenly chosen; None for all.
        num_unlabelled: unlabelled images, evenly chosen.
        device: of the model.
        say: told about the progress.

    Raises:
        ValueError: if checkpoint, config and data do not fit each other.
    """
    cfg = copy.deepcopy(run.cfg)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    checkpoint = read_checkpoint(str(run.checkpoint))
    has_student = any(name.startswith('student.') for name in checkpoint['state_dict'])
    loader = _validation(cfg, num_images)
    dataset: Any = loader.dataset
    # Refiners need their own models, such as CLIP; a supervised run uses neither.
    model = load_labeler(
        cfg, checkpoint, refiner_weight=None if run.is_supervised else 'scheduled', device=device
    )
    predictions: dict[str, list[dict]] = {}
    paths: dict[int, str] = {}
    for network in NETWORKS if has_student else NETWORKS[:1]:
        say(f'{run.name}: {network} on {len(dataset)} validation images')
        model.semi_test_cfg = dict(predict_on=network)
        predictions[network], paths = _predict(model, loader, dataset.cat_ids)
    images, folder = ([], Path()) if run.is_supervised else _unlabelled(cfg)
    chosen = [images[index] for index in evenly(len(images), num_unlabelled)]
    if chosen:
        say(f'{run.name}: teacher on {len(chosen)} unlabelled images')
    return Looked(
        ann_file=dataset.ann_file,
        image_ids=list(paths),
        category_ids=list(dataset.cat_ids),
        paths=list(paths.values()),
        predictions=predictions,
        unlabelled=list(_candidates(model, run.cfg, chosen, folder)),
        num_unlabelled=len(images),
    )


def evenly(total: int, wanted: int | None) -> list[int]:
    """Places of evenly spaced items: at most ``wanted`` of ``total``, all for None."""
    if wanted is None or wanted >= total:
        return list(range(total))
    return np.linspace(0, total - 1, wanted).round().astype(int).tolist() if wanted else []


def _validation(cfg: Any, num_images: int | None) -> DataLoader:
    loader_cfg = cfg.val_dataloader
    loader = Runner.build_dataloader(copy.deepcopy(loader_cfg))
    if not hasattr(loader.dataset, 'cat_ids'):
        raise ValueError(
            f'the validation set is a {type(loader.dataset).__name__}: the report reads CocoDataset'
        )
    if num_images is not None and num_images < len(loader.dataset):
        loader_cfg.dataset.indices = evenly(len(loader.dataset), num_images)
        loader = Runner.build_dataloader(loader_cfg)
    return loader


@torch.no_grad()
def _predict(
    model: SemiMask2Former, loader: DataLoader, category_ids: Sequence[int]
) -> tuple[list[dict], dict[int, str]]:
    """Predictions in COCO's format for results, and image files by id."""
    results, paths = [], {}
    for batch in loader:
        for sample in model.test_step(batch):
            found = sample.pred_instances
            # Host sync: results leave the device, once per image.
            labels, scores = found.labels.tolist(), found.scores.tolist()
            for label, score, rle in zip(labels, scores, encode_masks(found.masks), strict=True):
                results.append(
                    dict(
                        image_id=int(sample.img_id),
                        category_id=int(category_ids[label]),
                        score=score,
                        segmentation=dict(size=list(rle['size']), counts=rle['counts'].decode()),
                    )
                )
            paths[int(sample.img_id)] = str(sample.img_path)
    return results, paths


def _unlabelled(cfg: Any) -> tuple[list[dict], Path]:
    """Entries of the unlabelled images, and their folder; none if the set has no COCO file."""
    sets: list[DataSet] = [data for data in sets_of(cfg)[0] if data.role == 'unlabeled']
    if not sets or not sets[0].ann_file or sets[0].img_prefix is None:
        return [], Path()
    return read_coco(sets[0].ann_file)['images'], Path(sets[0].img_prefix)


def _candidates(
    model: SemiMask2Former, cfg: Any, images: Sequence[dict], folder: Path
) -> Iterator[dict]:
    """Candidates of each image.

    Yields:
        ``path``; ``size`` (height, width) in pixels; ``labels``, the kept ones and the best of the
        rejected ones, each with ``label``, ``teacher_label``, ``class_quality``, ``mask_quality``,
        ``score``, ``reason`` of :data:`REASONS`, ``thresholds`` and ``rle``; ``rejected``, the
        number of all rejected ones.
    """
    for batch in prepared_batches(model, cfg, images, folder):
        if not batch.entries:
            continue
        found = _explain(model, batch.inputs, batch.samples)
        for entry, sample, instances in zip(batch.entries, batch.samples, found, strict=True):
            kept = instances.reason == 0
            shown = torch.cat([kept.nonzero()[:, 0], (~kept).nonzero()[:MOST_REJECTED, 0]])
            yield dict(
                path=str(folder / entry['file_name']),
                size=[int(side) for side in sample.ori_shape[:2]],
                labels=[_describe(instances[one], sample) for one in shown.split(1)],
                rejected=int((~kept).sum()),
            )


@torch.no_grad()
def _explain(
    model: SemiMask2Former, inputs: Tensor, samples: Sequence[DetDataSample]
) -> list[InstanceData]:
    """Candidates with reasons; the refiners have corrected the kept ones, as in training."""
    thresholds = None
    if model.class_thresholds is not None:
        thresholds = model.class_thresholds.current(model.progress)
    found = explain_selection(
        model.pseudo_label_filter,
        model.teacher_outputs(inputs),
        (inputs.shape[-2], inputs.shape[-1]),
        thresholds=thresholds,
        progress=model.progress,
    )
    for instances in found:
        instances.teacher_label = instances.labels
    kept = [instances[instances.reason == 0] for instances in found]
    for instances, refined in zip(found, model.refine(kept, inputs, samples), strict=True):
        place = instances.reason == 0
        instances.labels = instances.labels.masked_scatter(place, refined.labels)
        instances.mask_logits = instances.mask_logits.masked_scatter(
            place[:, None, None], refined.mask_logits
        )
    return found


def _describe(instance: InstanceData, sample: DetDataSample) -> dict:
    mask = logits_in_original_frame(instance.mask_logits, sample.metainfo)[0] > 0
    # Host sync: the values leave the device, once per label.
    return dict(
        label=instance.labels.item(),
        teacher_label=instance.teacher_label.item(),
        class_quality=instance.class_quality.item(),
        mask_quality=instance.mask_quality.item(),
        score=instance.scores.item(),
        reason=REASONS[instance.reason.item()],
        thresholds={name: instance[f'{name}_thr'].item() for name in ('class', 'mask', 'score')},
        rle=encode_mask(mask.cpu().numpy()),
    )
