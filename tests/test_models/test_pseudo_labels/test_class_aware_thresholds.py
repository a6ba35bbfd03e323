"""Adaptive class-aware thresholds (DF-ACAT): started once, moved each step, shared by ranks."""

import math

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models.pseudo_labels import (
    Candidates,
    ClassAwareThresholds,
    PseudoLabelFilter,
    Selection,
)
from mmpldc.registry import MODELS
from mmpldc.structures import LayerOutputs

NUM_CLASSES = 4
CLASS_RANGE, MASK_RANGE = (0.5, 0.9), (0.6, 0.95)
COUNTS = torch.tensor([70, 20, 10, 0])
OPTIONS = dict(num_classes=NUM_CLASSES, class_range=CLASS_RANGE, mask_range=MASK_RANGE)


def make_thresholds(**options) -> ClassAwareThresholds:
    """Started from ``COUNTS``."""
    thresholds = MODELS.build(dict(type='mmpldc.ClassAwareThresholds') | OPTIONS | options)
    thresholds.start(COUNTS)
    return thresholds


def filtered(num_images=2, num_queries=12, num_classes=NUM_CLASSES, class_thr=0.4, **options):
    """The filter's results on random outputs of a teacher."""
    results = dict(
        cls_logits=2 * torch.randn(num_images, num_queries, num_classes + 1),
        mask_logits=3 * torch.randn(num_images, num_queries, 4, 5),
        input_shape=(16, 20),
    )
    results['mask_logits'][0, 0] = -1.0  # an empty mask
    return PseudoLabelFilter(class_thr=class_thr, mask_thr=0.7, **options)(results)


def update(thresholds, results):
    """Move the thresholds by the filter's results."""
    selection = Selection(results['pseudo_instances'], results['candidates'], [])
    thresholds.update(selection, LayerOutputs(results['cls_logits'], results['mask_logits']))


def by_name(thresholds):
    return dict(class_thr=thresholds.class_thr, mask_thr=thresholds.mask_thr)


def naive_counted(results, count):
    """(label, class quality, mask quality) of the predictions that enter the means."""
    if count == 'kept':
        return [
            (label, c, m)
            for instances in results['pseudo_instances']
            for label, c, m in zip(
                instances.labels.tolist(),
                instances.class_quality.tolist(),
                instances.mask_quality.tolist(),
                strict=True,
            )
        ]
    counted = []
    for image, rows in enumerate(zip(*results['candidates'][:3], strict=True)):
        for quality, label, query in zip(*(row.tolist() for row in rows), strict=True):
            logits = results['cls_logits'][image, query].tolist()
            if count == 'objects' and logits.index(max(logits)) == len(logits) - 1:
                continue
            exponentials = [math.exp(logit) for logit in logits]
            assert quality == pytest.approx(exponentials[label] / sum(exponentials), abs=1e-5)
            mask = results['mask_logits'][image, query].flatten().tolist()
            inside = [1 / (1 + math.exp(-logit)) for logit in mask if logit > 0]
            counted.append((label, quality, sum(inside) / len(inside) if inside else 0.0))
    return counted


def naive_update(thresholds, counted, keep_rate):
    """New class and mask thresholds, class by class."""
    both = []
    for name, (low, high), column in (
        ('class_thr', CLASS_RANGE, 1),
        ('mask_thr', MASK_RANGE, 2),
    ):
        moved = getattr(thresholds, name).tolist()
        for label in range(len(moved)):
            values = [row[column] for row in counted if row[0] == label]
            if values:
                mean = sum(values) / len(values)
                moved[label] = keep_rate * moved[label] + (1 - keep_rate) * mean
                moved[label] = min(max(moved[label], low), high)
        both.append(moved)
    return both


# ---------------------------------------------------------------- start


def test_start_is_by_class_frequency():
    thresholds = make_thresholds()
    for values, (low, high) in (
        (thresholds.class_thr, CLASS_RANGE),
        (thresholds.mask_thr, MASK_RANGE),
    ):
        expected = [low + (high - low) * share for share in (0.7, 0.2, 0.1, 0.0)]
        assert values.tolist() == pytest.approx(expected, abs=1e-5)
    assert thresholds.is_started


