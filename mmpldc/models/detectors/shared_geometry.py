"""The weak and the strong view of an image must show the same pixels."""

import numpy as np
from mmdet.structures import SampleList

ADVICE = (
    'Put RandomFlip, RandomResize, RandomCrop and the like before MultiBranch, so that both views '
    'share them, and only transforms that keep pixels in place (colour, blur, erasing) inside it.'
)


def check_shared_geometry(weak: SampleList, strong: SampleList) -> None:
    """Refuse views whose masks would not fit each other.

    Args:
        weak: data samples of the weak views, with ``homography_matrix`` (3, 3), ``img_shape``,
            ``flip`` and ``img_id`` in their meta information.
        strong: those of the strong views, in the same order.

    Raises:
        ValueError: naming the image and what differs, or the key that ``PackDetInputs`` left out.
    """
    for weak_sample, strong_sample in zip(weak, strong, strict=True):
        image = weak_sample.metainfo.get('img_path', weak_sample.metainfo.get('img_id'))
        for key in ('img_id', 'img_shape', 'flip', 'flip_direction', 'homography_matrix'):
            values = [sample.metainfo.get(key) for sample in (weak_sample, strong_sample)]
            if key == 'homography_matrix' and any(value is None for value in values):
                raise ValueError(
                    f'cannot tell whether the views of {image} share their geometry: add '
                    "'homography_matrix' to meta_keys of both PackDetInputs"
                )
            same = np.allclose(*values) if key == 'homography_matrix' else values[0] == values[1]
            if not same:
                raise ValueError(
                    f'the weak and strong view of {image} differ in {key}: {values[0]} and '
                    f'{values[1]}. {ADVICE}'
                )
