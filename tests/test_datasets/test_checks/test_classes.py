"""Names, order and ids of categories, with and without a config."""

import pytest

from mmpldc.datasets.checks import check_classes
from mmpldc.datasets.checks.classes import Named

ABC = dict(a=1, b=2, c=3)


def named(file, categories, classes=None, *, is_default=False):
    return Named(f'{file}.json', categories, classes, is_default, file == 'labeled')


def check(*sets):
    return [(finding.level, finding.file, finding.message) for finding in check_classes(sets)]


@pytest.mark.parametrize('classes', [None, ('a', 'b', 'c')])
def test_equal_categories(classes):
    assert check(named('labeled', ABC, classes), named('val', dict(ABC), classes)) == []


@pytest.mark.parametrize(
    ('wanted', 'known', 'hint'),
    [
        ('traffic light', 'traffic_light', "class 'traffic light' (the file has 'traffic_light')"),
        ('Bear', 'bear', "class 'Bear' (the file has 'bear')"),
        ('elefant', 'elephant', "class 'elefant' (the file has 'elephant')"),
        ('zebra', 'otter', "class 'zebra' of metainfo.classes not in the file"),
    ],
)
def test_a_name_that_is_not_in_the_file(wanted, known, hint):
    ((level, _, message),) = check(named('labeled', {known: 1, 'x': 2}, (wanted, 'x')))
    assert level == 'error' and hint in message


def test_without_a_config_files_are_compared():
    sets = [named('labeled', ABC), named('unlabeled', dict(a=1, b=2, d=3))]
    ((level, file, message),) = check(*sets)
    assert (level, file) == ('error', 'labeled.json, unlabeled.json')
    assert message.startswith('categories c, d only in one of the files')
    ((level, _, message),) = check(named('labeled', ABC), named('val', dict(c=3, b=2, a=1)))
    assert level == 'error' and message.startswith('in different orders')


def test_different_ids_are_a_warning():
    ((level, _, message),) = check(named('labeled', ABC), named('val', dict(a=1, b=8, c=9)))
    assert level == 'warning' and message.startswith('categories b, c with different ids')


def test_ids_of_unused_categories_do_not_matter():
    sets = [named('labeled', ABC, ('a', 'b')), named('val', ABC | dict(c=7), ('a', 'b'))]
    assert [level for level, _, message in check(*sets) if 'ids' in message] == []


def test_sets_of_different_classes():
    sets = [named('labeled', ABC, ('a', 'b', 'c')), named('val', ABC, ('a', 'b'))]
    errors = [message for level, _, message in check(*sets) if level == 'error']
    assert errors == ['metainfo.classes differs between these sets: write the same for all']


def test_unlabelled_file_without_categories():
    sets = [named('labeled', ABC, ('a', 'b', 'c')), named('unlabeled', {}, ('a', 'b', 'c'))]
    ((level, file, _),) = check(*sets)
    assert (level, file) == ('warning', 'unlabeled.json')


def test_default_classes_that_are_meant():
    assert check(named('labeled', ABC, ('a', 'b', 'c'), is_default=True)) == []
