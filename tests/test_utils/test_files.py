"""Files that are there as a whole or not at all."""

import errno
import json
import os
import re

import pytest

from mmpldc.utils.files import atomic_write, remove_partial, write_json


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_and_folders_in_each_others_place(tmp_path):
    (tmp_path / 'file').touch()
    for path, words in (tmp_path, 'is a folder: name a'), (tmp_path / 'file/x', 'is a file: name'):
        with pytest.raises(OSError, match=words), atomic_write(path):
            pass


def test_content_appears_at_the_end(tmp_path):
    path = tmp_path / 'new/a.txt'
    with atomic_write(path) as file:
        file.write('first')
        assert not path.exists() and len(names(path.parent)) == 1
    assert path.read_text() == 'first'
    with atomic_write(path, 'wb') as file:
        file.write(b'second')
        assert path.read_text() == 'first'
    assert path.read_bytes() == b'second' and names(path.parent) == {'a.txt'}


def test_an_error_leaves_the_old_content(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(str(1 / 0))
    assert path.read_text() == 'old' and names(tmp_path) == {'a.txt'}


def test_the_disk_has_the_content_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, 'fsync', lambda fd: (calls.append(os.readlink(f'/proc/self/fd/{fd}')), fsync(fd))
    )
    monkeypatch.setattr(os, 'replace', lambda *paths: (calls.append('replace'), replace(*paths)))
    with atomic_write(tmp_path / 'a.txt') as file:
        file.write('x')
    partial, *rest = calls
    assert re.fullmatch(rf'{tmp_path}/\.a\.txt\.\w+\.partial', partial)
    assert rest == ['replace', str(tmp_path)]


def test_several_may_write_at_once(tmp_path):
    """As ranks in containers do, whose process numbers are the same."""
    path = tmp_path / 'a.txt'
    with atomic_write(path) as first, atomic_write(path) as second:
        second.write('second')
        first.write('first')
    assert path.read_text() == 'first' and names(tmp_path) == {'a.txt'}


def test_json_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / 'new/a.json'
    write_json(path, dict(a=[1]), indent=2)
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}'
    with pytest.raises(TypeError):
        write_json(path, dict(a=[1, object()]))
    assert json.loads(path.read_text()) == dict(a=[1]) and names(path.parent) == {'a.json'}
    write_json(path, dict(a=object()), default=lambda _: 'b')
    assert path.read_text() == '{"a": "b"}'


@pytest.mark.parametrize(('number', 'passes'), [(errno.EINVAL, True), (errno.EIO, False)])
def test_file_systems_that_cannot_write_out_a_folder(tmp_path, monkeypatch, number, passes):
    fsync = os.fsync

    def fail_for_folders(descriptor):
        if os.path.isdir(f'/proc/self/fd/{descriptor}'):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', fail_for_folders)
    try:
        with atomic_write(tmp_path / 'a.txt') as file:
            file.write('x')
    except OSError as error:
        assert (error.errno, passes) == (number, False)
    else:
        assert passes
    assert (tmp_path / 'a.txt').read_text() == 'x'


def test_what_killed_processes_left_is_removed(tmp_path):
    left = {'.iter_1.pth.17.partial', '.iter_20.pth.4.partial', '.best_1.pth.4.partial'}
    kept = {'iter_1.pth', '.iter_1.pth', 'iter_1.pth.partial'}
    for name in left | kept:
        (tmp_path / name).touch()
    remove_partial(tmp_path, 'iter_*.pth')
    assert names(tmp_path) == kept | {'.best_1.pth.4.partial'}
    remove_partial(tmp_path / 'absent', '*')
