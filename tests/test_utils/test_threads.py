"""Work on many items: order, errors, and which work gets threads."""

import threading
import time
from types import SimpleNamespace

import pytest

from mmpldc.utils.threads import in_threads


@pytest.mark.parametrize('keeps_lock', [False, True])
@pytest.mark.parametrize('count', [0, 1, 16, 17, 1000])
def test_outcomes_have_the_order_of_the_items(count, keeps_lock):
    assert in_threads(lambda item: item**2, range(count), keeps_lock=keeps_lock) == [
        item**2 for item in range(count)
    ]


@pytest.mark.parametrize('bad', [0, 100])
def test_an_error_is_raised(bad):
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 / (item - bad), range(200))


def test_only_work_that_waits_has_threads_if_it_keeps_the_lock(monkeypatch):
    """By clocks of the test: on a busy machine work that computes waits, too."""
    clocks = dict(wall=0.0, own=0.0)
    monkeypatch.setattr(
        'mmpldc.utils.threads.time',
        SimpleNamespace(perf_counter=lambda: clocks['wall'], thread_time=lambda: clocks['own']),
    )

    def compute(item):
        clocks['wall'] += 1.5
        clocks['own'] += 1.0
        return threading.get_ident()

    def wait(item):
        clocks['wall'] += 1.0
        time.sleep(0.001)
        return threading.get_ident()

    own = threading.get_ident()
    assert set(in_threads(compute, range(200), keeps_lock=True)) == {own}
    assert len(set(in_threads(wait, range(200), keeps_lock=True))) > 2
