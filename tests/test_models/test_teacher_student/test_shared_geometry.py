"""Views that do not show the same pixels are refused."""

import numpy as np
import pytest
from mmdet.structures import DetDataSample

from mmpldc.models.teacher_student.shared_geometry import check_shared_geometry

META = dict(
    img_id=7,
    img_path='images/7.jpg',
    img_shape=(128, 96),
    flip=True,
    flip_direction='horizontal',
    homography_matrix=np.array([[-0.5, 0, 96], [0, 0.5, -12], [0, 0, 1]], np.float32),
)
SHIFT = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]], np.float32)


def sample(**changes):
    """A data sample; None takes a key away."""
    meta = {key: value for key, value in (META | changes).items() if value is not None}
    return DetDataSample(metainfo=meta)


@pytest.mark.parametrize(
    'changes',
    [
        {},
        dict(homography_matrix=META['homography_matrix'].copy()),
        dict(homography_matrix=META['homography_matrix'].astype(np.float64)),
        dict(homography_matrix=META['homography_matrix'] * (1 + 1e-7)),
        dict(scale_factor=(0.5, 0.5)),  # not compared: the homography holds it
    ],
)
def test_the_same_geometry_passes(changes):
    assert check_shared_geometry([sample()], [sample(**changes)]) is None


def test_no_images_and_images_without_flip_pass():
    check_shared_geometry([], [])
    unflipped = dict(flip=False, flip_direction=None)
    check_shared_geometry([sample(**unflipped)], [sample(**unflipped)])
    assert check_shared_geometry([sample(flip=None)], [sample(flip=None)]) is None


@pytest.mark.parametrize(
    ('changes', 'key'),
    [
        (dict(flip=False, flip_direction=None), 'flip'),
        (dict(flip_direction='vertical'), 'flip_direction'),
        (dict(img_shape=(96, 128)), 'img_shape'),
        (dict(img_id=8), 'img_id'),
        (dict(homography_matrix=META['homography_matrix'] + SHIFT), 'homography_matrix'),
        (dict(homography_matrix=np.eye(3)), 'homography_matrix'),
    ],
)
@pytest.mark.parametrize('strong_differs', [True, False])
def test_a_difference_is_named_with_advice(changes, key, strong_differs):
    pair = [[sample()], [sample(**changes)]]
    with pytest.raises(ValueError) as error:
        check_shared_geometry(*(pair if strong_differs else pair[::-1]))
    message = str(error.value)
    assert f'images/7.jpg differ in {key}:' in message
    assert 'before MultiBranch' in message


@pytest.mark.parametrize('missing', [(True, True), (True, False), (False, True)])
def test_a_missing_homography_is_traced_to_the_meta_keys(missing):
    weak, strong = (sample(**(dict(homography_matrix=None) if m else {})) for m in missing)
    with pytest.raises(ValueError, match=r"add 'homography_matrix' to meta_keys") as error:
        check_shared_geometry([weak], [strong])
    assert 'images/7.jpg' in str(error.value)


def test_the_image_is_named_by_its_id_without_a_path():
    with pytest.raises(ValueError, match='views of 7 differ in img_shape'):
        check_shared_geometry([sample(img_path=None)], [sample(img_path=None, img_shape=(1, 1))])


def test_every_pair_is_checked_in_order():
    weak = [sample(img_id=index) for index in range(3)]
    check_shared_geometry(weak, [sample(img_id=index) for index in range(3)])
    with pytest.raises(ValueError, match='differ in img_id'):
        check_shared_geometry(weak, [sample(img_id=index) for index in (0, 2, 1)])


def test_a_view_too_few():
    with pytest.raises(ValueError):
        check_shared_geometry([sample(), sample()], [sample()])
