"""mmdet's Swin, frozen in time and with layers that can be counted."""

from typing import Any

from mmdet.models.backbones import SwinTransformer as MMDetSwinTransformer

from mmpldc.registry import MODELS


@MODELS.register_module()
class SwinTransformer(MMDetSwinTransformer):
    """mmdet's, with ``frozen_stages`` in force from the start and a depth for each parameter.

    mmdet freezes at the first call of ``train()``. By then the optimiser and
    DistributedDataParallel have taken the parameters for trainable ones, and the latter waits for
    their gradients in vain. ``frozen_stages=4`` of 4 freezes everything: patch embedding, stages
    and the norms of the outputs, which a classifier's checkpoint does not have and which therefore
    stay at weight 1 and bias 0.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._freeze_stages()

    def train(self, mode: bool = True) -> 'SwinTransformer':
        """Switch the mode of what is not frozen; mmdet's returns None."""
        super().train(mode)
        return self

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Where a parameter stands, as mmpretrain's backbones tell it.

        Args:
            param_name: its full name.
            prefix: the part of the name that leads to this module.

        Returns:
            Its layer, 0 for the embedding, 1 to L for the blocks (patch merging counts with the
            block before it) and L + 1 for the norms of the outputs; and L + 2.
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
