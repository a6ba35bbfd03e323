"""Filling in what Mask2Former's config repeats."""

import copy

from mmdet.utils import ConfigType, OptConfigType
from mmengine.config import ConfigDict


def complete_detector(
    detector: ConfigType, backbone: OptConfigType, num_classes: int | None
) -> ConfigDict:
    """Mask2Former's config with the backbone and the number of classes filled in.

    Args:
        detector: config of a ``Mask2Former``; not modified.
        backbone: put in as ``backbone`` unless None.
        num_classes: N, written into the three places where the config repeats it, unless None.

    Returns:
        A new config.

    Raises:
        ValueError: if the head leaves upsampling to a fusion head that does not do it.
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
            'panoptic_head.upsample_masks=False goes with panoptic_fusion_head.type='
            f"'mmpldc.TopKMaskFormerFusionHead'; '{fusion}' takes masks as they come"
        )
    return detector
