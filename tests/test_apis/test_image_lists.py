"""Which images are found, in which order, and what is said of unusable lists."""

import json

import pytest

from mmpldc.apis import folder_images, list_images, read_categories


@pytest.fixture
def write(tmp_path):
    """Write a JSON file."""

    def write(content):
        path = tmp_path / 'coco.json'
        path.write_text(json.dumps(content))
        return path

    return write


def test_images_of_a_folder_are_sorted_and_numbered(folder):
    for name in ('deep/notes.txt', '.hidden.png', 'deep/._b.jpg', 'B.jpeg'):
        (folder / name).touch()
    (folder / '.cache').mkdir()
    (folder / '.cache/d.jpg').touch()
    assert folder_images(folder) == [
        dict(id=1, file_name='B.jpeg'),
        dict(id=2, file_name='a.png'),
        dict(id=3, file_name='deep/b.jpg'),
        dict(id=4, file_name='deep/c.PNG'),
    ]


def test_no_folder_or_no_image_in_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'missing is not a folder'):
        folder_images(tmp_path / 'missing')
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(FileNotFoundError, match=r'no image \(\.jpg'):
        folder_images(tmp_path)


def test_images_of_a_file_keep_their_entries(write):
    images = [dict(id=7, file_name='x.jpg', license=3), dict(id=2, file_name='y.jpg')]
    assert list_images(write(dict(images=images, annotations=[]))) == images


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], "has no list 'images'"),
        (dict(images=[]), 'lists no images'),
        (dict(images=[dict(id=1)]), r"an id and a file_name, got \{'id': 1\}"),
        (dict(images=[dict(id=1.5, file_name='a')]), 'an id and'),
        (dict(images=[dict(id=1, file_name='a'), dict(id=1, file_name='b')]), 'the same id'),
    ],
)
def test_unusable_lists_are_named(write, content, message):
    with pytest.raises(ValueError, match=rf'coco\.json.*{message}'):
        list_images(write(content))


def test_categories_are_taken_by_name(write):
    categories = [dict(id=9, name='owl'), dict(id=4, name='cat', supercategory='pet')]
    path = write(dict(images=[], categories=[*categories, dict(id=5, name='eel')]))
    assert read_categories(path, ('cat', 'owl')) == categories[::-1]
    with pytest.raises(ValueError, match=r'coco\.json has no category dog: it has owl, cat, eel'):
        read_categories(path, ('cat', 'dog'))


def test_categories_must_be_told_apart(write):
    path = write(dict(images=[], categories=[dict(id=1, name='cat'), dict(id=2, name='cat')]))
    with pytest.raises(ValueError, match='two categories have the same name'):
        read_categories(path, ('cat',))
    with pytest.raises(ValueError, match='has no category cat: it has none'):
        read_categories(write(dict(images=[])), ('cat',))
