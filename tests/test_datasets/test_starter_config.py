"""Numbers worked out for somebody's data, against arithmetic by hand."""

import pytest

from mmpldc.datasets.starter_config import (
    fill_in,
    free_path,
    is_edited,
    schedule_for,
    training_side,
    with_mark,
)


@pytest.mark.parametrize(
    ('num_images', 'batch_size', 'expected'),
    [
        # passes, max_iters, burn_in_iters, ema_steps, keep_rate
        (700, 8, (4375, 10000, 2000, 500, 0.998)),
        (8000, 8, (50000, 50000, 10000, 2500, 0.9996)),
        (4000, 8, (25000, 25000, 5000, 1250, 0.9992)),
        (118287, 16, (369646, 368750, 20000, 2500, 0.9996)),
    ],
)
def test_schedule(num_images, batch_size, expected):
    schedule = schedule_for(num_images, batch_size)
    assert expected == (
        schedule.passes,
        schedule.max_iters,
        schedule.burn_in_iters,
        schedule.ema_steps,
        schedule.keep_rate,
    )


@pytest.mark.parametrize(
    ('sizes', 'side'),
    [
        ([(640, 480)], 640),
        ([(100, 80), (481, 640), (384, 300)], 384),
        ([(385, 300)], 416),
        ([(40, 30)], 256),
        ([(4000, 3000)], 1024),
        ([(320, 200), (200, 321)], 320),
    ],
)
def test_side(sizes, side):
    assert training_side(sizes) == side


TEMPLATE = '''"""Doc."""

# about a
a = (
    1,
    2,
)
b = 'x'
c = dict(a=a, b=b)
'''


def test_fill_in_changes_assignments_and_nothing_else():
    text = fill_in(TEMPLATE, dict(b="it's", a=[3]), dict(a='ours'))
    assert text == '"""Doc."""\n\n# about a\na = [3]  # ours\nb = "it\'s"\nc = dict(a=a, b=b)\n'


def test_fill_in_needs_the_name():
    with pytest.raises(KeyError, match='d'):
        fill_in(TEMPLATE, dict(d=1), {})


@pytest.mark.parametrize(
    ('change', 'edited'),
    [
        (lambda text: text, False),
        (lambda text: text + '# mine\n', True),
        (lambda text: text.replace('a = 1', 'a = 2'), True),
        (lambda text: text.rsplit('#', 1)[0], True),
        (lambda text: '', True),
    ],
)
def test_an_edited_config_is_known(change, edited, tmp_path):
    text = change(with_mark('a = 1\nb = 2\n'))
    assert is_edited(text) == edited
    path = tmp_path / 'pldc.py'
    path.write_text(text)
    new = with_mark('a = 3\n')
    assert free_path(path, new).name == ('pldc_2.py' if edited else 'pldc.py')
    assert free_path(path, text) == path
