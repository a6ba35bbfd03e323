"""Predicted IoUs, and losses that follow the quality of labels and pixels, against loops."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData

from mmpldc.functional import boundary_map, hungarian_match, mask_uncertainty
from mmpldc.models import DynamicAligningWeights, MaskQualityGate
from mmpldc.models.dense_heads import MaskTargets, semi_mask2former_head
from mmpldc.models.pseudo_labels import LabelWeights
from mmpldc.structures import HeadOutputs

NUM_LAYERS, NUM_QUERIES, NUM_CLASSES = 3, 8, 3
IOU_HEAD = dict(type='mmpldc.MaskIoUHead')
BOUNDARY = dict(type='mmpldc.BoundaryPreservingMap', scale=3.0)
PMUA = dict(type='mmpldc.CertaintyWeights')


@pytest.fixture
def build_head(tiny_detector_cfg):
    def build(**options):
        config = copy.deepcopy(tiny_detector_cfg.panoptic_head)
        config.pop('loss_mask')  # its own options are not those of another loss
        config.update(
            train_cfg=copy.deepcopy(tiny_detector_cfg.train_cfg),
            test_cfg=tiny_detector_cfg.test_cfg,
            **dict(loss_mask=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0))
            | copy.deepcopy(options),
        )
        torch.manual_seed(0)
        head = MODELS.build(config)
        head.init_weights()
        return head.eval()

    return build


@pytest.fixture
def matches(monkeypatch):
    """What was matched, (image, query, target) of the last call."""
    seen = []

    def watch(costs):
        seen[:] = hungarian_match(costs)
        return tuple(seen)

    monkeypatch.setattr(semi_mask2former_head, 'hungarian_match', watch)
    return seen


@pytest.fixture
def same_points(monkeypatch):
    """The points of every mask's loss, ``(1, P, 2)``."""
    points = torch.rand(1, 64, 2)
    monkeypatch.setattr(
        semi_mask2former_head,
        'uncertain_points',
        lambda maps, *_, **__: points.expand(len(maps), -1, -1),
    )
    return points


def read(mask, points):
    return F.grid_sample(mask[None, None], 2 * points[:, None] - 1, align_corners=False).flatten()