def test_start_happens_once():
    thresholds = make_thresholds()
    before = thresholds.class_thr.clone()
    thresholds.start(COUNTS.flip(0))
    assert thresholds.class_thr.equal(before)


def test_thresholds_of_a_checkpoint_are_not_started_anew():
    trained = make_thresholds(keep_rate=0.5)
    update(trained, filtered())
    resumed = ClassAwareThresholds(**OPTIONS)
    resumed.load_state_dict(trained.state_dict())
    resumed.start(COUNTS)
    assert resumed.class_thr.equal(trained.class_thr) and resumed.mask_thr.equal(trained.mask_thr)


def test_checkpoint_from_before_the_start_is_started():
    resumed = ClassAwareThresholds(**OPTIONS)
    resumed.load_state_dict(ClassAwareThresholds(**OPTIONS).state_dict())
    resumed.start(COUNTS)
    assert resumed.class_thr.equal(make_thresholds().class_thr)


def test_thresholds_of_other_classes_are_started_anew():
    """As load_from does: what does not fit is left out with a warning."""
    trained = make_thresholds().state_dict()
    trained['class_thr'] = torch.full((7,), 0.5)
    fresh = ClassAwareThresholds(**OPTIONS)
    with pytest.raises(RuntimeError, match='size mismatch'):
        fresh.load_state_dict(trained, strict=False)
    assert not fresh.is_started
    fresh.start(COUNTS)
    assert fresh.class_thr.equal(make_thresholds().class_thr)


# ---------------------------------------------------------------- update


@pytest.mark.parametrize('count', ['all', 'objects', 'kept'])
@pytest.mark.parametrize('keep_rate', [0.0, 0.3, 0.9996])
@pytest.mark.parametrize('options', [{}, dict(max_candidates=9)], ids=['best class', 'top-k'])
def test_update_equals_the_loop(count, keep_rate, options):
    thresholds, total = make_thresholds(count=count, keep_rate=keep_rate), 0
    for _ in range(4):
        results = filtered(**options)
        counted = naive_counted(results, count)
        total += len(counted)
        expected = naive_update(thresholds, counted, keep_rate)
        update(thresholds, results)
        assert thresholds.class_thr.tolist() == pytest.approx(expected[0], abs=1e-5)
        assert thresholds.mask_thr.tolist() == pytest.approx(expected[1], abs=1e-5)
    assert total > 20, 'hardly anything is counted: no test'


def test_options_count_different_predictions():
    results = filtered(num_images=3)
    assert (
        len(naive_counted(results, 'all'))
        > len(naive_counted(results, 'objects'))
        > len(naive_counted(results, 'kept'))
        > 0
    )


@pytest.mark.parametrize('count', ['all', 'objects', 'kept'])
def test_absent_classes_keep_their_thresholds(count):
    thresholds = make_thresholds(count=count, keep_rate=0.5)
    before = {name: values.clone() for name, values in by_name(thresholds).items()}
    results = filtered(class_thr=0.0)
    results['cls_logits'][..., [1, 3]] = -50.0
    update(thresholds, PseudoLabelFilter(class_thr=0.0, mask_thr=0.7)(results))
    for name, values in by_name(thresholds).items():
        assert values[[1, 3]].equal(before[name][[1, 3]])
        assert (values[[0, 2]] != before[name][[0, 2]]).all()


@pytest.mark.parametrize('count', ['all', 'objects', 'kept'])
@pytest.mark.parametrize('key', ['cls_logits', 'mask_logits'])
def test_an_image_with_a_nan_counts_for_nothing(count, key):
    """A NaN would stay in the thresholds for ever."""
    clean = filtered()
    outputs = {name: clean[name] for name in ('cls_logits', 'mask_logits')}
    broken = {name: torch.cat([logits, logits[:1]]) for name, logits in outputs.items()}
    broken[key][-1] = float('nan')
    results = PseudoLabelFilter(class_thr=0.4, mask_thr=0.7)(clean | broken)
    assert results['has_nan'] == [False, False, True]
    moved, expected = (make_thresholds(count=count, keep_rate=0.5) for _ in range(2))
    update(moved, results)
    update(expected, clean)
    for name, values in by_name(moved).items():
        assert values.tolist() == pytest.approx(by_name(expected)[name].tolist(), abs=1e-6)


