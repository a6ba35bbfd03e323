"""Find the instances of any images with a trained model."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

import numpy as np
from mmdet.apis import DetInferencer
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmpldc.models.seg_heads import predict_run_lengths

from .fitting import check_checkpoint
from .run_lengths import with_run_lengths
from .tiling import predict_tiles


def load_predictor(
    config: str | Path,
    checkpoint: str | Path,
    *,
    device: str | None = None,
    palette: str = 'none',
) -> DetInferencer:
    """Load a detector for :func:`predict`; of a teacher and a student the teacher.

    Args:
        config: of a run, or of a published model.
        checkpoint: its weights.
        device: None: a GPU if there is one.
        palette: colours of its ``visualizer``: mmdet's names; ``'none'``: the checkpoint's.

    Returns:
        mmdet's inferencer, with ``model``, ``cfg`` and ``visualizer``; the names of the classes are
        ``visualizer.dataset_meta['classes']``.

    Raises:
        ValueError: if the checkpoint does not fit the config.
        FileNotFoundError: if one of the files does not exist.
    """
    for path in (config, checkpoint):
        if '://' not in str(path) and not Path(path).exists():
            raise FileNotFoundError(f'there is no file {path}')
    predictor = DetInferencer(
        model=str(config),
        weights=str(checkpoint),
        device=device,
        palette=palette,
        show_progress=False,
    )
    check_checkpoint(checkpoint, predictor.model, predictor.cfg)
    return predictor


def predict(
    predictor: DetInferencer,
    images: Iterable[np.ndarray],
    *,
    batch_size: int = 1,
    tile: int | None = None,
    overlap: float = 0.2,
) -> Iterator[InstanceData]:
    """Predict images batch by batch; only one batch is held in memory.

    Args:
        predictor: see :func:`load_predictor`.
        images: ``(H, W, 3)`` uint8, BGR.
        batch_size: images, or tiles, that the network sees at once.
        tile: predict on tiles of this side, in pixels, and put them together
            (:func:`~mmpldc.apis.predict_tiles`); 0: of the config's size; None: whole images.
        overlap: share of a tile that the next one has, too.

    Yields:
        For each image ``labels``, ``scores``, ``bboxes`` and ``masks`` in its own frame; masks are
        a list of COCO's run lengths.

    Raises:
        ValueError: if the config does not tell the size of a tile.
    """
    if tile == 0:
        tile = tile_size(predictor.cfg)
    whole = partial(_predict_batch, predictor)
    if tile is not None:
        for image in images:
            yield predict_tiles(image, whole, tile=tile, overlap=overlap, batch_size=batch_size)
        return
    rest = iter(images)
    while batch := list(islice(rest, batch_size)):
        yield from whole(batch)


def tile_size(cfg: Config) -> int:
    """Longer side that a config's test pipeline gives images, or else that of its training.

    Raises:
        ValueError: if neither is in the config.
    """
    for transform in get_test_pipeline_cfg(cfg):
        if 'scale' in transform:
            return max(transform['scale'])
    for augment in (
        cfg.model.get('data_preprocessor', {}).get('data_preprocessor', {}).get('batch_augments')
        or []
    ):
        if 'size' in augment:
            return max(augment['size'])
    raise ValueError('the config does not tell the size of its images: give --tile a number')


def _predict_batch(predictor: DetInferencer, images: Sequence[np.ndarray]) -> list[InstanceData]:
    """Predict images at once, with masks as run lengths."""
    ((_, data),) = predictor.preprocess(images, batch_size=len(images))
    with predict_run_lengths(predictor.model):
        samples = predictor.forward(data)
    return [with_run_lengths(sample.pred_instances) for sample in samples]
