"""Schedules, against values worked out by hand."""

import math

import pytest

from mmpldc.schedules import Progress, Ramp, build_schedule, value_at


def at(step):
    return Progress(step, 10, 30)


@pytest.mark.parametrize(
    ('shape', 'middle'),
    [('linear', 3.0), ('cosine', 3.0), ('sigmoid', 2 + 2 * math.exp(-1.25))],
)
def test_ramp_moves_between_its_ends(shape, middle):
    ramp = Ramp(start=2.0, end=4.0, shape=shape)
    first = ramp(at(0))
    assert first == pytest.approx(2.0, abs=0.02)  # the sigmoid starts at exp(-5)
    assert ramp(at(10)) == first
    assert ramp(at(20)) == pytest.approx(middle)
    assert ramp(at(30)) == ramp(at(99)) == 4.0
    values = [ramp(at(step)) for step in range(10, 31)]
    assert values == sorted(values)


def test_ramp_between_given_iterations():
    ramp = Ramp(start=1.0, end=0.0, begin=0, until=4)
    assert [ramp(at(step)) for step in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert Ramp(start=1.0, end=0.0, begin=4, until=4)(at(4)) == 0.0


def test_values_of_a_config():
    assert value_at(build_schedule(0.5), None) == 0.5
    assert value_at(build_schedule(None), at(0)) is None
    ramp = build_schedule(dict(type='mmpldc.Ramp', start=0.0, end=1.0))
    assert value_at(ramp, at(20)) == 0.5
    assert value_at(lambda progress: progress.step, at(7)) == 7
    with pytest.raises(RuntimeError, match=r'model\.set_progress'):
        value_at(ramp, None)


def test_unknown_shape():
    with pytest.raises(ValueError, match="got 'cubic'"):
        Ramp(start=0.0, end=1.0, shape='cubic')
