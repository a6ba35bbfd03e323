"""Each kind of fault in a user's file is repaired with a line, or refused with one."""

import copy
import json

import pytest
from label_world import SQUARE, area_of, rle_of
from PIL import ExifTags, Image
from pycocotools import mask as mask_utils

from mmpldc.datasets.labels.values import flag, whole_number

NAN = float('nan')
PAIRS = [list(pair) for pair in zip(SQUARE[::2], SQUARE[1::2], strict=True)]


def every(kind, **values):
    """Set fields of all records of a kind; a function gets the record."""

    def spoil(world):
        for record in getattr(world, kind):
            for name, value in values.items():
                record[name] = value(record) if callable(value) else value

    return spoil


def first(kind, **values):
    """Set fields of the first record of a kind."""
    return lambda world: getattr(world, kind)[0].update(values)


def without(kind, *fields, last=None):
    def spoil(world):
        for record in getattr(world, kind)[:last]:
            for name in fields:
                del record[name]

    return spoil


def append(kind, **values):
    """Append a copy of the first record, with other values."""
    return lambda world: getattr(world, kind).append(
        copy.deepcopy(getattr(world, kind)[0]) | values
    )


def both(*spoils):
    return lambda world: [spoil(world) for spoil in spoils]


def merged_category(world):
    world.categories.append(dict(id=9, name='square'))
    world.annotations[0]['category_id'] = 9


def placeholder(world):
    world.categories.insert(0, dict(id=0, name='my-project', supercategory='none'))
    for category in world.categories[1:]:
        category['supercategory'] = 'my-project'


def photo_listed_twice(world):
    world.images.append(world.images[0] | dict(id=99))
    world.annotations[0]['image_id'] = 99


def text_of(field):
    return lambda record: str(record[field])


