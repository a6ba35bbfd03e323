"""Files that the tools write, and those that they leave alone."""

import json

import pytest

from mmpldc.datasets.own_files import own_text, refuse_foreign, write_all

COCO = dict(images=[], annotations=[], categories=[dict(id=1, name='Öse')])


def test_all_files_are_written_or_none(tmp_path):
    first, second = tmp_path / 'a.json', tmp_path / 'b.json'
    first.write_text('before')
    with pytest.raises(TypeError):
        write_all({first: 'after', second: None})
    assert [path.name for path in tmp_path.iterdir()] == ['a.json']
    assert first.read_text() == 'before'
    write_all({first: 'after', second: 'new'})
    assert (first.read_text(), second.read_text()) == ('after', 'new')


@pytest.mark.parametrize('info', [None, {}, {'year': 2030}, {'mmpldc': 'of before'}, 'a text'])
def test_own_files_are_known_again(tmp_path, info):
    path = tmp_path / 'a.json'
    path.write_text(own_text(COCO if info is None else COCO | dict(info=info)))
    refuse_foreign([path, tmp_path / 'none.json'], option='--out')
    written = json.loads(path.read_text())
    kept = {key: value for key, value in written.pop('info').items() if key != 'mmpldc'}
    assert written == COCO
    assert kept == ({'year': 2030} if info == {'year': 2030} else {})
    path.write_text(path.read_text().replace('Öse', 'Ose').replace('\\u00d6se', 'Ose'))
    with pytest.raises(ValueError, match='edited since'):
        refuse_foreign([path], option='--out')


@pytest.mark.parametrize(
    'text', ['', 'no json', '[]', json.dumps(COCO), json.dumps(COCO | dict(info=dict(mmpldc='a')))]
)
def test_files_of_others_are_refused(tmp_path, text):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=r'a\.json is there already.*choose another --out'):
        refuse_foreign([path], option='--out')
