"""Which checkpoint --resume takes."""

import os
from types import SimpleNamespace

import pytest
import torch
from mmengine.dist import get_rank

from mmpldc.engine.resuming import BrokenCheckpoint, find_damage, resume, saved_checkpoints


class Log(list):
    """Lines by level."""

    def info(self, line):
        self.append(('info', line))

    def warning(self, line):
        self.append(('warning', line))


def runner_of(work_dir, *, rank=0):
    return SimpleNamespace(
        work_dir=str(work_dir), rank=rank, logger=Log(), _resume=False, _load_from='weights.pth'
    )


def chosen(runner) -> str:
    assert runner._resume
    return os.path.basename(runner._load_from)


@pytest.fixture
def save(tmp_path):
    """Write small checkpoints, and name the last of them as mmengine does."""

    def save(*steps, folder=tmp_path, last=None):
        folder.mkdir(exist_ok=True)
        for step in steps:
            tensors = {f'w{i}': torch.randn(30) for i in range(4)}
            torch.save(dict(state_dict=tensors, iter=step), folder / f'iter_{step}.pth')
        if last is not None:
            (folder / 'last_checkpoint').write_text(str(folder / f'iter_{last}.pth'))
        return folder

    return save


# ---------------------------------------------------------------- damage


def test_an_intact_checkpoint(save):
    assert find_damage(save(1) / 'iter_1.pth') is None


def test_every_truncation_is_found(save):
    path = save(1) / 'iter_1.pth'
    content = path.read_bytes()
    for size in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:size])
        assert find_damage(path), size


def same(first, second) -> bool:
    weights = first['state_dict'], second['state_dict']
    equal = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    return first['iter'] == second['iter'] and equal


def test_every_changed_byte_is_found_or_harmless(save):
    """Of the files in the archive; its directory at the end has no checksum."""
    path = save(1) / 'iter_1.pth'
    content, original = path.read_bytes(), torch.load(path)
    found = set()
    places = range(0, content.index(b'PK\x01\x02'), 3)
    for place in places:
        changed = bytes([content[place] ^ (1 + place % 255)])
        path.write_bytes(content[:place] + changed + content[place + 1 :])
        if find_damage(path):
            found.add(place)
        else:  # padding, or a file's date
            assert same(torch.load(path), original), place
    assert found >= places_of(original, content) & {*places}


def places_of(checkpoint: dict, content: bytes) -> set[int]:
    """Where the bytes of the weights are."""
    places = set()
    for tensor in checkpoint['state_dict'].values():
        values = tensor.numpy().tobytes()
        start = content.index(values)
        places.update(range(start, start + len(values)))
    return places


@pytest.mark.parametrize('content', [b'', b'garbage', b'PK\x05\x06' + bytes(18)])
def test_other_files_are_damaged(tmp_path, content):
    (tmp_path / 'iter_1.pth').write_bytes(content)
    assert find_damage(tmp_path / 'iter_1.pth')
    assert 'No such file' in find_damage(tmp_path / 'iter_2.pth')


# ---------------------------------------------------------------- which ones there are


def steps(folder) -> list[int]:
    return [int(path.stem.removeprefix('iter_')) for path in saved_checkpoints(folder)]


def test_by_number_the_newest_first(save):
    folder = save(9, 10, 100, last=100)
    for name in ('best_coco_iter_200.pth', 'iter_300.pth.tmp', 'iter_x.pth', 'weights.pth'):
        (folder / name).touch()
    assert steps(folder) == [100, 10, 9]


@pytest.mark.parametrize('content', [None, '', '/some/wh', 'iter_'])
def test_without_the_last_ones_name(save, content):
    folder = save(1, 2)
    if content is not None:
        (folder / 'last_checkpoint').write_text(content)
    assert steps(folder) == [2, 1]


def test_what_an_earlier_run_left_is_left_alone(save):
    folder = save(5000, 10000)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    save(100, 200, last=200)
    assert steps(folder) == [200, 100]


def test_a_run_that_was_killed_before_it_named_its_last_one(save):
    folder = save(1, 2, last=2)
    os.utime(folder / 'last_checkpoint', (1, 1))
    save(3)
    assert steps(folder) == [3, 2, 1]


