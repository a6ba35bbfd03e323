"""Compare an ONNX file with the model that it was made of, on images."""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mmpldc._mmdet  # noqa: F401

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import Compose
from mmdet.apis import init_detector
from mmdet.utils import get_test_pipeline_cfg
from mmengine.dataset import pseudo_collate
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .onnx_export import INPUTS, OUTPUTS, require_onnx

MIN_IOU = 0.99
MAX_DIFFERENCE = 1e-3  # of scores
MIN_SCORE = 0.05  # fainter instances are not compared: which of them are the K best is rounding


class Found(NamedTuple):
    """Instances of an image.

    Attributes:
        scores: ``(K,)`` in [0, 1].
        labels: ``(K,)``.
        masks: ``(K, H, W)`` bool in the network's frame, without padding.
    """

    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


class Agreement(NamedTuple):
    """How an image's predictions agree.

    Attributes:
        image: path.
        instances: of PyTorch, with a score of at least 0.05.
        iou: lowest mask IoU of a pair; 1 without instances, 0 if one is missing.
        difference: largest difference of scores in a pair.
        torch_seconds, onnx_seconds: for the image, from prepared pixels to masks.
    """

    image: str
    instances: int
    iou: float
    difference: float
    torch_seconds: float
    onnx_seconds: float

    @property
    def holds(self) -> bool:
        """Whether masks have an IoU of 0.99 and scores are within 0.001."""
        return self.iou >= MIN_IOU and self.difference <= MAX_DIFFERENCE


def check_onnx(
    config: str | Path, checkpoint: str | Path, onnx: str | Path, images: Sequence[str | Path]
) -> list[Agreement]:
    """Predict images with mmdet's model and with the ONNX file, on the CPU.

    Both get the same pixels, prepared by the config, one image at a time. The first one is
    predicted twice, and the first time is not counted.

    Args:
        config, checkpoint: of the published model.
        onnx: what :func:`~mmpldc.apis.export_onnx` made of it.
        images: paths.

    Raises:
        SystemExit: if onnxruntime is not installed.
        ValueError: without images.
    """
    require_onnx('onnxruntime')
    if not images:
        raise ValueError('there is no image to compare on')
    model = init_detector(str(config), str(checkpoint), device='cpu')
    pipeline = Compose(get_test_pipeline_cfg(model.cfg))
    session = open_session(onnx)
    results = []
    for number, image in enumerate([images[0], *images]):
        data = pseudo_collate([pipeline(dict(img_path=str(image), img_id=0))])
        data = model.data_preprocessor(data, False)
        inputs = _padded(data['inputs'], session, str(image))
        data['data_samples'][0].set_metainfo(dict(batch_input_shape=tuple(inputs.shape[-2:])))
        start = time.perf_counter()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'torch.meshgrid')  # of mmdet's
            (sample,) = model.predict(inputs, data['data_samples'], rescale=False)
        middle = time.perf_counter()
        size = sample.img_shape[:2]
        found = run_onnx(session, inputs.numpy(), [size])[0]
        end = time.perf_counter()
        if number:
            instances = sample.pred_instances
            expected = Found(*(instances[name].numpy() for name in OUTPUTS))
            agreement = compare(expected, found)
            results.append(Agreement(str(image), *agreement, middle - start, end - middle))
    return results


def open_session(onnx: str | Path) -> Any:
    """Open a file in onnxruntime, with as many threads as PyTorch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(onnx), options, providers=['CPUExecutionProvider'])


def _padded(images: Tensor, session: Any, name: str) -> Tensor:
    """Pad images ``(B, 3, H, W)`` to the size of the model's input, if that is fixed.

    Raises:
        ValueError: if an image is larger.
    """
    sides = session.get_inputs()[0].shape[2:]
    if not all(isinstance(side, int) for side in sides):
        return images
    rows, columns = (side - own for side, own in zip(sides, images.shape[-2:], strict=True))
    if rows < 0 or columns < 0:
        raise ValueError(
            f'{name} is {images.shape[-2]} x {images.shape[-1]} pixels before the network, more '
            f'than the fixed size, {sides[0]} x {sides[1]}'
        )
    return F.pad(images, (0, columns, 0, rows))


def run_onnx(session: Any, images: np.ndarray, sizes: Sequence[Sequence[int]]) -> list[Found]:
    """Predict a batch.

    Args:
        session: see :func:`open_session`.
        images: ``(B, 3, H, W)`` float32, prepared.
        sizes: (height, width) of each without padding.

    Returns:
        For each image its instances, masks cut to its size.
    """
    feed = dict(zip(INPUTS, (images, np.asarray(sizes, np.int64)), strict=True))
    scores, labels, masks = session.run(list(OUTPUTS), feed)
    return [
        Found(scores[i], labels[i], masks[i, :, :height, :width])
        for i, (height, width) in enumerate(sizes)
    ]


def compare(expected: Found, found: Found) -> tuple[int, float, float]:
    """Pair the instances of one label by their masks, and look at the worst pair.

    Args:
        expected, found: those of either with a score of at least 0.05 need a partner in the other.

    Returns:
        The number of such expected instances, the lowest IoU, and the largest difference of scores.
    """
    there, back = _worst_pair(expected, found), _worst_pair(found, expected)
    number = int((expected.scores >= MIN_SCORE).sum())
    return number, min(there[0], back[0]), max(there[1], back[1])


def _worst_pair(wanted: Found, other: Found) -> tuple[float, float]:
    """Lowest IoU and largest difference of scores; 0 and 1 if an instance has no partner."""
    lowest, difference = 1.0, 0.0
    clear = wanted.scores >= MIN_SCORE
    for label in np.unique(wanted.labels[clear]):
        own, theirs = clear & (wanted.labels == label), other.labels == label
        if theirs.sum() < own.sum():
            return 0.0, 1.0
        ious = pairwise_iou(wanted.masks[own], other.masks[theirs])
        gaps = np.abs(wanted.scores[own][:, None] - other.scores[theirs])
        rows, columns = linear_sum_assignment(ious - gaps, maximize=True)
        lowest = min(lowest, float(ious[rows, columns].min()))
        difference = max(difference, float(gaps[rows, columns].max()))
    return lowest, difference


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU ``(K, L)`` of masks ``(K, H, W)`` and ``(L, H, W)``; 1 of two empty ones."""
    flat, other = (masks.reshape(len(masks), -1).astype(np.float32) for masks in (first, second))
    common = flat @ other.T
    union = flat.sum(axis=1)[:, None] + other.sum(axis=1) - common
    return np.divide(common, union, out=np.ones_like(union), where=union > 0)
