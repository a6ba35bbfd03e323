"""Which outputs of a classifier stand for which of somebody's classes."""

import json

import pytest

from mmpldc.datasets.starter_refiner import choose_correction, find_by_name, read_class_map

OUTPUTS = ['tiger cat', 'tiger, Panthera tigris', 'ice bear, polar bear', 'macaque']
CLASSES = ['tiger', 'rhesus_monkey', 'Polar-Bears']


def test_names_match_as_whole_words_at_the_end():
    found = find_by_name([*CLASSES, 'cat', 'bear', 'ear', '-'], OUTPUTS)
    assert found == {
        'tiger': [1],
        'rhesus_monkey': [],
        'Polar-Bears': [2],
        'cat': [0],
        'bear': [2],
        'ear': [],
        '-': [],
    }


def test_a_map_has_names_and_indices(tmp_path):
    path = tmp_path / 'map.json'
    content = {'rhesus_monkey': ['Macaque', 3], 'tiger': [1, 'tiger, panthera tigris', 0]}
    path.write_text(json.dumps(content), encoding='utf-8-sig')
    found = read_class_map(path, CLASSES, OUTPUTS)
    assert found == {'tiger': [0, 1], 'rhesus_monkey': [3], 'Polar-Bears': []}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'no JSON'),
        ('["tiger"]', 'is needed'),
        ('{"tiger": "tiger"}', 'is needed'),
        ('{"lion": []}', "no class 'lion'; classes: tiger, rhesus_monkey"),
        ('{"tiger": ["lion"]}', "no class 'lion'$"),
        ('{"tiger": [4]}', 'no class 4'),
        ('{"tiger": [-1]}', 'no class -1'),
        ('{"tiger": [true]}', 'no class True'),
    ],
)
def test_a_faulty_map_is_an_error(tmp_path, content, message):
    path = tmp_path / 'map.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=rf'map\.json: .*{message}'):
        read_class_map(path, CLASSES, OUTPUTS)


def test_options_that_do_not_go_together_are_errors(tmp_path):
    weights = tmp_path / 'weights.pth'
    with pytest.raises(FileNotFoundError, match='no file'):
        choose_correction('clip', CLASSES, weights=weights)
    weights.touch()
    with pytest.raises(ValueError, match='needs --refiner'):
        choose_correction(None, CLASSES, weights=weights)
    with pytest.raises(ValueError, match='for --refiner imagenet'):
        choose_correction('clip', CLASSES, class_map=weights)
    pytest.importorskip('mmpretrain')
    with pytest.raises(ValueError, match='none of its classes'):
        choose_correction('imagenet', ['widget'])
