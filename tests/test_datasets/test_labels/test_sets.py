"""Sets drawn from labels: images without an annotation, validation, classes of other files."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.labels import (
    draw_held_out,
    match_categories,
    read_negatives,
    separate_unannotated,
    unlabeled_set,
    warn_of_few,
)

# ---------------------------------------------------------------- without an annotation


def list_two_more(world):
    for number in 5, 6:
        world.images.append(world.images[0] | dict(id=number, file_name=f'{number}.png'))


@pytest.mark.parametrize(
    ('negatives', 'kept', 'lines'),
    [
        (set(), 4, ['images 5.png, 6.png: listed without an annotation']),
        (None, 6, ['images 5.png, 6.png: negatives']),
        ({'6.png'}, 5, ['image 5.png: listed without', 'image 6.png: negatives']),
    ],
)
def test_images_without_an_annotation(world, negatives, kept, lines):
    list_two_more(world)
    labels = world.prepare()
    taken_out, findings = separate_unannotated(labels, negatives)
    assert len(labels.coco['images']) == kept and len(taken_out) == 6 - kept
    assert len(findings) == len(lines)
    assert all(line in str(found) for line, found in zip(lines, findings, strict=True))


@pytest.mark.parametrize('negatives', [set(), None, {'4.png'}])
def test_an_image_whose_annotations_were_all_invalid_is_no_negative(world, negatives):
    for one in world.annotations[6:]:
        one['segmentation'] = [[1, 2, 3]]
    labels = world.prepare(drop_invalid=True)
    taken_out, (finding,) = separate_unannotated(labels, negatives)
    assert [image['file_name'] for image in taken_out] == ['4.png']
    assert 'all annotations left out as invalid' in str(finding)


def test_list_of_negatives(world, tmp_path):
    list_two_more(world)
    world.images.pop()  # 6.png is in the folder only
    labels = world.prepare()
    path = tmp_path / 'negatives.txt'
    path.write_text('5.png\n\n6.png\n./6.png\n')
    assert read_negatives(path, [labels]) == [{'5.png', '6.png'}]
    separate_unannotated(labels, {'5.png', '6.png'})
    assert [i['file_name'] for i in labels.coco['images']] == [f'{n}.png' for n in range(1, 7)]
    assert len({image['id'] for image in labels.coco['images']}) == 6


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('1.png', '1.png has annotations'),
        ('none.png', 'none.png is listed nowhere'),
        ('{}', 'is JSON'),
    ],
)
def test_no_negatives(world, tmp_path, line, words):
    path = tmp_path / 'negatives.txt'
    path.write_text(line)
    with pytest.raises(ValueError, match=words):
        read_negatives(path, [world.prepare()])


def test_negatives_whose_names_occur_twice(world, tmp_path):
    """In two folders, or in two files: each line means one photo."""
    for folder in 'a', 'b':
        (world.photos / folder).mkdir()
        Image.new('RGB', (64, 48), 'red').save(world.photos / folder / 'x.png')
    world.images[0]['file_name'] = 'a/x.png'
    list_two_more(world)
    world.images[-1]['file_name'] = 'b/x.png'
    val_photos = tmp_path / 'others'
    shutil.copytree(world.photos, val_photos)
    labels, val = world.prepare(), world.prepare()
    val.folder = val_photos
    path = tmp_path / 'negatives.txt'
    for line, words in (
        ('a/x.png', 'a/x.png may be'),  # of either file
        ('x.png', r'x.png may be .*/a/x.png or .*/b/x.png'),
        (str(world.photos / 'a/x.png'), 'has annotations'),
    ):
        path.write_text(line)
        with pytest.raises(ValueError, match=words):
            read_negatives(path, [labels, val])
    lines = [f'others/{world.images[-1]["file_name"]}', str(world.photos / '5.png')]
    path.write_text('\n'.join(lines))
    assert read_negatives(path, [labels, val]) == [{'5.png'}, {'b/x.png'}]
    assert len(labels.coco['images']) == 6


def test_a_negative_in_another_folder_than_an_image_of_that_name(world, tmp_path):
    for folder in 'a', 'b':
        (world.photos / folder).mkdir()
        Image.new('RGB', (64, 48), 'red').save(world.photos / folder / 'x.png')
    frame = 'aachen/aachen_000000_000001'
    (world.photos / 'aachen').mkdir()
    shutil.copy(world.photos / '5.png', world.photos / f'{frame}_leftImg8bit.png')
    list_two_more(world)
    world.images[-2]['file_name'] = 'a/x.png'
    world.images[-1]['file_name'] = f'{frame}_leftImg8bit.png'
    labels = world.prepare()
    path = tmp_path / 'negatives.txt'
    path.write_text(f'b/x.png\ngtFine/{frame}_gtFine_instanceIds.png\n')
    assert read_negatives(path, [labels]) == [{'b/x.png', f'{frame}_leftImg8bit.png'}]
    assert labels.coco['images'][-1]['file_name'] == 'b/x.png'
    path.write_text('c/x.png\n')
    with pytest.raises(ValueError, match=r'txt: c/x\.png is listed nowhere: .*; if a/x\.png is m'):
        read_negatives(path, [world.prepare()])
    (tmp_path / 'linked').symlink_to(world.photos)
    labels.folder = tmp_path / 'linked'
    path.write_text('linked/a/x.png\n')
    assert read_negatives(path, [labels]) == [{'a/x.png'}]


# ---------------------------------------------------------------- validation


def coco_of(classes):
    """A file with an image for each list of classes, 0 to 9, that are on it."""
    return dict(
        images=[dict(id=i, file_name=f'{i:04d}.jpg') for i in range(len(classes))],
        categories=[dict(id=label, name=str(label)) for label in range(10)],
        annotations=[
            dict(image_id=i, category_id=label)
            for i, labels in enumerate(classes)
            for label in labels
        ],
    )


def held_out_names(coco, **options):
    held_out = draw_held_out(coco, options.pop('percent', 20), options.pop('seed', 0), **options)
    assert held_out.any() and not held_out.all()
    return {i['file_name'] for i, out in zip(coco['images'], held_out, strict=True) if out}


@pytest.mark.parametrize('seed', range(5))
def test_more_labels_never_move_an_image_to_training(seed):
    whole = held_out_names(coco_of([[0, 1]] * 300), seed=seed)
    assert 30 < len(whole) < 95
    for count in 100, 30:
        assert held_out_names(coco_of([[0, 1]] * count), seed=seed) <= whole
    assert held_out_names(coco_of([[0, 1]] * 300), seed=seed + 1) != whole


@pytest.mark.parametrize('seed', range(5))
def test_images_that_were_validated_on_for_a_rare_class_stay_where_they_are_known(seed):
    classes = np.random.default_rng(seed).integers(0, 8, (200, 1)).tolist()
    before = held_out_names(coco_of(classes[:20]), seed=seed)
    assert before <= held_out_names(coco_of(classes), seed=seed, keep=before)


def test_the_choice_is_known():
    """It follows from the names alone: another version must not draw another set."""
    assert held_out_names(coco_of([[0]] * 20)) == {'0006.jpg', '0016.jpg', '0019.jpg'}


@pytest.mark.parametrize('seed', range(20))
def test_both_sets_have_each_class_that_two_images_have(seed):
    rng = np.random.default_rng(seed)
    classes = [
        rng.choice(10, rng.integers(1, 3), p=[0.5, *[0.5 / 9] * 9]).tolist() for _ in range(25)
    ]
    coco = coco_of(classes)
    names = held_out_names(coco, seed=seed)
    val = {label for i, own in enumerate(classes) if f'{i:04d}.jpg' in names for label in own}
    trained = {
        label for i, own in enumerate(classes) if f'{i:04d}.jpg' not in names for label in own
    }
    assert trained == {label for own in classes for label in own}
    alone = {label for label in trained if sum(label in own for own in classes) > 1} - val
    for label in alone:  # each image with it has another class that only this one trains
        for i, own in enumerate(classes):
            if label in own:
                others = [
                    o for j, o in enumerate(classes) if j != i and f'{j:04d}.jpg' not in names
                ]
                assert not set(own) <= {c for o in others for c in o}


def test_images_of_the_same_content_stay_together():
    same = {f'{i:04d}.jpg': f'{i - 1:04d}.jpg' for i in range(1, 40, 2)}
    names = held_out_names(coco_of([[0]] * 40), same=same)
    assert all((copy in names) == (original in names) for copy, original in same.items())


@pytest.mark.parametrize('percent', [0, 100, -1, 150])
def test_share_out_of_range(percent):
    with pytest.raises(ValueError, match='above 0 and below 100'):
        draw_held_out(coco_of([[0]] * 5), percent, 0)


def test_a_single_image_cannot_be_divided():
    with pytest.raises(ValueError, match='too few to hold some out: give a val'):
        draw_held_out(coco_of([[0]]), 20, 0)


def test_classes_with_few_instances_are_named():
    coco = coco_of([[1, 1, 1, 1], [2] * 5])
    coco['categories'] = coco['categories'][:3]
    absent, few = map(str, warn_of_few(coco, 'val.json', 'validation'))
    assert 'class 0: no instance in the validation set: the AP is the mean of the other' in absent
    assert 'class 1 (4): fewer than 5 instances' in few
    assert warn_of_few(coco_of([list(range(10)) * 5]), 'val.json', 'validation') == []


# ---------------------------------------------------------------- classes of other files

CLASSES = [dict(id=7, name='disc'), dict(id=9, name='box')]


@pytest.mark.parametrize(
    ('names', 'levels', 'left'),
    [
        (['disc', 'box'], ['repaired'], 2),  # other ids
        (['box', 'disc'], ['repaired'], 2),
        (['box'], ['repaired'], 1),
        (['box', 'nut'], ['warning', 'repaired'], 1),
        (['box', 'Disc'], ['error'], 2),
        (['nut', 'bolt'], ['error'], 2),
    ],
)
def test_categories_are_matched_by_name(names, levels, left):
    coco = dict(
        categories=[dict(id=i, name=name) for i, name in enumerate(names)],
        annotations=[dict(category_id=i, name=name) for i, name in enumerate(names)],
    )
    findings = match_categories(coco, 'val.json', CLASSES, 'labels.json')
    assert [finding.level for finding in findings] == levels
    assert len(coco['annotations']) == left
    if 'error' not in levels:
        assert coco['categories'] == CLASSES
        ids = {category['name']: category['id'] for category in CLASSES}
        assert all(one['category_id'] == ids[one['name']] for one in coco['annotations'])


def test_the_same_categories_are_not_mentioned():
    coco = dict(categories=json.loads(json.dumps(CLASSES)), annotations=[])
    assert match_categories(coco, 'val.json', CLASSES, 'labels.json') == []


# ---------------------------------------------------------------- unlabelled


def unlabeled(world, **options):
    defaults = dict(
        known=[world.photos / '1.png'],
        out_dir=world.photos / 'out',
        skip_unreadable=False,
    )
    return unlabeled_set(world.photos, world.categories, **defaults | options)


def test_photos_that_no_set_has(world):
    (world.photos / 'out').mkdir()
    Image.new('RGB', (8, 8)).save(world.photos / 'out/drawn.png')
    coco, findings, left_out = unlabeled(world)
    assert [image['file_name'] for image in coco['images']] == [f'{n}.png' for n in range(2, 7)]
    assert (coco['annotations'], findings, left_out) == ([], [], [])


def test_copies_and_masks_are_left_out_and_listed(world):
    for name in ('3.png', '1 (1).png'):
        shutil.copy(world.photos / '1.png', world.photos / name)
    Image.new('L', (64, 48)).save(world.photos / '2_mask.png')
    coco, findings, left_out = unlabeled(world)
    names = {f'{n}.png' for n in (2, 4, 5, 6)}
    assert {image['file_name'] for image in coco['images']} == names
    assert [(finding.level, finding.message.split(':')[0]) for finding in findings] == [
        ('note', 'copies of annotated images'),
        ('note', 'masks'),
    ]
    assert f'{world.photos / "3.png"}: a copy of {world.photos / "1.png"}' in left_out
    assert len(left_out) == 3
    coco, findings, _ = unlabeled(world, keep_all=True)
    assert len(coco['images']) == 7 and not findings


def test_unreadable_photos(world):
    (world.photos / '3.png').write_text('moved')
    with pytest.raises(ValueError, match=r'3\.png .*--skip-unreadable'):
        unlabeled(world)
    coco, (finding,), left_out = unlabeled(world, skip_unreadable=True)
    assert len(coco['images']) == 4 and 'file 3.png: cannot be read' in str(finding)
    assert len(left_out) == 1


def test_no_photo_is_left(world):
    with pytest.raises(ValueError, match='--unlabeled-images'):
        unlabeled(world, known=list(world.photos.iterdir()))


def test_none_left(world):
    """Why: not all of them are annotated."""
    for number in range(2, 7):
        shutil.copy(world.photos / '1.png', world.photos / f'{number}.png')
    (world.photos / '6.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'no photo below .* is left') as error:
        unlabeled(world, skip_unreadable=True)
    assert '(1 of the annotated sets, 4 copies of annotated images, 1 that cannot be read)' in str(
        error.value
    )


def test_a_file_with_two_names_is_one_photo(world):
    os.link(world.photos / '4.png', world.photos / 'x.png')
    (world.photos / 'again.png').symlink_to(world.photos / '2.png')
    (world.photos / '0.png').symlink_to(world.photos / '3.png')
    coco, _, _ = unlabeled(world)
    assert [image['file_name'] for image in coco['images']] == [f'{n}.png' for n in range(2, 7)]
