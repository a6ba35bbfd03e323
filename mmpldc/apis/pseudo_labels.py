"""Label any images as training does, in each image's own frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures import DetDataSample, SampleList
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mmpldc.evaluation.pseudo_label_quality import logits_in_original_frame
from mmpldc.models import SemiMask2Former
from mmpldc.models.pseudo_labels import ExpectedCountThreshold
from mmpldc.utils.checkpoints import TEACHER, check_weights, class_information, teacher_weights

from .mask_encoding import encode_mask


@dataclass(frozen=True)
class PseudoLabel:
    """An object that the teacher found.

    Attributes:
        label: its class, in [0, N).
        score, class_quality, mask_quality: in [0, 1]; the score is the product of the two.
        rle: its mask in the image's own frame, see :func:`encode_mask`; never empty.
    """

    label: int
    score: float
    class_quality: float
    mask_quality: float
    rle: dict


@dataclass(frozen=True)
class LabeledImage:
    """An image and what the teacher found in it.

    Attributes:
        image: its entry in a COCO-format file; ``width`` and ``height`` are those of the image as
            read, that is, after rotation by its EXIF data.
        labels: best score first.
    """

    image: dict
    labels: list[PseudoLabel]


@dataclass(frozen=True)
class UnreadableImage:
    """An image that could not be read.

    Attributes:
        path: image file.
        reason: message of the decoder.
    """

    path: Path
    reason: str


class PreparedBatch(NamedTuple):
    """Images as the network takes them.

    Attributes:
        unreadable: images of the batch that could not be read.
        entries: entries of the B others in a COCO-format file.
        inputs: normalised ``(B, 3, H, W)``; empty without readable images.
        samples: their data samples.
    """

    unreadable: list[UnreadableImage]
    entries: list[dict]
    inputs: Tensor
    samples: SampleList


def load_labeler(
    cfg: Config,
    checkpoint: dict,
    *,
    refiner_weight: float | Literal['scheduled'] | None = None,
    device: str = 'cpu',
) -> SemiMask2Former:
    """Load the model whose :meth:`~SemiMask2Former.get_pseudo_instances` labels images.

    Its ``dataset_meta`` has the class names, as with mmdet's ``init_detector``. A threshold that
    sets itself keeps the value that it had in the checkpoint; where no pseudo-label was made, as in
    a supervised run, the filter's own threshold takes its place, and a line says so.

    Args:
        cfg: config of a :class:`~mmpldc.models.SemiMask2Former`; modified.
        checkpoint: see :func:`~mmpldc.apis.read_checkpoint`; of this model, or of a plain
            ``Mask2Former``, which becomes the teacher.
        refiner_weight: w, the weight of the config's refiner (CLIP) against the teacher, in [0, 1].
            ``'scheduled'`` uses the weight it had when the checkpoint was written, if the config
            has a refiner, and the refiner of masks, if it has one. None and numbers leave out that
            of masks, None leaves out both; what is left out needs no weights.
        device: device of the model.

    Raises:
        ValueError: if config and checkpoint do not match, neither names the classes, or a weight is
            given without a refiner.
    """
    model_cfg = cfg.model
    step, max_steps = 0, 1
    if refiner_weight is None:
        model_cfg.pop('refiner', None)
    elif refiner_weight == 'scheduled':
        if any(model_cfg.get(key) is not None for key in ('refiner', 'mask_refiner')):
            max_steps = cfg.train_cfg.max_iters
            step = finished_iters(checkpoint, max_steps)
    elif model_cfg.get('refiner') is None:
        raise ValueError('a refiner weight was given, but the config has no model.refiner')
    elif not 0 <= refiner_weight <= 1:
        raise ValueError(f"the refiner's weight must lie in [0, 1], got {refiner_weight}")
    else:
        model_cfg.refiner.update(initial_weight=refiner_weight, final_weight=refiner_weight)
    if refiner_weight != 'scheduled':
        model_cfg.pop('mask_refiner', None)
    if 'init_cfg' in model_cfg.get('backbone', {}):
        model_cfg.backbone.init_cfg = None  # as in mmdet's init_detector: nothing to download
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = revert_sync_batchnorm(MODELS.build(model_cfg))
    if not isinstance(model, SemiMask2Former):
        raise ValueError(f"pseudo-labels need mmpldc.SemiMask2Former, not '{model_cfg.type}'")
    state_dict = checkpoint['state_dict']
    is_pair = any(name.startswith(TEACHER) for name in state_dict)
    check_weights(teacher_weights(state_dict) if is_pair else state_dict, model.teacher)
    model.load_state_dict(state_dict, strict=False)
    model.dataset_meta = class_information(checkpoint, cfg, model.teacher.panoptic_head.num_classes)
    model.set_progress(step, max_steps)
    thresholds = model.class_thresholds
    if isinstance(thresholds, ExpectedCountThreshold) and not thresholds.is_known:
        print_log(
            'the threshold that sets itself has seen no unlabelled images in this run: labels with '
            f'a score of at least {model.pseudo_label_filter.score_thr} are kept '
            '(model.pseudo_label_filter.score_thr)',
            logger='current',
        )
        model.class_thresholds = None
    model.prepare_refiners(model.dataset_meta['classes'], torch.device(device))
    return model.to(device).eval()


def finished_iters(checkpoint: dict, max_iters: int) -> int:
    """Iterations trained when a checkpoint was written; all of them if it does not say."""
    return checkpoint.get('meta', {}).get('iter', max_iters)


def label_images(
    model: SemiMask2Former,
    cfg: Config,
    images: Sequence[dict],
    root: Path,
    *,
    batch_size: int = 1,
    num_workers: int = 0,
) -> Iterator[LabeledImage | UnreadableImage]:
    """Label images batch by batch; only one batch is held in memory.

    Args:
        model: see :func:`load_labeler`.
        cfg: config with ``test_dataloader``, whose pipeline reads and resizes the images.
        images: entries of a COCO-format file, with ``id`` and ``file_name``.
        root: folder that the file names are relative to.
        batch_size: images that the teacher sees at once. They are padded to the largest, which
            may change their labels a little.
        num_workers: processes that read images; 0 reads them in this process.

    Yields:
        The images in order; within a batch, unreadable images come first.
    """
    for batch in prepared_batches(
        model, cfg, images, root, batch_size=batch_size, num_workers=num_workers
    ):
        yield from batch.unreadable
        if not batch.entries:
            continue
        all_instances = model.get_pseudo_instances(batch.inputs, batch.samples)
        for image, sample, instances in zip(
            batch.entries, batch.samples, all_instances, strict=True
        ):
            height, width = sample.ori_shape[:2]
            image = image | dict(width=int(width), height=int(height))
            yield LabeledImage(image, _to_labels(instances, sample))


def prepared_batches(
    model: SemiMask2Former,
    cfg: Config,
    images: Sequence[dict],
    root: Path,
    *,
    batch_size: int = 1,
    num_workers: int = 0,
) -> Iterator[PreparedBatch]:
    """Read images and prepare them for the network; arguments as for :func:`label_images`."""
    loader = DataLoader(
        _Images(images, root, get_test_pipeline_cfg(cfg)),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=list,
    )
    for batch in loader:
        unreadable = [item for item in batch if isinstance(item, UnreadableImage)]
        readable = [item for item in batch if not isinstance(item, UnreadableImage)]
        if not readable:
            yield PreparedBatch(unreadable, [], torch.zeros(0), [])
            continue
        entries, packed = zip(*readable, strict=True)
        data = model.data_preprocessor(pseudo_collate(packed), False)
        yield PreparedBatch(unreadable, list(entries), data['inputs'], data['data_samples'])


def _to_labels(instances: InstanceData, sample: DetDataSample) -> list[PseudoLabel]:
    """Convert labels to the image's frame; drop masks that are empty after shrinking."""
    labels = []
    # One by one: all masks of a large image at once may not fit into memory.
    for index in range(len(instances)):
        one = instances[index : index + 1]
        inside = logits_in_original_frame(one.mask_logits, sample.metainfo)[0] > 0
        # Host sync: file contents have to leave the device.
        mask = inside.cpu().numpy()
        if mask.any():
            labels.append(
                PseudoLabel(
                    label=one.labels.item(),
                    score=one.scores.item(),
                    class_quality=one.class_quality.item(),
                    mask_quality=one.mask_quality.item(),
                    rle=encode_mask(mask),
                )
            )
    return labels


class _Images(Dataset):
    """Images prepared for the network, in a worker process or in this one.

    Args:
        images, root: see :func:`label_images`.
        pipeline: configs of transforms; the first one reads the image.
    """

    def __init__(self, images: Sequence[dict], root: Path, pipeline: list[dict]) -> None:
        self.images = images
        self.root = root
        self.read, *self.transforms = (TRANSFORMS.build(transform) for transform in pipeline)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[dict, dict] | UnreadableImage:
        """Return the image's entry and its ``inputs`` and ``data_samples``."""
        image = self.images[index]
        path = self.root / image['file_name']
        try:
            results = self.read(dict(img_path=str(path), img_id=image['id']))
        except Exception as error:  # decoders raise errors of any type
            return UnreadableImage(path, str(error))
        for transform in self.transforms:
            results = transform(results)
        return image, results
