"""Which photo a name means that no photo has."""

import base64

import pytest

from mmpldc.datasets.converters.photos import find_meant

# how Label Studio names an image of a cloud store
STORED = base64.b64encode(b's3://bucket/set/a b #1.jpg').decode()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    for name in ('0001.jpg', '0002.jpg', 'a/ü.jpg', 'b/twice.jpg', 'c/twice.jpg', 'a b #1.jpg'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ('name', 'meant', 'why'),
    [
        ('.\\0001.jpg', '0001.jpg', 'backslashes'),
        ('a\\ü.jpg', 'a/ü.jpg', 'backslashes'),
        ('C:\\data\\photos\\0001.jpg', '0001.jpg', "another computer's folder"),
        ('\\\\server\\share\\0001.jpg', '0001.jpg', 'backslashes'),
        ('/home/me/job_7/a/ü.jpg', 'a/ü.jpg', "another computer's folder"),
        ('photos/0001.jpg', '0001.jpg', 'the folder photos twice'),
        ('photos/a/ü.jpg', 'a/ü.jpg', 'the folder photos twice'),
        ('0001.JPG', '0001.jpg', 'another case or Unicode form'),
        ('a/u\u0308.jpg', 'a/ü.jpg', 'another case or Unicode form'),
        ('0001', '0001.jpg', 'no suffix'),
        (' 0001.jpg', '0001.jpg', 'blanks around it'),
        ('https://example.com/upload/0001.jpg?sig=1', '0001.jpg', 'a URL'),
        ('s3://bucket/set/0001.jpg', '0001.jpg', 'a URL'),
        ('/data/local-files/?d=set/a%20b%20%231.jpg', 'a b #1.jpg', 'a URL'),
        (f'/tasks/7/resolve/?fileuri={STORED}', 'a b #1.jpg', 'a URL'),
        (f'https://label.example/tasks/7/resolve/?fileuri={STORED}', 'a b #1.jpg', 'a URL'),
        ('a%20b%20%231.jpg', 'a b #1.jpg', 'percent signs'),
        ('/home/me/a%20b%20%231.jpg', 'a b #1.jpg', 'percent signs'),
        ('1a2b3c4d-a%20b%20%231.jpg', 'a b #1.jpg', 'an annotation tool'),
        ('0001.jpg?w=200&h=100', '0001.jpg', 'the query of a URL'),
        ('C:\\photos\\0001.jpg?x', '0001.jpg', 'the query of a URL'),
        ('a%20b%20%231.jpg?x=1', 'a b #1.jpg', 'the query of a URL, percent signs'),
        ('1a2b3c4d-a_b_1.jpg', 'a b #1.jpg', 'signs that Label Studio replaces'),
        ('/data/upload/7/1a2b3c4d-a_b_1.jpg', 'a b #1.jpg', "another computer's folder"),
        ('images/1a2b3c4d-0001.jpg', '0001.jpg', 'an annotation tool'),
        (f'0001_jpg.rf.{"a1" * 16}.jpg', '0001.jpg', 'an annotation tool'),
    ],
)
def test_a_name_means_the_only_photo_that_fits(photos, name, meant, why):
    found = find_meant([name, '0002.jpg'], photos)
    assert list(found) == [name]
    assert found[name].name == meant and why in found[name].why


@pytest.mark.parametrize(
    'names',
    [
        ['val/0001.jpg'],  # a folder that says something else
        ['0001.png'],  # maybe a mask
        ['0003.jpg'],
        ['x/twice.jpg'],
        ['/elsewhere/0001.jpg', '0001.jpg'],  # is listed itself
        ['/train/0001.jpg', '/val/0001.jpg'],  # one photo for two names
        ['\x00', '\ud800', '/', 'C:'],
        ['0001.jpg?x=1', '0001.jpg?x=2'],
        ['photo.php?id=0001.jpg', '0001?.jpg', '?0001.jpg'],
        ['a_b_1.jpg'],  # not uploaded
    ],
)
def test_a_doubtful_name_means_none(photos, names):
    assert find_meant(names, photos) == {}


@pytest.mark.parametrize(
    ('other', 'meant'),
    [
        ('/d/else/0002.jpg', None),  # which is another photo
        ('else/1a2b3c4d-0002.jpg', None),
        ('https://example.com/else/0002.jpg', None),
        ('/d/photos/2/0002.jpg', '0002.jpg'),
        ('/d/else/a/ü.jpg', 'a/ü.jpg'),
        ('/data/upload/7/1a2b3c4d-0002.jpg', '0002.jpg'),  # tells no folder
        ('1a2b3c4d-0002.jpg', '0002.jpg'),
    ],
)
def test_names_of_other_folders_beside_those_of_this_one(photos, other, meant):
    found = find_meant(['/d/photos/0001.jpg', other], photos)
    assert {name: one.name for name, one in found.items()} == {
        '/d/photos/0001.jpg': '0001.jpg',
        **({other: meant} if meant else {}),
    }


@pytest.mark.parametrize(
    'photo', ['1a2b3c4d-dog.jpg', f'dog_jpg.rf.{"b2" * 16}.jpg', 'DOG_jpg.rf.' + 'c' * 32 + '.jpg']
)
def test_the_photo_may_have_what_a_tool_adds(photos, photo):
    (photos / photo).touch()
    found = find_meant(['dog.jpg'], photos)
    assert (
        found['dog.jpg'].name == photo and "the photo's name has a prefix" in found['dog.jpg'].why
    )
    (photos / '5e6f7a8b-dog.jpg').touch()  # which of the two is not known
    assert find_meant(['dog.jpg'], photos) == {}


def test_no_folder(tmp_path):
    assert find_meant(['a.jpg'], tmp_path / 'none') == {}


def test_a_day_is_no_prefix_of_a_tool(photos):
    (photos / '0003.jpg').touch()
    assert find_meant(['20240131-0003.jpg'], photos) == {}
    assert find_meant(['20991331-0003.jpg'], photos)['20991331-0003.jpg'].name == '0003.jpg'
