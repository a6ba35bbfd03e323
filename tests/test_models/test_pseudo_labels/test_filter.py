"""The pseudo-label filter against a loop over images, queries and pixels."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import TRANSFORMS
from mmengine.structures import InstanceData

from mmpldc.models.pseudo_labels import PseudoLabelFilter
from mmpldc.schedules import Progress

FIELDS = {
    'labels': torch.int64,
    'class_quality': torch.float32,
    'mask_quality': torch.float32,
    'scores': torch.float32,
    'mask_logits': torch.float32,
    'cls_logits': torch.float32,
}


def teacher_outputs(num_images=2, num_queries=6, num_classes=3, size=(5, 4), stride=4):
    return dict(
        cls_logits=3 * torch.randn(num_images, num_queries, num_classes + 1),
        mask_logits=4 * torch.randn(num_images, num_queries, *size),
        input_shape=(size[0] * stride, size[1] * stride),
    )


def disc_outputs(quality_of_class, masks, stride=4):
    """One image and one class, from class probabilities and nested lists of mask logits."""
    cls_logits = [[math.log(p), math.log(1 - p)] for p in quality_of_class]
    masks = torch.tensor(masks)
    return dict(
        cls_logits=torch.tensor([cls_logits]),
        mask_logits=masks[None],
        input_shape=(masks.shape[1] * stride, masks.shape[2] * stride),
    )


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def naive_filter(
    results,
    class_thr=None,
    mask_thr=None,
    score_thr=None,
    min_area=5,
    max_candidates=None,
    duplicate_iou=None,
    full_resolution=False,
    score='product',
):
    """Per image, (label, query, class quality, mask quality) of the kept labels, best first.

    Thresholds on class and mask quality are numbers, or lists with one for each class.
    """

    def quality(c, m):
        return c * m if score == 'product' else c * max(2 * m - 1, 0)

    maps = results['mask_logits']
    full_size = F.interpolate(maps, results['input_shape'], mode='bilinear', align_corners=False)
    if full_resolution:
        maps = full_size
    num_images, num_queries = maps.shape[:2]
    kept = []
    for image in range(num_images):
        pairs = []
        for query in range(num_queries):
            exponentials = [math.exp(x) for x in results['cls_logits'][image, query].tolist()]
            shares = [e / sum(exponentials) for e in exponentials[:-1]]
            if max_candidates is None:
                pairs.append((max(shares), shares.index(max(shares)), query))
            else:
                pairs += [(share, label, query) for label, share in enumerate(shares)]
        if max_candidates is not None:
            pairs = sorted(pairs, reverse=True)[:max_candidates]
        passing = []
        for c, label, query in pairs:
            inside = [
                p for p in map(sigmoid, full_size[image, query].flatten().tolist()) if p > 0.5
            ]
            m = sum(inside) / max(len(inside), 1)
            if class_thr is None:
                good = quality(c, m) >= score_thr
            else:
                least = [t[label] if isinstance(t, list) else t for t in (class_thr, mask_thr)]
                good = c >= least[0] and m >= least[1]
            if good and len(inside) > min_area:
                cells = maps[image, query].flatten().tolist()
                foreground = {i for i, logit in enumerate(cells) if logit > 0}
                passing.append((quality(c, m), label, query, c, m, foreground))
        passing.sort(key=lambda entry: -entry[0])
        if duplicate_iou is not None:
            passing = [
                entry
                for rank, entry in enumerate(passing)
                if all(
                    len(entry[-1] & better[-1]) / len(entry[-1] | better[-1]) <= duplicate_iou
                    for better in passing[:rank]
                )
            ]
        kept.append([entry[1:5] for entry in passing])
    return kept


@pytest.mark.parametrize(
    'options',
    [
        dict(class_thr=0.5, mask_thr=0.8),
        dict(class_thr=0.0, mask_thr=0.0, min_area=0),
        dict(class_thr=0.5, mask_thr=0.8, min_area=100),
        dict(score_thr=0.6),
        dict(score_thr=0.2, max_candidates=7),
        dict(score_thr=0.2, score='certain', duplicate_iou=0.3),
        dict(class_thr=0.1, mask_thr=0.5, max_candidates=4),
        dict(class_thr=0.1, mask_thr=0.5, max_candidates=1000),
        dict(class_thr=0.3, mask_thr=0.5, duplicate_iou=0.3),
        dict(class_thr=0.05, mask_thr=0.5, max_candidates=20, duplicate_iou=0.3),
        dict(class_thr=0.3, mask_thr=0.7, full_resolution=True),
        dict(score_thr=0.4, full_resolution=True, duplicate_iou=0.2, max_candidates=12),
    ],
    ids=lambda options: ','.join(options),
)
@pytest.mark.parametrize('num_classes', [1, 3])
def test_equals_the_loop(options, num_classes):
    total = 0
    for _ in range(3):
        results = teacher_outputs(num_classes=num_classes)
        found = PseudoLabelFilter(**options).transform(results)['pseudo_instances']
        for image, (instances, kept) in enumerate(
            zip(found, naive_filter(results, **options), strict=True)
        ):
            total += len(kept)
            assert instances.labels.tolist() == [entry[0] for entry in kept]
            assert instances.class_quality.tolist() == pytest.approx(
                [entry[2] for entry in kept], abs=1e-5
            )
            assert instances.mask_quality.tolist() == pytest.approx(
                [entry[3] for entry in kept], abs=1e-5
            )
            queries = [entry[1] for entry in kept]
            assert instances.cls_logits.equal(results['cls_logits'][image, queries])
            if not options.get('full_resolution'):
                assert instances.mask_logits.equal(results['mask_logits'][image, queries])
    assert total > 0, 'the options keep nothing, so the test shows nothing'


def test_built_from_the_registry_and_called():
    filtering = TRANSFORMS.build(
        dict(type='mmpldc.PseudoLabelFilter', class_thr=0.85, mask_thr=0.9)
    )
    assert isinstance(filtering, PseudoLabelFilter)
    assert 'class_thr=0.85' in repr(filtering)
    assert len(filtering(teacher_outputs())['pseudo_instances']) == 2


def test_keys_of_the_input_stay():
    results = teacher_outputs() | dict(note='kept')
    found = PseudoLabelFilter(class_thr=0.1, mask_thr=0.1)(results)
    assert set(found) == {
        *results,
        *('candidates', 'considered', 'has_nan', 'pseudo_instances'),
    }
    for key, value in results.items():
        assert found[key] is value
    assert 'pseudo_instances' not in results and 'candidates' not in results


# ---------------------------------------------------------------- thresholds per class (DF-ACAT)


def assert_equals_the_loop(found, kept):
    assert len(found) == len(kept)
    for instances, entries in zip(found, kept, strict=True):
        assert instances.labels.tolist() == [entry[0] for entry in entries]
        for field, column in (('class_quality', 2), ('mask_quality', 3)):
            values = [entry[column] for entry in entries]
            assert instances[field].tolist() == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize(
    ('class_thr', 'mask_thr'),
    [
        ([0.2, 0.5, 0.8], [0.9, 0.85, 0.8]),
        ([1.0, 0.0, 0.3], [0.5, 0.93, 0.0]),
        ([0.4, 0.4, 0.4], [0.87, 0.87, 0.87]),
        ([0.3], [0.85]),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    'options',
    [{}, dict(max_candidates=9), dict(duplicate_iou=0.3), dict(full_resolution=True)],
    ids=lambda options: ','.join(options) or 'default',
)
def test_thresholds_per_class_equal_the_loop(class_thr, mask_thr, options):
    filtering, total, count = PseudoLabelFilter(class_thr=0.99, mask_thr=0.99, **options), 0, 0
    for _ in range(4):
        results = teacher_outputs(num_classes=len(class_thr))
        per_class = dict(class_thr=torch.tensor(class_thr), mask_thr=torch.tensor(mask_thr))
        found = filtering(results | per_class)
        kept = naive_filter(results, class_thr=class_thr, mask_thr=mask_thr, **options)
        assert_equals_the_loop(found['pseudo_instances'], kept)
        total += sum(map(len, kept))
        count += found['candidates'][0].numel()
    assert 0 < total < count, 'the thresholds keep nothing or everything: no test'


def test_own_thresholds_count_again_without_thresholds_per_class():
    """They come with each call; the filter keeps none."""
    results, filtering = teacher_outputs(), PseudoLabelFilter(class_thr=0.5, mask_thr=0.8)
    expected = filtering(results)['pseudo_instances']
    filtering(results | dict(class_thr=torch.zeros(3), mask_thr=torch.zeros(3)))
    for one, other in zip(filtering(results)['pseudo_instances'], expected, strict=True):
        assert all(one[key].equal(other[key]) for key in FIELDS)


def test_equal_thresholds_per_class_are_one_threshold():
    results = teacher_outputs(num_queries=30)
    filtering = PseudoLabelFilter(class_thr=0.5, mask_thr=0.75)
    expected = filtering(results)['pseudo_instances']
    per_class = dict(class_thr=torch.full((3,), 0.5), mask_thr=torch.full((3,), 0.75))
    found = PseudoLabelFilter(class_thr=0.0, mask_thr=0.0)(results | per_class)
    for one, other in zip(found['pseudo_instances'], expected, strict=True):
        assert len(one) > 0 and all(one[key].equal(other[key]) for key in FIELDS)


@pytest.mark.parametrize('high', [[1.0, 1.0, 1.0], [1.1, 1.1, 1.1]])
def test_thresholds_per_class_that_nothing_reaches(high):
    per_class = dict(class_thr=torch.tensor(high), mask_thr=torch.zeros(3))
    filtering = PseudoLabelFilter(class_thr=0.0, mask_thr=0.0)
    for instances in filtering(teacher_outputs() | per_class)['pseudo_instances']:
        assert len(instances) == 0
        assert {key: value.dtype for key, value in instances.items()} == FIELDS


def test_thresholds_per_class_refuse_coupled_filtering():
    per_class = dict(class_thr=torch.zeros(3), mask_thr=torch.zeros(3))
    with pytest.raises(ValueError, match=r'instead of score_thr, or drop model\.class_thresholds'):
        PseudoLabelFilter(score_thr=0.5)(teacher_outputs() | per_class)


@pytest.mark.parametrize('max_candidates', [None, 7, 1000])
def test_candidates_are_what_was_looked_at(max_candidates):
    """Thresholds have no say in them: adaptive thresholds learn from what fails as well."""
    results = teacher_outputs()
    filtering = PseudoLabelFilter(class_thr=0.9, mask_thr=0.9, max_candidates=max_candidates)
    class_quality, labels, query, _ = filtering(results)['candidates']
    probabilities = results['cls_logits'].softmax(dim=-1)[..., :-1]
    count = {None: 6, 7: 7, 1000: 18}[max_candidates]
    assert class_quality.shape == labels.shape == query.shape == (2, count)
    for image in range(2):
        own = probabilities[image]
        assert class_quality[image].allclose(own[query[image], labels[image]])
        if max_candidates is None:
            assert query[image].tolist() == list(range(6))
            assert labels[image].equal(own.argmax(dim=1))
        else:
            expected = own.flatten().sort(descending=True).values[:count]
            assert class_quality[image].sort(descending=True).values.allclose(expected)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_fields(dtype):
    results = teacher_outputs(num_queries=20)
    for key in ('cls_logits', 'mask_logits'):
        results[key] = results[key].to(dtype)
    for instances in PseudoLabelFilter(class_thr=0.5, mask_thr=0.5)(results)['pseudo_instances']:
        assert isinstance(instances, InstanceData)
        count = len(instances)
        assert count > 2
        assert {key: value.dtype for key, value in instances.items()} == FIELDS
        assert instances.mask_logits.shape == (count, 5, 4)
        assert instances.cls_logits.shape == (count, 4)
        for name in ('labels', 'class_quality', 'mask_quality', 'scores'):
            assert instances[name].shape == (count,)
        assert (instances.scores.diff() <= 0).all()
        assert instances.scores.equal(instances.class_quality * instances.mask_quality)
        assert instances.labels.max() < 3


def test_half_precision_gives_the_labels_of_the_same_numbers_in_float32():
    results = teacher_outputs(num_queries=20)
    rounded = {k: v.bfloat16() if torch.is_tensor(v) else v for k, v in results.items()}
    same = {k: v.float() if torch.is_tensor(v) else v for k, v in rounded.items()}
    filtering = PseudoLabelFilter(class_thr=0.5, mask_thr=0.5)
    for half, full in zip(
        filtering(rounded)['pseudo_instances'], filtering(same)['pseudo_instances'], strict=True
    ):
        assert all(half[key].equal(full[key]) for key in FIELDS)


@pytest.mark.parametrize('options', [{}, dict(max_candidates=10), dict(duplicate_iou=0.5)])
def test_all_filtered(options):
    results = teacher_outputs()
    results['mask_logits'] = -results['mask_logits'].abs()  # every mask is empty
    filtering = PseudoLabelFilter(class_thr=0.0, mask_thr=0.0, **options)
    for instances in filtering(results)['pseudo_instances']:
        assert len(instances) == 0
        assert {key: value.dtype for key, value in instances.items()} == FIELDS
        assert instances.mask_logits.shape == (0, 5, 4)
        assert instances.cls_logits.shape == (0, 4)


@pytest.mark.parametrize(
    ('stride', 'size', 'min_area', 'kept'),
    [
        (4, (1, 1), 5, True),  # one cell is 16 pixels
        (4, (1, 1), 15, True),
        (4, (1, 1), 16, False),  # more than, not at least
        (1, (1, 5), 5, False),
        (1, (2, 3), 5, True),
        (1, (1, 1), 0, True),
        (8, (2, 1), 127, True),
        (8, (2, 1), 128, False),
    ],
)
def test_area_is_counted_in_input_pixels(stride, size, min_area, kept):
    results = disc_outputs([0.99], [torch.full(size, 9.0).tolist()], stride=stride)
    filtering = PseudoLabelFilter(class_thr=0.0, mask_thr=0.0, min_area=min_area)
    assert len(filtering(results)['pseudo_instances'][0]) == kept


def test_masks_of_failing_classes_are_not_upsampled(monkeypatch):
    upsampled = []
    interpolate = F.interpolate
    monkeypatch.setattr(
        F, 'interpolate', lambda x, *a, **k: upsampled.append(x.shape[1]) or interpolate(x, *a, **k)
    )
    results = disc_outputs([0.9, 0.2, 0.3], [[[9.0]]] * 3)
    PseudoLabelFilter(class_thr=0.5, mask_thr=0.5)(results)
    assert upsampled == [1]


def test_one_pixel_maps():
    results = disc_outputs([0.99, 0.99], [[[9.0]], [[-9.0]]], stride=8)
    instances = PseudoLabelFilter(class_thr=0.5, mask_thr=0.5)(results)['pseudo_instances'][0]
    assert instances.mask_logits.tolist() == [[[9.0]]]


def test_decoupled_and_coupled_disagree_on_purpose():
    sharp, blurred = 8.0, math.log(4)  # probabilities 0.9997 and 0.8
    results = disc_outputs(
        [0.80, 0.99, 0.95], [[[sharp] * 9], [[blurred] * 9], [[sharp] * 9]], stride=4
    )
    dual = PseudoLabelFilter(class_thr=0.85, mask_thr=0.9)(results)['pseudo_instances'][0]
    coupled = PseudoLabelFilter(score_thr=0.765)(results)['pseudo_instances'][0]
    assert dual.class_quality.tolist() == pytest.approx([0.95])
    assert coupled.class_quality.tolist() == pytest.approx([0.95, 0.80, 0.99])  # by score


def test_infinite_mask_logits_are_legal():
    inf = float('inf')
    results = disc_outputs([0.9, 0.9], [[[inf, -inf]], [[-inf, -inf]]])
    instances = PseudoLabelFilter(class_thr=0.5, mask_thr=0.9)(results)['pseudo_instances'][0]
    assert instances.mask_quality.tolist() == pytest.approx([1.0])
    assert instances.mask_logits.isfinite().all()


@pytest.mark.parametrize('key', ['cls_logits', 'mask_logits'])
@pytest.mark.parametrize(
    'options', [{}, dict(max_candidates=5), dict(full_resolution=True), dict(duplicate_iou=0.9)]
)
def test_an_image_with_a_nan_gets_no_labels_and_the_others_keep_theirs(key, options):
    results = teacher_outputs()
    filtering = PseudoLabelFilter(class_thr=0.5, mask_thr=0.5, **options)
    clean = filtering(results)
    *others, last = clean['pseudo_instances']
    assert len(last) and any(map(len, others))
    assert clean['has_nan'] == [False] * len(clean['pseudo_instances'])
    query = clean['candidates'][2][-1, clean['candidates'][0][-1].argmax()]
    results[key][-1, query].view(-1)[-1] = float('nan')
    broken = filtering(results)
    *unharmed, none = broken['pseudo_instances']
    assert broken['has_nan'] == [False] * len(others) + [True]
    assert len(none) == 0
    for found, expected in zip(unharmed, others, strict=True):
        assert found.scores.equal(expected.scores)
        assert found.mask_logits.equal(expected.mask_logits)


def test_a_nan_in_masks_whose_classes_fail_is_found():
    results = teacher_outputs()
    results['mask_logits'][0] = float('nan')
    found = PseudoLabelFilter(class_thr=1.0, mask_thr=0.5)(results)
    assert found['has_nan'] == [True] + [False] * (len(results['mask_logits']) - 1)


def test_one_query_twice_only_with_candidates_and_without_suppression():
    results = dict(
        cls_logits=torch.tensor([[[2.0, 1.9, -9.0]]]),
        mask_logits=torch.full((1, 1, 3, 3), 9.0),
        input_shape=(12, 12),
    )

    def labels(**options):
        filtering = PseudoLabelFilter(class_thr=0.4, mask_thr=0.5, **options)
        return filtering(results)['pseudo_instances'][0].labels.tolist()

    assert labels() == [0]
    assert labels(max_candidates=100) == [0, 1]
    assert labels(max_candidates=1) == [0]
    assert labels(max_candidates=100, duplicate_iou=0.9) == [0]


@pytest.mark.parametrize(('duplicate_iou', 'count'), [(None, 3), (0.7, 2), (0.4, 1)])
def test_duplicates(duplicate_iou, count):
    first, same, half = [[9.0] * 4], [[9.0] * 4], [[9.0, 9.0, -9.0, -9.0]]
    results = disc_outputs([0.7, 0.9, 0.8], [first, same, half])
    filtering = PseudoLabelFilter(class_thr=0.5, mask_thr=0.5, duplicate_iou=duplicate_iou)
    instances = filtering(results)['pseudo_instances'][0]
    assert len(instances) == count
    assert instances.class_quality[0].item() == pytest.approx(0.9)


def test_full_resolution_upsamples_as_the_released_code():
    results = teacher_outputs(num_queries=10)
    filtering = PseudoLabelFilter(class_thr=0.3, mask_thr=0.6, full_resolution=True)
    upsampled = F.interpolate(
        results['mask_logits'], (20, 16), mode='bilinear', align_corners=False
    )
    for image, instances in enumerate(filtering(results)['pseudo_instances']):
        assert len(instances) > 0
        assert instances.mask_logits.shape[1:] == (20, 16)
        for mask in instances.mask_logits:
            assert any(torch.allclose(mask, other, atol=1e-5) for other in upsampled[image])


def test_stateless():
    results = teacher_outputs(num_queries=20)
    before = {k: v.clone() if torch.is_tensor(v) else v for k, v in results.items()}
    filtering = PseudoLabelFilter(class_thr=0.3, mask_thr=0.6, duplicate_iou=0.4)
    options = dict(vars(filtering))
    first, second = (filtering(results)['pseudo_instances'] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert all(one[key].equal(other[key]) for key in FIELDS)
    assert vars(filtering) == options
    for key in ('cls_logits', 'mask_logits'):
        assert results[key].equal(before[key])
    # labels do not share memory with the teacher's outputs: a refiner may write to them
    first[0].mask_logits.zero_()
    first[0].cls_logits.zero_()
    for key in ('cls_logits', 'mask_logits'):
        assert results[key].equal(before[key])


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(class_thr=0.5),
        dict(mask_thr=0.5),
        dict(class_thr=0.5, score_thr=0.5),
        dict(mask_thr=0.5, score_thr=0.5),
        dict(class_thr=0.5, mask_thr=0.5, score_thr=0.5),
    ],
    ids=lambda options: ','.join(options) or 'nothing',
)
def test_wrong_thresholds(options):
    with pytest.raises(ValueError, match='give class_thr and mask_thr'):
        PseudoLabelFilter(**options)


def test_thresholds_of_zero_count_as_given():
    assert PseudoLabelFilter(class_thr=0, mask_thr=0).class_thr == 0
    assert PseudoLabelFilter(score_thr=0).score_thr == 0


# ---------------------------------------------------------------- Guided Distillation


def naive_guided_distillation(results, class_thr=0.7, min_area=5):
    """As its released code filters: per image, (label, query) of the kept."""
    kept = []
    for image in range(len(results['cls_logits'])):
        kept.append([])
        for query, x in enumerate(results['cls_logits'][image].tolist()):
            shares = [math.exp(v) / sum(map(math.exp, x)) for v in x]
            best = shares.index(max(shares))
            area = sum(map(sigmoid, results['mask_logits'][image, query].flatten().tolist()))
            if best != len(x) - 1 and shares[best] > class_thr and area > min_area:
                kept[-1].append((best, query))
    return kept


@pytest.mark.parametrize(('class_thr', 'min_area'), [(0.7, 5), (0.7, 11), (0.2, 5)])
def test_guided_distillations_filter_equals_the_loop(class_thr, min_area):
    filtering = PseudoLabelFilter(
        class_thr=class_thr, mask_thr=0.0, min_area=min_area, soft_area=True, above_no_object=True
    )
    count = total = 0
    for _ in range(5):
        results = teacher_outputs(num_queries=20)
        kept = naive_guided_distillation(results, class_thr, min_area)
        found = filtering(results)['pseudo_instances']
        for image, (instances, expected) in enumerate(zip(found, kept, strict=True)):
            rows = {
                tuple(logits): label
                for logits, label in zip(
                    instances.cls_logits.tolist(), instances.labels.tolist(), strict=True
                )
            }
            assert rows == {
                tuple(results['cls_logits'][image, query].tolist()): label
                for label, query in expected
            }
            assert {key: value.dtype for key, value in instances.items()} == FIELDS
        total += sum(map(len, kept))
        count += results['cls_logits'][..., 0].numel()
    assert 0 < total < count


def test_above_no_object_asks_each_pair_of_query_and_class():
    """Two pairs of a query: the class beside "no object" passes, the other one does not."""
    results = disc_outputs([0.9], [[[9.0] * 5] * 4])
    results['cls_logits'] = torch.tensor([[[0.0, 1.0, 1.0]]])
    options = dict(class_thr=0.1, mask_thr=0.0, max_candidates=2)
    for above_no_object, labels in ((False, [1, 0]), (True, [1])):
        filtering = PseudoLabelFilter(above_no_object=above_no_object, **options)
        (instances,) = filtering(results)['pseudo_instances']
        assert instances.labels.tolist() == labels


def test_soft_area_sees_what_is_not_quite_foreground(monkeypatch):
    """20 cells of probability 0.4: an empty mask, of which the sum is 8 cells. No upsampling."""
    monkeypatch.setattr(F, 'interpolate', None)
    results = disc_outputs([0.9, 0.9], [[[math.log(0.4 / 0.6)] * 5] * 4, [[-9.0] * 5] * 4])
    options = dict(class_thr=0.7, mask_thr=0.0, soft_area=True)
    for min_area, kept in ((7.9, 1), (8.1, 0)):
        (instances,) = PseudoLabelFilter(min_area=min_area, **options)(results)['pseudo_instances']
        assert len(instances) == kept
        assert instances.mask_quality.tolist() == [0.0] * kept


def test_nothing_for_soft_area_to_measure():
    results = teacher_outputs()
    results['cls_logits'][..., -1] = 99.0
    filtering = PseudoLabelFilter(class_thr=0.7, mask_thr=0.0, soft_area=True)
    for instances in filtering(results)['pseudo_instances']:
        assert {key: value.dtype for key, value in instances.items()} == FIELDS
        assert instances.mask_logits.shape == (0, 5, 4)


def test_soft_area_goes_without_full_resolution():
    with pytest.raises(ValueError, match='turn full_resolution off'):
        PseudoLabelFilter(class_thr=0.7, mask_thr=0.0, soft_area=True, full_resolution=True)


# ---------------------------------------------------------------- predicted IoUs (PAIS)


@pytest.mark.parametrize('max_candidates', [None, 7])
def test_paiss_filter_equals_the_loop(max_candidates):
    """s > 0.35 and i > 0.30; the mean probability counts for nothing, an empty mask is none."""
    options = dict(class_thr=0.35, mask_thr=0.30, min_area=0, max_candidates=max_candidates)
    filtering, total, by_iou = PseudoLabelFilter(mask_quality='predicted_iou', **options), 0, 0
    for _ in range(4):
        results = teacher_outputs() | dict(iou_logits=2 * torch.randn(2, 6))
        results['mask_logits'][0, 0] = -1.0
        found = filtering(results)
        everything = naive_filter(results, **options | dict(mask_thr=0.0))
        for image, kept in enumerate(everything):
            by_score = []
            for label, query, c, _ in kept:
                iou = sigmoid(results['iou_logits'][image, query].item())
                by_iou += iou <= 0.3
                if iou > 0.3:
                    by_score.append((c * iou, label, c, iou))
            by_score.sort(reverse=True)
            total += len(by_score)
            instances = found['pseudo_instances'][image]
            assert instances.labels.tolist() == [label for _, label, _, _ in by_score]
            for field, column in (('scores', 0), ('class_quality', 2), ('mask_quality', 3)):
                expected = [entry[column] for entry in by_score]
                assert instances[field].tolist() == pytest.approx(expected, abs=1e-5)
        query = found['candidates'].query
        of_candidates = results['iou_logits'].sigmoid().gather(1, query)
        torch.testing.assert_close(found['candidates'].mask_quality, of_candidates)
    assert total > 0 and by_iou > 0


def test_predicted_iou_goes_with_thresholds_per_class_and_coupled_filtering():
    results = teacher_outputs() | dict(iou_logits=torch.randn(2, 6))
    per_class = dict(class_thr=torch.zeros(3), mask_thr=torch.full((3,), 0.6))
    decoupled = PseudoLabelFilter(class_thr=0, mask_thr=0, mask_quality='predicted_iou')
    coupled = PseudoLabelFilter(score_thr=0.3, mask_quality='predicted_iou')
    for found, quality in (
        (decoupled(results | per_class), lambda kept: kept.mask_quality >= 0.6),
        (coupled(results), lambda kept: kept.scores >= 0.3),
    ):
        kept = InstanceData.cat(found['pseudo_instances'])
        assert 0 < len(kept) < 12 and quality(kept).all()


def test_a_nan_in_predicted_ious_is_found():
    results = teacher_outputs() | dict(iou_logits=torch.full((2, 6), 9.0))
    results['iou_logits'][1, 3] = float('nan')
    found = PseudoLabelFilter(class_thr=0, mask_thr=0, mask_quality='predicted_iou')(results)
    assert found['has_nan'] == [False, True]
    assert len(found['pseudo_instances'][0]) > 0 and len(found['pseudo_instances'][1]) == 0


def test_predicted_iou_needs_a_head_that_predicts_it():
    with pytest.raises(ValueError, match='iou_head'):
        PseudoLabelFilter(class_thr=0, mask_thr=0, mask_quality='predicted_iou')(teacher_outputs())


def test_unknown_mask_quality():
    with pytest.raises(ValueError, match='mean_probability'):
        PseudoLabelFilter(class_thr=0, mask_thr=0, mask_quality='iou')


# ---------------------------------------------------------------- interface


def test_without_thresholds_every_candidate_is_kept():
    own = PseudoLabelFilter(
        class_thr=0.9, mask_thr=0.8, min_area=7, max_candidates=5, duplicate_iou=0.1
    )
    every = own.without_thresholds(0.2)
    assert (every.class_thr, every.mask_thr, every.duplicate_iou) == (0.2, 0.0, None)
    assert (every.min_area, every.max_candidates) == (7, 5)
    assert (own.class_thr, own.duplicate_iou) == (0.9, 0.1)


def test_thresholds_may_follow_a_schedule():
    """At each point of the run the filter is the one with these numbers."""
    results = teacher_outputs()
    ramp = dict(type='mmpldc.Ramp', start=0.3, end=0.7)
    moving = PseudoLabelFilter(class_thr=ramp, mask_thr=0.5)
    for step, class_thr in ((0, 0.3), (10, 0.3), (20, 0.5), (30, 0.7)):
        found = moving(results | dict(progress=Progress(step, 10, 30)))
        expected = PseudoLabelFilter(class_thr=class_thr, mask_thr=0.5)(results)
        for one, other in zip(found['pseudo_instances'], expected['pseudo_instances'], strict=True):
            assert one.scores.equal(other.scores)
    with pytest.raises(RuntimeError, match='schedule'):
        moving(results)


def test_setting_thresholds():
    filtering = PseudoLabelFilter(class_thr=0.9, mask_thr=0.8)
    filtering.set_thresholds(class_thr=0.1)
    assert filtering.thresholds(None)[:2] == (0.1, 0.8)
    coupled = PseudoLabelFilter(score_thr=0.5)
    coupled.set_thresholds()
    with pytest.raises(ValueError, match=r'pseudo_label_filter\.score_thr'):
        coupled.set_thresholds(mask_thr=0.1)
    coupled.set_thresholds(class_thr=0.3, mask_thr=0.1)
    assert coupled.thresholds(None)[:2] == (0.3, 0.1) and not coupled.is_coupled
