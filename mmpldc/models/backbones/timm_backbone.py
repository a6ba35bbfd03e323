"""Maps of timm's networks, such as DINOv2, DINOv3 and ConvNeXt, by name."""

import contextlib
import io
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch.nn.functional as F
from mmdet.utils import OptMultiConfig
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpldc.models.layers.layer_norm_2d import LayerNorm2d
from mmpldc.registry import MODELS
from mmpldc.utils.checkpoint_loading import MissingWeights, read_weights
from mmpldc.utils.rank_zero_first import load_first_on_one_rank
from mmpldc.utils.weight_sources import TIMM


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A network of timm with ``forward_intermediates``: its transformers, ConvNeXts and others.

    timm has the networks, the names in published weights, and position embeddings for any size.
    This class adds what a detector needs: tokens on a grid of stride 16 for any patch size, weights
    that fit exactly or are refused, freezing before the optimiser and DistributedDataParallel look
    at the parameters, and the depth of each parameter.

    Args:
        name: timm's, such as ``'vit_small_patch14_dinov2'``.
        out_indices: of the blocks of a transformer, or of the stages of another network, whose
            outputs are returned, from 0 on. Later ones are left out.
        stride: of a transformer's map in pixels of the input. The image is resized by patch /
            stride (1024 to 896 pixels for patches of 14 and a stride of 16), so that a token is a
            cell of stride x stride pixels. None: the image is resized to the nearest multiple of
            the patch, if it is none.
        class_tokens: return each map of a transformer with its class token, as mmsegmentation's
            ``DPTHead`` takes them.
        norm_maps: a layer norm of its own on each map, as mmpretrain's ConvNeXt has for detection
            and segmentation. That of the last stage starts from the network's final norm, the
            others at weight 1 and bias 0. A transformer's maps have its final norm and need no
            other.
        frozen: train without gradients, and keep eval mode.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)``: ``'timm://'`` and timm's name of
            weights (``'timm://vit_small_patch14_dinov2.lvd142m'``), or a file or an address with
            timm's or the authors' own names.
        options: of ``timm.create_model``, such as ``drop_path_rate``, and ``dynamic_img_size=True``
            for a transformer that was made for images of one size.

    Raises:
        ImportError: without timm.
        ValueError: if timm has no such network, or ``init_cfg`` is of another type.
    """

    def __init__(
        self,
        *,
        name: str,
        out_indices: Sequence[int],
        stride: int | None = None,
        class_tokens: bool = False,
        norm_maps: bool = False,
        frozen: bool = False,
        init_cfg: OptMultiConfig = None,
        **options: Any,
    ) -> None:
        super().__init__(init_cfg)
        if init_cfg is not None and dict(init_cfg).get('type') != 'Pretrained':
            raise ValueError(
                f"TimmBackbone.init_cfg must be dict(type='Pretrained', checkpoint=...): {init_cfg}"
            )
        self.name, self.options = name, options
        self.out_indices = tuple(out_indices)
        self.stride, self.class_tokens, self.frozen = stride, class_tokens, frozen
        self.net = create(name, num_classes=0, **options)
        self.net.prune_intermediate_layers(self.out_indices, prune_norm=False, prune_head=True)
        channels = [self.net.feature_info[index]['num_chs'] for index in self.out_indices]
        self.norms = ModuleList(LayerNorm2d(num, eps=1e-6) for num in channels if norm_maps)
        if frozen:
            self.requires_grad_(False)

    def init_weights(self) -> None:
        """Load the weights that ``init_cfg`` names; without it they stay as timm made them.

        Raises:
            MissingWeights: if they cannot be had.
            ValueError: if they are not of this network, with a weight that differs.
        """
        if self.init_cfg is not None:
            source = self.init_cfg['checkpoint']
            complete = load_first_on_one_rank(lambda: pretrained(self.name, source, **self.options))
            # The file fits the complete network; what this one left out is not taken.
            weights = complete.state_dict()
            self.net.load_state_dict({name: weights[name] for name in self.net.state_dict()})
            final = getattr(getattr(complete, 'head', None), 'norm', None)  # of a ConvNeXt
            has_last = self.out_indices[-1] == len(complete.feature_info) - 1
            if self.norms and has_last and isinstance(final, nn.LayerNorm):
                self.norms[-1].load_state_dict(final.state_dict())
        self._is_init = True

    def forward(self, images: Tensor) -> tuple[Tensor, ...] | list[list[Tensor]]:
        """Return the maps of the chosen layers.

        Args:
            images: normalised, ``(B, 3, H, W)``.

        Returns:
            Maps ``(B, C_i, H_i, W_i)``; with ``class_tokens`` lists of a map and the class token
            ``(B, C_i)``.

        Raises:
            ValueError: if a side is no multiple of ``stride``.
        """
        prefix = dict(return_prefix_tokens=True) if self.class_tokens else {}
        maps = self.net.forward_intermediates(
            self.on_grid(images),
            indices=self.out_indices,
            norm=True,
            intermediates_only=True,
            **prefix,
        )
        if self.class_tokens:
            return [[feature_map, tokens[:, 0]] for feature_map, tokens in maps]
        if self.norms:
            maps = [norm(feature_map) for norm, feature_map in zip(self.norms, maps, strict=True)]
        return tuple(maps)

    def on_grid(self, images: Tensor) -> Tensor:
        """Resize images ``(B, 3, H, W)`` to whole patches; see ``stride``."""
        if not hasattr(self.net, 'patch_embed'):
            return images
        patch, sides = self.net.patch_embed.patch_size, images.shape[2:]
        if self.stride is None:
            cells = [max(1, int(side / p + 0.5)) for side, p in zip(sides, patch, strict=True)]
        else:
            if any(side % self.stride for side in sides):
                raise ValueError(
                    f'{self.name} needs sides that are multiples of {self.stride}, got '
                    f"{sides[0]} x {sides[1]}: set the data preprocessor's pad_size_divisor to 32"
                )
            cells = [side // self.stride for side in sides]
        size = [number * p for number, p in zip(cells, patch, strict=True)]
        if size == list(sides):
            return images
        return F.interpolate(images, size=size, mode='bilinear', antialias=True)

    def train(self, mode: bool = True) -> 'TimmBackbone':
        """Switch the mode, unless frozen."""
        return super().train(mode and not self.frozen)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter, as mmpretrain's backbones do.

        Args:
            param_name: full name of the parameter.
            prefix: the part of the name that leads to this module.

        Returns:
            Its layer, 0 for the embedding or stem, 1 to L for the blocks (downsampling counts with
            the block behind it) and L + 1 for norms after them; and L + 2.
        """
        name = param_name.removeprefix(prefix)
        last = max(self._depths.values())
        is_norm = name.startswith(('norms.', 'net.norm.'))
        return (last + 1 if is_norm else self._depths[name.removeprefix('net.')]), last + 2

    @cached_property
    def _depths(self) -> dict[str, int]:
        """Timm's layer of each parameter of the network."""
        from timm.models import group_parameters

        return group_parameters(self.net, self.net.group_matcher(coarse=False), reverse=True)


