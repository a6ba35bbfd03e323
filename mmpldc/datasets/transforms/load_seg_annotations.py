"""Label maps as they come, also where nobody checked them before."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmpldc.datasets.checks.pixels import describe_sizes
from mmpldc.datasets.input_faults import InputFault
from mmpldc.datasets.label_maps import (
    IGNORE,
    UnusableLabelMap,
    count_values,
    describe_values,
    read_label_map,
    renumbering,
)
from mmpldc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadSegAnnotations(BaseTransform):
    """mmsegmentation's ``LoadAnnotations``, for training: it refuses what would teach nonsense.

    That is a map of another size than the image, or in colours, and values that are no class, which
    stop the run on a CPU, and on a GPU end it with an error that names nothing.

    Args:
        num_classes: C.

    Required keys: ``seg_map_path``, ``ori_shape``; of mmsegmentation's data sets also
    ``reduce_zero_label`` and ``label_map``, which are obeyed. Added keys: ``gt_seg_map``
    ``(h, w)`` uint8 in [0, C), or 255 for no label, and its name in ``seg_fields``.
    """

    def __init__(self, *, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORE:
            raise ValueError(f'num_classes must lie in [1, 255], got {num_classes}')
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        """Read, check and renumber.

        Raises:
            InputFault: see above.
        """
        path = results['seg_map_path']
        try:
            values = read_label_map(path).values
        except UnusableLabelMap as fault:
            raise InputFault(f'its label map {path} {fault}') from fault
        size = tuple(results['ori_shape'][:2])
        if values.shape != size:
            raise InputFault(
                f'its label map {path} has another size ({describe_sizes(values.shape, size)}): '
                'they do not belong together'
            )
        values = renumbering(results)[values]
        wrong = np.flatnonzero(count_values(values)[self.num_classes : IGNORE]) + self.num_classes
        if len(wrong):
            what = describe_values(wrong.tolist(), self.num_classes)
            raise InputFault(f'its label map {path} {what}')
        results['gt_seg_map'] = values
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes})'
