"""Against mmdet's MaskFormerFusionHead, which resizes every mask and loops over the chosen ones."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.seg_heads import MaskFormerFusionHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict

from mmpldc.functional import to_image_frame
from mmpldc.models import TopKMaskFormerFusionHead
from mmpldc.models.seg_heads.top_k_fusion_head import mask_scores, top_pairs

BATCH_SIZE = (32, 64)
IMAGE_SIZES = ((32, 50), (27, 64))
ORIGINAL_SIZES = ((80, 125), (19, 45))


def make_samples():
    samples = []
    for image_size, original_size in zip(IMAGE_SIZES, ORIGINAL_SIZES, strict=True):
        shapes = dict(batch_input_shape=BATCH_SIZE, img_shape=image_size, ori_shape=original_size)
        samples.append(DetDataSample(metainfo=shapes))
    return samples


def make_logits(num_queries=12, num_classes=5):
    """Mask logits at stride 4; smooth, so that masks are more than noise."""
    generator = torch.Generator().manual_seed(0)
    cls_logits = torch.randn(2, num_queries, num_classes + 1, generator=generator)
    coarse = torch.randn(2, num_queries, 3, 4, generator=generator)
    return cls_logits, F.interpolate(3 * coarse, (8, 16), mode='bicubic')


def predict(kind, cls_logits, mask_logits, *, rescale=True, things=5, stuff=0, **test_cfg):
    test_cfg = dict(panoptic_on=False, instance_on=True, max_per_image=10) | test_cfg
    head = kind(num_things_classes=things, num_stuff_classes=stuff, test_cfg=ConfigDict(test_cfg))
    return head.predict(cls_logits, mask_logits, make_samples(), rescale=rescale)


def predict_as_mmdet(cls_logits, mask_logits, **options):
    """mmdet's heads: all masks resized to the batch, then its fusion."""
    mask_logits = F.interpolate(mask_logits, BATCH_SIZE, mode='bilinear', align_corners=False)
    return predict(MaskFormerFusionHead, cls_logits, mask_logits, **options)


def assert_same(results, expected):
    for result, wanted in zip(results, expected, strict=True):
        assert result.keys() == wanted.keys() == {'ins_results'}
        result, wanted = result['ins_results'], wanted['ins_results']
        assert set(result.keys()) == set(wanted.keys())
        for name in ('labels', 'masks', 'bboxes'):
            assert result[name].dtype == wanted[name].dtype
            assert torch.equal(result[name], wanted[name]), name
        assert result.scores.dtype == torch.float32
        torch.testing.assert_close(result.scores, wanted.scores, rtol=1e-6, atol=0)


@pytest.mark.parametrize('rescale', [False, True])
@pytest.mark.parametrize('max_per_image', [1, 10, 12, 60])
def test_equals_mmdet(rescale, max_per_image):
    """With fewer pairs than queries and more, up to all."""
    options = dict(rescale=rescale, max_per_image=max_per_image)
    expected = predict_as_mmdet(*make_logits(), **options)
    assert_same(predict(TopKMaskFormerFusionHead, *make_logits(), **options), expected)
    sizes = ORIGINAL_SIZES if rescale else IMAGE_SIZES
    for result, size in zip(expected, sizes, strict=True):
        assert result['ins_results'].masks.shape == (max_per_image, *size)
        assert result['ins_results'].masks.any()


def test_takes_masks_that_a_head_has_resized():
    cls_logits, mask_logits = make_logits()
    resized = F.interpolate(mask_logits, BATCH_SIZE, mode='bilinear')
    expected = predict_as_mmdet(cls_logits, mask_logits)
    assert_same(predict(TopKMaskFormerFusionHead, cls_logits, resized), expected)


def test_ties():
    """Queries and classes of equal logits: the same of them are chosen, in the same order."""
    cls_logits, mask_logits = make_logits()
    cls_logits = cls_logits.round().clamp(0, 1)
    for max_per_image in (3, 10, 30):
        options = dict(max_per_image=max_per_image)
        expected = predict_as_mmdet(cls_logits, mask_logits, **options)
        assert_same(predict(TopKMaskFormerFusionHead, cls_logits, mask_logits, **options), expected)


def test_empty_masks():
    cls_logits, mask_logits = make_logits()
    mask_logits[:, ::2] = -1.0
    expected = predict_as_mmdet(cls_logits, mask_logits, max_per_image=30)
    results = predict(TopKMaskFormerFusionHead, cls_logits, mask_logits, max_per_image=30)
    assert_same(results, expected)
    empty = ~results[0]['ins_results'].masks.flatten(1).any(1)
    assert empty.any() and not empty.all()
    assert not results[0]['ins_results'].scores[empty].any()


def test_stuff_classes_are_left_out():
    options = dict(things=3, stuff=2, max_per_image=30)
    expected = predict_as_mmdet(*make_logits(), **options)
    assert 0 < len(expected[0]['ins_results']) < 30
    assert_same(predict(TopKMaskFormerFusionHead, *make_logits(), **options), expected)