REPAIRED = [
    # lists and ids
    ('nulls', lambda w: [records.append(None) for records in w.coco.values()], 'null: no record'),
    ('no ids', without('annotations', 'id'), 'all numbered from 1'),
    ('ids from 0', every('annotations', id=lambda a: a['id'] - 1), 'all numbered from 1'),
    ('ids twice', every('annotations', id=lambda a: a['id'] % 4 + 1), 'all numbered from 1'),
    ('ids of texts', every('annotations', id=lambda a: f'a{a["id"]}'), 'all numbered from 1'),
    ('ids of floats', every('annotations', id=lambda a: float(a['id'])), 'id: was 1.0: read as'),
    (
        'all ids texts',
        both(
            every('images', id=text_of('id')),
            every('categories', id=text_of('id')),
            every('annotations', image_id=text_of('image_id'), category_id=text_of('category_id')),
        ),
        "image_id: was '1': read as a whole number",
    ),
    ('image ids texts', every('images', id=text_of('id')), "id: was '1': read as a whole number"),
    (
        'image ids names',
        both(
            every('images', id=lambda i: f'img_{i["id"]}'),
            every('annotations', image_id=lambda a: f'img_{a["image_id"]}'),
        ),
        "was the text 'img_1': numbered anew",
    ),
    (
        'category ids names',
        both(
            every('categories', id=lambda c: f'c-{c["id"]}'),
            every('annotations', category_id=lambda a: f'c-{a["category_id"]}'),
        ),
        "was the text 'c-1': numbered anew",
    ),
    (
        'classes by name',
        every('annotations', category_id=lambda a: ['square', 'triangle'][a['category_id'] - 1]),
        'category_id: a name: the id of what has it',
    ),
    (
        'images by name',
        every('annotations', image_id=lambda a: f'{a["image_id"]}.png'),
        'image_id: a name: the id of what has it',
    ),
    (
        'image ids beyond 64 bits',
        both(
            every('images', id=lambda i: i['id'] + 10**22),
            every('annotations', image_id=lambda a: a['image_id'] + 10**22),
        ),
        'was 10000000000000000000001: numbered anew',
    ),
    ('annotation ids huge', every('annotations', id=lambda a: a['id'] + 10**22), 'below 1 or huge'),
    ('image twice', append('images'), 'the same photo as an image before: merged'),
    ('image under two ids', photo_listed_twice, 'the same photo as an image before: merged'),
    (
        'image by its path and by a link',
        lambda world: [
            (world.photos / 'link.png').symlink_to(world.photos / '2.png'),
            world.images.append(world.images[0] | dict(id=98, file_name=f'{world.photos}/1.png')),
            world.images.append(world.images[1] | dict(id=99, file_name='link.png')),
        ],
        'images 98, 99: file_name: the same photo as an image before: merged',
    ),
    ('category twice', append('categories'), 'listed before: merged'),
    ('category under two ids', merged_category, 'listed before: merged'),
    ('placeholder', placeholder, "'my-project' is Roboflow's placeholder"),
    ('annotation twice', append('annotations', id=99), 'the same as an annotation before'),
    ('annotation with another box', append('annotations', id=99, bbox=[9, 9, 22, 20]), 'before'),
    # sizes and flags
    ('no height', without('images', 'height'), 'missing: read from the photo'),
    ('width null', every('images', width=None), 'missing: read from the photo'),
    (
        'sizes floats',
        every('images', width=64.0, height=48.0),
        'width, height: not whole numbers: read as such',
    ),
    ('sizes texts', every('images', width='64', height='48'), 'not whole numbers: read as such'),
    ('folder in front', every('images', file_name=lambda i: f'a/b/{i["file_name"]}'),
     'the folder a/b is not there'),
    ('names that are numbers', every('images', file_name=lambda i: int(i['file_name'][0])),
     'file_name: a number: read as a text'),
    ('names in another field', every('images', path=lambda i:
     f'/home/me/{i["file_name"]}', file_name=None), 'file_name: missing: taken from "path"'),
    ('addresses of LVIS', lambda w: [i.update(coco_url=f'http://images.cocodataset.org/x/'
     f'{i.pop("file_name")}') for i in w.images], 'file_name: missing: taken from "coco_url"'),
    ('no sizes', without('images', 'width', 'height'), 'missing: read from the photo'),
    ('sizes 0', every('images', width=0, height=0), 'missing: read from the photo'),
    ('no iscrowd', without('annotations', 'iscrowd'), 'iscrowd: missing: 0 written'),
    ('iscrowd a text', every('annotations', iscrowd='0'), 'iscrowd: not 0 or 1: read as such'),
    ('iscrowd a truth', every('annotations', iscrowd=False), 'iscrowd: not 0 or 1: read as such'),
    ('ignore a text', every('annotations', ignore='0'), 'ignore: not 0 or 1: read as such'),
    # boxes and areas
    ('no boxes', without('annotations', 'bbox'), 'bbox: missing: computed from the mask'),
    ('boxes empty', every('annotations', bbox=[]), 'bbox: missing: computed from the mask'),
    ('boxes of three', every('annotations', bbox=[1, 2, 3]), 'bbox: not four numbers'),
    ('boxes with NaN', every('annotations', bbox=[1, 2, NAN, 3]), 'bbox: not four numbers'),
    ('boxes beyond 64 bits', every('annotations', bbox=[9, 9, 2**63, 4]), 'bbox: not four numbers'),
    ('boxes of 0', every('annotations', bbox=[0, 0, 0, 0]), 'bbox: a side below 1'),
    ('boxes negative', every('annotations', bbox=[9, 9, -3, 4]), 'bbox: a negative side'),
    ('boxes outside', every('annotations', bbox=[900, 9, 3, 4]), 'or outside the image'),
    ('boxes of texts', every('annotations', bbox=lambda a: list(map(str, a['bbox']))), 'texts'),
    (
        'boxes corners',
        every(
            'annotations',
            bbox=lambda a: [*a['bbox'][:2], a['bbox'][0] + 20, a['bbox'][1] + 20],
        ),
        '[x0, y0, x1, y1]',
    ),
    ('no areas', without('annotations', 'area', last=3), 'area: missing: computed from the mask'),
    ('areas 0', every('annotations', area=0), 'area: not a number above 0'),
    ('areas of texts', every('annotations', area='400'), 'area: not a number above 0'),
    ('areas NaN', every('annotations', area=NAN), 'area: not a number above 0'),
    # masks in other forms
    ('short part', lambda w: w.annotations[0]['segmentation'].append([1, 2, 3, 4]), 'below three'),
    ('pairs', first('annotations', segmentation=[PAIRS]), 'points that are pairs or texts'),
    ('pairs alone', first('annotations', segmentation=PAIRS), 'points that are pairs or texts'),
    (
        'points as objects',
        first('annotations', segmentation=[[dict(x=x, y=y) for x, y in PAIRS]]),
        'points that are pairs or texts',
    ),
    ('texts', first('annotations', segmentation=[list(map(str, SQUARE))]), 'pairs or texts'),
    ('flat', first('annotations', segmentation=SQUARE), 'a list of numbers: written as'),
    ('flat without a box', first('annotations', segmentation=SQUARE, bbox=None), 'a list of numb'),
    ('flat, a box in whole pixels', first('annotations', segmentation=SQUARE, bbox=[10, 8, 20, 20]),
     'a list of numbers: written as'),
    ('a list too many', every('annotations', segmentation=lambda a: [a['segmentation']]),
     'polygons in a list of one list'),
    ('run lengths alone', first('annotations', segmentation=rle_of(SQUARE)['counts']),
     'run lengths without their size'),
    ('a text', first('annotations', segmentation=json.dumps([SQUARE])), 'a text: read as JSON'),
    ('run lengths in a list', first('annotations', segmentation=[rle_of(SQUARE)]), 'taken out'),
    (
        'run lengths of floats',
        first('annotations', segmentation=dict(
            size=[48.0, 64.0], counts=list(map(float, rle_of(SQUARE)['counts'])))),
        'in a run-length encoding: read as',
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ('spoil', 'words'), [case[1:] for case in REPAIRED], ids=[case[0] for case in REPAIRED]
)
@pytest.mark.parametrize('role', ['labeled', 'val'])
def test_what_follows_from_the_data_is_repaired(world, spoil, words, role):
    masks = [(area_of(a['segmentation']), a['category_id']) for a in world.annotations]
    spoil(world)
    labels = world.prepare(role)
    assert [str(f) for f in labels.findings if f.level != 'repaired'] == []
    said = [str(finding) for finding in labels.findings]
    assert any(words in line for line in said), said
    assert all(line.startswith(f'repaired: {world.labels}: ') for line in said)

    coco = labels.coco
    names = {category['id']: category['name'] for category in coco['categories']}
    assert list(names.values()) == ['square', 'triangle']
    images = {image['id']: image['file_name'] for image in coco['images']}
    assert list(images.values()) == ['1.png', '2.png', '3.png', '4.png']
    assert set(map(type, images)) == {int}
    assert all((i['width'], i['height']) == (64, 48) for i in coco['images'])
    assert [(area_of(a['segmentation']), a['category_id']) for a in coco['annotations']] == masks
    ids = [one['id'] for one in coco['annotations']]
    assert len(set(ids)) == len(ids) == 8 and min(ids) > 0 and set(map(type, ids)) == {int}
    for place, one in enumerate(coco['annotations']):
        assert images[one['image_id']] == f'{place // 2 + 1}.png'
        x, y, width, height = one['bbox']
        assert (x, y) == ((10, 8) if place % 2 == 0 else (40, 10)) and (width, height) == (20, 20)
        assert abs(one['area'] - (200 if place % 2 else 400)) <= 20
        assert one['iscrowd'] == 0 and not one.get('ignore')


def test_a_second_time_nothing_is_left_to_repair(world):
    without('annotations', 'bbox', 'area', 'iscrowd', 'id')(world)
    world.coco = world.prepare().coco
    assert world.prepare().findings == []


def other_size(world):
    world.images.append(world.images[0] | dict(id=99, width=63))


def crowds(world):
    for one in world.annotations[:2]:
        one.update(iscrowd=1, segmentation=rle_of(one['segmentation'][0]))


REFUSED = [
    # name, what is spoilt, words of the only error
    ('no image id', without('images', 'id', last=1), 'image [0]: id: missing'),
    ('image ids twice', every('images', id=1), 'images 1, 1, 1: id: not unique'),
    ('no file name', without('images', 'file_name', last=1), 'image 1: file_name: missing'),
    ('file name empty', first('images', file_name=''), 'image 1: file_name: empty'),
    ('half a pixel', first('images', width=64.5), 'image 1: width: is 64.5'),
    ('negative size', first('images', width=-64), 'image 1: width: not above 0'),
    ('no category name', without('categories', 'name', last=1), 'category 1: name: missing'),
    ('name of blanks', first('categories', name=' '), 'category 1: name: empty'),
    ('half a character', first('categories', name='a\ud83d'), 'category 1: name: has half a char'),
    ('name true', first('categories', name=True), 'YAML reads on, off'),
    ('category ids twice', first('categories', id=2), 'category 2: id: not unique'),
    ('no image_id', without('annotations', 'image_id', last=1), 'annotation 1: image_id: missing'),
    ('unknown image', first('annotations', image_id=77), 'annotation 1: image_id: not in images'),
    ('unknown class', first('annotations', category_id=77), 'annotation 1: category_id: not in'),
    ('class a list', first('annotations', category_id=[1]), 'annotation 1: category_id: is [1]'),
    ('iscrowd 2', first('annotations', iscrowd=2), 'annotation 1: iscrowd: is 2'),
    ('no mask', without('annotations', 'segmentation', last=1), 'annotation 1: segmentation: miss'),
    ('boxes only', without('annotations', 'segmentation'), 'the file has boxes only'),
    ('boxes only, masks empty', every('annotations', segmentation=[]), 'the file has boxes only'),
    ('half of a size missing, the other wrong', first('images', width=63, height=0),
     'image 1: height: not above 0'),
    ('odd', first('annotations', segmentation=[SQUARE[:-1]]), 'annotation 1: segmentation: a poly'),
    ('two points', first('annotations', segmentation=[[1, 2, 3, 4]]), 'fewer than 3 points'),
    ('null point', first('annotations', segmentation=[[None, *SQUARE[1:]]]), 'not a list of numbe'),
    ('on a line', first('annotations', segmentation=[[9, 9, 29, 29, 19, 19]]), 'has no pixel'),
    ('no pixel', first('annotations', segmentation=dict(size=[48, 64], counts=[48 * 64])),
     'annotation 1: segmentation: the mask has no pixel'),
    ('shares', every('annotations', segmentation=[[0.1, 0.1, 0.5, 0.1, 0.5, 0.5]]),
     'shares of the image, 0 to 1'),
    ('along rows', lambda w: [a.update(segmentation=rle_of(a['segmentation'][0], by_rows=True))
                              for a in w.annotations[:1]], 'go along the rows'),
    ('run lengths alone, elsewhere', first('annotations', segmentation=rle_of(SQUARE)['counts'],
     bbox=[35, 20, 20, 20]), 'annotation 1: segmentation: is a list of numbers'),
    ('along rows, no boxes', every('annotations', bbox=None,
     segmentation=lambda a: rle_of(a['segmentation'][0], by_rows=True)), 'fall into stripes'),
    ('all ignored', every('annotations', ignore=1), 'mmdet leaves out all 8 objects (ignore'),
    ('zero byte', first('images', file_name='a\0b/1.png'), 'images: file_name: 1 of 4 images are'),
    ('half a character in a name', first('images', file_name='\ud800/1.png'), '1 of 4 images'),
    ('no address', first('images', file_name='http://[a/1.png'), '1 of 4 images are'),
    ('photo missing', first('images', file_name='9.png'), 'images: file_name: 1 of 4 images are'),
]  # fmt: skip


@pytest.mark.parametrize(
    ('spoil', 'words'), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_does_not_follow_is_one_error_that_names_file_and_record(world, spoil, words):
    spoil(world)
    (error,) = map(str, world.prepare().errors)
    assert error.startswith(f'error: {world.labels}: ') and words in error


WARNED = [
    ('ignored', first('annotations', ignore=1), 'annotation 1: ignore: set'),
    ('crowds', crowds, 'crowds: 1 of 4 square, 1 of 4 triangle'),
    ('two classes', append('annotations', id=99, category_id=2), 'annotation 99: category_id: the'),
    ('alike', lambda w: w.categories.append(dict(id=3, name='Square ')), "'Square ' and 'square'"),
    ('box elsewhere', first('annotations', bbox=[35, 20, 20, 20]), 'one of them is wrong'),
    (
        'hole',
        first('annotations', segmentation=[SQUARE, [15, 13, 25, 13, 25, 23, 15, 23]], area=300),
        'annotation 1: segmentation: a polygon lies inside another one',
    ),
    (
        'hole without an area',
        first('annotations', segmentation=[SQUARE, [15, 13, 25, 13, 25, 23, 15, 23]], area=None),
        'no area to say whether it is a hole',
    ),
]


@pytest.mark.parametrize(
    ('spoil', 'words'), [case[1:] for case in WARNED], ids=[case[0] for case in WARNED]
)
def test_what_may_be_meant_is_warned_of(world, spoil, words):
    spoil(world)
    labels = world.prepare()
    assert labels.errors == []
    (warning,) = (str(finding) for finding in labels.findings if finding.level == 'warning')
    assert words in warning


@pytest.mark.parametrize('field', ['iscrowd', 'ignore'])
def test_flags_mean_nothing_by_option(world, field):
    every('annotations', **{field: 1})(world)
    assert world.prepare().errors
    option = {'iscrowd': 'crowds_as_instances', 'ignore': 'ignored_as_instances'}[field]
    labels = world.prepare(**{option: True})
    (line,) = map(str, labels.findings)
    assert f'8 annotations (1, 2, 3, ...): {field}: 1: taken for' in line
    assert not any(one[field] for one in labels.coco['annotations'])


def test_printed_bytes_of_run_lengths(world):
    for one in world.annotations:
        encoded = mask_utils.merge(mask_utils.frPyObjects(one['segmentation'], 48, 64))
        one['segmentation'] = dict(size=[48, 64], counts=str(encoded['counts']))
    labels = world.prepare()
    assert ["b'...'" in str(finding) for finding in labels.findings] == [True]
    mask = labels.coco['annotations'][0]['segmentation']
    assert int(mask_utils.area(mask)) == area_of([SQUARE])


def test_a_file_without_faults_stays_as_it_is(world):
    before = copy.deepcopy(world.coco)
    labels = world.prepare()
    assert labels.findings == [] and labels.coco == before


# ---------------------------------------------------------------- --drop-invalid


def test_invalid_records_are_left_out_and_listed(world):
    world.annotations[0]['image_id'] = 77
    world.annotations[3]['segmentation'] = []
    world.images[3]['file_name'] = 'gone.png'
    assert len(world.prepare().errors) == 3
    labels = world.prepare(drop_invalid=True)
    assert labels.errors == []
    assert [one['id'] for one in labels.coco['annotations']] == [2, 3, 5, 6]
    assert [image['id'] for image in labels.coco['images']] == [1, 2, 3]
    records = [line.split(': ')[1] for line in labels.left_out]
    assert sorted(records) == ['annotation 1', 'annotation 4', 'annotation 7', 'annotation 8',
                               'image 4']  # fmt: skip


def test_images_that_share_an_id_are_all_left_out(world):
    """Whose annotations are whose cannot be told."""
    world.images[3]['id'] = 1
    labels = world.prepare(drop_invalid=True)
    assert [image['file_name'] for image in labels.coco['images']] == ['2.png', '3.png']
    assert {one['image_id'] for one in labels.coco['annotations']} == {2, 3}


def test_photos_that_cannot_be_read_are_left_out(world):
    photo = world.photos / '2.png'
    photo.write_bytes(photo.read_bytes()[:3000])
    (error,) = map(str, world.prepare().errors)
    assert error.startswith(f'error: {world.labels}: image {photo}: is cut off or damaged')
    labels = world.prepare(drop_invalid=True)
    assert labels.errors == []
    assert [image['id'] for image in labels.coco['images']] == [1, 3, 4]
    assert f'{world.labels}: image 2: is cut off or damaged' in labels.left_out[0]
    assert labels.unreadable == [str(photo)]


@pytest.mark.parametrize('drop_invalid', [False, True])
@pytest.mark.parametrize(
    ('shift', 'words'), [(-1, '0 to 1, but the categories are 1'), (1, '2 to 3, but the cat')]
)
def test_classes_counted_from_another_number(world, drop_invalid, shift, words):
    """All are wrong, those as well that are the number of a class."""
    every('annotations', category_id=lambda one: one['category_id'] + shift)(world)
    (error,) = map(str, world.prepare(drop_invalid=drop_invalid).errors)
    assert f'category_id: {words}' in error


def test_accents_apart_from_their_letters_are_no_other_class(world):
    world.categories[0]['name'] = 'caf\u00e9'
    world.categories.append(dict(id=3, name='cafe\u0301'))
    world.annotations[0]['category_id'] = 3
    labels = world.prepare()
    assert [one['name'] for one in labels.coco['categories']] == ['caf\u00e9', 'triangle']
    assert labels.coco['annotations'][0]['category_id'] == 1 and not labels.errors


def test_records_of_a_lost_photo_are_not_merged(world):
    """They may be of two photos of one name, in folders that the file does not tell."""
    for image in world.images[:2]:
        image['file_name'] = 'img.png'
    labels = world.prepare()
    assert len(labels.coco['images']) == 4
    assert not any('merged' in str(finding) for finding in labels.findings)
    assert any('images are not on disk' in str(error) for error in labels.errors)


def test_two_names_of_one_photo_are_told_apart_from_a_missing_photo(world):
    world.images.append(world.images[0] | dict(id=9, file_name='C:\\x\\1.png'))
    first_error, *_ = map(str, world.prepare().errors)
    assert 'image 9: file_name' in first_error and 'may be 1.png, which another' in first_error


@pytest.mark.parametrize('orientation', [1, 6])
def test_the_size_of_a_photo_that_is_turned_does_not_tell(world, orientation):
    pixels = Image.open(world.photos / '1.png')
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels.save(world.photos / '1.png', exif=exif)
    without('images', 'width', 'height', last=1)(world)
    for one in world.annotations[:2]:
        one.update(segmentation=[[5, 5, 30, 5, 30, 30]], bbox=[5, 5, 25, 25])
    warned = [str(one) for one in world.prepare().findings if one.level == 'warning']
    assert ('turns the photo by 90 degrees' in ''.join(warned)) == (orientation == 6)


def test_a_finding_is_one_line(world):
    world.categories[0]['name'] = 'a\nb'
    world.images[0]['file_name'] = 'x\r\n.png'
    assert all(len(str(finding).splitlines()) == 1 for finding in world.prepare().findings)


def test_names_that_are_large_numbers_stay_apart(world):
    for category, name in zip(world.categories, (12345678, 12345679.0), strict=True):
        category['name'] = name
    labels = world.prepare()
    assert [one['name'] for one in labels.coco['categories']] == ['12345678', '12345679']


def test_a_picture_for_its_name_is_named_by_its_beginning(world):
    world.images[0]['file_name'] = 'data:image/png;base64,' + 'A/b+' * 1000
    (error,) = map(str, world.prepare().errors)
    assert 'data:image/png;base64,A' in error and len(error) < 1000


def test_a_class_is_never_left_out(world):
    del world.categories[0]['name']
    assert world.prepare(drop_invalid=True).errors


def test_all_photos_missing_is_an_error_all_the_same(world):
    every('images', file_name=lambda image: f'no/{image["id"]}.bmp')(world)
    (error,) = map(str, world.prepare(drop_invalid=True).errors)
    assert '4 of 4 images are not on disk' in error


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ('value', 'read'),
    [(3, 3), (3.0, 3), ('3', 3), (' 3 ', 3), ('03', '03'), (3.5, 3.5), ('x', 'x'), (None, None),
     (True, True), ([3], [3]), ('9' * 30, '9' * 30), ('²', '²')],
)  # fmt: skip
def test_whole_numbers(value, read):
    assert whole_number(value) == read and type(whole_number(value)) is type(read)


@pytest.mark.parametrize(
    ('value', 'read'),
    [(0, 0), (1, 1), (True, 1), (False, 0), ('True', 1), ('0', 0), ('', 0), (1.0, 1), (2, 2),
     ('maybe', 'maybe')],
)  # fmt: skip
def test_flags(value, read):
    assert flag(value) == read


@pytest.mark.parametrize(
    ('parts', 'box', 'is_said'),
    [
        ([[10, 40, 60, 60, 40, 10], [10, 5, 10, 40, 45, 40]], None, True),
        ([[10, 40, 60, 60, 40, 10], [10, 5, 10, 40, 45, 40]], [10, 5, 50, 40], False),
        ([SQUARE, [value + 15 for value in SQUARE]], None, False),
        ([[10, 40, 60, 60, 40, 10], [10, 5, 10, 60, 62, 40]], None, False),  # y below the image
        ([[10, 40, 60, 60, 40, 10], [10, 5, 10, 40, 45, 40, 30, 20]], None, False),
    ],
)
def test_outlines_of_two_lists_are_pointed_out(world, parts, box, is_said):
    for one in world.annotations:
        one.update(segmentation=[list(part) for part in parts], bbox=box, area=None)
        one['segmentation'][0][0] += one['id'] % 2 / 4
    findings = [str(finding) for finding in world.prepare().findings]
    said = [text for text in findings if 'if they are the x and the y of one outline' in text]
    assert len(said) == is_said and all(text.startswith('warning: ') for text in said)
    world.annotations[0]['segmentation'] = [SQUARE]
    assert not any('the x and the y' in str(finding) for finding in world.prepare().findings)
