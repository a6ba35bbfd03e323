"""Corrected images put into a labelled set."""

import copy
import json
import shutil

import pytest
from PIL import Image

from mmpldc.datasets.labels import (
    Options,
    find_leaks,
    merge_labels,
    prepare,
    without_labelled,
)


@pytest.fixture
def labeled(world):
    """Photos 1 and 2."""
    world.coco['info'] = dict(year=2026)
    everything = copy.deepcopy(world.coco)
    keep(world.coco, {1, 2})
    labels = world.prepare()
    world.coco = everything
    return labels


def keep(coco, ids):
    coco['images'][:] = [image for image in coco['images'] if image['id'] in ids]
    coco['annotations'][:] = [one for one in coco['annotations'] if one['image_id'] in ids]


def corrected_of(world, ids, *, names=None):
    """A file of other images, whose ids start anew as those of annotation tools do."""
    coco = copy.deepcopy(world.coco)
    keep(coco, ids)
    new = {image['id']: number for number, image in enumerate(coco['images'], 1)}
    for image in coco['images']:
        image['file_name'] = (names or {}).get(image['id'], image['file_name'])
        image['id'] = new[image['id']]
    for number, one in enumerate(coco['annotations'], 1):
        one.update(id=number, image_id=new[one['image_id']])
    path = world.root / 'corrected.json'
    path.write_text(json.dumps(coco))
    return prepare(path, world.photos, role='test', options=Options())


def by_name(coco):
    names = {image['id']: image['file_name'] for image in coco['images']}
    found = {name: [] for name in names.values()}
    for one in coco['annotations']:
        found[names[one['image_id']]].append((one['category_id'], one['segmentation']))
    return found


def test_ids_are_kept_and_new_ones_free(world, labeled):
    before = copy.deepcopy(labeled.coco)
    corrected = corrected_of(world, {3, 4})
    wanted = {
        str((world.photos / '3.png').resolve()): 2,
        str((world.photos / '4.png').resolve()): 77,
    }
    merged = merge_labels(labeled, corrected, wanted_ids=wanted, taken_ids=[90])
    assert labeled.coco == before and not merged.findings
    assert merged.coco['images'][:2] == before['images']
    assert merged.coco['annotations'][:4] == before['annotations']
    assert [(i['id'], i['file_name']) for i in merged.added] == [(91, '3.png'), (77, '4.png')]
    assert [one['id'] for one in merged.coco['annotations']] == list(range(1, 9))
    assert by_name(merged.coco) == by_name(world.coco)
    assert merged.coco['info'] == dict(year=2026)
    assert merged.coco['categories'] == before['categories']


def test_an_image_that_is_labelled_already(world, labeled):
    world.annotations[2]['segmentation'] = [[0, 0, 5, 0, 5, 5]]  # of photo 2
    world.annotations[2].update(bbox=[0, 0, 5, 5], area=15)
    corrected = corrected_of(world, {2, 3})
    refused = merge_labels(labeled, corrected)
    (error,) = refused.findings
    assert error.level == 'error' and 'image 2.png: labelled already: --replace' in str(error)
    assert refused.coco is labeled.coco and not refused.added
    merged = merge_labels(labeled, corrected, replace=True)
    assert [image['file_name'] for image in merged.replaced] == ['2.png']
    assert [image['id'] for image in merged.coco['images']] == [1, 2, 3]
    assert by_name(merged.coco)['2.png'][0] == (1, [[0, 0, 5, 0, 5, 5]])
    ids = [one['id'] for one in merged.coco['annotations']]
    assert len(ids) == 6 and len({*ids}) == 6 and ids[:2] == [1, 2] and min(ids[2:]) > 2


def test_free_ids_are_not_those_that_other_new_images_have(world, labeled):
    wanted = {str((world.photos / '3.png').resolve()): 3}
    merged = merge_labels(labeled, corrected_of(world, {3, 4}), wanted_ids=wanted)
    assert [image['id'] for image in merged.added] == [3, 4]


def test_two_names_of_one_photo(world, labeled):
    """A link, and the photo itself: one image with the annotations of both, equal ones once."""
    world.annotations[7].update(segmentation=[[0, 0, 5, 0, 5, 5]], bbox=[0, 0, 5, 5], area=15)
    (world.photos / 'link.png').symlink_to(world.photos / '3.png')
    merged = merge_labels(labeled, corrected_of(world, {3, 4}, names={4: 'link.png'}))
    assert len(merged.added) == 1
    ids = {image['id'] for image in merged.coco['images']}
    assert {one['image_id'] for one in merged.coco['annotations']} == ids
    assert len(merged.coco['annotations']) == 4 + 2 + 1


def test_a_copy_of_a_labelled_image_is_warned_of(world, labeled):
    shutil.copy(world.photos / '1.png', world.photos / 'again.png')
    merged = merge_labels(labeled, corrected_of(world, {3}, names={3: 'again.png'}))
    (warning,) = merged.findings
    assert warning.level == 'warning' and 'again.png = 1.png' in str(warning)


@pytest.mark.parametrize('how', ['same', 'copy', 'stored anew'])
def test_images_of_the_validation_set_are_found(world, labeled, how):
    if how == 'copy':
        shutil.copy(world.photos / '3.png', world.photos / '9.png')
    elif how == 'stored anew':
        with Image.open(world.photos / '3.png') as image:
            image.resize((96, 72), Image.Resampling.BICUBIC).save(world.photos / '9.png')
    name = '3.png' if how == 'same' else '9.png'
    size = dict(width=96, height=72) if how == 'stored anew' else {}
    keep(world.coco, {3})
    val = world.prepare('val')
    world.images[0].update(size)
    corrected = corrected_of(world, {3}, names={3: name})
    if how == 'stored anew':  # noise of so few pixels is not always recognised
        found = find_leaks(corrected, [('val', val)])
        assert all(one.level == 'error' for one in found)
        return
    (leak,) = find_leaks(corrected, [('val', val)])
    assert leak.level == 'error' and name in str(leak)
    assert 'in both the corrected and the val set' in str(leak)
    assert not find_leaks(corrected, [])


def test_another_folder_and_the_unlabelled_rest(world, labeled):
    other = world.root / 'unlabelled'
    other.mkdir()
    (world.photos / '3.png').rename(other / '3.png')
    shutil.copy(other / '3.png', other / 'copy.png')
    corrected = corrected_of(world, {3})  # not found
    assert corrected.errors
    corrected = prepare(world.root / 'corrected.json', other, role='test')
    merged = merge_labels(labeled, corrected)
    assert merged.added[0]['file_name'] == '../unlabelled/3.png'
    unlabeled = dict(
        images=[
            dict(id=n, file_name=name) for n, name in enumerate(['3.png', 'copy.png', '4.png'])
        ],
        annotations=[],
    )
    left, removed = without_labelled(unlabeled, other, [str((other / '3.png').resolve())])
    assert removed == ['3.png', 'copy.png'] and left['images'] == unlabeled['images'][2:]
    assert len(unlabeled['images']) == 3
