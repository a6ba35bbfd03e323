"""Complete a Mask2Former config with the values that it repeats."""

import copy

from mmdet.utils import ConfigType, OptConfigType
from mmengine.config import ConfigDict


def complete_detector(
    detector: ConfigType, backbone: OptConfigType, num_classes: int | None
) -> ConfigDict:
    """Fill the backbone and the number of classes into a Mask2Former config.

    Args:
        detector: config of a ``Mask2Former``; not modified.
        backbone: used as ``backbone`` unless None.
        num_classes: N, written to the three places where the config repeats it, unless None.

    Returns:
        A new config.

    Raises:
        ValueError: if the head leaves upsampling to a fusion head that does not upsample.
    """
    detector = copy.deepcopy(ConfigDict(detector))
    if backbone is not None:
        detector.backbone = backbone
    if num_classes is not None:
        head = detector.panoptic_head
        head.num_things_classes, head.num_stuff_classes = num_classes, 0
        head.loss_cls.class_weight = [1.0] * num_classes + [head.loss_cls.class_weight[-1]]
        detector.panoptic_fusion_head.num_things_classes = num_classes
        detector.panoptic_fusion_head.num_stuff_classes = 0
    fusion = detector.get('panoptic_fusion_head', {}).get('type', '')
    if detector.panoptic_head.get('upsample_masks') is False and not fusion.startswith('mmpldc.'):
        raise ValueError(
            'panoptic_head.upsample_masks=False needs panoptic_fusion_head.type='
            f"'mmpldc.TopKMaskFormerFusionHead'; '{fusion}' does not resize masks"
        )
    return detector
