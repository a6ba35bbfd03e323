"""Export a published Mask2Former to ONNX, with its post-processing and what an image needs."""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmdet.registry import MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config, ConfigDict
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.onnx import OnnxExporterError

from mmpldc._compat import is_installed
from mmpldc.functional import resize
from mmpldc.utils.checkpoints import check_weights, class_information, read_checkpoint
from mmpldc.utils.files import atomic_write
from mmpldc.version import __version__

OPSET = 18  # has GridSample, which deformable attention needs (from 16 on)
INPUTS, OUTPUTS = ('images', 'sizes'), ('scores', 'labels', 'masks')
PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
NEEDS_ONNX = (
    "ONNX needs {}: pip install 'mmpldc[export]', or in a checkout 'bash tools/setup_env.sh'"
)
MOST_IMAGES = 1024  # of a batch
LONGEST_SIDE = 16384  # pixels


class Preparation(NamedTuple):
    """What has to be done to an image; the file's metadata has it under these names, as JSON.

    Attributes:
        classes: names.
        scale: (width, height) that the image is fitted into, its ratio kept; None: as it is.
        mean, std: of each channel, on values from 0 to 255.
        channels: order of the channels, ``'RGB'`` or ``'BGR'``.
        divisor: zeros are added at the right and the bottom up to a multiple of it.
    """

    classes: tuple[str, ...]
    scale: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str
    divisor: int


