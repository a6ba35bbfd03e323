"""Looking up images and decoding them."""

import os

import pytest

from mmpldc.datasets.checks import find_images
from mmpldc.datasets.checks.images import Folders

# ---------------------------------------------------------------- looking up


def find(names, prefix):
    return find_images(names, str(prefix), file='a.json', folders=Folders())


def test_paths_have_no_symbolic_links(tmp_path):
    (tmp_path / 'real/city').mkdir(parents=True)
    for name in ('a.jpg', 'city/b.jpg'):
        (tmp_path / 'real' / name).touch()
    (tmp_path / 'real/link.jpg').symlink_to('a.jpg')
    (tmp_path / 'folder').symlink_to('real')
    root = os.path.realpath(tmp_path / 'real')
    for prefix in (tmp_path / 'real', f'{tmp_path}/folder/', tmp_path / 'real/../folder'):
        paths, findings = find(['a.jpg', 'city/b.jpg', 'link.jpg', None], prefix)
        assert paths == [f'{root}/a.jpg', f'{root}/city/b.jpg', f'{root}/a.jpg', None]
        assert findings == []


def test_relative_and_empty_prefix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.jpg').touch()
    expected = [os.path.realpath('a.jpg')]
    assert find(['a.jpg'], '') == (expected, [])
    assert find(['a.jpg'], '.') == (expected, [])
    assert find([str(tmp_path / 'a.jpg')], 'elsewhere') == (expected, [])


@pytest.mark.parametrize(
    ('on_disk', 'name', 'advice'),
    [
        ('train/A.jpg', 'a.jpg', "there is 'A.jpg', of another case"),
        ('train/a.png', 'a.jpg', "there is 'a.png', of another suffix"),
        (
            'train/u\N{COMBINING DIAERESIS}.jpg',
            '\N{LATIN SMALL LETTER U WITH DIAERESIS}.jpg',
            'case',
        ),
        ('train/x/a.jpg', 'a.jpg', 'such files in {root}/train/x; correct'),
        ('val/a.jpg', 'a.jpg', 'such files in {root}/val; correct data_prefix.img'),
        ('train/a.jpg', 'train/a.jpg', 'such files in {root}; correct data_prefix.img'),
        ('train/a.jpg', 'old/a.jpg', "'a.jpg' is in data_prefix.img itself; remove the folder"),
        ('train/a.json', 'a.jpg', 'correct data_prefix.img, data_root or file_name'),
        ('train/b.jpg', 'a.jpg', 'correct data_prefix.img, data_root or file_name'),
        ('train/x/a.jpg', 'x\\a.jpg', 'file_name has backslashes; write slashes'),
        ('elsewhere/a.jpg', 'b.jpg', 'there is no folder {root}/train; correct data_prefix.img'),
    ],
)
def test_advice_for_missing_images(tmp_path, on_disk, name, advice):
    path = tmp_path / on_disk
    path.parent.mkdir(parents=True)
    path.touch()
    paths, (finding,) = find([name], tmp_path / 'train')
    assert paths == [None]
    assert '1 of 1 images are not on disk, for example' in finding.message
    assert advice.format(root=tmp_path) in finding.message


def test_the_folder_that_has_all_is_named(tmp_path):
    for folder, names in dict(train='', a='13', b='123', c='12').items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f'{name}.jpg').touch()
    _, (finding,) = find(['1.jpg', '2.jpg', '3.jpg'], tmp_path / 'train')
    assert f'such files in {tmp_path}/b; correct' in finding.message


def test_broken_links_are_missing_and_folders_no_images(tmp_path):
    (tmp_path / 'a.jpg').symlink_to('nowhere.jpg')
    (tmp_path / 'b.jpg').mkdir()
    paths, findings = find(['a.jpg', 'b.jpg'], tmp_path)
    assert paths == [None, None]
    assert ['are not on disk' in findings[0].message, 'is a folder' in findings[1].message]
    assert findings[1].where == 'image b.jpg: file_name'


def test_pipes_are_no_images(tmp_path):
    os.mkfifo(tmp_path / 'a.jpg')
    paths, (finding,) = find(['a.jpg'], tmp_path)
    assert paths == [None] and 'is a pipe' in finding.message


def test_all_that_are_alike_are_named(tmp_path):
    for name in ('a.png', 'a.jpg'):
        (tmp_path / name).touch()
    _, (finding,) = find(['a.jpeg'], tmp_path)
    assert "there are 'a.jpg', 'a.png', of another suffix; correct file_name" in finding.message