def create(name: str, **options: Any) -> Any:
    """Build timm's network of that name; timm is imported here, when needed.

    Raises:
        ImportError: without timm.
        ValueError: if timm has no such network.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError("this backbone needs timm: pip install 'timm>=1.0.20'") from error
    if not timm.is_model(name.partition('.')[0]):
        raise ValueError(
            f'timm {timm.__version__} has no network {name}: see timm.list_models(), or upgrade '
            'timm'
        )
    return timm.create_model(name, **options)


def pretrained(name: str, source: str, **options: Any) -> Any:
    """The complete network with published weights, without one too many or too few.

    Args:
        name: of the network.
        source: ``'timm://'`` and timm's name of weights, a file or an address.
        **options: of ``timm.create_model``.

    Raises:
        MissingWeights: if they cannot be had.
        ValueError: if they are of another network.
    """
    try:
        if source.startswith(TIMM):
            if source.removeprefix(TIMM).partition('.')[0] != name.partition('.')[0]:
                raise ValueError(f'{source} is of another network than {name}')
            return create(source.removeprefix(TIMM), pretrained=True, **options)
        overlay = dict(state_dict=read_weights(source))
    except OSError as error:
        raise MissingWeights(f'{source} cannot be loaded: {error}') from error
    if not any(isinstance(value, Tensor) for value in overlay['state_dict'].values()):
        raise ValueError(f'{source} has no weights')  # timm would look elsewhere
    try:
        # timm prints what it leaves out of DINOv3's own files: biases, which are zero
        with contextlib.redirect_stdout(io.StringIO()):
            return create(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except (RuntimeError, KeyError) as error:  # torch's report of names, or a name alone
        difference = (str(error).split('\n\t')[1:] or [f'of {error}'])[0].strip()
        raise ValueError(
            f"{source} does not have the weights of timm's {name}: {difference[:200]}"
        ) from error
