"""The json of VGG Image Annotator 2."""

import json

import pytest

from mmpldc.datasets.converters import convert_via

WIDTH, HEIGHT = 40, 30
RECT = dict(name='rect', x=2, y=3, width=10, height=8)


def region(shape=RECT, **attributes):
    return dict(shape_attributes=shape, region_attributes=attributes)


@pytest.fixture
def convert(tmp_path, write_image):
    """Write a json of these regions by file name, and convert it."""
    for name in ('a.jpg', 'more/b.jpg', 'c.jpg'):
        write_image(tmp_path / 'images' / name, WIDTH, HEIGHT)

    def convert(entries, wrap=lambda content: content, **options):
        content = {
            f'{name}123': dict(filename=name, size=123, regions=regions, file_attributes={})
            for name, regions in entries.items()
        }
        path = tmp_path / 'via.json'
        path.write_text(json.dumps(wrap(content)))
        return convert_via(path, images=tmp_path / 'images', **options)

    return convert


@pytest.mark.parametrize(
    ('shape', 'area'),
    [
        (RECT, 80),
        (dict(name='polygon', all_points_x=[0, 10, 10, 0], all_points_y=[0, 0, 5, 5]), 50),
        (dict(name='circle', cx=20, cy=15, r=10), 314),
        (dict(name='ellipse', cx=20, cy=15, rx=12, ry=6), 226),
        (dict(name='ellipse', cx=20, cy=15, rx=12, ry=6, theta=1.5707963), 226),
    ],
    ids=['rect', 'polygon', 'circle', 'ellipse', 'turned'],
)
def test_shapes(convert, shape, area):
    coco = convert({'a.jpg': [region(shape, kind='cat')]})
    (annotation,) = coco['annotations']
    assert annotation['area'] == pytest.approx(area, rel=0.03)
    if 'theta' in shape:
        assert annotation['bbox'][3] > annotation['bbox'][2]
    assert coco['categories'] == [dict(id=1, name='cat')]


def project(content):
    return dict(_via_settings={}, _via_img_metadata=content, _via_attributes={})


@pytest.mark.parametrize(
    ('options', 'classes', 'expected'),
    [
        ({'1': 'apple', '2': ' pear '}, None, ['apple', 'pear']),
        ({'1': 'apple', '2': 'pear'}, ['1', '2'], ['1', '2']),
        ({'1': 'apple', '2': ''}, None, ['1', '2']),
        ({}, None, ['1', '2']),
    ],
)
def test_options_that_are_numbers(convert, options, classes, expected, recwarn):
    """Of a dropdown: VIA stores the option, and shows its description."""

    def wrap(content):
        attributes = dict(region=dict(kind=dict(type='dropdown', options=options)))
        return dict(_via_img_metadata=content, _via_attributes=attributes)

    regions = [region(RECT, kind='1'), region(RECT, kind='2')]
    coco = convert({'a.jpg': regions}, wrap, classes=classes)
    assert [one['name'] for one in coco['categories']] == expected
    warned = any('such as apple for 1' in str(one.message) for one in recwarn)
    assert warned == (expected == ['apple', 'pear'])


def numbered(content):
    """Regions of version 1: a dict by number."""
    return {
        key: entry | dict(regions={str(n): one for n, one in enumerate(entry['regions'])})
        for key, entry in content.items()
    }


@pytest.mark.parametrize('wrap', [lambda content: content, project, numbered])
@pytest.mark.parametrize('name', ['b.jpg', 'more/b.jpg', 'C:\\data\\b.jpg', 'http://x.org/b.jpg'])
def test_layouts(convert, wrap, name):
    regions = [region(kind='dog'), region(kind={'cat': True, 'dog': False})]
    coco = convert({name: regions}, wrap)
    assert [image['file_name'] for image in coco['images']] == ['more/b.jpg']
    assert [annotation['category_id'] for annotation in coco['annotations']] == [2, 1]


def test_images_without_regions(convert):
    entries = {'a.jpg': [region(kind='x')], 'c.jpg': []}
    with pytest.warns(UserWarning, match=r'images without a region: 1, such as c\.jpg'):
        assert len(convert(entries)['images']) == 1
    with pytest.warns(UserWarning, match='negatives'):
        assert len(convert(entries, negatives=True)['images']) == 2


def test_classes(convert):
    assert convert({'a.jpg': [region()]}, classes=['x'])['annotations'][0]['category_id'] == 1
    two = {'a.jpg': [region(kind='x', color='red')]}
    assert convert(two, attribute='color')['categories'] == [dict(id=1, name='red')]
    given = convert({'a.jpg': [region(kind='x')]}, classes=['y', 'x'])
    assert given['annotations'][0]['category_id'] == 2


