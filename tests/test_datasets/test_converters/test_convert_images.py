"""Images without annotations: which there are, and how large they load."""

import json
import os

import mmcv
import pytest
from PIL import Image

from mmpldc.datasets.converters import convert_images
from mmpldc.datasets.converters.image_files import find_images, image_size
from mmpldc.datasets.image_header import read_header

CATEGORIES = [dict(id=7, name='x', supercategory='s'), dict(id=3, name='y')]


@pytest.fixture
def labeled(tmp_path):
    """Write a labelled set's json with these images; its path."""

    def labeled(*names, name='labeled.json'):
        images = [dict(id=i, file_name=name) for i, name in enumerate(names)]
        content = dict(images=images, annotations=[dict(id=1)], categories=CATEGORIES)
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name

    return labeled


@pytest.fixture
def images(tmp_path, write_image):
    for number, name in enumerate(('b.jpg', 'a/c.JPG', 'a/b/d.png', 'e.webp'), start=5):
        write_image(tmp_path / 'images' / name, number, 4)
    return tmp_path / 'images'


def names(coco):
    return [image['file_name'] for image in coco['images']]


def test_images(images, labeled, write_image):
    (images / 'notes.txt').write_text('no image')
    write_image(images / '.hidden/f.jpg')
    write_image(images / '.g.jpg')
    coco = convert_images(images, labeled())
    assert coco['images'] == [
        dict(id=1, file_name='a/b/d.png', width=7, height=4),
        dict(id=2, file_name='a/c.JPG', width=6, height=4),
        dict(id=3, file_name='b.jpg', width=5, height=4),
        dict(id=4, file_name='e.webp', width=8, height=4),
    ]
    assert coco['annotations'] == []
    assert coco['categories'] == CATEGORIES


def test_excluded_by_name(images, labeled):
    files = [
        labeled('b.jpg', 'elsewhere.jpg'),
        labeled('a/c.JPG', name='val.json'),
        labeled('b.jpg', name='listed_already.json'),
    ]
    with pytest.warns(UserWarning, match=r'1 of 2 images of .*labeled\.json .* elsewhere\.jpg'):
        coco = convert_images(images, files[0], exclude=dict.fromkeys(files, images))
    assert names(coco) == ['a/b/d.png', 'e.webp']


def test_excluded_by_names_that_differ(images, labeled):
    other = labeled('b.jpg', 'A\\C.jpg', 'E.WEBP')
    with pytest.warns(UserWarning, match='the names of 2 images differ'):
        assert names(convert_images(images, other, exclude={other: images})) == ['a/b/d.png']


@pytest.mark.parametrize('image', [dict(id=1), dict(file_name=''), 'b.jpg'])
def test_an_excluded_image_without_a_name(images, tmp_path, image):
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(dict(images=[image], categories=CATEGORIES)))
    with pytest.raises(ValueError, match=r'x\.json: images\[0\] has no file_name'):
        convert_images(images, path, exclude={path: images})


def test_excluded_by_file(images, labeled, tmp_path):
    """The same file under other names: by links, in another folder, by its full path."""
    (images / 'linked').symlink_to(images / 'a', target_is_directory=True)
    (tmp_path / 'labeled').mkdir()
    (tmp_path / 'labeled/0.jpg').symlink_to(images / 'b.jpg')
    in_a = labeled('c.JPG', name='in_a.json')
    coco = convert_images(images, in_a, exclude={in_a: images / 'a'})
    assert names(coco) == ['a/b/d.png', 'b.jpg', 'e.webp']
    linked = labeled('0.jpg', name='linked.json')
    coco = convert_images(images / 'a/..', linked, exclude={linked: tmp_path / 'labeled'})
    assert 'b.jpg' not in names(coco)
    full = labeled(str(images / 'e.webp'), name='full.json')
    assert 'e.webp' not in names(convert_images(images, full, exclude={full: images}))


def test_a_file_of_two_names_counts_once(images, labeled):
    """By hard links, which no path tells."""
    (images / 'more').mkdir()
    os.link(images / 'b.jpg', images / 'more/b.jpg')
    os.link(images / 'e.webp', images / 'a/e.webp')
    listed = labeled('b.jpg')
    assert names(convert_images(images, listed)) == ['a/b/d.png', 'a/c.JPG', 'a/e.webp', 'b.jpg']
    with pytest.warns(UserWarning, match=r'1 images are left out as copies .*more/b\.jpg, a copy'):
        coco = convert_images(images, listed, exclude={listed: images})
    assert names(coco) == ['a/b/d.png', 'a/c.JPG', 'a/e.webp']


def test_file_that_excludes_nothing(images, labeled):
    other = labeled('elsewhere/b.jpg')
    with pytest.raises(
        ValueError, match=r'labeled\.json leaves out nothing: .*\(elsewhere/b\.jpg\)'
    ):
        convert_images(images, other, exclude={other: images})


