"""mmdet's Swin, frozen from the start and with a depth for each layer."""

from typing import Any

from mmdet.models.backbones import SwinTransformer as MMDetSwinTransformer

from mmpldc.registry import MODELS


@MODELS.register_module()
class SwinTransformer(MMDetSwinTransformer):
    """mmdet's Swin that applies ``frozen_stages`` at once and reports each parameter's depth.

    mmdet freezes at the first call of ``train()``. By then the optimiser and
    DistributedDataParallel have registered the parameters as trainable, and the latter waits for
    gradients that never come. ``frozen_stages=4`` of 4 freezes everything: patch embedding, stages
    and the output norms. A classifier's checkpoint does not contain these norms, so they stay at
    weight 1 and bias 0.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._freeze_stages()

    def train(self, mode: bool = True) -> 'SwinTransformer':
        """Switch the mode of the unfrozen parts; return the module, where mmdet returns None."""
        super().train(mode)
        return self

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter, as mmpretrain's backbones do.

        Args:
            param_name: full name of the parameter.
            prefix: the part of the name that leads to this module.

        Returns:
            Its layer, 0 for the embedding, 1 to L for the blocks (patch merging counts with the
            block before it) and L + 1 for the output norms; and L + 2.
        """
        num_layers = sum(len(stage.blocks) for stage in self.stages) + 2
        name, *path = param_name.removeprefix(prefix).split('.')
        if name in ('patch_embed', 'absolute_pos_embed'):
            return 0, num_layers
        if name != 'stages':
            return num_layers - 1, num_layers
        stage = int(path[0])
        before = sum(len(self.stages[i].blocks) for i in range(stage))
        blocks = int(path[2]) + 1 if path[1] == 'blocks' else len(self.stages[stage].blocks)
        return before + blocks, num_layers
