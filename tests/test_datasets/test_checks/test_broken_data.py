"""Many ways to break a data set: each gives one finding before training, and a sound set none."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmpldc.datasets.checks import check_run
from mmpldc.datasets.shapes import CLASSES

NAN = float('nan')


def of_first(kind, **values):
    """Set fields of the first record; a value of None removes the field."""

    def change(coco):
        for field, value in values.items():
            coco[kind][0][field] = value
            if value is None:
                del coco[kind][0][field]

    return change


def labeled(change):
    return lambda world: world.edit('labeled', change)


def val(change):
    return lambda world: world.edit('tuning', change)


def image(**values):
    return labeled(of_first('images', **values))


def category(**values):
    return labeled(of_first('categories', **values))


def annotation(**values):
    return labeled(of_first('annotations', **values))


def text(content):
    return lambda world: world.path('labeled').write_text(content)


def repeat(kind, **values):
    """Append a copy of the first record, with other values."""
    return labeled(lambda coco: coco[kind].append(coco[kind][0] | values))


def everywhere(change):
    """Change each of the four files."""

    def apply(world):
        for name in ('labeled', 'unlabeled', 'tuning', 'test'):
            world.edit(name, change)

    return apply


def rename(old, new):
    def change(coco):
        for own in coco['categories']:
            own['name'] = new if own['name'] == old else own['name']

    return change


def only_crowds(coco):
    coco['annotations'] = [a for a in coco['annotations'] if a['iscrowd']]


def without_class_in_labels(coco):
    coco['annotations'] = [a for a in coco['annotations'] if a['category_id'] != 3]


def unused_category(coco):
    coco['categories'].append(dict(id=77, name='blob'))


def without_categories(world):
    world.edit('unlabeled', lambda coco: coco.update(categories=[]))


def boxes_as_corners(coco):
    for own in coco['annotations']:
        x, y, width, height = own['bbox']
        own['bbox'] = [x, y, x + width, y + height]


def reorder(coco):
    coco['categories'].insert(0, coco['categories'].pop())


def classes(*names):
    def apply(world):
        for dataset in (
            world.labeled,
            world.unlabeled,
            world.val,
            world.cfg.test_dataloader.dataset,
        ):
            dataset.metainfo.classes = names

    return apply


def without_classes(world):
    for dataset in (world.labeled, world.unlabeled, world.val, world.cfg.test_dataloader.dataset):
        del dataset['metainfo']


def suffix_in_capitals(world):
    for path in world.image('').glob('*.jpg'):
        path.rename(path.with_suffix('.JPG'))


def folder_in_both(world):
    for name in ('labeled', 'unlabeled'):

        def change(coco):
            for own in coco['images']:
                own['file_name'] = 'train/' + own['file_name']

        world.edit(name, change)


def first_image(world) -> Path:
    return world.image(world.read('labeled')['images'][0]['file_name'])


def content(change):
    """Change the bytes of the first labelled image."""

    def apply(world):
        path = first_image(world)
        path.write_bytes(change(path.read_bytes()))

    return apply


def folder_as_image(world):
    path = first_image(world)
    path.unlink()
    path.mkdir()


def turned_by_exif(world):
    pixels = np.zeros((40, 50, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(world.image('grey.png').with_suffix('.jpg'), exif=exif)

    def change(coco):
        coco['images'][-2]['file_name'] = 'grey.jpg'

    world.edit('labeled', change)


def smaller_image(world):
    cv2.imwrite(str(first_image(world)), np.zeros((32, 48, 3), np.uint8))


def labeled_image_among_the_unlabeled(world):
    world.edit('unlabeled', lambda coco: coco['images'].append(world.read('labeled')['images'][0]))


def labeled_images_to_validate_on(world):
    for dataset in (world.val, world.cfg.val_evaluator):
        dataset.ann_file = world.labeled.ann_file
    world.cfg.val_evaluator.ann_file = str(world.path('labeled'))
    world.val.data_prefix.img = world.labeled.data_prefix.img


def val_image_under_the_name_of_2014(world):
    """As val2014 has val2017's images."""
    own = world.read('tuning')['images'][1]
    shutil.copy(
        world.image(own['file_name'], 'tuning'), world.image('COCO_val2014_000000000002.jpg')
    )

    def change(coco):
        coco['images'] = [i for i in coco['images'] if i['id'] != own['id']]
        coco['images'].append(own | dict(file_name='COCO_val2014_000000000002.jpg'))

    world.edit('unlabeled', change)


