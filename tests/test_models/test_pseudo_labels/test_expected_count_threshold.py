"""A threshold by the expected number of objects: count, floor, limit, state, ranks."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models.pseudo_labels import ExpectedCountThreshold, PseudoLabelFilter
from mmpldc.registry import MODELS
from mmpldc.structures import LayerOutputs

NUM_CLASSES, NUM_QUERIES = 3, 10
SIZE = (16, 20)
LABELED = (30, 10), 20  # objects of each class, and images
FILTER = dict(score_thr=0.5, score='certain', min_area=0)


def make_threshold(counts=LABELED[0], num_images=LABELED[1], **options) -> ExpectedCountThreshold:
    """Expects two objects an image."""
    threshold = MODELS.build(
        dict(type='mmpldc.ExpectedCountThreshold', num_classes=NUM_CLASSES) | options
    )
    threshold.start(torch.tensor(counts), num_images)
    return threshold


def make_outputs(num_images=4, *, empty=()) -> LayerOutputs:
    """Of a teacher that sees objects in all images but those listed."""
    cls_logits = 2 * torch.randn(num_images, NUM_QUERIES, NUM_CLASSES + 1)
    for image in empty:
        cls_logits[image, :, -1] = 4.0
        cls_logits[image, :, :-1] -= 4.0
    return LayerOutputs(cls_logits, 4 * torch.randn(num_images, NUM_QUERIES, 4, 5))


def step(threshold, outputs, **options):
    """Select labels and move the threshold, as the model does."""
    filter = PseudoLabelFilter(**FILTER | options)
    selection = filter.select(outputs, SIZE, thresholds=threshold.current())
    threshold.update(selection, outputs)
    return selection


def scores_of(outputs, floor, **options):
    """The scores of all labels of a batch from the floor on, by a filter with a fixed threshold."""
    selection = PseudoLabelFilter(**FILTER | options | dict(score_thr=floor)).select(outputs, SIZE)
    return [labels.scores.tolist() for labels in selection.pseudo_instances]


@pytest.mark.parametrize('share', [0.25, 1.0])
@pytest.mark.parametrize('options', [{}, dict(duplicate_iou=0.4)], ids=['all', 'unique'])
def test_keeps_the_best_of_the_expected_number(share, options):
    """Against loops over all scores so far, which weigh less with each step."""
    threshold = make_threshold(share=share, floor=0.2, window=16, max_ratio=None)
    seen: list[tuple[float, float]] = []  # score, weight
    images, numbers = 0.0, []
    for _ in range(7):
        lowest = float('inf')
        if images >= 1.6:
            wanted = share * 2 * images
            lowest = next(
                max(edge, 0.2)
                for edge in threshold.edges.tolist()
                if sum(weight for score, weight in seen if score >= edge) <= wanted
            )
        assert threshold.threshold.item() == pytest.approx(lowest)
        outputs = make_outputs(num_images=3)
        kept = step(threshold, outputs, **options).pseudo_instances
        of_images = scores_of(outputs, 0.2, **options)
        for labels, scores in zip(kept, of_images, strict=True):
            assert labels.scores.tolist() == pytest.approx([s for s in scores if s >= lowest])
        numbers.append(len(InstanceData.cat(kept)) / 3)
        seen = [(score, weight * (1 - 3 / 16)) for score, weight in seen]
        seen += [(score, 1.0) for scores in of_images for score in scores]
        images = images * (1 - 3 / 16) + 3
    assert threshold.images.item() == pytest.approx(images)
    assert numbers[0] == 0 < sum(numbers[1:])


def test_a_label_above_the_ceiling_is_kept_however_many_there_are():
    threshold = make_threshold(share=0.01, ceiling=0.5, floor=0.2, window=16, max_ratio=None)
    step(threshold, make_outputs())
    assert threshold.threshold.item() == 0.5
    outputs = make_outputs()
    kept = step(threshold, outputs).pseudo_instances
    expected = [[score for score in image if score >= 0.5] for image in scores_of(outputs, 0.2)]
    assert [labels.scores.tolist() for labels in kept] == expected
    assert sum(map(len, expected)) > 0
    with pytest.raises(ValueError, match=r'ceiling must be at least floor, got 0\.1 and 0\.3'):
        make_threshold(ceiling=0.1)


def test_begins_when_a_tenth_of_the_window_has_been_seen():
    threshold = make_threshold(window=70, share=10.0, floor=0.0, max_ratio=None)
    kept = [len(InstanceData.cat(step(threshold, make_outputs()).pseudo_instances)) for _ in '123']
    assert kept[0] == kept[1] == 0 < kept[2]


def test_no_label_is_forced_onto_empty_images():
    """Half of the images are empty, which the labelled ones do not show."""
    threshold = make_threshold(share=1.0, window=20, max_ratio=None)
    kept = {True: 0, False: 0}
    for _ in range(10):
        labels = step(threshold, make_outputs(empty=(0, 2))).pseudo_instances
        for image, of_image in enumerate(labels):
            assert (of_image.scores >= threshold.floor).all()
            kept[image in (0, 2)] += len(of_image)
    assert kept[True] == 0 < kept[False]


def test_an_image_gets_a_limited_number_the_best():
    threshold = make_threshold(share=100.0, floor=0.0, max_ratio=1.5, window=20)
    outputs = make_outputs()
    step(threshold, outputs)
    kept = step(threshold, outputs).pseudo_instances
    for labels, scores in zip(kept, scores_of(outputs, 0.0), strict=True):
        assert labels.scores.tolist() == pytest.approx(sorted(scores, reverse=True)[:3])


def test_considered_queries_that_are_not_kept_are_uncertain():
    threshold = make_threshold(share=0.5, floor=0.2, window=20)
    outputs = make_outputs()
    step(threshold, outputs)
    selection = step(threshold, outputs)
    kept = [len(labels) for labels in selection.pseudo_instances]
    considered = [len(scores) for scores in scores_of(outputs, 0.2)]
    assert 0 < sum(kept) < sum(considered) == selection.considered.counts.sum()
    uncertain = selection.considered.uncertain.sum(dim=1).tolist()
    assert uncertain == [of_all - own for of_all, own in zip(considered, kept, strict=True)]


def test_an_image_with_a_nan_has_no_scores():
    threshold = make_threshold(floor=0.0, window=20)
    outputs = make_outputs()
    outputs.mask_logits[1, 0, 0, 0] = torch.nan
    selection = step(threshold, outputs)
    assert threshold.histogram.sum() == sum(map(len, scores_of(outputs, 0.0)))
    assert not selection.considered.uncertain[1].any()
    assert torch.isfinite(threshold.histogram).all()


# ---------------------------------------------------------------- state


def test_resumed_threshold_goes_on_as_an_uninterrupted_one():
    batches = [make_outputs() for _ in range(6)]
    uninterrupted = make_threshold(window=16)
    for outputs in batches[:3]:
        step(uninterrupted, outputs)
    resumed = ExpectedCountThreshold(window=16)
    resumed.load_state_dict(uninterrupted.state_dict())
    resumed.start(torch.tensor(LABELED[0]), LABELED[1])
    for outputs in batches[3:]:
        step(uninterrupted, outputs)
        step(resumed, outputs)
    for name, tensor in uninterrupted.state_dict().items():
        assert resumed.state_dict()[name].equal(tensor), name
    assert resumed.threshold.equal(uninterrupted.threshold)


@pytest.mark.parametrize(('options', 'expected'), [(dict(), 2), (dict(objects_per_image=5.0), 5)])
def test_a_run_from_anothers_checkpoint_counts_its_own_labels(options, expected):
    other = make_threshold(counts=(70, 70))
    threshold = ExpectedCountThreshold(**options)
    threshold.load_state_dict(other.state_dict())
    threshold.start(torch.tensor(LABELED[0]), LABELED[1])
    assert (other.expected, threshold.expected) == (7, expected)


def test_two_ranks_have_the_threshold_of_the_joint_batch(run_on_ranks):
    batches = [make_outputs() for _ in range(3)]

    def train(rank, world_size=2):
        threshold = make_threshold(window=32)
        for outputs in batches:
            own = slice(None) if rank is None else slice(rank, None, world_size)
            step(threshold, LayerOutputs(outputs.cls_logits[own], outputs.mask_logits[own]))
        return threshold.histogram.tolist(), threshold.threshold.item(), threshold.images.item()

    assert run_on_ranks(train) == [train(None)] * 2


def test_statistics_for_the_log():
    threshold = make_threshold(share=0.5)
    values = {name: value.item() for name, value in threshold.statistics().items()}
    assert values == dict(pseudo_expected=2.0, pseudo_wanted=1.0, pseudo_threshold=1.0)


# ---------------------------------------------------------------- errors


def test_labelled_images_without_objects():
    with pytest.raises(ValueError, match=r'set model\.class_thresholds\.objects_per_image'):
        make_threshold(counts=(0, 0))
    assert make_threshold(counts=(0, 0), objects_per_image=1.5).expected == 1.5


@pytest.mark.parametrize('options', [dict(share=0.0), dict(floor=1.0), dict(window=0)])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match='must'):
        ExpectedCountThreshold(**options)


def test_filter_must_be_coupled():
    with pytest.raises(ValueError, match=r'give PseudoLabelFilter score_thr instead of'):
        PseudoLabelFilter(class_thr=0.5, mask_thr=0.5).select(
            make_outputs(), SIZE, thresholds=make_threshold().current()
        )


def test_thresholds_cannot_be_set():
    with pytest.raises(ValueError, match=r'sets itself'):
        make_threshold().set_thresholds(class_thr=0.5)
