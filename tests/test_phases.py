"""The phases, against what the methods' papers say, iteration by iteration."""

import pytest

from mmpldc.phases import Phases, TeacherUpdate
from mmpldc.schedules import Progress, Ramp

KEEP, COPY, AVERAGE = TeacherUpdate

# settings, then for each of the first five iterations: does the teacher label? what becomes of it
# if it began as the student's mirror, and if it was given?
METHODS = {
    'supervised baseline': (
        dict(burn_in_iters=2, unsup_weight=0.0),
        [False] * 5,
        [COPY, COPY, AVERAGE, AVERAGE, AVERAGE],
        [KEEP, KEEP, AVERAGE, AVERAGE, AVERAGE],
    ),
    'PL-DC': (
        dict(burn_in_iters=3),
        [False, False, False, True, True],
        [COPY, COPY, COPY, AVERAGE, AVERAGE],
        [KEEP, KEEP, KEEP, AVERAGE, AVERAGE],
    ),
    'Guided Distillation': (
        dict(burn_in_iters=3, burn_in='guided', unsup_weight=2.0),
        [True] * 5,
        None,  # refused
        [KEEP, KEEP, COPY, AVERAGE, AVERAGE],
    ),
    'mutual from the start': (dict(burn_in_iters=0), [True] * 5, [AVERAGE] * 5, [AVERAGE] * 5),
    'guided for no iteration': (
        dict(burn_in_iters=0, burn_in='guided'),
        [True] * 5,
        [AVERAGE] * 5,
        [AVERAGE] * 5,
    ),
}


@pytest.mark.parametrize(('settings', 'labels', 'mirror', 'given'), METHODS.values(), ids=METHODS)
def test_each_iteration_of_a_method(settings, labels, mirror, given):
    phases = Phases(**settings)
    steps = range(5)
    assert [phases.uses_pseudo_labels(step) for step in steps] == labels
    assert [phases.teacher_update(step, has_own_teacher=True) for step in steps] == given
    assert phases.is_guided == (mirror is None)
    if mirror is not None:
        assert [phases.teacher_update(step, has_own_teacher=False) for step in steps] == mirror


@pytest.mark.parametrize(
    ('settings', 'max_iters', 'lengths'),
    [
        (dict(burn_in_iters=20), 90, {'burn-in': 20, 'mutual learning': 70}),
        (
            dict(burn_in_iters=50, burn_in='guided', unsup_weight=2.0),
            90,
            {'guided burn-in': 50, 'mutual learning': 40},
        ),
        (dict(burn_in_iters=0), 90, {'mutual learning': 90}),
        (dict(burn_in_iters=0, burn_in='guided'), 90, {'mutual learning': 90}),
        (dict(burn_in_iters=100, burn_in='guided'), 90, {'guided burn-in': 90}),
        (dict(burn_in_iters=20, unsup_weight=0), 90, {'supervised': 90}),
    ],
)
def test_lengths(settings, max_iters, lengths):
    phases = Phases(**settings)
    found = phases.split(max_iters)
    assert [(phase.name, phase.iters) for phase in found] == list(lengths.items())
    start = 0
    for phase in found:  # what each says of itself, against the iterations in it
        steps = range(start, start + phase.iters)
        assert {phases.uses_pseudo_labels(step) for step in steps} == {phase.uses_pseudo_labels}
        assert phase.is_burn_in == (phase.name.endswith('burn-in'))
        start += phase.iters


def test_phases_of_a_config():
    model = dict(type='mmpldc.SemiMask2Former', burn_in_iters=3, num_classes=2)
    assert Phases.from_config(model) == Phases(burn_in_iters=3)
    model |= dict(burn_in='guided', unsup_weight=2.0)
    assert Phases.from_config(model) == Phases(3, 'guided', 2.0)
    ramp = dict(type='mmpldc.Ramp', start=0.0, end=1.0)
    phases = Phases.from_config(model | dict(unsup_weight=ramp))
    assert isinstance(phases.unsup_weight, Ramp) and not phases.is_supervised
    with pytest.raises(KeyError, match='burn_in_iters'):
        Phases.from_config(dict(type='SoftTeacher'))


def test_first_labels_are_where_burn_in_ends_or_at_the_start():
    assert Phases(burn_in_iters=7).pseudo_label_start == 7
    assert Phases(burn_in_iters=7, burn_in='guided').pseudo_label_start == 0


def test_progress_knows_the_phases():
    assert Phases(burn_in_iters=7).progress(9, 20) == Progress(9, 7, 20)
    assert Phases(burn_in_iters=7, burn_in='guided').progress(9, 20) == Progress(9, 0, 20)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"must be one of \('supervised', 'guided'\), got 'no'"):
        Phases(burn_in_iters=1, burn_in='no')
    with pytest.raises(ValueError, match='at least 0, got -1'):
        Phases(burn_in_iters=1, unsup_weight=-1)
    with pytest.raises(ValueError, match='unsup_weight=0 turns off'):
        Phases(burn_in_iters=1, burn_in='guided', unsup_weight=0)