def val_image_in_another_folder(world):
    """Copied with its name, the id being another."""
    own = world.read('tuning')['images'][1]
    world.image('more').mkdir()
    shutil.copy(world.image(own['file_name'], 'tuning'), world.image('more'))
    copy = own | dict(id=555, file_name=f'more/{own["file_name"]}')
    world.edit('unlabeled', lambda coco: coco['images'].append(copy))


def validate_on_test_images(world):
    shutil.copy(world.path('test'), world.path('tuning'))
    shutil.copytree(world.image('', 'test'), world.image('', 'tuning'), dirs_exist_ok=True)


def many_crowds(coco):
    """All but one object of the class of the grey image's triangle."""
    own = [a for a in coco['annotations'] if a['category_id'] == 1 and not a['iscrowd']]
    for one in own[1:]:
        one.update(iscrowd=1, segmentation=dict(size=[64, 64], counts=[0, 64 * 64]))
        one.update(bbox=[0, 0, 64, 64])
    size = {image['id']: [image['height'], image['width']] for image in coco['images']}
    for one in own[1:]:
        height, width = one['segmentation']['size'] = size[one['image_id']]
        one['segmentation']['counts'] = [0, height * width]
        one['bbox'] = [0, 0, width, height]


def along_rows(coco):
    """Rows 4 to 9 of columns 20 to 49, as a program that goes along the rows writes them."""
    runs = [4 * 64 + 20, 30, *[34, 30] * 5]
    one = coco['annotations'][0]
    one['segmentation'] = dict(size=[64, 64], counts=[*runs, 64 * 64 - sum(runs)])
    one.update(bbox=[20, 4, 30, 6], area=180)


def hole(coco):
    ring = [10, 10, 50, 10, 50, 50, 10, 50]
    inner = [20, 20, 40, 20, 40, 40, 20, 40]
    coco['annotations'][0].update(
        segmentation=[ring, inner], bbox=[10, 10, 40, 40], area=40 * 40 - 20 * 20
    )


def panoptic(coco):
    for one in coco['annotations']:
        one['segments_info'] = [dict(id=1, category_id=one['category_id'])]
        del one['segmentation']


def classes_text(world):
    classes('disc')(world)
    for dataset in (world.labeled, world.unlabeled, world.val, world.cfg.test_dataloader.dataset):
        dataset.metainfo.classes = 'disc'


def set_config(key, value):
    return lambda world: world.cfg.merge_from_dict({key: value})