def feature_maps(num_images):
    shapes = ((8, 4), (16, 8), (32, 16), (64, 32))
    return [torch.randn(num_images, c, 64 // s, 64 // s) for c, s in shapes]


def ground_truth(*counts):
    """Masks of whole cells of 4 x 4 pixels: at stride 4 nothing is lost."""
    batch = []
    for count in counts:
        cells = (torch.rand(count, 16, 16) > 0.5).repeat_interleave(4, 1).repeat_interleave(4, 2)
        masks = BitmapMasks(cells.numpy().astype(np.uint8), 64, 64)
        batch.append(InstanceData(labels=torch.randint(NUM_CLASSES, (count,)), masks=masks))
    return batch


def pseudo_labels(*counts):
    return [
        InstanceData(
            labels=torch.randint(NUM_CLASSES, (count,)),
            mask_logits=3 * torch.randn(count, 16, 16),
            class_quality=torch.rand(count),
            mask_quality=torch.rand(count),
        )
        for count in counts
    ]


def weighing(*parts):
    """Options of a head whose mask loss weighs pixels by these parts."""
    kind = 'mmpldc.UncertaintyWeightedCrossEntropyLoss'
    return dict(loss_mask=dict(type=kind, loss_weight=5.0, pixel_weights=list(parts)))


def loss_of(head, outputs, batch, *weigh):
    """The head's losses, each label weighed by the product of what ``weigh`` says."""
    labels = InstanceData.cat(batch)
    weights = LabelWeights.product([part(labels) for part in weigh]) if weigh else None
    return head.loss_by_outputs(HeadOutputs(*outputs), batch, weights)


def predictions(num_images):
    shape = (NUM_LAYERS, num_images, NUM_QUERIES)
    logits = 2 * torch.randn(*shape, NUM_CLASSES + 1), 3 * torch.randn(*shape, 16, 16)
    return tuple(list(one) for one in logits)


# -- predicted IoUs ------------------------------------------------------------------------------


def test_the_rest_of_the_network_and_its_names_stay(build_head):
    plain, with_iou = build_head(), build_head(iou_head=IOU_HEAD)
    own = [name for name in with_iou.state_dict() if name not in plain.state_dict()]
    assert own and all(name.startswith('iou_head.') for name in own)
    assert [p for p in plain.state_dict() if p not in with_iou.state_dict()] == []
    with_iou.load_state_dict(plain.state_dict(), strict=False)
    features = feature_maps(2)
    for ours, theirs in zip(with_iou(features)[:2], plain(features)[:2], strict=True):
        assert all(map(torch.equal, ours, theirs))
    ours, theirs = with_iou.predict_last(features), plain.predict_last(features)
    assert all(map(torch.equal, ours[:2], theirs[:2]))
    assert theirs.iou_logits is plain(features).iou_logits is None
    last = ours.iou_logits
    assert last.shape == (2, NUM_QUERIES)
    torch.testing.assert_close(last, with_iou(features).iou_logits[-1], atol=1e-5, rtol=1e-5)


def test_iou_loss_equals_the_loop(build_head, matches):
    head, batch = build_head(iou_head=dict(IOU_HEAD, loss_weight=0.7)), ground_truth(3, 0, 1)
    cls_logits, mask_logits = predictions(3)
    iou_logits = [torch.randn(3, NUM_QUERIES).requires_grad_() for _ in range(NUM_LAYERS)]
    losses = loss_of(head, (cls_logits, mask_logits, iou_logits), batch)
    masks = torch.cat([torch.from_numpy(one.masks.masks) for one in batch])[:, ::4, ::4] > 0
    expected = []
    for layer in range(NUM_LAYERS):
        total = 0.0
        for image, query, target in zip(*(part[layer].tolist() for part in matches), strict=True):
            mine = mask_logits[layer][image, query].sigmoid() > 0.5
            iou = (mine & masks[target]).sum() / (mine | masks[target]).sum()
            logit = iou_logits[layer][image, query]
            total = total - 0.7 * (iou * F.logsigmoid(logit) + (1 - iou) * F.logsigmoid(-logit))
        expected.append(total / 4)
    torch.testing.assert_close(losses['loss_iou'], expected[-1])
    torch.testing.assert_close(losses['aux_loss_iou'], sum(expected[:-1]))
    losses['loss_iou'].backward()
    unmatched = torch.ones(3, NUM_QUERIES, dtype=bool)
    unmatched[matches[0][-1], matches[1][-1]] = False
    assert iou_logits[-1].grad[unmatched].eq(0).all()
    assert iou_logits[-1].grad[~unmatched].ne(0).all()


def test_the_reached_iou_gets_no_gradient(build_head):
    head, batch = build_head(iou_head=IOU_HEAD), ground_truth(2)
    cls_logits, mask_logits = predictions(1)
    for logits in mask_logits:
        logits.requires_grad_()
    iou_logits = [torch.zeros(1, NUM_QUERIES, requires_grad=True) for _ in mask_logits]
    loss = loss_of(head, (cls_logits, mask_logits, iou_logits), batch)['loss_iou']
    assert torch.autograd.grad(loss, mask_logits, allow_unused=True) == (None,) * NUM_LAYERS


def test_pseudo_labels_do_not_train_the_iou_head(build_head):
    outputs = (*predictions(2), [torch.randn(2, NUM_QUERIES)] * NUM_LAYERS)
    losses = loss_of(build_head(iou_head=IOU_HEAD), outputs, pseudo_labels(2, 1))
    assert not any('iou' in name for name in losses)


def test_images_without_objects_give_every_parameter_a_gradient(build_head):
    head = build_head(iou_head=IOU_HEAD)
    samples = [DetDataSample(gt_instances=instances) for instances in ground_truth(0, 0)]
    losses = head.loss(feature_maps(2), samples)
    assert losses['loss_iou'] == losses['aux_loss_iou'] == 0
    sum(losses.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


def test_iou_of_masks_at_another_resolution():
    masks = torch.zeros(2, 64, 64, dtype=torch.uint8)
    masks[0, :32] = 1
    masks[1, :, 16:32] = 1
    targets = MaskTargets(torch.zeros(2, dtype=torch.int64), masks, [2])
    logits = torch.full((1, 2, 16, 16), -1.0)
    logits[0, 0, :, 4:8] = 1
    logits[0, 1, 4:12] = 1
    found = targets.iou_with(logits, torch.tensor([[1, 0]]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1 / 3]]))


@pytest.mark.parametrize('upsample_masks', [False, True])
def test_score_by_iou_multiplies_class_probabilities_in_inference(build_head, upsample_masks):
    options = dict(iou_head=IOU_HEAD, upsample_masks=upsample_masks)
    plain, scored = build_head(**options), build_head(score_by_iou=True, **options)
    features = feature_maps(1)
    samples = [DetDataSample(metainfo=dict(batch_input_shape=(64, 64)))]
    with torch.no_grad():
        before, after = (head.predict(features, samples) for head in (plain, scored))
        iou = plain.predict_last(features).iou_logits.sigmoid()
    torch.testing.assert_close(
        after[0].softmax(-1)[..., :-1], before[0].softmax(-1)[..., :-1] * iou[..., None]
    )
    assert torch.equal(before[1], after[1])
    assert after[1].shape[-1] == (64 if upsample_masks else 16)


def test_score_by_iou_needs_the_head(build_head):
    with pytest.raises(ValueError, match='iou_head'):
        build_head(score_by_iou=True)


# -- weights of labels ---------------------------------------------------------------------------


def labels_of(class_quality, mask_quality):
    return InstanceData(
        class_quality=torch.tensor(class_quality), mask_quality=torch.tensor(mask_quality)
    )


def test_published_weights():
    weights = DynamicAligningWeights()(labels_of([0.35, 0.5, 0.9], [0.3, 0.5, 1]))
    torch.testing.assert_close(weights.label, torch.tensor([0.18, 0.75, 0.75]), atol=1e-3, rtol=0)
    torch.testing.assert_close(weights.mask, torch.tensor([0.02025, 0.15625, 2.5]))
    assert weights.no_object == pytest.approx(0.1225)


def test_the_gate_is_of_masks_alone():
    weights = MaskQualityGate(mask_thr=0.9)(labels_of([0.1, 0.7], [0.9, 0.91]))
    assert weights.label.tolist() == [1, 1] and weights.mask.tolist() == [0, 1]
    assert weights.no_object is None


def test_weights_of_several_parts_are_multiplied():
    labels = labels_of(torch.rand(5).tolist(), [0.1, 0.89, 0.91, 0.95, 1.0])
    aligning = DynamicAligningWeights()(labels)
    gate = MaskQualityGate(mask_thr=0.9)(labels)
    both = LabelWeights.product([gate, aligning])
    assert torch.equal(both.label, aligning.label)
    assert both.mask.tolist() == [0, 0, *aligning.mask[2:].tolist()]
    assert both.no_object == aligning.no_object
    assert LabelWeights.product([gate, gate]).no_object is None


@pytest.mark.parametrize(('aligning', 'gate'), [(True, False), (False, True), (True, True)])
def test_weighted_losses_equal_the_loop(build_head, matches, same_points, aligning, gate):
    head, batch = build_head(), pseudo_labels(3, 0, 2)
    batch[0].mask_quality[0] = 0.95
    cls_logits, mask_logits = predictions(3)
    weigh = [MaskQualityGate(mask_thr=0.9)] * gate + [DynamicAligningWeights()] * aligning
    losses = loss_of(head, (cls_logits, mask_logits), batch, *weigh)
    labels = InstanceData.cat(batch)
    layer = NUM_LAYERS - 1
    no_object = 0.1225 if aligning else 0.1
    pairs = list(zip(*(part[layer].tolist() for part in matches), strict=True))
    matched = {(image, query): target for image, query, target in pairs}
    class_loss = mask_loss = dice_loss = class_total = 0.0
    for image in range(3):
        for query in range(NUM_QUERIES):
            log_probability = cls_logits[layer][image, query].log_softmax(dim=0)
            if (image, query) not in matched:
                class_loss -= 2 * no_object * log_probability[-1]
                class_total += no_object
                continue
            target = matched[image, query]
            s, i = labels.class_quality[target], labels.mask_quality[target]
            of_class = 12 * min(s, 0.5) ** 4 if aligning else 1
            of_mask = (2.5 * i**4 if aligning else 1) * (float(i > 0.9) if gate else 1)
            class_loss -= 2 * of_class * log_probability[labels.labels[target]]
            class_total += 1
            wanted = (read(labels.mask_logits[target], same_points) > 0).float()
            logits = read(mask_logits[layer][image, query], same_points)
            bce = F.binary_cross_entropy_with_logits(logits, wanted)
            overlap = 2 * (logits.sigmoid() * wanted).sum() + 1
            dice = 1 - overlap / (logits.sigmoid().sum() + wanted.sum() + 1)
            mask_loss, dice_loss = mask_loss + 5 * of_mask * bce, dice_loss + 5 * of_mask * dice
    torch.testing.assert_close(losses['loss_cls'], class_loss / (5 if aligning else class_total))
    torch.testing.assert_close(losses['loss_mask'], mask_loss / 5)
    torch.testing.assert_close(losses['loss_dice'], dice_loss / 5)


# -- weights of pixels ---------------------------------------------------------------------------


@pytest.mark.parametrize('with_pmua', [False, True], ids=['alone', 'with PMUA'])
def test_boundary_weighted_loss_equals_the_loop(build_head, matches, same_points, with_pmua):
    head = build_head(**weighing(BOUNDARY, *[PMUA] * with_pmua))
    batch = pseudo_labels(3, 0, 2)
    cls_logits, mask_logits = predictions(3)
    losses = head.loss_by_feat(cls_logits, mask_logits, batch)
    targets = torch.cat([instances.mask_logits for instances in batch])
    expected = []
    for layer in range(NUM_LAYERS):
        total = 0.0
        for image, query, target in zip(*(part[layer].tolist() for part in matches), strict=True):
            mine = mask_logits[layer][image, query]
            wanted = read(targets[target], same_points)
            g = read(boundary_map(mine[None])[0], same_points)
            weight = 3 * g / g.mean()
            if with_pmua:
                weight = weight * (1 - mask_uncertainty(wanted))
            bce = F.binary_cross_entropy_with_logits(
                read(mine, same_points), (wanted > 0).float(), reduction='none'
            )
            total = total + 5 * (weight * bce).mean()
        expected.append(total / 5)
    torch.testing.assert_close(losses['loss_mask'], expected[-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses['aux_loss_mask'], sum(expected[:-1]), atol=1e-4, rtol=1e-4)


def test_boundary_weights_leave_dice_and_classes_alone(build_head):
    logits, losses = predictions(2), []
    for options in (weighing(), weighing(BOUNDARY)):
        head = build_head(**options)
        torch.manual_seed(3)
        losses.append(head.loss_by_feat(*logits, pseudo_labels(2, 1)))
    plain, weighted = losses
    assert plain.pop('loss_mask') != weighted.pop('loss_mask')
    assert plain.pop('aux_loss_mask') != weighted.pop('aux_loss_mask')
    assert plain == weighted


@pytest.mark.parametrize('part', [BOUNDARY, PMUA], ids=['boundary', 'PMUA'])
def test_ground_truth_is_not_weighted(build_head, part):
    logits, batch, losses = predictions(2), ground_truth(2, 1), []
    for head in (build_head(), build_head(**weighing(part))):
        torch.manual_seed(3)
        losses.append(head.loss_by_feat(*logits, copy.deepcopy(batch)))
    assert losses[0] == losses[1]


def test_no_label_teaches_no_object_alone(build_head):
    cls_logits, mask_logits = predictions(2)
    losses = loss_of(
        build_head(), (cls_logits, mask_logits), pseudo_labels(0, 0), DynamicAligningWeights()
    )
    expected = -2 * 0.1225 * cls_logits[-1].log_softmax(dim=-1)[..., -1].sum()  # by one label
    torch.testing.assert_close(losses['loss_cls'], expected)
    assert losses['loss_mask'] == losses['loss_dice'] == 0


@pytest.mark.parametrize('counts', [(3, 1), (4, 0)])
def test_ranks_give_the_mean_of_one_batch(
    build_head, run_on_ranks, monkeypatch, same_points, counts
):
    """Uneven ranks: the losses' mean over ranks is the loss of all images together."""

    def first_queries(costs):
        """Random points aside: target after target, in each layer alike."""
        sizes = [cost.shape[2] for cost in costs]
        image = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        query = torch.cat([torch.arange(size) for size in sizes])
        columns = image, query, torch.arange(sum(sizes))
        return tuple(column.expand(NUM_LAYERS, -1) for column in columns)

    monkeypatch.setattr(semi_mask2former_head, 'hungarian_match', first_queries)
    head = build_head(**weighing(BOUNDARY))
    cls_logits, mask_logits = predictions(2)
    batch = pseudo_labels(*counts)

    def of(images):
        outputs = [[x[images] for x in logits] for logits in (cls_logits, mask_logits)]
        return loss_of(head, outputs, batch[images], DynamicAligningWeights())

    def on_rank(rank):
        losses = of(slice(rank, rank + 1))
        return {name: reduce_mean(loss).item() for name, loss in losses.items()}

    together = {name: loss.item() for name, loss in of(slice(0, 2)).items()}
    first, second = run_on_ranks(on_rank)
    assert first == second == pytest.approx(together, rel=1e-4)
