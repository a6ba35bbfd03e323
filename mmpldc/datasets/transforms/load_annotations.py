"""Annotations as they come, also where nobody checked the file before."""

from typing import Any

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as _LoadAnnotations

from mmpldc.datasets.checks.boxes import read_boxes
from mmpldc.datasets.checks.images import ANOTHER_SIZE, TURNED, describe_sizes
from mmpldc.datasets.checks.masks import LEFT_OUT, NO_PIXEL, read_masks
from mmpldc.datasets.input_faults import InputFault
from mmpldc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadAnnotations(_LoadAnnotations):
    """mmdet's class of this name, for training: it refuses what would crash it or teach nonsense.

    That is an image of another size than annotated (OpenCV turns it by its EXIF orientation, which
    annotation tools may not), boxes that are no numbers, and masks that pycocotools cannot read:
    given one of these it may end the process, or read memory that is none of its own. What mmdet
    leaves out is left out here: polygons of less than three points, or with an odd number of
    coordinates.

    Args:
        max_instances: most instances of an image, because each takes a byte a pixel until the image
            is cropped; of more a random choice is kept, drawn anew each time. None: all.
        **kwargs: of the parent, with masks from polygons or run lengths (``poly2mask``).

    Note:
        No more targets than queries can be matched, 100 in the paper. What is not kept is
        background to the queries that are left over, if the crop leaves fewer targets than queries.
    """

    def __init__(self, *, max_instances: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_instances = max_instances

    def transform(self, results: dict) -> dict:
        """Check, choose, and load as the parent.

        Args:
            results: with ``img_path``, ``height`` and ``width`` as annotated, ``ori_shape`` as
                read, and ``instances``.

        Returns:
            The same with boxes, labels and masks.

        Raises:
            InputFault: see above.
        """
        annotated, read = (results['height'], results['width']), results['ori_shape']
        if annotated != read:
            fault = TURNED if annotated == read[::-1] else ANOTHER_SIZE
            raise InputFault(f'{fault} ({describe_sizes(annotated, read)})')
        instances = results['instances']
        _check_boxes(instances)
        if self.with_mask:
            _check_masks(instances, read)
        if self.max_instances is not None and len(instances) > self.max_instances:
            chosen = np.random.choice(len(instances), self.max_instances, replace=False)
            results['instances'] = [instances[index] for index in np.sort(chosen)]
        return super().transform(results)


def _check_boxes(instances: list[dict]) -> None:
    if np.isnan(read_boxes([list(instance['bbox']) for instance in instances])).any():
        raise InputFault('an annotation: bbox: not four finite numbers: correct it')


def _check_masks(instances: list[dict], size: tuple[int, int]) -> None:
    masks = [instance.get('mask') for instance in instances]
    if not all(isinstance(mask, list | dict) for mask in masks):
        raise InputFault(
            'an annotation: segmentation: missing; must be a list of polygons or a run-length '
            'encoding'
        )
    _, faults = read_masks(masks, np.tile(np.array(size, np.int64), (len(masks), 1)))
    grave = faults.keys() - LEFT_OUT - {NO_PIXEL}
    if grave:
        raise InputFault(f'an annotation: segmentation: {min(grave)}')