class ExportedModel(nn.Module):
    """A Mask2Former from prepared images to instances, without anything but tensors.

    Args:
        detector: mmdet's ``Mask2Former`` with a :class:`~mmpldc.models.SemiMask2FormerHead`.
        max_per_image: K, pairs of query and class that are returned; at most all.
    """

    detector: Any
    num_classes: int

    def __init__(self, detector: nn.Module, max_per_image: int) -> None:
        super().__init__()
        self.detector = detector
        head = self.detector.panoptic_head
        self.num_classes = head.num_classes
        self.num_pairs = min(max_per_image, head.num_queries * self.num_classes)

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict as mmdet does with ``rescale=False``.

        Args:
            images: ``(B, 3, H, W)`` float32, normalised and padded, see :class:`Preparation`.
            sizes: ``(B, 2)`` int64, (height, width) of each image without its padding.

        Returns:
            Scores ``(B, K)`` in [0, 1], labels ``(B, K)`` int64, and masks ``(B, K, H, W)`` bool in
            the frame of the input, in mmdet's order, which is not that of the scores. In the
            padding a mask is False.
        """
        height, width = images.shape[-2:]
        outputs = self.detector.panoptic_head.predict_last(self.detector.extract_feat(images))
        probabilities = outputs.cls_logits.softmax(dim=-1)[..., :-1].flatten(1)
        class_scores, pairs = probabilities.topk(self.num_pairs)
        queries = pairs // self.num_classes
        image_of = torch.arange(images.shape[0], device=images.device)[:, None]
        logits = resize(outputs.mask_logits[image_of, queries], (height, width))
        rows = torch.arange(height, device=images.device) < sizes[:, :1]
        columns = torch.arange(width, device=images.device) < sizes[:, 1:]
        masks = (logits > 0) & (rows[:, None, :, None] & columns[:, None, None, :])
        area = masks.sum(dim=(2, 3)) + 1e-6  # as in mmdet
        scores = class_scores * (logits.sigmoid() * masks).sum(dim=(2, 3)) / area
        return scores, pairs % self.num_classes, masks


def preparation(cfg: Config, classes: tuple[str, ...]) -> Preparation:
    """What a published config does to an image before the network.

    Args:
        cfg: with ``model.data_preprocessor`` and a test pipeline.
        classes: names.

    Raises:
        ValueError: if the pipeline changes pixels in a way that is not described here.
    """
    scale = None
    for transform in get_test_pipeline_cfg(cfg):
        kind = transform['type'].rpartition('.')[2]
        if kind == 'Resize' and transform.get('keep_ratio') and 'scale' in transform:
            width, height = transform['scale']
            scale = int(width), int(height)
        elif not kind.startswith(('Load', 'Pack')):
            raise ValueError(
                f"{cfg.filename}: the test pipeline has '{kind}', which is not described in the "
                'ONNX file: it may read, Resize with scale and keep_ratio=True, and pack'
            )
    pixels = cfg.model.data_preprocessor
    return Preparation(
        classes=tuple(classes),
        scale=scale,
        mean=tuple(map(float, pixels.mean)),
        std=tuple(map(float, pixels.std)),
        channels='RGB' if pixels.get('bgr_to_rgb') else 'BGR',
        divisor=int(pixels.get('pad_size_divisor', 1)),
    )


def load_exportable(cfg: Config, checkpoint: dict) -> ExportedModel:
    """Build the network for the export, in eval mode on the CPU.

    It is that of the config with mmpldc's head and pixel decoder, which have the same weights and
    outputs as mmdet's, take sizes of maps as numbers, and compute the last layer's masks alone.

    Args:
        cfg: of a published ``Mask2Former``, see :func:`~mmpldc.apis.publish_model`.
        checkpoint: of this model, see :func:`~mmpldc.apis.read_checkpoint`.

    Raises:
        ValueError: if it is another model, has classes of stuff, or does not fit the checkpoint.
    """
    model_cfg: ConfigDict = copy.deepcopy(cfg.model)
    if model_cfg.type.rpartition('.')[2] != 'Mask2Former':
        raise ValueError(
            f'{cfg.filename}: ONNX is written of a published Mask2Former, this is a '
            f'{model_cfg.type}; tools/publish_model.py publishes the teacher of a run'
        )
    if model_cfg.panoptic_head.get('num_stuff_classes'):
        raise ValueError(f'{cfg.filename}: the model has classes of stuff, not only instances')
    if 'init_cfg' in model_cfg.backbone:
        model_cfg.backbone.init_cfg = None  # the checkpoint has these weights
    model_cfg.panoptic_head.type = 'mmpldc.SemiMask2FormerHead'
    model_cfg.panoptic_head.pixel_decoder.type = 'mmpldc.MSDeformAttnPixelDecoder'
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    detector = revert_sync_batchnorm(MODELS.build(model_cfg))
    check_weights(checkpoint['state_dict'], detector)
    detector.load_state_dict(checkpoint['state_dict'])
    return ExportedModel(detector, model_cfg.test_cfg.get('max_per_image', 100)).eval()


def export_onnx(
    config: str | Path,
    checkpoint: str | Path,
    out: str | Path,
    *,
    size: tuple[int, int] | None = None,
) -> Preparation:
    """Write a published model as an ONNX file.

    Inputs, outputs and their frame are those of :meth:`ExportedModel.forward`. The number of images
    and, unless ``size`` is given, their sides are free; sides are multiples of the divisor. The
    metadata has the fields of :class:`Preparation`, each as JSON.

    Args:
        config, checkpoint: as :func:`~mmpldc.apis.publish_model` wrote them.
        out: path of the file.
        size: (height, width) of the padded images, if it shall be fixed; pixels.

    Raises:
        SystemExit: if a package is missing; with the extra's name.
        ValueError: if the model cannot be exported; the message says why.
        FileNotFoundError: if there is no such checkpoint.
    """
    require_onnx('onnx', 'onnxscript')
    cfg = Config.fromfile(config)
    content = read_checkpoint(checkpoint)
    model = load_exportable(cfg, content)
    prepared = preparation(cfg, class_information(content, cfg, model.num_classes)['classes'])
    if size is not None and any(side < 1 or side % prepared.divisor for side in size):
        raise ValueError(f'a fixed size needs multiples of {prepared.divisor}, got {size}')
    program = _traced(model, prepared.divisor, size)
    program.model.producer_name, program.model.producer_version = 'mmpldc', __version__
    program.model.metadata_props.update(
        {name: json.dumps(value) for name, value in prepared._asdict().items()}
        | dict(weights=json.dumps(Path(checkpoint).name))
    )
    with atomic_write(Path(out), 'wb') as file:
        file.write(program.model_proto.SerializeToString())
    return prepared


def _traced(model: ExportedModel, divisor: int, size: tuple[int, int] | None) -> Any:
    """The model as torch's ``ONNXProgram``.

    Args:
        model: of :func:`load_exportable`.
        divisor: of the sides.
        size: (height, width), or None for free sides.
    """
    batch = torch.export.Dim('batch', min=1, max=MOST_IMAGES)
    axes: dict[int, Any] = {0: batch}
    if size is None:
        most = LONGEST_SIDE // divisor
        for axis, name in (2, 'rows'), (3, 'columns'):
            axes[axis] = divisor * torch.export.Dim(name, min=1, max=most)
        # the smallest map has more than one pixel, so that no axis of the example looks fixed
        size = (divisor * -(-128 // divisor), divisor * -(-192 // divisor))
    example = torch.zeros(2, 3, *size), torch.tensor([size, size])
    try:
        with _quiet(), torch.no_grad():
            return torch.onnx.export(
                model,
                example,
                input_names=INPUTS,
                output_names=OUTPUTS,
                opset_version=OPSET,
                dynamic_shapes=dict(images=axes, sizes={0: batch}),
                dynamo=True,
                verbose=False,
            )
    except OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()
        way_out = '' if len(axes) == 1 else ' Perhaps with a fixed size: --size HEIGHT WIDTH.'
        raise ValueError(
            f'torch.onnx cannot export this model: {cause[0] if cause else "no reason"}.{way_out}'
        ) from error


def require_onnx(*packages: str) -> None:
    """End with one line if a package of the extra is missing.

    Raises:
        SystemExit: naming the packages and the extra.
    """
    missing = [name for name in packages or PACKAGES if not is_installed(name)]
    if missing:
        raise SystemExit(NEEDS_ONNX.format(' and '.join(missing)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about itself."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
