"""Check that the views of an image show the same pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
from mmdet.structures import DetDataSample, SampleList

ADVICE = (
    'Put RandomFlip, RandomResize, RandomCrop and the like before MultiBranch, so that both views '
    'share them, and only transforms that keep pixels in place (colour, blur, erasing) inside it.'
)


def check_views(samples: Mapping[str, SampleList], groups: Sequence[Sequence[str]]) -> None:
    """Check that a batch has all views, and that the views of an image share their geometry.

    Args:
        samples: data samples by the view's name.
        groups: names of required views; those of a group must show the same pixels.

    Raises:
        ValueError: if a view is missing, or as :func:`check_shared_geometry`.
    """
    for first, *others in groups:
        for name in (first, *others):
            if name not in samples:
                raise ValueError(
                    f"the batch has no branch '{name}' (it has {sorted(samples)}): a pipeline's "
                    'MultiBranch must make it, and the sampler draw from that source'
                )
        for name in others:
            check_shared_geometry(samples[first], samples[name])


def check_shared_geometry(weak: SampleList, strong: SampleList) -> None:
    """Check that the masks of one view fit the other.

    Args:
        weak: data samples of the weak views, with ``homography_matrix`` (3, 3), ``img_shape``,
            ``flip`` and ``img_id`` or ``img_path`` in their meta information; a view without a
            homography is in its original place.
        strong: those of the strong views, in the same order.

    Raises:
        ValueError: with the image and the difference, or if ``PackDetInputs`` left out the
            homography.
    """
    for weak_sample, strong_sample in zip(weak, strong, strict=True):
        for key in ('img_id', 'img_path', 'img_shape', 'flip', 'flip_direction'):
            first, second = (s.metainfo.get(key) for s in (weak_sample, strong_sample))
            if first != second:
                raise ValueError(_describe(weak_sample, key, first, second))
        first, second = _homography(weak_sample), _homography(strong_sample)
        if not np.allclose(first, second):
            raise ValueError(_describe(weak_sample, 'homography_matrix', first, second))


def _homography(sample: DetDataSample) -> np.ndarray:
    """Return ``(3, 3)``, from the original frame to the view's."""
    meta = sample.metainfo
    if 'homography_matrix' in meta:
        return meta['homography_matrix']
    moved = (
        meta.get('flip') or 'scale_factor' in meta or meta.get('img_shape') != meta.get('ori_shape')
    )
    if moved:
        raise ValueError(
            f'cannot tell whether the views of {meta.get("img_path")} share their geometry: add '
            "'homography_matrix' to meta_keys of what packs the inputs in the training pipelines"
        )
    return np.eye(3)  # mmdet's transforms write it only when they do something


def _describe(sample: DetDataSample, key: str, first: object, second: object) -> str:
    image = sample.metainfo.get('img_path', sample.metainfo.get('img_id'))
    return f'two views of {image} differ in {key}: {first} and {second}. {ADVICE}'