def test_a_folder_that_was_moved_or_copied(save, tmp_path):
    old = save(1, 2, folder=tmp_path / 'old', last=2)
    new = save(1, 2, folder=tmp_path / 'new')
    (new / 'last_checkpoint').write_text((old / 'last_checkpoint').read_text())
    assert {path.parent for path in saved_checkpoints(new)} == {new}
    os.rename(old, tmp_path / 'gone')
    assert {path.parent for path in saved_checkpoints(new)} == {new}


def test_checkpoints_in_another_folder(save, tmp_path):
    """``out_dir`` of CheckpointHook."""
    work_dir, out_dir = save(folder=tmp_path / 'work_dir'), save(1, 2, folder=tmp_path / 'out')
    (work_dir / 'last_checkpoint').write_text(str(out_dir / 'iter_2.pth'))
    assert saved_checkpoints(work_dir) == [out_dir / 'iter_2.pth', out_dir / 'iter_1.pth']


def test_none(tmp_path):
    assert saved_checkpoints(tmp_path) == saved_checkpoints(tmp_path / 'absent') == []


# ---------------------------------------------------------------- resume


def test_the_newest(save):
    runner = runner_of(save(1, 2, last=2))
    resume(runner)
    assert chosen(runner) == 'iter_2.pth' and runner.logger == []


def test_the_newest_intact_one_with_a_warning_for_each_that_is_not(save):
    runner = runner_of(save(1, 2, 3, last=3))
    for step in (2, 3):
        os.truncate(f'{runner.work_dir}/iter_{step}.pth', 100)
    resume(runner)
    assert chosen(runner) == 'iter_1.pth'
    for step, (level, line) in zip((3, 2), runner.logger, strict=True):
        assert level == 'warning'
        assert f'iter_{step}.pth is damaged (File is not a zip file)' in line
        assert f'resuming from {runner.work_dir}/iter_1.pth instead' in line


def test_none_intact(save):
    runner = runner_of(save(1, 2, last=2))
    for step in (1, 2):
        os.truncate(f'{runner.work_dir}/iter_{step}.pth', 100)
    with pytest.raises(BrokenCheckpoint, match=r'no checkpoint in .* is intact') as error:
        resume(runner)
    assert all(f'iter_{step}.pth: File is not a zip file' in str(error.value) for step in (1, 2))
    assert not runner._resume


def test_none_at_all_starts_as_configured(tmp_path):
    runner = runner_of(tmp_path)
    resume(runner)
    assert (runner._resume, runner._load_from) == (False, 'weights.pth')
    ((level, line),) = runner.logger
    assert level == 'info' and 'training starts from the beginning' in line


def test_a_given_one(save):
    folder = save(1, 2, last=2)
    runner = runner_of(folder)
    resume(runner, str(folder / 'iter_1.pth'))
    assert chosen(runner) == 'iter_1.pth'
    resume(runner, 'https://host/x.pth')
    assert runner._load_from == 'https://host/x.pth'


def test_a_given_one_that_is_missing(save):
    folder = save(1, 3, last=3)
    message = r'iter_2\.pth: there is no such file; its folder has iter_3\.pth, iter_1\.pth'
    with pytest.raises(BrokenCheckpoint, match=message):
        resume(runner_of(folder), str(folder / 'iter_2.pth'))


def test_a_given_one_that_is_broken(save):
    folder = save(1, 2, 3, last=3)
    os.truncate(folder / 'iter_2.pth', 100)
    os.truncate(folder / 'iter_3.pth', 100)
    with pytest.raises(BrokenCheckpoint, match=r'iter_2\.pth: .* damaged .* use --resume .*_1\.'):
        resume(runner_of(folder), str(folder / 'iter_2.pth'))
    os.truncate(folder / 'iter_1.pth', 100)
    with pytest.raises(BrokenCheckpoint, match='no other one in its folder is intact'):
        resume(runner_of(folder), str(folder / 'iter_2.pth'))


def test_rank_0_decides(save, run_on_ranks):
    """The other may see another state of a network's file system."""
    folder = save(1, 2, last=2)
    spoiled = save(1, 2, folder=folder / 'spoiled', last=2)
    for step in (1, 2):
        os.truncate(spoiled / f'iter_{step}.pth', 100)

    def choose(rank, folders):
        assert get_rank() == rank
        runner = runner_of(folders[rank], rank=rank)
        resume(runner)
        return runner._load_from

    for outcome in run_on_ranks(choose, [folder, spoiled]):
        assert outcome == str(folder / 'iter_2.pth')
    for outcome in run_on_ranks(choose, [spoiled, folder]):
        assert isinstance(outcome, BrokenCheckpoint)
