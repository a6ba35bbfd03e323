"""mmengine's file backend for checkpoints."""

import errno
import os
import re
import resource

import pytest
from mmengine.fileio import get_file_backend
from mmengine.runner import save_checkpoint

import mmpldc.engine.fileio  # noqa: F401, registers it


@pytest.fixture
def backend():
    return get_file_backend(backend_args=dict(backend='atomic'))


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_checkpoints_are_written_by_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, 'fsync', lambda descriptor: synced.append(descriptor))
    path = tmp_path / 'new' / 'iter_1.pth'
    save_checkpoint(dict(state_dict={}), str(path), backend_args=dict(backend='atomic'))
    assert path.exists() and len(synced) == 2  # the file, the folder


def test_what_a_killed_process_left_of_this_kind_makes_room(tmp_path, backend):
    for name in ('.iter_1.pth.7.partial', '.best_a_iter_1.pth.7.partial', 'iter_1.pth'):
        (tmp_path / name).touch()
    backend.put(b'content', str(tmp_path / 'iter_20.pth'))
    assert names(tmp_path) == {'.best_a_iter_1.pth.7.partial', 'iter_1.pth', 'iter_20.pth'}


def test_no_room(tmp_path, backend):
    path = tmp_path / 'iter_1.pth'
    backend.put(b'first', path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError) as error:
            backend.put(bytes(3 << 20), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.errno == errno.EFBIG
    message = str(error.value)
    assert f'{path} was not written ({os.strerror(errno.EFBIG)}): it needs 3.0 MB' in message
    assert re.search(rf'[\d,.]+ MB are free in {tmp_path} \(a quota may allow less\)', message)
    assert 'Earlier files are intact' in message and '--resume' in message
    assert path.read_bytes() == b'first' and names(tmp_path) == {'iter_1.pth'}


@pytest.mark.parametrize('number', [errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_does_not_take_it(tmp_path, backend, monkeypatch, number):
    def refuse(path, *args):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr('pathlib.Path.open', refuse)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))) as error:
        backend.put(b'', tmp_path / 'iter_1.pth')
    assert error.value.errno == number and str(tmp_path / 'iter_1.pth') in str(error.value)


def test_a_folder_that_cannot_be_made(tmp_path, backend):
    (tmp_path / 'file').touch()
    with pytest.raises(OSError, match=r'file/iter_1\.pth was not written \(.*\): it needs 0\.0 MB'):
        backend.put(b'', tmp_path / 'file' / 'iter_1.pth')