def test_nothing_kept_changes_nothing():
    thresholds = make_thresholds(count='kept', keep_rate=0.5)
    before = {name: values.clone() for name, values in by_name(thresholds).items()}
    for _ in range(3):
        results = filtered(class_thr=1.0)
        assert sum(map(len, results['pseudo_instances'])) == 0
        update(thresholds, results)
    for name, values in by_name(thresholds).items():
        assert values.equal(before[name])


def test_no_query_sees_an_object():
    thresholds = make_thresholds(count='objects', keep_rate=0.0)
    before = thresholds.class_thr.clone()
    results = filtered()
    results['cls_logits'][..., -1] = 50.0
    update(thresholds, PseudoLabelFilter(class_thr=0.4, mask_thr=0.7)(results))
    assert thresholds.class_thr.equal(before)


@pytest.mark.parametrize(('quality', 'end'), [(1.0, 1), (0.0, 0)])
def test_thresholds_stay_in_their_ranges(quality, end):
    thresholds = make_thresholds(count='kept', keep_rate=0.5)
    labels = torch.arange(NUM_CLASSES)
    qualities = torch.full((NUM_CLASSES,), quality)
    instances = InstanceData(labels=labels, class_quality=qualities, mask_quality=qualities)
    for _ in range(20):
        selection = Selection([instances], Candidates(*[torch.zeros(1, 0)] * 3), [False])
        thresholds.update(selection, LayerOutputs(torch.zeros(1, 0, 5), torch.zeros(1, 0, 4, 5)))
    assert thresholds.class_thr.tolist() == pytest.approx([CLASS_RANGE[end]] * NUM_CLASSES)
    assert thresholds.mask_thr.tolist() == pytest.approx([MASK_RANGE[end]] * NUM_CLASSES)


def test_one_class():
    thresholds = ClassAwareThresholds(**OPTIONS | dict(num_classes=1), keep_rate=0.0, count='all')
    thresholds.start(torch.tensor([5]))
    assert thresholds.class_thr.tolist() == pytest.approx([CLASS_RANGE[1]])
    results = filtered(num_classes=1)
    expected = naive_update(thresholds, naive_counted(results, 'all'), 0.0)
    update(thresholds, results)
    assert thresholds.class_thr.tolist() == pytest.approx(expected[0], abs=1e-5)


@pytest.mark.parametrize('count', ['all', 'objects', 'kept'])
def test_under_autocast(count):
    results = filtered()
    plain, autocast = (make_thresholds(count=count, keep_rate=0.0) for _ in range(2))
    update(plain, results)
    with torch.autocast('cpu', torch.bfloat16):
        update(autocast, results)
    assert autocast.class_thr.dtype == torch.float32
    torch.testing.assert_close(autocast.class_thr, plain.class_thr, rtol=0, atol=1e-5)
    torch.testing.assert_close(autocast.mask_thr, plain.mask_thr, rtol=0, atol=1e-5)


# ---------------------------------------------------------------- state


def test_state_is_three_buffers():
    thresholds = make_thresholds()
    assert set(thresholds.state_dict()) == {'class_thr', 'mask_thr', 'is_started'}
    assert list(thresholds.parameters()) == []
    assert thresholds.current()[:2] == (thresholds.class_thr, thresholds.mask_thr)


def test_resumed_thresholds_go_on_as_uninterrupted_ones():
    steps = [filtered() for _ in range(6)]
    uninterrupted = make_thresholds(keep_rate=0.9)
    for results in steps[:3]:
        update(uninterrupted, results)
    resumed = ClassAwareThresholds(**OPTIONS, keep_rate=0.9)
    resumed.load_state_dict(uninterrupted.state_dict())
    resumed.start(COUNTS)
    for results in steps[3:]:
        update(uninterrupted, results)
        update(resumed, results)
    for name, tensor in uninterrupted.state_dict().items():
        assert resumed.state_dict()[name].equal(tensor), name


