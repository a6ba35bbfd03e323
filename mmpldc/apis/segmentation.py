"""Use a trained segmentor: a class for each pixel of any images."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from mmpldc.models import TeacherStudent
from mmpldc.utils.checkpoints import TEACHER, check_weights, class_information, teacher_weights

LOADING = ('LoadImageFromFile', 'LoadAnnotations', 'LoadSegAnnotations')


def is_semantic(cfg: Config) -> bool:
    """Whether a config is one of semantic segmentation, of a pair or a plain model."""
    return 'segmentor' in cfg.model or 'decode_head' in cfg.model


def load_segmentor(cfg: Config, checkpoint: dict, *, device: str = 'cpu') -> Any:
    """Load a segmentor, of which a pair's teacher predicts.

    Args:
        cfg: config of a ``mmpldc.SemiSegmentor``, or of a published ``EncoderDecoder``; modified.
        checkpoint: of this model, see :func:`~mmpldc.apis.read_checkpoint`.
        device: of the model.

    Returns:
        The model in eval mode, with ``dataset_meta`` (``classes``, and ``palette`` if known) and
        ``cfg``, as mmsegmentation's ``init_model`` has it.

    Raises:
        ValueError: if config and checkpoint do not match, or neither names the classes.
    """
    if 'init_cfg' in cfg.model.get('backbone', {}):
        cfg.model.backbone.init_cfg = None  # the checkpoint has these weights
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    state_dict = checkpoint['state_dict']
    network = model.teacher if isinstance(model, TeacherStudent) else model
    if any(name.startswith(TEACHER) for name in state_dict):
        state_dict = teacher_weights(state_dict)
    check_weights(state_dict, network)
    network.load_state_dict(state_dict)
    if network is not model:  # the student has no weights, whatever the config tests
        model.semi_test_cfg = dict(predict_on='teacher')
    model.dataset_meta = class_information(checkpoint, cfg, network.decode_head.num_classes)
    model.cfg = cfg
    return model.to(device).eval()


@torch.no_grad()
def segment_images(
    model: Any, images: Iterable[np.ndarray], *, batch_size: int = 1
) -> Iterator[np.ndarray]:
    """Predict a class for each pixel, batch by batch; only one batch is held in memory.

    Args:
        model: see :func:`load_segmentor`; the test pipeline of its config prepares the images.
        images: ``(H, W, 3)`` uint8, BGR.
        batch_size: images that the network sees at once, if they have one size.

    Yields:
        For each image ``(H, W)`` uint8, classes in [0, C).
    """
    transforms = [
        TRANSFORMS.build(transform)
        for transform in model.cfg.test_dataloader.dataset.pipeline
        if transform['type'].rpartition('.')[2] not in LOADING
    ]
    rest = iter(images)
    while batch := list(islice(rest, batch_size)):
        for _, group in groupby(batch, key=np.shape):
            packed = [_prepare(image, transforms) for image in group]
            for sample in model.test_step(pseudo_collate(packed)):
                # Host sync: what is returned has to leave the device.
                yield sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)


def _prepare(image: np.ndarray, transforms: Sequence[Any]) -> dict:
    """``inputs`` and ``data_samples`` of an image."""
    size = image.shape[:2]
    results = dict(img=image, img_path='', img_shape=size, ori_shape=size)
    for transform in transforms:
        results = transform(results)
    return results
