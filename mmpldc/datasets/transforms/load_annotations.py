"""Load annotations and refuse unusable ones."""

from typing import Any

import mmpldc._mmdet  # noqa: F401

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as _LoadAnnotations
from pycocotools import mask as mask_utils

from mmpldc.datasets.checks.boxes import read_boxes
from mmpldc.datasets.checks.masks import LEFT_OUT, NO_PIXEL, read_masks
from mmpldc.datasets.checks.pixels import ANOTHER_SIZE, TURNED, describe_sizes
from mmpldc.datasets.input_faults import InputFault
from mmpldc.registry import TRANSFORMS
from mmpldc.structures import EncodedMasks


@TRANSFORMS.register_module()
class LoadAnnotations(_LoadAnnotations):
    """mmdet's class of the same name, with checks of the annotations for training.

    It refuses an image of another size than annotated (OpenCV rotates it by its EXIF orientation,
    which annotation tools may not), boxes that are not numbers, and masks that pycocotools cannot
    read: such a mask may make pycocotools end the process, or read foreign memory. It leaves out
    what mmdet leaves out: polygons of fewer than three points, or with an odd number of
    coordinates.

    Masks stay encoded until the image is resized and cropped
    (:class:`~mmpldc.structures.EncodedMasks`).

    Args:
        max_instances: most instances of an image, because each takes one byte per pixel of the
            crop; of more, a random selection is kept, drawn anew each time. None: all.
        check: refuse what is named above; for training, where another image can be drawn.
        **kwargs: of the parent, with masks from polygons or run lengths (``poly2mask``).

    Note:
        At most as many targets as queries can be matched, 100 in the paper. Dropped instances are
        background to the remaining queries, if the crop leaves fewer targets than queries.
    """

    def __init__(
        self, *, max_instances: int | None = None, check: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_instances = max_instances
        self.check = check

    def transform(self, results: dict) -> dict:
        """Check the annotations, select among them, and load as the parent.

        Args:
            results: with ``img_path``, ``height`` and ``width`` as annotated, ``ori_shape`` as
                read, and ``instances``.

        Returns:
            The same with boxes, labels and masks.

        Raises:
            InputFault: see above.
        """
        instances = results.setdefault('instances', [])  # none in mmdet's inference
        if self.check:
            self._refuse(results)
        if self.max_instances is not None and len(instances) > self.max_instances:
            chosen = np.random.choice(len(instances), self.max_instances, replace=False)
            results['instances'] = [instances[index] for index in np.sort(chosen)]
        return super().transform(results)

    def _refuse(self, results: dict) -> None:
        annotated, read = (results['height'], results['width']), results['ori_shape']
        if annotated != read:
            fault = TURNED if annotated == read[::-1] else ANOTHER_SIZE
            raise InputFault(f'{fault} ({describe_sizes(annotated, read)})')
        _check_boxes(results['instances'])
        if self.with_mask:
            _check_masks(results['instances'], read)

    def _load_masks(self, results: dict) -> None:
        if not self.poly2mask:
            super()._load_masks(results)
            return
        size = results['ori_shape']
        encoded = [_encode(mask, size) for mask in self._process_masks(results)]
        results['gt_masks'] = EncodedMasks.of_image(encoded, *size)


def _encode(mask: list | dict, size: tuple[int, int]) -> dict:
    """Compressed run lengths of polygons, or of run lengths; they were checked before."""
    if isinstance(mask, list):
        return mask_utils.merge(mask_utils.frPyObjects(mask, *size))
    if isinstance(mask['counts'], list):
        return mask_utils.frPyObjects(mask, *size)
    return mask


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