@pytest.mark.parametrize(
    ('entries', 'options', 'words'),
    [
        ({'a.jpg': [region()]}, {}, 'name the only class with --classes'),
        (
            {'a.jpg': [region(a='x', b='y')]},
            {},
            r"'a' \(1 regions\), 'b' \(1 regions\).*--attribute",
        ),
        ({'a.jpg': [region(a='x'), region()]}, {}, "region 1: the attribute 'a' does not name one"),
        ({'a.jpg': [region(a=' ')]}, {}, 'region 0: the attribute'),
        ({'a.jpg': [region(a={'x': True, 'y': True})]}, {}, 'region 0: the attribute'),
        ({'a.jpg': [region(a='x')]}, dict(classes=['y']), "'x' is no known class: y"),
        ({'d.jpg': [region(a='x')]}, {}, "'d.jpg': it is not in"),
        ({'a.jpg': [], 'x/a.jpg': []}, {}, r'a\.jpg is in the file twice'),
        ({'a.jpg': []}, {}, 'has no region'),
        ({'a.jpg': [region(dict(name='point', cx=1, cy=1), a='x')]}, {}, "'point'.*--skip-unsup"),
        ({'a.jpg': [region(RECT | dict(x=None), a='x')]}, {}, 'a rect: x is None, no number'),
        (
            {'a.jpg': [region(dict(name='polygon', all_points_x=[1], all_points_y=[1]), a='x')]},
            {},
            'has 1 points: too few',
        ),
        (
            {'a.jpg': [region(dict(name='ellipse', cx=9, cy=9, rx=2, ry=3, theta='x'), a='x')]},
            {},
            "theta is 'x', no number",
        ),
        ({'a.jpg': [region(RECT | dict(width=1e9), a='x')]}, {}, 'millions of pixels outside'),
        ({'a.jpg': [region(a=['x'])]}, {}, "region 0: the attribute 'a' does not name one"),
        (
            {'a.jpg': [dict(shape_attributes=RECT, region_attributes='x')]},
            {},
            "'region_attributes' without names",
        ),
        ({'a.jpg': [dict(region_attributes={})]}, {}, "a region has no 'shape_attributes'"),
    ],
)
def test_bad_input(convert, entries, options, words):
    with pytest.raises(ValueError, match=rf'via\.json.*{words}'):
        convert(entries, **options)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (dict(images=[], annotations=[]), 'is no json of VIA 2'),
        (dict(project={}, file={}, view={}, metadata={}), 'is of VIA 3'),
        ([], 'is no json of VIA 2'),
        ({}, 'has no image'),
    ],
)
def test_other_files(convert, content, words):
    with pytest.raises(ValueError, match=rf'via\.json {words}'):
        convert({}, lambda _: content)


def test_unsupported_regions(convert):
    point = region(dict(name='point', cx=1, cy=1), kind='x')
    with pytest.warns(UserWarning, match='unsupported regions are left out: 1 point'):
        coco = convert({'a.jpg': [point, region(kind='x')]}, skip_unsupported=True)
    assert len(coco['annotations']) == 1


@pytest.mark.filterwarnings('ignore:images without')
@pytest.mark.parametrize('name', ['A.JPG', 'https://example.com/x/a.JPG', '1a2b3c4d-a.jpg'])
def test_names_that_differ(convert, name):
    with pytest.warns(UserWarning, match=rf'1 images differ .* {name}, which is a\.jpg'):
        coco = convert({name: [region(kind='x')]})
    assert [image['file_name'] for image in coco['images']] == ['a.jpg']


@pytest.mark.parametrize(
    ('names', 'meant'),
    [
        (['camB/b.jpg'], None),  # more/b.jpg is another one
        (['camB/A.JPG', 'c.jpg'], 'a.jpg'),  # a folder that is not there
        (['camB/a.jpg', 'camC/c.jpg'], None),
        (['val/a.jpg'], None),
        (['more/a.jpg'], None),  # a folder that is there
        (['/home/x/camB/b.jpg'], 'more/b.jpg'),
        (['/home/x/camB/b.jpg', '/home/x/more/gone.jpg'], None),
        (['project/more/b.jpg', 'else/c.jpg'], None),
        (['project/more/b.jpg', 'c.jpg'], 'more/b.jpg'),
        (['../photos/a.jpg'], 'a.jpg'),
        (['images/a.jpg'], 'a.jpg'),
    ],
)
@pytest.mark.filterwarnings('ignore:images without')
def test_folders_in_names(convert, names, meant):
    entries = {name: [region(kind='x')] for name in names}
    if meant is None:
        with pytest.raises(ValueError, match=r"jpg': it is not in .*: (add it, or|if it is .*, w)"):
            convert(entries)
        return
    with pytest.warns(UserWarning, match=rf'images differ .* {names[0]}, which is {meant}'):
        assert meant in [image['file_name'] for image in convert(entries)['images']]


def test_a_table(tmp_path, write_image):
    write_image(tmp_path / 'a.jpg')
    (tmp_path / 'via.csv').write_text('filename,file_size\n')
    with pytest.raises(ValueError, match=r'via\.csv is a table: export the annotations as json'):
        convert_via(tmp_path / 'via.csv', images=tmp_path)
