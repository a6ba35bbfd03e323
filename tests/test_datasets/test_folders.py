"""What lies below a folder: links, and folders that cannot be listed."""

import os

import pytest

from mmpldc.datasets.folders import files_below, look_below


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_each_folder_once(tmp_path):
    """Whatever leads there: links among siblings grow without end if each is followed."""
    root = tmp_path / 'photos'
    folders = 'abcdef'
    put(root, *(f'{folder}/1.jpg' for folder in folders))
    put(tmp_path, 'elsewhere/2.jpg', 'labels/3.json')
    for folder in folders:
        for other in folders:
            (root / folder / f'to_{other}').symlink_to(root / other)
    (root / '0').symlink_to('a')
    (root / 'z').symlink_to(tmp_path / 'elsewhere')
    (root / 'z/back').symlink_to(tmp_path)  # which the photos are in, and much else
    assert sorted(files_below(root)) == [*(f'{folder}/1.jpg' for folder in folders), 'z/2.jpg']


def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    put(tmp_path, '1.jpg', 'private/2.jpg', '.hidden/3.jpg')
    (tmp_path / '4.jpg').symlink_to('/mnt/gone/4.jpg')
    (tmp_path / 'self.jpg').symlink_to('self.jpg')
    (tmp_path / '.cache').symlink_to('/mnt/gone')
    list_folder = os.scandir

    def scandir(path):
        if os.path.basename(path) == 'private':
            raise PermissionError(13, 'Permission denied')
        return list_folder(path)

    monkeypatch.setattr(os, 'scandir', scandir)
    assert look_below(tmp_path) == (
        ['1.jpg'],
        ['4.jpg', 'self.jpg'],
        {'private': 'Permission denied'},
    )
    with pytest.warns(UserWarning, match='nowhere') as said:
        files_below(tmp_path)
    assert len(said) == 2
    assert 'listed are left out: 1, such as private (Permission denied)' in str(said[1].message)
