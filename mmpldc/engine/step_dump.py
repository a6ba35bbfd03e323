"""Save and load everything needed to replay a training step."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData

from mmpldc._compat import is_installed
from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.structures import PackedMasks, TrainingSample
from mmpldc.utils.files import atomic_write
from mmpldc.utils.unwrapping import unwrapped

try:
    from numpy._core import multiarray
except ImportError:  # NumPy 1
    from numpy.core import multiarray  # type: ignore[no-redef]

# Types that a batch contains besides tensors; torch.load builds nothing else.
BATCH_TYPES = (
    BitmapMasks,
    DetDataSample,
    HorizontalBoxes,
    InstanceData,
    PackedMasks,
    PixelData,
    PolygonMasks,
    TrainingSample,
    multiarray._reconstruct,
    multiarray.scalar,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(code)) for code in np.typecodes['AllInteger'] + np.typecodes['Float'] + '?'},
)


def save_step(path: Path, runner: Runner, data_batch: dict | list[dict]) -> None:
    """Atomically write this rank's part of the step that a Runner has just tried.

    Args:
        path: file to write.
        runner: after the step, with the weights from before it.
        data_batch: as passed to hooks: a batch, or the list of an accumulated step's micro-batches.
    """
    model, pair = unwrapped(runner.model), as_teacher_student(runner.model)
    step = dict(
        batches=data_batch if isinstance(data_batch, list) else [data_batch],
        state_dict=model.state_dict(),
        optimizer=runner.optim_wrapper.state_dict(),
        config=runner.cfg.pretty_text,
        classes=tuple(runner.train_dataloader.dataset.metainfo['classes']),
        iteration=runner.iter,
        max_iters=runner.max_iters,
        is_supervised=pair is not None and pair.phases.is_supervised,
        seed=runner.seed,
        rank=get_rank(),
        world_size=get_world_size(),
    )
    with atomic_write(path, 'wb') as file:
        torch.save(step, file)


def load_step(path: Path, device: torch.device | str = 'cpu') -> dict[str, Any]:
    """Read a file of :func:`save_step`; reading executes nothing in the file.

    ``config`` is Python code, though: building it runs the code of the file's author.

    Args:
        path: file to read.
        device: where tensors go.

    Returns:
        ``batches``, a list of data loader batches; ``state_dict`` of the model; ``optimizer``, the
        state of its wrapper; ``config``, its text; ``classes``; ``iteration``, the number of
        iterations before it; ``is_supervised``, whether it had no pseudo-labels; ``max_iters``,
        ``seed``, ``rank`` and ``world_size``.
    """
    with torch.serialization.safe_globals([*BATCH_TYPES, *_of_semantic_segmentation()]):
        return torch.load(path, map_location=device, weights_only=True)


def _of_semantic_segmentation() -> tuple[type, ...]:
    """Further types of a batch, if mmsegmentation is installed; no other batch needs it."""
    if not is_installed('mmseg'):
        return ()
    from mmseg.structures import SegDataSample

    from mmpldc.structures.seg_training_sample import SegTrainingSample

    return SegDataSample, SegTrainingSample
