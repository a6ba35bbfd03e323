"""Score masked regions with CLIP (Eq. 6), by open_clip."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpldc.functional import (
    content_mask,
    mean_embedding,
    normalize,
    pad_prompts,
    pool_masks,
    resize_masks,
    softmax_ensemble,
)
from mmpldc.registry import MODELS
from mmpldc.utils.checkpoint_loading import MissingWeights
from mmpldc.utils.rank_zero_first import load_first_on_one_rank

from .prompts import read_prompts
from .region_crops import RegionCrops
from .region_scorer import RegionScorer, RegionScores
from .text_embeddings import cached_text_embeddings, default_cache, weights_key

MODES = ('crop', 'mask_pool')
ENSEMBLES = ('softmax', 'mean')
LARGEST_SCALE = 100.0  # CLIP's own limit on the scale of its logits


@MODELS.register_module()
class OpenCLIPScorer(RegionScorer):
    """p_clip = softmax over classes of CLIP(region) . CLIP(text) (Eq. 6).

    Args:
        model: an open_clip model name (``'RN50-quickgelu'``, ``'convnext_large_d_320'``, ...), or
            ``'local-dir:FOLDER'`` for a folder with ``open_clip_config.json`` and weights.
        pretrained: a tag of that model (``'openai'``, ...) or the path of a checkpoint; None with
            ``local-dir:``.
        mode: ``'crop'``, a crop of each object, as in the paper, or ``'mask_pool'``, one pass
            over the whole image whose features are averaged over each mask, as released; for
            towers that end in a feature map (ModifiedResNet, timm's ConvNeXt).
        descriptions: texts of each class, see :func:`read_prompts`.
        templates: texts for any class, likewise.
        ensemble: how several texts of a class are combined into one logit: ``'softmax'`` weighted,
            as released, or ``'mean'`` of the normalised embeddings.
        crop_size: side of the crops in pixels; None: the model's own, the only one that towers with
            positions (ViT, ModifiedResNet) accept.
        square: extend each box to a square, else the crop is squeezed.
        context: factor on the sides of a box.
        logit_scale: factor on the cosine similarity; None: the model's own, at most 100.
        max_pixels: limit on the pixels in the tower at once, to bound memory; 2**22 are 83 crops
            of 224 x 224 or 4 images of 1024 x 1024.
        cache_dir: open_clip's download folder; None: its default.
        text_cache: folder of text embeddings; None: ``$MMPLDC_CACHE/text_embeddings``.

    Note:
        The paper uses patches of 224 x 224 pixels and the text model of CLIP's RN50. The released
        code pools ``convnext_large_d_320``, with pixels in [0, 255] and including padding. Here
        pixels are normalised as the model expects, and padding is left out.

        ``mask_pool`` with a ModifiedResNet applies the value path of its attention pooling to the
        averaged feature (as MaskCLIP does), because a mask has no grid of positions to attend to.
    """

    def __init__(
        self,
        *,
        model: str,
        pretrained: str | None = None,
        mode: str = 'crop',
        descriptions: str | None = None,
        templates: str | None = 'templates',
        ensemble: str = 'softmax',
        crop_size: int | None = None,
        square: bool = True,
        context: float = 1.0,
        logit_scale: float | None = None,
        max_pixels: int = 2**22,
        cache_dir: str | None = None,
        text_cache: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got '{mode}'")
        if ensemble not in ENSEMBLES:
            raise ValueError(f"ensemble must be one of {ENSEMBLES}, got '{ensemble}'")
        self.model, self.pretrained, self.mode = model, pretrained, mode
        self.descriptions, self.templates, self.ensemble = descriptions, templates, ensemble
        self.crop_size, self.square, self.context = crop_size, square, context
        self.logit_scale = logit_scale
        self.max_pixels = max_pixels
        self.cache_dir = cache_dir
        self.text_cache = default_cache() if text_cache is None else Path(text_cache)
        self.visual: Any = None  # open_clip's image tower

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """See the parent; the text tower is discarded once the classes are embedded."""
        prompts = read_prompts(classes, descriptions=self.descriptions, templates=self.templates)
        clip, embeddings = load_first_on_one_rank(lambda: self._load(prompts))
        self.visual = clip.visual.eval().requires_grad_(False).to(device)
        scale = clip.logit_scale.exp().clamp(max=LARGEST_SCALE).item()
        self.scale = scale if self.logit_scale is None else self.logit_scale
        by_class = F.normalize(embeddings, dim=-1).split([len(texts) for texts in prompts])
        self.texts, self.is_prompt = (tensor.to(device) for tensor in pad_prompts(by_class))
        preprocess = self.visual.preprocess_cfg
        self.mean, self.std = preprocess['mean'], preprocess['std']
        self.crops = RegionCrops(
            size=self.crop_size or _side(preprocess['size']),
            mean=self.mean,
            std=self.std,
            square=self.square,
            context=self.context,
            max_pixels=self.max_pixels,
        )
        if self.mode == 'mask_pool':
            self.embed_pooled = _embedding_of_pooled(self.visual, self.model)
        else:
            self._check_crop_size(device)

    def score(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> RegionScores:
        """See the parent."""
        if self.visual is None:
            raise RuntimeError('OpenCLIPScorer is not loaded: call prepare(classes, device) first')
        regions = self._crop if self.mode == 'crop' else self._mask_pool
        features, valid = regions(images, sizes, mask_logits, image_index)
        # fp32 island: at a scale of 100, half precision's error in a cosine becomes visible.
        with torch.autocast(images.device.type, enabled=False):
            features = F.normalize(features.float(), dim=-1)
            if self.ensemble == 'mean':
                logits = self.scale * features @ mean_embedding(self.texts, self.is_prompt).T
            else:
                similarity = torch.einsum('kd,njd->knj', features, self.texts)
                logits = softmax_ensemble(self.scale * similarity, self.is_prompt)
            return RegionScores(logits.softmax(dim=-1), valid)

    @torch.no_grad()
    def _check_crop_size(self, device: torch.device) -> None:
        """Run a test pass: not every tower accepts every size, and a run must not fail late."""
        size = self.crops.size
        try:
            self._embed(torch.zeros(1, 3, size, size, device=device))
        except torch.cuda.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f'{self.model} cannot take crops of {size} x {size}: {error}. Leave crop_size at '
                "None, the model's own size."
            ) from error

    def _crop(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> tuple[Tensor, Tensor]:
        return self.crops(self._embed, images, sizes, mask_logits, image_index)

    def _embed(self, crops: Tensor) -> Tensor:
        """Return ``(k, D)``; some towers (CoCa's) return their tokens too."""
        embedded = self.visual(crops)
        return embedded[0] if isinstance(embedded, tuple) else embedded

    def _mask_pool(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> tuple[Tensor, Tensor]:
        frame = images.shape[-2], images.shape[-1]
        content = content_mask(sizes, padded=frame, shape=frame, device=images.device)
        images = normalize(images, mean=self.mean, std=self.std) * content[:, None]
        chunk = max(1, self.max_pixels // images[0, 0].numel())
        features = torch.cat([self._feature_map(part) for part in images.split(chunk)])
        shape = features.shape[-2], features.shape[-1]
        content = content_mask(sizes, padded=frame, shape=shape, device=images.device)
        masks = resize_masks(mask_logits, shape) & content[image_index]
        pooled = pool_masks(features, masks, image_index)
        return self.embed_pooled(pooled), masks.flatten(1).any(dim=1)

    def _feature_map(self, images: Tensor) -> Tensor:
        """Return the tower's last map, ``(B, C, h, w)``."""
        maps = self.visual.forward_intermediates(
            images, indices=1, intermediates_only=True, output_fmt='NCHW'
        )
        return maps['image_intermediates'][-1]

    def _load(self, prompts: list[list[str]]) -> tuple[Any, Tensor]:
        """Return the model on the CPU, and an embedding ``(T, D)`` of each text."""
        clip, tokenizer = self._create_model()

        @torch.no_grad()
        def encode(texts: list[str]) -> Tensor:
            parts = [texts[i : i + 256] for i in range(0, len(texts), 256)]
            return torch.cat([clip.encode_text(tokenizer(part)) for part in parts])

        key = weights_key(self.model, self.pretrained)
        texts = [text for own in prompts for text in own]
        return clip, cached_text_embeddings(texts, key, encode, self.text_cache)

    def _create_model(self) -> tuple[Any, Callable[[list[str]], Tensor]]:
        """Return the model on the CPU, and its tokenizer."""
        open_clip = _open_clip()
        try:
            clip = open_clip.create_model(
                self.model,
                pretrained=self.pretrained,
                cache_dir=self.cache_dir,
                require_pretrained=True,
            )
            options = _own_vocabulary(self.model)
            tokenizer = open_clip.get_tokenizer(self.model, cache_dir=self.cache_dir, **options)
            return clip.eval(), tokenizer
        except ImportError:  # of a package that this model needs; the message names it
            raise
        except Exception as error:  # open_clip raises many types, from as many libraries
            raise MissingWeights(
                f'cannot load CLIP model={self.model!r} pretrained={self.pretrained!r}: {error}\n'
                'Without a network, fetch the weights in advance on a machine that has one: '
                f"python tools/cache_text_embeddings.py CONFIG fills open_clip's cache "
                '(copy that folder, cache_dir=... points to it), or give the path of a checkpoint '
                'as pretrained=... Training with refiner=None needs no CLIP: labels keep the '
                "teacher's classes (PL-DC without DICC)."
            ) from error


def _open_clip() -> ModuleType:
    """Import the optional package, only when a scorer is prepared."""
    try:
        import open_clip
    except ImportError as error:
        raise ImportError(
            'OpenCLIPScorer needs open_clip 3.3: pip install open_clip_torch'
        ) from error
    return open_clip


def _own_vocabulary(model: str) -> dict[str, str]:
    """Return tokenizer options for a local folder with its own byte-pair merges."""
    file = Path(model.removeprefix('local-dir:')) / 'vocabulary.txt.gz'
    return dict(bpe_path=str(file)) if file.is_file() else {}


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else size[0]


def _embedding_of_pooled(visual: Any, name: str) -> Callable[[Tensor], Tensor]:
    """Return a map from averaged features ``(K, C)`` of the last map to CLIP's space ``(K, D)``."""
    if hasattr(visual, 'attnpool'):  # ModifiedResNet
        return lambda pooled: visual.attnpool.c_proj(visual.attnpool.v_proj(pooled))
    if (
        type(getattr(visual, 'trunk', None)).__name__ == 'ConvNeXt'
    ):  # timm's, whose head pools first
        return lambda pooled: visual.head(visual.trunk.head(pooled[:, :, None, None]))
    raise ValueError(
        f"mode='mask_pool' needs a tower that ends in a feature map (RN50 or convnext_*), but "
        f"{name} has a {type(visual).__name__}: use mode='crop'"
    )
