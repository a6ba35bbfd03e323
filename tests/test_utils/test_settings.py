"""A folder's results are made with one set of settings."""

import json

import pytest

from mmpldc.utils.settings import guard_settings


def test_the_same_settings_may_go_on(tmp_path):
    folder = tmp_path / 'new/work'
    for _ in range(2):
        guard_settings(folder, dict(seeds=(0, 1), base='a.py'))
    assert json.loads((folder / 'settings.json').read_text()) == dict(seeds=[0, 1], base='a.py')


@pytest.mark.parametrize(
    ('settings', 'difference'),
    [
        (dict(seed=1, base='a.py'), r'\(seed is 1 now, was 0\)'),
        (dict(seed=1, base='b.py'), r"\(base is 'b.py' now, was 'a.py'; seed is 1 now, was 0\)"),
        (dict(seed=0), r"\(base is None now, was 'a.py'\)"),
        (dict(seed=0, base='a.py', clip='c'), r"\(clip is 'c' now, was None\)"),
    ],
)
def test_other_settings_are_refused_and_named(tmp_path, settings, difference):
    guard_settings(tmp_path, dict(seed=0, base='a.py'))
    with pytest.raises(ValueError, match=rf'started with other settings {difference}: choose'):
        guard_settings(tmp_path, settings)
    guard_settings(tmp_path, dict(seed=0, base='a.py'))  # what was written is still there


def test_damaged_settings_are_named(tmp_path):
    (tmp_path / 'settings.json').write_text('')
    with pytest.raises(ValueError, match=r'settings\.json is damaged .*: choose another folder'):
        guard_settings(tmp_path, dict(seed=0))


def test_settings_within_settings_are_named_by_their_path(tmp_path):
    guard_settings(tmp_path, dict(model=dict(head=dict(size=1, kind='a'), names=[1])))
    with pytest.raises(ValueError, match=r'settings \(model\.head\.size is 2 now, was 1\): '):
        guard_settings(tmp_path, dict(model=dict(head=dict(size=2, kind='a'), names=[1])))
    with pytest.raises(ValueError, match=r'; and 3 more\)'):
        guard_settings(
            tmp_path, dict(model=dict(head=dict(size=2)), **{f'k{i}': 0 for i in range(5)})
        )