def test_nothing_left(images, labeled):
    everything = labeled('b.jpg', 'a/c.JPG', 'a/b/d.png', 'e.webp')
    with pytest.raises(ValueError, match='none is left'):
        convert_images(images, everything, exclude={everything: images})


@pytest.mark.parametrize(
    'content', [b'', b'<html>', b'\xff\xd8\xff\xe0'], ids=['empty', 'html', 'cut in the header']
)
def test_unreadable(images, labeled, content):
    (images / 'a/broken.jpg').write_bytes(content)
    with pytest.raises(ValueError, match=r'broken\.jpg cannot be read as an image'):
        convert_images(images, labeled())
    (images / 'z.png').write_bytes(content)
    with pytest.warns(
        UserWarning, match=r'unreadable files are left out: 2, a/broken\.jpg, z\.png$'
    ):
        coco = convert_images(images, labeled(), skip_unreadable=True)
    assert names(coco) == ['a/b/d.png', 'a/c.JPG', 'b.jpg', 'e.webp']
    assert [image['id'] for image in coco['images']] == [1, 2, 3, 4]


def test_link_to_nothing(images, labeled):
    """A link whose target is gone is no file."""
    (images / 'gone.jpg').symlink_to(images / 'nowhere.jpg')
    with pytest.warns(UserWarning, match=r'links that lead nowhere .*: 1, such as gone\.jpg'):
        assert 'gone.jpg' not in names(convert_images(images, labeled()))


def test_names_without_a_suffix(images):
    """Images are told by their content; what else lies there raises no alarm."""
    (images / 'README').write_text('BMW')
    (images / 'a/table.dat').write_bytes(bytes(range(99)))
    found = find_images(images)
    for number, name in enumerate(('x', 'x.jpg_large', 'x.jpg?w=200', 'x.jpg ', 'a/y.png~')):
        shape = (9, 9 + number)
        suffix = '.bmp' if name == 'x' else '.png'
        Image.new('L', shape).save(images / f'z{suffix}')
        (images / f'z{suffix}').rename(images / name)
    with pytest.warns(UserWarning, match=r"left out: 5, such as 'a/y\.png~'"):
        assert find_images(images) == found
    for name in found:
        (images / name).unlink()
    with pytest.raises(FileNotFoundError, match=r'only images without a suffix .*\(5, such as'):
        find_images(images)


def test_pipes_are_no_images(images):
    """Opening one would wait for ever."""
    os.mkfifo(images / 'pipe.jpg')
    assert find_images(images) == ['a/b/d.png', 'a/c.JPG', 'b.jpg', 'e.webp']


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('{"images": []}', "is not a COCO-format file: it has no list 'categories'"),
        ('{"images": [], "categories": []}', 'has no categories'),
        ('[]', 'is not a COCO-format file'),
        ('{"images": [], "categories": [{"name": "x"}]}', r'category \[0\]: id: missing'),
        ('{"images": [], "categories": ["x"]}', r'categories\[0\] is not an object'),
    ],
)
def test_no_categories(images, tmp_path, content, words):
    (tmp_path / 'x.json').write_text(content)
    with pytest.raises(ValueError, match=rf'x\.json:? {words}'):
        convert_images(images, tmp_path / 'x.json')


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match='none is not a folder'):
        find_images(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'no image \(\.jpg .*\) below'):
        find_images(tmp_path)


def exif(orientation):
    content = Image.Exif()
    content[0x0112] = orientation
    return content


@pytest.mark.parametrize('orientation', range(10))
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
def test_size_is_that_of_the_loaded_image(tmp_path, write_image, suffix, orientation):
    path = tmp_path / f'a.{suffix}'
    write_image(path, 8, 6, exif=exif(orientation))
    height, width = mmcv.imread(path).shape[:2]
    assert image_size(path) == (width, height)
    assert (width, height) == ((6, 8) if 5 <= orientation <= 8 else (8, 6))
    assert read_header(path).orientation == (orientation if 1 <= orientation <= 8 else 1)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize(
    'options',
    [
        dict(xmp=XMP),
        dict(exif=b'Exif\0\0garbage'),
        dict(exif=b'Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01'),
    ],
    ids=['XMP', 'garbage', 'cut off'],
)
def test_orientation_that_mmcv_does_not_see(tmp_path, write_image, options):
    path = tmp_path / 'a.jpg'
    write_image(path, 8, 6, **options)
    assert image_size(path) == mmcv.imread(path).shape[1::-1] == (8, 6)


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGBA', 'I;16', 'CMYK'])
def test_modes(tmp_path, mode):
    path = tmp_path / ('a.jpg' if mode == 'CMYK' else 'a.png')
    Image.new(mode, (8, 6)).save(path)
    assert image_size(path) == (8, 6)
