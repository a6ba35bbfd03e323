"""Score masked regions with an image classifier, as an alternative to CLIP."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.utils import ConfigType
from mmengine.registry import DefaultScope, Registry
from torch import Tensor, nn

from mmpldc.registry import MODELS
from mmpldc.utils.checkpoint_loading import MissingWeights, load_url, read_weights
from mmpldc.utils.rank_zero_first import load_first_on_one_rank

from .region_crops import RegionCrops
from .region_scorer import RegionScorer, RegionScores


@MODELS.register_module()
class ImageClassifierScorer(RegionScorer):
    """Read p(class) from an mmpretrain classifier, through a map of its output indices.

    Args:
        classifier: config of an mmpretrain classifier with a head that returns logits:
            ``dict(type='mmpretrain.ImageClassifier', ...)`` or
            ``dict(type='mmpretrain.TimmClassifier', model_name='resnet50', ...)``. Types without a
            scope are mmpretrain's.
        checkpoint: path or URL of its weights, which must fit exactly (a ``TimmClassifier``'s
            are timm's or, for its ResNets, torchvision's); None only for a classifier that loads
            its own (``pretrained=True``, as timm's may).
        class_indices: the classifier's outputs for each of the detector's classes,
            ``dict(tiger=[292], deer=[351, 352, 353], ...)``. Their probabilities are summed; an
            output listed for several classes is divided evenly between them. An empty list means
            that the classifier does not know the class: no label is changed to or from it.
        crop_size: side of the crops in pixels.
        mean: per channel in the classifier's order, for pixels in [0, 255], as in mmpretrain's
            ``data_preprocessor``.
        std: likewise.
        bgr: whether the classifier's channels are in the order BGR, as with caffe's weights
            (mmpretrain's ``to_rgb=False``).
        square: extend each box to a square, else the crop is squeezed.
        context: factor on the sides of a box.
        max_pixels: limit on the pixels of all crops in the classifier at once, to bound memory;
            2**22 are 83 crops of 224 x 224.
        temperature: divides the logits; above 1 for an overconfident classifier, below 1 for one
            whose softmax is flat (trained with a binary loss, as some of timm's are).
        min_mass: lowest total probability, in (0, 1], of all mapped outputs; below it the
            classifier sees something else, and the row is not valid.
    """

    def __init__(
        self,
        *,
        classifier: ConfigType,
        checkpoint: str | None = None,
        class_indices: Mapping[str, Sequence[int]],
        crop_size: int = 224,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        bgr: bool = False,
        square: bool = True,
        context: float = 1.0,
        max_pixels: int = 2**22,
        temperature: float = 1.0,
        min_mass: float = 0.05,
    ) -> None:
        if checkpoint is None and classifier.get('pretrained') is not True:
            raise ValueError(
                'give the weights as checkpoint=... (or pretrained=True in a classifier that loads '
                'its own, as TimmClassifier does): a classifier with random weights is useless'
            )
        wrong = [name for name, own in class_indices.items() if not _are_indices(own)]
        if wrong:
            raise ValueError(f'class_indices must hold lists of indices >= 0: correct {wrong}')
        if not 0 < min_mass <= 1:
            raise ValueError(f'min_mass must be in (0, 1], got {min_mass}')
        if temperature <= 0:
            raise ValueError(f'temperature must be positive, got {temperature}')
        self.classifier, self.checkpoint = classifier, checkpoint
        self.class_indices = class_indices
        self.bgr = bgr
        self.temperature, self.min_mass = temperature, min_mass
        to_rgb = -1 if bgr else 1
        self.crops = RegionCrops(
            size=crop_size,
            mean=[value / 255 for value in mean[::to_rgb]],
            std=[value / 255 for value in std[::to_rgb]],
            square=square,
            context=context,
            max_pixels=max_pixels,
        )
        self.network: Any = None  # mmpretrain's classifier

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """See the parent."""
        missing = [name for name in classes if name not in self.class_indices]
        if missing:
            raise ValueError(
                f'class_indices lacks {missing}: list the indices of the classifier that stand for '
                'each, or an empty list for a class that it does not know'
            )
        network = load_first_on_one_rank(self._load)
        self.network = network.eval().requires_grad_(False).to(device)
        membership = torch.zeros(self._num_outputs(device), len(classes))
        for column, name in enumerate(classes):
            indices = list(self.class_indices[name])
            too_large = [index for index in indices if index >= len(membership)]
            if too_large:
                raise ValueError(
                    f"class_indices['{name}'] has {too_large}, but the classifier has "
                    f'{len(membership)} outputs'
                )
            membership[indices, column] = 1
        # (C, N): the share of each of the classifier's outputs that goes to each class
        self.membership = (membership / membership.sum(1, keepdim=True).clamp(min=1)).to(device)
        self.known = (membership.sum(0) > 0).to(device)

    def score(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> RegionScores:
        """See the parent."""
        if self.network is None:
            raise RuntimeError('ImageClassifierScorer: call prepare(classes, device) first')
        logits, valid = self.crops(self._logits, images, sizes, mask_logits, image_index)
        # fp32 island: probabilities of a thousand outputs are summed.
        with torch.autocast(images.device.type, enabled=False):
            probabilities = (logits.float() / self.temperature).softmax(dim=-1) @ self.membership
            mass = probabilities.sum(dim=-1)
            valid = valid & (mass >= self.min_mass)
            return RegionScores(probabilities / mass.clamp(min=self.min_mass)[:, None], valid)

    def _logits(self, crops: Tensor) -> Tensor:
        """Return ``(k, C)`` for normalised RGB crops ``(k, 3, size, size)``."""
        return self.network(crops.flip(1) if self.bgr else crops, mode='tensor')

    def _num_outputs(self, device: torch.device) -> int:
        """Find C by a test pass, because classifiers have no common attribute for it."""
        with torch.no_grad():
            logits = self._logits(torch.zeros(1, 3, self.crops.size, self.crops.size).to(device))
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            raise ValueError(
                f'{self.classifier["type"]} does not return logits of shape (batch, classes): give '
                'it a head that does'
            )
        return logits.shape[1]

    def _load(self) -> nn.Module:
        """Return the classifier on the CPU."""
        registry = _mmpretrain_models()
        weights = None
        try:
            # In its own scope, else a bare 'ResNet' would be mmdet's.
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                network = registry.build(copy.deepcopy(self.classifier))
            if self.checkpoint is not None:
                weights = _read_weights(self.checkpoint)
        except Exception as error:  # mmpretrain and timm raise many types, from as many libraries
            raise MissingWeights(
                f'cannot load classifier={self.classifier} checkpoint={self.checkpoint!r}: '
                f'{error}\n'
                'Without a network, fetch the weights in advance on a machine that has one, and '
                'give the file as checkpoint=...; or run python tools/cache_text_embeddings.py '
                'CONFIG there, which prepares the refiner once, and copy the caches that it fills: '
                '$TORCH_HOME/hub/checkpoints for a URL, $HF_HOME for pretrained=True. Training '
                "with refiner=None needs no classifier: labels keep the teacher's classes (PL-DC "
                'without DICC).'
            ) from error
        if weights is not None:
            try:
                network.load_state_dict(weights)
            except RuntimeError as error:
                raise RuntimeError(f'{self.checkpoint} does not fit classifier: {error}') from error
        return network


def _mmpretrain_models() -> Registry:
    """Import the optional package's registry, only when a scorer is prepared."""
    try:
        import mmpretrain.models  # noqa: F401, fills the registry
        from mmpretrain.registry import MODELS as registry
    except ImportError as error:
        raise ImportError(
            'ImageClassifierScorer needs mmpretrain: pip install onedl-mmpretrain'
        ) from error
    return registry


def _read_weights(source: str) -> dict[str, Tensor]:
    """Read the state dict from a file or a URL.

    mmengine's download is not used: it waits for the other ranks, while here one rank goes first.
    """
    if source.startswith(('http://', 'https://', 'file://')):
        checkpoint = load_url(source, map_location='cpu')
    elif '://' in source:
        raise ValueError(f'checkpoint must be a file or an http(s) address, got {source}')
    else:
        return read_weights(source)
    return checkpoint.get('state_dict', checkpoint)


def _are_indices(value: object) -> bool:
    return isinstance(value, Sequence) and all(type(i) is int and i >= 0 for i in value)