DATASET = 'train_dataloader.dataset'
BOX = 'bbox: '
MASK = 'segmentation: '
# name, how to break, level, words of the finding
CASES = [
    # the file
    ('no file', lambda w: w.path('labeled').unlink(), 'error', 'no such file: correct ann_file'),
    ('empty file', text(''), 'error', 'is empty: export or copy it again'),
    ('cut off', text('{"images": [\n{"id": 1,'), 'error', 'line 2, column 10: not valid JSON'),
    ('number without end', text('9' * 5000), 'error', 'cannot be read (Exceeds the limit'),
    ('nested without end', text('[' * 100000), 'error', 'cannot be read (maximum recursion'),
    ('binary', lambda w: w.path('labeled').write_bytes(b'\0\xff'), 'error', 'binary data'),
    ('gzip', lambda w: w.path('labeled').write_bytes(b'\x1f\x8b\xff'), 'error', 'a gzip archive'),
    ('results', text('[{"image_id": 1, "score": 0.5}]'), 'error', 'is a list of results'),
    ('list', text('[]'), 'error', 'is a list, not a data set'),
    ('number', text('3'), 'error', 'holds a single int, not a COCO-format'),
    ('no lists', text('{"shapes": []}'), 'error', 'images, annotations, categories missing'),
    ('no categories', labeled(lambda c: c.pop('categories')), 'error', 'categories missing'),
    ('dict of images', labeled(lambda c: c.update(images={})), 'error', '"images" is a dict'),
    ('a string as image', labeled(lambda c: c['images'].append('a')), 'error', 'images[16] is not'),
    # images
    ('no images', labeled(lambda c: c.update(images=[])), 'error', 'the data set has no image'),
    ('no image id', image(id=None), 'error', 'image [0]: id: missing; must be a whole number'),
    ('no file name', image(file_name=None), 'error', 'file_name: missing'),
    ('empty file name', image(file_name=''), 'error', 'file_name: empty'),
    ('no width', image(width=None), 'error', 'width: missing; must be a whole number of pixels'),
    ('width as text', image(width='64'), 'error', "width: is '64'; must be a whole number"),
    ('width beyond 64 bits', image(width=10**30), 'error, error', 'than annotated'),
    ('name with half a character', image(file_name='\ud800'), 'error', 'images are not on disk'),
    ('name that no file can have', image(file_name='\x00'), 'error', 'images are not on disk'),
    ('no height left', image(height=0), 'error', 'height: not above 0'),
    ('image id twice', repeat('images'), 'error', 'id: not unique'),
    ('file name twice', repeat('images', id=999), 'warning', 'listed more than once'),
    # categories
    ('no category id', category(id=None), 'error', 'category [0]: id: missing'),
    ('no category name', category(name=None), 'error', 'category 1: name: missing'),
    ('category id twice', category(id=2), 'error', 'category 2: id: not unique'),
    ('category name of blanks', category(name=' '), 'error', "empty: write the class's name"),
    ('category name true', category(name=True), 'error', 'YAML reads on, off, yes and no'),
    ('category name twice', repeat('categories', id=99), 'error', 'category 99: name: not unique'),
    # annotations
    ('no annotations', labeled(lambda c: c.update(annotations=[])), 'error', 'nothing to train on'),
    ('only crowds', labeled(only_crowds), 'error', 'only crowds: give the file'),
    ('none to validate', val(lambda c: c.update(annotations=[])), 'error', 'to validate on'),
    ('no annotation id', annotation(id=None), 'error', 'annotation [0]: id: missing'),
    ('annotation id twice', repeat('annotations'), 'error', 'id: not unique'),
    ('annotation id 0', val(of_first('annotations', id=0)), 'warning', 'counts as never found'),
    ('no image_id', annotation(image_id=None), 'error', 'image_id: missing'),
    ('image_id unknown', annotation(image_id=4711), 'error', 'image_id: not in images'),
    ('image_id as text', annotation(image_id='1'), 'error', "'1' is not in images, whose ids are"),
    ('no category_id', annotation(category_id=None), 'error', 'category_id: missing'),
    ('category_id unknown', annotation(category_id=0), 'error', 'category_id: not in categories'),
    ('no iscrowd', annotation(iscrowd=None), 'warning', 'iscrowd: missing'),
    ('no iscrowd in val', val(of_first('annotations', iscrowd=None)), 'error', 'iscrowd: missing'),
    ('iscrowd as text', annotation(iscrowd='0'), 'error', "iscrowd: is '0'; must be 0, or 1"),
    ('crowd with polygons', labeled(lambda c: c['annotations'][-3].update(iscrowd=1)), 'warning',
     'a crowd with polygons'),
    ('predictions', annotation(score=0.4), 'warning', 'as predictions have: all are used'),
    ('annotated unlabelled', lambda w: shutil.copy(w.path('unlabeled_hidden'), w.path('unlabeled')),
     'warning', 'annotations in an unlabelled set'),
    # boxes
    ('no box', annotation(bbox=None), 'error', BOX + 'missing; must be [x, y, width, height]'),
    ('three numbers', annotation(bbox=[1, 2, 3]), 'error', BOX + 'not four finite numbers'),
    ('text in a box', annotation(bbox=[1, 2, 3, '4']), 'error', BOX + 'not four finite numbers'),
    ('NaN in a box', annotation(bbox=[1, 2, NAN, 4]), 'error', BOX + 'not four finite numbers'),
    ('negative width', annotation(bbox=[9, 9, -3, 4]), 'error', BOX + 'negative width or height'),
    ('box outside', annotation(bbox=[70, 9, 5, 4]), 'error', BOX + 'outside the image'),
    ('box partly outside', annotation(bbox=[-4, 9, 15, 4]), 'warning', BOX + 'partly outside'),
    ('thin box', annotation(bbox=[5, 9, 0.5, 4]), 'warning', 'mmdet leaves the annotation out'),
    ('no area', annotation(area=None), 'error', "area: missing; must be the mask's number"),
    ('area beyond all floats', annotation(area=10**400), 'error', 'area: not a finite number'),
    ('box beyond all floats', annotation(bbox=[1, 2, 3, 10**400]), 'error', BOX + 'not four fin'),
    ('area not finite', annotation(area=NAN), 'error', 'area: not a finite number'),
    ('area 0', annotation(area=0), 'warning', 'mmdet leaves the annotation out'),
    ('box of another mask', annotation(bbox=[0, 0, 4, 64]), 'warning', 'one of them is wrong'),
    ('corners', labeled(boxes_as_corners), 'warning', 'is [x0, y0, x1, y1] by its mask'),
    ('ignored', annotation(ignore=1), 'warning', 'ignore: set, so that mmdet leaves'),
    ('all ignored', labeled(lambda c: [a.update(ignore=1) for a in c['annotations']]),
     'warning, error', 'nothing is left'),
    ('all areas 0', labeled(lambda c: [a.update(area=0) for a in c['annotations']]),
     'warning, error', 'mmdet leaves out all'),
    ('mostly crowds', labeled(many_crowds), 'warning', 'CVAT exports masks of its brush as crowds'),
    # masks; test_masks.py has more
    ('shares', annotation(segmentation=[[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]]), 'error',
     'shares of the image, 0 to 1'),
    ('along rows', labeled(along_rows), 'error', 'the run lengths go along the rows'),
    ('hole', labeled(hole), 'warning', 'a polygon lies inside another one'),
    ('panoptic', labeled(panoptic), 'error', 'is a panoptic json'),
    ('no mask', annotation(segmentation=None), 'error', MASK + 'missing; must be a list of polyg'),
    ('no polygon', annotation(segmentation=[]), 'error', MASK + 'no polygon'),
    ('odd polygon', annotation(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), 'error', 'an odd number'),
    ('short polygon', annotation(segmentation=[[1, 2, 3, 4]]), 'error', 'fewer than 3 points'),
    ('flat polygon', annotation(segmentation=[1, 2, 3, 4, 5, 6]), 'error', 'a list of numbers'),
    ('polygon outside', annotation(segmentation=[[80, 1, 90, 1, 90, 9]]), 'error',
     MASK + 'outside the image'),
    ('polygon far outside', annotation(segmentation=[[1, 1, 1e9, 1, 1e9, 9]]), 'error',
     MASK + 'a polygon reaches millions of pixels out'),
    ('polygon partly outside', annotation(segmentation=[[1, 1, 90, 1, 90, 9]]), 'warning',
     MASK + 'partly outside the image'),
    ('mask of another size', annotation(segmentation=dict(size=[64, 32], counts=[0, 64 * 32])),
     'error', 'is not [height, width] of its image'),
    ('counts too short', annotation(segmentation=dict(size=[64, 64], counts=[5, 9])), 'error',
     'do not add up'),
    ('counts damaged', annotation(segmentation=dict(size=[64, 64], counts='P')), 'error',
     'cannot be decoded'),
    # config
    ('class misspelt', classes(*CLASSES[:-1], 'Trefoils'), 'error',
     "class 'Trefoils' (the file has 'trefoil')"),
    ('classes not set', without_classes, 'error', 'metainfo.classes is not set'),
    ('classes reordered', classes(*CLASSES[::-1]), 'error', 'in another order than the file'),
    ('classes a text', classes_text, 'warning, error', "is the text 'disc', whose letters"),
    ('no classes', classes(), 'error', 'is empty: name the classes'),
    ('files reordered', everywhere(reorder), 'error', 'in another order than the file'),
    ('class renamed in val', val(rename('disc', 'Disc')), 'error', "(the file has 'Disc')"),
    ('unused category', everywhere(unused_category), 'warning', 'not in metainfo.classes'),
    ('other ids', val(lambda c: [x.update(id=x['id'] + 9) for x in c['categories']] and
                      [x.update(category_id=x['category_id'] + 9) for x in c['annotations']]),
     'warning', 'with different ids'),
    ('unlabelled without categories', without_categories, 'warning',
     "categories: empty: write the same categories as the labelled set's"),
    ('class without instance', labeled(without_class_in_labels), 'warning', 'no instance in the'),
    ('num_classes', set_config('model.num_classes', 80), 'error', 'is 80, but the labelled'),
    (
        'batch sizes differ',
        set_config('train_dataloader', dict(batch_size=6, sampler=dict(batch_size=4))),
        'error',
        'is 6, but its sampler mixes',
    ),
    ('evaluator', set_config('val_evaluator.ann_file', 'x.json'), 'error', 'x.json is not the'),
    ('no ann_file', set_config(f'{DATASET}.labeled.ann_file', ''), 'error', 'ann_file: not set'),
    ('no prefix', lambda w: w.labeled.pop('data_prefix'), 'warning, error',
     'data_prefix.img: not set'),
    ('all dropped', set_config(f'{DATASET}.unlabeled.filter_cfg.filter_empty_gt', True), 'error',
     'leaves out 8 of 8 images'),
    ('small images', set_config(f'{DATASET}.labeled.filter_cfg.min_size', 50), 'warning',
     'leaves out 2 images with a side below 50'),
    ('all too small', set_config(f'{DATASET}.labeled.filter_cfg.min_size', 500), 'error',
     'leaves out 16 images with a side below 500'),
    # images on disk
    ('wrong folder', set_config(f'{DATASET}.labeled.data_prefix.img', 'images/trian'), 'error',
     '/images/train; correct data_prefix.img'),
    ('no such folder', set_config(f'{DATASET}.labeled.data_prefix.img', 'no/where'), 'error',
     'there is no folder'),
    ('other folder', set_config(f'{DATASET}.labeled.data_prefix.img', 'images'), 'error',
     '/images/train; correct data_prefix.img'),
    ('capitals', suffix_in_capitals, 'error, error', ".JPG', of another case; correct file_name"),
    ('folder twice', folder_in_both, 'error, error', '/images; correct data_prefix.img'),
    ('one image lacks', lambda w: first_image(w).unlink(), 'error', 'complete the images'),
    ('image cut off', content(lambda data: data[: len(data) // 2]), 'error', 'is cut off or'),
    ('image empty', content(lambda data: b''), 'error', 'is empty (0 bytes)'),
    ('web page', content(lambda data: b'\n<!DOCTYPE html><html>404'), 'error', 'is a web page'),
    ('LFS', content(lambda data: b'version https://git-lfs.github.com/'), 'error', 'git lfs'),
    ('floats', lambda w: Image.new('F', (9, 9)).save(first_image(w), 'TIFF'), 'error', 'py plain'),
    ('no image', content(lambda data: b'abc'), 'error', 'is no image that OpenCV can decode'),
    ('folder', folder_as_image, 'error', 'is a folder: write the path of the image'),
    ('size', smaller_image, 'error', 'than annotated'),
    ('EXIF', turned_by_exif, 'error', 'the EXIF orientation turns the image'),
    # between sets
    ('labelled in unlabelled', labeled_image_among_the_unlabeled, 'error',
     'in both the labeled and the unlabeled set: remove them from the unlabeled set'),
    ('val is train', labeled_images_to_validate_on, 'error', 'tested on what it was trained on'),
    ('val2014', val_image_under_the_name_of_2014, 'error',
     'image COCO_val2014_000000000002.jpg = 000002.jpg: in both the unlabeled and the val set'),
    ('copied val', val_image_in_another_folder, 'error', 'image more/000002.jpg = 000002.jpg'),
    ('test in val', validate_on_test_images, 'warning', 'in both the val and the test set'),
]  # fmt: skip


@pytest.mark.parametrize(
    ('break_', 'level', 'words'), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_broken_data_gives_one_finding(world, break_, level, words):
    """More levels where files share the fault, or one cannot be compared because of it."""
    break_(world)
    found = check_run(world.cfg, decode=None).findings
    assert [finding.level for finding in found] == level.split(', ')
    assert words in str(found[-1])
    assert found[-1].file.endswith(('.json', 'config'))
    for finding in found:
        str(finding).encode()  # can be printed


@pytest.mark.parametrize('all_contents', [False, True])
def test_sound_data_gives_none(world, all_contents):
    report = check_run(world.cfg, decode=None, all_contents=all_contents)
    assert report.findings == ()
    assert report.notes == ()


def test_a_test_set_without_annotations_is_sound(world):
    """As image_info_test-dev2017.json."""
    world.edit('test', lambda coco: coco.pop('annotations'))
    assert check_run(world.cfg).findings == ()


def test_test_set_may_be_the_validation_set(world):
    world.cfg.test_dataloader = world.cfg.val_dataloader
    world.cfg.test_evaluator = world.cfg.val_evaluator
    report = check_run(world.cfg)
    assert report.findings == ()
    assert [data.name for data, _ in report.sets] == ['labeled', 'unlabeled', 'val']


def test_many_faults_of_a_kind_are_one_finding(world):
    world.edit('labeled', lambda coco: [a.pop('area') for a in coco['annotations']])
    (finding,) = check_run(world.cfg).findings
    number = len(world.read('labeled')['annotations'])
    first = [a['id'] for a in world.read('labeled')['annotations'][:3]]
    assert finding.where == f'{number} annotations ({first[0]}, {first[1]}, {first[2]}, ...): area'