@pytest.mark.parametrize('rescale', [False, True])
def test_no_instance(rescale):
    options = dict(things=0, stuff=5, rescale=rescale)
    expected = predict_as_mmdet(*make_logits(), **options)
    assert len(expected[0]['ins_results']) == 0
    assert_same(predict(TopKMaskFormerFusionHead, *make_logits(), **options), expected)


def test_fewer_pairs_than_asked_for():
    """mmdet fails here: 12 queries, 5 classes."""
    every = predict(TopKMaskFormerFusionHead, *make_logits(), max_per_image=60)
    assert_same(predict(TopKMaskFormerFusionHead, *make_logits(), max_per_image=100), every)
    with pytest.raises(RuntimeError, match='out of range'):
        predict_as_mmdet(*make_logits(), max_per_image=100)


@pytest.mark.parametrize('instance_on', [False, True])
def test_panoptic_is_mmdets(instance_on):
    options = dict(panoptic_on=True, instance_on=instance_on, iou_thr=0.1, things=3, stuff=2)
    cls_logits, mask_logits = make_logits()
    cls_logits *= 10  # sure enough for its threshold
    expected = predict_as_mmdet(cls_logits, mask_logits, **options)
    results = predict(TopKMaskFormerFusionHead, cls_logits, mask_logits, **options)
    for result, wanted in zip(results, expected, strict=True):
        segments = result.pop('pan_results').sem_seg
        assert torch.equal(segments, wanted.pop('pan_results').sem_seg)
        assert len(segments.unique()) > 1
    assert results[0].keys() == ({'ins_results'} if instance_on else set())
    if instance_on:
        assert_same(results, expected)


def test_nothing_asked_for():
    assert predict(TopKMaskFormerFusionHead, *make_logits(), instance_on=False) == [{}, {}]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    cls_logits, mask_logits = (logits.to(dtype) for logits in make_logits())
    expected = predict_as_mmdet(cls_logits.float(), mask_logits.float())
    assert_same(predict(TopKMaskFormerFusionHead, cls_logits, mask_logits), expected)


def test_the_base_configs_detector_equals_mmdets(tiny_detector_cfg):
    """The head and the fusion head of the config, from image to instances."""
    ours = MODELS.build(tiny_detector_cfg).eval()
    tiny_detector_cfg.panoptic_head.type = 'Mask2FormerHead'
    tiny_detector_cfg.panoptic_head.pop('upsample_masks')
    tiny_detector_cfg.panoptic_head.loss_mask = dict(type='CrossEntropyLoss', use_sigmoid=True)
    tiny_detector_cfg.panoptic_fusion_head.type = 'MaskFormerFusionHead'
    theirs = MODELS.build(tiny_detector_cfg).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, *BATCH_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = (model.predict(images, make_samples()) for model in (ours, theirs))
        cls_logits, mask_logits = ours.panoptic_head.predict(
            ours.extract_feat(images), make_samples()
        )
        ours.panoptic_head.upsample_masks = True
        resized = ours.panoptic_head.predict(ours.extract_feat(images), make_samples())
    for sample, wanted in zip(found, expected, strict=True):
        found_instances, instances = sample.pred_instances, wanted.pred_instances
        assert found_instances.masks.any()
        # the networks' sums may be in another order, which moves a mask by a pixel at most
        assert torch.equal(found_instances.labels, instances.labels)
        torch.testing.assert_close(found_instances.scores, instances.scores, rtol=1e-4, atol=1e-6)
        assert (found_instances.masks == instances.masks).float().mean() > 0.999
    assert mask_logits.shape[-2:] == (BATCH_SIZE[0] // 4, BATCH_SIZE[1] // 4)
    assert torch.equal(resized[0], cls_logits)
    expected = F.interpolate(mask_logits, BATCH_SIZE, mode='bilinear', align_corners=False)
    assert torch.equal(resized[1], expected)


def test_top_pairs_by_hand():
    probabilities = torch.tensor([[0.5, 0.1, 0.4], [0.3, 0.6, 0.1]])
    scores, queries, labels = top_pairs(probabilities.log(), 3)
    found = sorted(zip(scores.tolist(), queries.tolist(), labels.tolist(), strict=True))
    assert [pair for _, *pair in found] == [[1, 0], [0, 0], [1, 1]]
    assert [score for score, *_ in found] == pytest.approx([0.3, 0.5, 0.6])


def test_mask_scores_by_hand():
    probabilities = torch.tensor([[[0.9, 0.6], [0.2, 0.5]], [[0.1, 0.1], [0.1, 0.1]]])
    logits = probabilities.logit()
    assert mask_scores(logits).tolist() == pytest.approx([0.75, 0])


def test_image_frame_is_cropped_before_it_is_resized():
    logits = torch.tensor([[[1.0, 1.0, -9.0, -9.0], [1.0, 1.0, -9.0, -9.0]]])
    frame = to_image_frame(logits, (2, 4), (2, 2), (4, 4))
    assert frame.shape == (1, 4, 4) and (frame == 1).all()
