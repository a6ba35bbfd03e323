"""The same image in two sets, by path, by name and content, or by content alone."""

import pytest

from mmpldc.datasets.checks import check_leaks
from mmpldc.datasets.checks.leaks import Listed


@pytest.fixture
def listed(tmp_path):
    """A set whose images are given as id -> (name, content); None if not on disk."""

    def listed(role, images, *, name=None, folder=None, looked_for=True):
        folder = tmp_path / (folder or role)
        folder.mkdir(exist_ok=True)
        paths = []
        for own, content in images.values():
            paths.append(None if content is None else str(folder / own))
            if content is not None:
                (folder / own).write_text(content)
        names = [own for own, _ in images.values()]
        return Listed(
            name or role, role, f'{role}.json', list(images), names, paths if looked_for else None
        )

    return listed


def told(findings):
    return [(finding.level, finding.where) for finding in findings]


def test_equal_numbering_is_no_leak(listed):
    first = listed('labeled', {1: ('1.jpg', 'aaa'), 2: ('2.jpg', 'bb')})
    second = listed('val', {1: ('1.jpg', 'ccc'), 2: ('2.jpg', 'dddd')})
    assert check_leaks([first, second]) == []
    assert check_leaks([first, second], all_contents=True) == []


def test_one_path_in_two_sets(listed):
    first = listed('labeled', {1: ('a.jpg', 'x'), 2: ('b.jpg', 'y')}, folder='all')
    second = listed('val', {7: ('b.jpg', 'y'), 8: ('c.jpg', 'z')}, folder='all')
    (finding,) = check_leaks([first, second])
    assert (finding.level, finding.where, finding.file) == (
        'error',
        'image b.jpg',
        'labeled.json, val.json',
    )


@pytest.mark.parametrize(
    ('first', 'second', 'is_found'),
    [
        ({139: 'COCO_val2014_000000000139.jpg'}, {139: '000000000139.jpg'}, True),
        ({5: 'x/a.jpg'}, {9: 'a.jpg'}, True),  # the same name
        ({5: 'frame_5.png'}, {5: '0005.jpg'}, True),  # the same id and number
        ({5: 'frame_5.png'}, {6: '0005.jpg'}, False),  # only the number
        ({5: 'b.jpg'}, {5: 'a.jpg'}, False),  # only the id
        ({5: 'b.jpg'}, {6: 'a.jpg'}, False),
    ],
)
def test_suspects_with_the_same_content(listed, tmp_path, first, second, is_found):
    (tmp_path / 'unlabeled/x').mkdir(parents=True)
    sets = [
        listed(role, {identity: (name, 'same') for identity, name in images.items()})
        for role, images in (('unlabeled', first), ('val', second))
    ]
    (own,), (other,) = first.values(), second.values()
    expected = [('error', f'image {own} = {other}')]
    assert told(check_leaks(sets)) == (expected if is_found else [])
    assert told(check_leaks(sets, all_contents=True)) == expected


def test_copies_within_a_set_are_a_warning(listed):
    images = {1: ('a.jpg', 'x'), 2: ('b.jpg', 'y'), 3: ('c.jpg', 'x'), 4: ('d.jpg', 'x')}
    sets = [listed('labeled', images)]
    assert check_leaks(sets) == []
    assert told(check_leaks(sets, all_contents=True)) == [
        ('warning', 'images c.jpg = a.jpg, d.jpg = a.jpg')
    ]


def test_a_path_listed_twice_is_no_copy(listed):
    own = listed('labeled', {1: ('a.jpg', 'x')})
    twice = own._replace(image_ids=[1, 2], file_names=['a.jpg'] * 2, paths=own.paths * 2)
    assert check_leaks([twice], all_contents=True) == []


@pytest.mark.parametrize(
    ('first', 'second', 'level', 'advice'),
    [
        ('labeled', 'unlabeled', 'error', 'remove them from the unlabeled set'),
        ('labeled', 'test', 'error', 'it would be tested on what it was trained on'),
        ('unlabeled', 'val', 'error', 'it would be tested on what it was trained on'),
        ('val', 'test', 'warning', 'make sure that this is meant'),
    ],
)
def test_level(listed, first, second, level, advice):
    sets = [listed(role, {1: ('1.jpg', 'x')}, folder='all') for role in (first, second)]
    (finding,) = check_leaks(sets)
    assert finding.level == level and advice in finding.message


def test_two_labelled_sets_may_share_images(listed):
    sets = [
        listed('labeled', {1: ('1.jpg', 'x')}, folder='all', name=f'labeled[{i}]') for i in range(2)
    ]
    (finding,) = check_leaks(sets)
    assert (finding.level, finding.file) == ('warning', 'labeled.json')


def test_without_images_there_is_only_a_suspicion(listed):
    first = listed('labeled', {1: ('1.jpg', 'x'), 2: ('b.jpg', 'y')}, looked_for=False)
    second = listed('val', {1: ('1.jpg', 'x'), 2: ('c.jpg', 'y')})
    (finding,) = check_leaks([first, second])
    assert (finding.level, finding.where) == ('warning', 'image 1.jpg')
    assert 'give their folders' in finding.message


def test_missing_images_are_passed_over(listed):
    first = listed('labeled', {1: ('1.jpg', None), None: (None, None)} | {3: ('3.jpg', 'x')})
    second = listed('val', {1: ('1.jpg', 'x'), 3: ('3.jpg', None)})
    assert check_leaks([first, second]) == []
    assert told(check_leaks([first, second], all_contents=True)) == [
        ('error', 'image 3.jpg = 1.jpg')
    ]
