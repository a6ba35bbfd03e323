"""Layer-wise learning-rate decay for backbones."""

from logging import DEBUG

from mmengine.config import ConfigDict
from mmengine.logging import print_log
from torch import nn

from mmpldc.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .merged_constructor import MergedOptimWrapperConstructor

# Names of the token and position embeddings in mmdet, mmpretrain and timm.
EMBEDDINGS = ('cls_token', 'reg_token', 'pos_embed', 'relative_position_bias_table')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(MergedOptimWrapperConstructor):
    """Merged constructor with a learning rate that falls towards the input of a backbone.

    Layer l of a backbone of L layers trains at ``layer_decay_rate ** (L + 1 - l)`` times the
    learning rate: the embedding is layer 0, the blocks are 1 to L, norms after them L + 1. The
    backbone's norms, biases, other vectors and its token and position embeddings get no weight
    decay. Neck and head follow mmengine, and so do the options in ``paramwise_cfg``: an ``lr_mult``
    of ``custom_keys`` and the layer's factor multiply.

    A backbone reports the depth of a parameter by ``get_layer_depth(name, prefix)``, as
    mmpretrain's backbones do (see :class:`mmpldc.models.SwinTransformer`). mmpretrain's constructor
    asks the model itself; mmdet's supports only ConvNeXt.

    Args:
        optim_wrapper_cfg: as in mmengine.
        paramwise_cfg: as in mmengine, and ``layer_decay_rate`` in (0, 1].

    Raises:
        ValueError: without a valid ``layer_decay_rate``; on call, if no module of the model has
            ``get_layer_depth``.
    """

    def __init__(
        self, optim_wrapper_cfg: ConfigDict, paramwise_cfg: ConfigDict | None = None
    ) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)
        rate = self.paramwise_cfg.get('layer_decay_rate')
        if rate is None or not 0 < rate <= 1:
            raise ValueError(
                'LayerDecayOptimWrapperConstructor needs optim_wrapper.paramwise_cfg='
                f'dict(layer_decay_rate=...) in (0, 1], got {rate}'
            )

    def adjust_groups(self, groups: list[dict], model: nn.Module) -> None:
        """Scale the learning rates of the backbones' parameter groups."""
        backbones = {
            f'{name}.' if name else '': module
            for name, module in model.named_modules()
            if hasattr(module, 'get_layer_depth')
        }
        if not backbones:
            raise ValueError(
                'LayerDecayOptimWrapperConstructor found no backbone with get_layer_depth: use '
                "mmpldc.TimmBackbone, mmpldc.SwinTransformer or one of mmpretrain's transformers"
            )
        rate = self.paramwise_cfg['layer_decay_rate']
        group_of = {group['params'][0]: group for group in groups}
        named_groups = [(n, p, group_of[p]) for n, p in model.named_parameters() if p in group_of]
        for prefix, backbone in backbones.items():
            for name, parameter, group in named_groups:
                if name.startswith(prefix):
                    depth, num_layers = backbone.get_layer_depth(name, prefix)
                    group['lr'] = group.get('lr', self.base_lr) * rate ** (num_layers - 1 - depth)
                    if parameter.ndim <= 1 or name.endswith(EMBEDDINGS):
                        group['weight_decay'] = 0.0
                    print_log(f'{name}: layer {depth}, lr={group["lr"]:.3g}', 'current', DEBUG)