def test_filter_takes_the_thresholds():
    thresholds = make_thresholds()
    results = filtered() | by_name(thresholds)
    found = PseudoLabelFilter(class_thr=0.0, mask_thr=0.0)(results)['pseudo_instances']
    kept = InstanceData.cat(found)
    assert len(kept) > 0
    assert (kept.class_quality >= thresholds.class_thr[kept.labels]).all()
    assert (kept.mask_quality >= thresholds.mask_thr[kept.labels]).all()


# ---------------------------------------------------------------- ranks


def part(results, images):
    """The results of some of the images."""
    return dict(
        candidates=Candidates(*(values[images] for values in results['candidates'][:3])),
        cls_logits=results['cls_logits'][images],
        mask_logits=results['mask_logits'][images],
        pseudo_instances=results['pseudo_instances'][images],
    )


@pytest.mark.parametrize('count', ['objects', 'kept'])
def test_two_ranks_move_as_one_with_the_joint_batch(run_on_ranks, count):
    """Means of means would differ: the ranks count different numbers of predictions."""
    steps = [filtered(num_images=3) for _ in range(3)]
    steps[1]['pseudo_instances'][0] = steps[1]['pseudo_instances'][0][:0]  # a rank without labels
    labels = InstanceData.cat(steps[2]['pseudo_instances'])
    for image in range(3):  # each class once, on one of the ranks
        own = [int((labels.labels == label).nonzero()[0]) for label in range(image, 4, 3)]
        steps[2]['pseudo_instances'][image] = labels[own]
    joint = make_thresholds(count=count, keep_rate=0.5)
    for results in steps:
        update(joint, results)

    def train(rank):
        thresholds = make_thresholds(count=count, keep_rate=0.5)
        for results in steps:
            update(thresholds, part(results, slice(0, 1) if rank == 0 else slice(1, 3)))
        return {name: values.tolist() for name, values in by_name(thresholds).items()}

    first, second = run_on_ranks(train)
    assert first == second
    for name, values in by_name(joint).items():
        assert first[name] == pytest.approx(values.tolist(), abs=1e-5)


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize('name', ['class_range', 'mask_range'])
@pytest.mark.parametrize('values', [(0.9, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_wrong_range(name, values):
    with pytest.raises(ValueError, match=name):
        ClassAwareThresholds(**OPTIONS | {name: values})


@pytest.mark.parametrize('count', ['some', ''])
def test_wrong_count(count):
    with pytest.raises(ValueError, match=f"count must be one of .*, got '{count}'"):
        ClassAwareThresholds(**OPTIONS, count=count)


@pytest.mark.parametrize('keep_rate', [-0.1, 1.1])
def test_wrong_keep_rate(keep_rate):
    with pytest.raises(ValueError, match='keep_rate'):
        ClassAwareThresholds(**OPTIONS, keep_rate=keep_rate)


def test_equal_ends_fix_the_thresholds():
    thresholds = make_thresholds(class_range=(0.7, 0.7), keep_rate=0.0)
    update(thresholds, filtered())
    assert thresholds.class_thr.tolist() == pytest.approx([0.7] * NUM_CLASSES)


def test_predicted_ious_take_the_place_of_mean_probabilities():
    thresholds = ClassAwareThresholds(
        num_classes=1, class_range=(0.0, 1.0), mask_range=(0.0, 1.0), keep_rate=0.0, count='all'
    )
    results = dict(
        cls_logits=torch.zeros(1, 2, 2),
        mask_logits=torch.full((1, 2, 4, 4), 9.0),
        pseudo_instances=[],
        candidates=Candidates(
            torch.tensor([[0.5, 0.5]]),
            torch.zeros(1, 2, dtype=torch.int64),
            torch.tensor([[0, 1]]),
        ),
    )
    update(thresholds, results)
    assert thresholds.mask_thr.item() == pytest.approx(1.0, abs=1e-3)
    given = results['candidates']._replace(mask_quality=torch.tensor([[0.2, 0.4]]))
    update(thresholds, results | dict(candidates=given))
    assert thresholds.mask_thr.item() == pytest.approx(0.3)
