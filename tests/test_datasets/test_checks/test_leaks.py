"""The same image in two sets, by path or by content, whatever the names."""

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
    ('first', 'second'),
    [
        ('COCO_val2014_000000000139.jpg', '000000000139.jpg'),
        ('x/a.jpg', 'a.jpg'),
        ('frame_5.png', '0005.jpg'),
        ('b.jpg', '1a2b3c4d-a.jpg'),
    ],
)
def test_same_content_under_any_names(listed, tmp_path, first, second):
    (tmp_path / 'unlabeled/x').mkdir(parents=True)
    sets = [listed('unlabeled', {1: (first, 'same')}), listed('val', {7: (second, 'same')})]
    assert told(check_leaks(sets)) == [('error', f'image {first} = {second}')]


def test_same_size_is_no_copy(listed):
    """Files of equal size, whose start, middle and end are equal as well."""
    other = 'x' * 50000
    content = {place: other[:place] + 'y' + other[place + 1 :] for place in (0, 25000, 30000)}
    sets = [
        listed('unlabeled', {n: (f'{n}.jpg', text) for n, text in content.items()}),
        listed('val', {1: ('1.jpg', other), 2: ('2.jpg', content[30000])}),
    ]
    assert told(check_leaks(sets)) == [('error', 'image 30000.jpg = 2.jpg')]


def stored_anew(listed, tmp_path, photo):
    """Two sets of one image each: ``a.png``, and ``b.jpg``, smaller."""
    names = dict(labeled='a.png', val='b.jpg')
    sets = [
        listed(role, {})._replace(
            image_ids=[1], file_names=[name], paths=[f'{tmp_path}/{role}/{name}']
        )
        for role, name in names.items()
    ]
    photo(1).save(sets[0].paths[0])
    photo(1).resize((120, 90)).save(sets[1].paths[0], quality=60)
    return sets


def test_a_picture_stored_anew(listed, tmp_path, photo):
    sets = stored_anew(listed, tmp_path, photo)
    (finding,) = check_leaks(sets)
    assert (finding.level, finding.where) == ('error', 'image a.png = b.jpg')
    assert 'stored anew' in finding.message
    photo(2).resize((120, 90)).save(sets[1].paths[0])
    assert check_leaks(sets) == []


@pytest.mark.parametrize('all_contents', [False, True])
def test_large_sets_are_decoded_if_asked_for(listed, tmp_path, photo, monkeypatch, all_contents):
    monkeypatch.setattr('mmpldc.datasets.checks.leaks.MOST_COMPARED', 1)
    sets = stored_anew(listed, tmp_path, photo)
    assert bool(check_leaks(sets, all_contents=all_contents)) is all_contents


def test_copies_within_a_set_are_a_warning(listed):
    images = {1: ('a.jpg', 'x'), 2: ('b.jpg', 'y'), 3: ('c.jpg', 'x'), 4: ('d.jpg', 'x')}
    expected = ('warning', 'images c.jpg = a.jpg, d.jpg = a.jpg')
    assert told(check_leaks([listed('labeled', images)])) == [expected]
    assert check_leaks([listed('unlabeled', images)]) == []


def test_a_path_listed_twice_is_no_copy(listed):
    own = listed('labeled', {1: ('a.jpg', 'x')})
    twice = own._replace(image_ids=[1, 2], file_names=['a.jpg'] * 2, paths=own.paths * 2)
    assert check_leaks([twice]) == []


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
    assert told(check_leaks([first, second])) == [('error', 'image 3.jpg = 1.jpg')]


@pytest.mark.parametrize('role', ['labeled', 'val'])
def test_copies_that_are_kept(listed, tmp_path, photo, role):
    """What looks alike is a warning; the very file of an evaluated image stays an error."""
    sets = [listed(role, {1: ('1.png', '')}), listed('unlabeled', {2: ('2.jpg', '')})]
    photo(1).save(tmp_path / role / '1.png')
    photo(1).save(tmp_path / 'unlabeled/2.jpg')
    assert [one.level for one in check_leaks(sets)] == ['error']
    assert [one.level for one in check_leaks(sets, keep_copies=True)] == ['warning']
    (tmp_path / 'unlabeled/2.jpg').write_bytes((tmp_path / role / '1.png').read_bytes())
    level = 'error' if role == 'val' else 'warning'
    assert [one.level for one in check_leaks(sets, keep_copies=True)] == [level]
