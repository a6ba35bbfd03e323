"""Images of a file by what lists call them."""

import pytest

from mmpldc.datasets.listed_images import find_images, find_supervision_indices

IMAGES = dict(
    images=[
        dict(id=5, file_name='a/one.jpg'),
        dict(id=3, file_name='b/one.jpg'),
        dict(id=9, file_name='b/two.jpg'),
        dict(id=4, file_name='four.jpg'),
        dict(id=6, file_name='c/four.jpg'),
    ]
)


@pytest.mark.parametrize(
    ('names', 'indices'),
    [
        (['9', '5'], [0, 2]),
        ([3], [1]),
        (['b/one.jpg', 'two.jpg'], [1, 2]),
        (['train/b/two.jpg'], [2]),
        (['four.jpg', 'c/four.jpg'], [3, 4]),
        (['/home/me/b/one.jpg'], [1]),
        ([], []),
    ],
)
def test_find_images(names, indices):
    assert find_images(IMAGES, names).tolist() == indices


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['9', '7', 'no.jpg'], '2 of 3 listed images are not in .*: 7, no.jpg'),
        (['one.jpg'], "'one.jpg' may be any of 2 images"),
        (['9', 'two.jpg'], 'more than once: b/two.jpg'),
    ],
)
def test_find_images_refuses(names, message):
    with pytest.raises(ValueError, match=message):
        find_images(IMAGES, names)


def test_an_image_of_another_folder():
    with pytest.warns(UserWarning, match=r'1 listed .* as z/two\.jpg: b/two\.jpg is taken'):
        assert find_images(IMAGES, ['z/two.jpg']).tolist() == [2]


def test_a_number_that_is_an_id_and_a_name():
    images = [
        dict(id=99, file_name='a/7.jpg'),
        dict(id=7, file_name='x.jpg'),
        dict(id=3, file_name='3.jpg'),
    ]
    with pytest.raises(ValueError, match="'7' may be any of 2 images"):
        find_images(dict(images=images), ['7'])
    assert find_images(dict(images=images), ['3', 'x.jpg']).tolist() == [1, 2]


FRAMES = ['aachen_000000_000019', 'bremen_000041_000019', 'hamburg_000000_103367']
CITYSCAPES = dict(
    images=[
        dict(id=i, file_name=f'{frame.split("_")[0]}/{frame}_leftImg8bit.png')
        for i, frame in enumerate(FRAMES, 1)
    ]
)


@pytest.mark.parametrize(
    'name',
    [
        '{}_gtFine_instanceIds.png',  # Guided Distillation's lists
        'gtFine/train/bremen/{}_gtFine_polygons.json',
        '{}_leftImg8bit.png',
        '{}_leftImg8bit.jpg',
        '{}',
        # a pair, as lists for semantic segmentation have
        'leftImg8bit/train/bremen/{0}_leftImg8bit.png gtFine/train/bremen/{0}_gtFine_labelIds.png',
    ],
)
def test_find_images_of_cityscapes_by_frame(name):
    names = [name.format(frame) for frame in FRAMES[:0:-1]]
    assert find_images(CITYSCAPES, names).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r'1 of 1 listed images .*: bremen_000041_000020'):
        find_images(CITYSCAPES, ['bremen_000041_000020_gtFine_instanceIds.png'])
    with pytest.raises(ValueError, match='more than once: bremen/bremen_000041'):
        find_images(CITYSCAPES, [names[1], f'{FRAMES[1]}_gtFine_labelIds.png'])


def test_frames_are_those_of_cityscapes_alone():
    """Elsewhere a name of this form may be a left and a right image, or an image and its mask."""
    stereo = [dict(id=i, file_name=f'cam_000000_000001_{side}.png') for i, side in enumerate('LR')]
    assert find_images(dict(images=stereo), ['cam_000000_000001_R.png']).tolist() == [1]
    with pytest.raises(ValueError, match='1 of 1 listed images are not in'):
        find_images(dict(images=stereo), ['cam_000000_000001_mask.png'])


def test_supervision_indices_count_annotated_images_in_order_of_ids():
    annotated = [i for i in range(12) if i not in (0, 4)]
    content = dict(
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(11, -1, -1)],
        annotations=[dict(id=i, image_id=i, category_id=1) for i in annotated],
        categories=[dict(id=1, name='thing')],
    )
    # 50 % of 10 annotated images: ids 1 2 3 5 6 7 8 9 10 11
    rows = find_supervision_indices(content, [0, 3, 9, 4, 1], percent=50)
    assert [content['images'][row]['id'] for row in rows] == [11, 6, 5, 2, 1]
    # 50 % of all 12
    rows = find_supervision_indices(content, [0, 3, 9, 4, 1, 11], percent=50)
    assert [content['images'][row]['id'] for row in rows] == [11, 9, 4, 3, 1, 0]
    with pytest.raises(ValueError, match='3 indices are not 50 % of the 10 annotated or 12 images'):
        find_supervision_indices(content, [0, 1, 2], percent=50)
    with pytest.raises(ValueError, match='more than once'):
        find_supervision_indices(content, [0, 1, 2, 2, 3], percent=50)
