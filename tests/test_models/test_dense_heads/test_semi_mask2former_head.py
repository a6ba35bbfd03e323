"""The criterion against mmdet's on ground truth, and against loops on pseudo-labels."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment

from mmpldc.models.dense_heads import semi_mask2former_head
from mmpldc.models.pseudo_labels.measuring import LARGEST_LOGIT

NUM_LAYERS, NUM_QUERIES, NUM_CLASSES, NUM_POINTS = 3, 8, 3, 64
SIZE = 64  # of the padded images; logits have a quarter of it
NAMES = [f'{prefix}loss_{term}' for prefix in ('', 'aux_') for term in ('cls', 'mask', 'dice')]
CLASS_WEIGHT = [1.0] * NUM_CLASSES + [0.1]
CROSS_ENTROPY = dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0)


@pytest.fixture
def build_head(tiny_detector_cfg):
    """Build the head as ``Mask2Former`` does, with options changed."""

    def build(num_points=NUM_POINTS, **options):
        config = copy.deepcopy(tiny_detector_cfg.panoptic_head)
        if 'loss_mask' in options:
            config.pop('loss_mask')  # its own options are not those of another loss
        config.update(
            train_cfg=copy.deepcopy(tiny_detector_cfg.train_cfg),
            test_cfg=tiny_detector_cfg.test_cfg,
            **options,
        )
        config.train_cfg.num_points = num_points
        torch.manual_seed(0)
        head = MODELS.build(config)
        head.init_weights()
        return head

    return build


def mmdets(build_head, **options):
    """mmdet's own head with the same weights."""
    return build_head(type='Mask2FormerHead', loss_mask=dict(CROSS_ENTROPY), **options)


def ground_truth(*counts, size=SIZE):
    """Per image, as many random rectangles."""
    rng = np.random.default_rng(0)
    batch = []
    for count in counts:
        masks = np.zeros((count, size, size), np.uint8)
        for mask in masks:
            top, left = rng.integers(0, size // 2, 2)
            mask[top : top + rng.integers(9, 30), left : left + rng.integers(9, 30)] = 1
        labels = torch.from_numpy(rng.integers(0, NUM_CLASSES, count))
        batch.append(InstanceData(labels=labels, masks=BitmapMasks(masks, size, size)))
    return batch


def pseudo_labels(*counts, size=SIZE // 4):
    return [
        InstanceData(
            labels=torch.randint(NUM_CLASSES, (count,)),
            mask_logits=3 * torch.randn(count, size, size),
        )
        for count in counts
    ]


def predictions(num_images, num_layers=NUM_LAYERS, size=SIZE // 4, dtype=torch.float32):
    """Leaf tensors: class and mask logits of each layer."""
    shape = (num_layers, num_images, NUM_QUERIES)
    cls_logits = 2 * torch.randn(*shape, NUM_CLASSES + 1)
    mask_logits = 3 * torch.randn(*shape, size, size)
    return tuple(
        [layer.to(dtype).clone().requires_grad_() for layer in logits]
        for logits in (cls_logits, mask_logits)
    )


def samples(batch, size=SIZE):
    meta = dict(img_shape=(size, size), batch_input_shape=(size, size), ori_shape=(size, size))
    return [DetDataSample(metainfo=meta, gt_instances=instances) for instances in batch]


def feature_maps(num_images):
    """What the tiny backbone gives for images of 64 x 64."""
    shapes = ((8, 4), (16, 8), (32, 16), (64, 32))  # channels, stride
    return [torch.randn(num_images, c, SIZE // s, SIZE // s) for c, s in shapes]


class FixedPoints:
    """In place of ``torch.rand``: matching points depend on the image, the loss's on nothing.

    mmdet asks for matching points once for each image of each layer, our head once for all.
    """

    def __init__(self, num_images):
        self.num_images = num_images
        self.calls = 0

    def __call__(self, *size, device=None):
        rows, count, _ = size[0] if isinstance(size[0], tuple) else size
        if count != NUM_POINTS:
            return self.points(count, 99).expand(rows, -1, -1).clone()
        if rows == self.num_images > 1:
            return torch.stack([self.points(count, image) for image in range(rows)])
        self.calls += 1
        return self.points(count, (self.calls - 1) % self.num_images)[None]

    @staticmethod
    def points(count, seed):
        generator = torch.Generator().manual_seed(1000 * seed + count)
        return torch.empty(count, 2).uniform_(generator=generator)


def gradients(losses, *leaves):
    """Of the sum of all losses; zeros where a leaf has no part in it."""
    total = sum(losses.values())
    found = torch.autograd.grad(total, leaves, allow_unused=True, retain_graph=True)
    return [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    ]


def mmdet_losses(head, cls_logits, mask_logits, batch, monkeypatch):
    """mmdet's loss with fixed points, its auxiliary layers summed under our names."""
    instances = head.preprocess_gt(batch, [None] * len(batch))
    with monkeypatch.context() as patch:
        patch.setattr(torch, 'rand', FixedPoints(len(batch)))
        losses = head.loss_by_feat(cls_logits, mask_logits, instances, [{}] * len(batch))
    last = {name: losses[name] for name in NAMES[:3]}
    return last | {
        f'aux_{name}': sum(losses[f'd{layer}.{name}'] for layer in range(len(cls_logits) - 1))
        for name in last
    }


def our_losses(head, cls_logits, mask_logits, batch, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch, 'rand', FixedPoints(len(batch)))
        return head.loss_by_feat(cls_logits, mask_logits, batch)


def assert_same(ours, theirs, cls_logits, mask_logits, mask_factor=1.0):
    """Equal values and gradients, but for a factor on mask and dice losses."""
    assert list(ours) == NAMES
    scaled = {
        name: value * (1 if name.endswith('cls') else mask_factor) for name, value in theirs.items()
    }
    for name in NAMES:
        assert ours[name].shape == ()
        assert ours[name].dtype == torch.float32
        torch.testing.assert_close(ours[name], scaled[name].view(()), atol=1e-5, rtol=1e-5)
    leaves = [*cls_logits, *mask_logits]
    for found, expected in zip(gradients(ours, *leaves), gradients(scaled, *leaves), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


# -- ground truth: mmdet's criterion -------------------------------------------------------------


@pytest.mark.parametrize('options', [{}, dict(loss_mask=CROSS_ENTROPY)], ids=['pmua', 'plain'])
@pytest.mark.parametrize('counts', [(3, 1, 2), (2,), (1, 8)])
def test_equals_mmdets_criterion_on_ground_truth(build_head, monkeypatch, counts, options):
    ours, theirs = build_head(**copy.deepcopy(options)), mmdets(build_head)
    batch = ground_truth(*counts)
    logits = predictions(len(counts))
    assert_same(
        our_losses(ours, *logits, batch, monkeypatch),
        mmdet_losses(theirs, *logits, copy.deepcopy(batch), monkeypatch),
        *logits,
    )


@pytest.mark.parametrize(
    ('counts', 'mmdets_masks', 'targets'),
    [
        ((3, 0, 1), 5, 4),  # an image without targets counts as one mask in mmdet
        ((0, 0, 0, 2), 5, 2),
        ((11, 2), 10, 13),  # targets without a query count here, as in the official code
        ((9,), 8, 9),
    ],
)
def test_normaliser_is_the_number_of_targets(
    build_head, monkeypatch, counts, mmdets_masks, targets
):
    ours, theirs = build_head(), mmdets(build_head)
    batch = ground_truth(*counts)
    logits = predictions(len(counts))
    assert_same(
        our_losses(ours, *logits, batch, monkeypatch),
        mmdet_losses(theirs, *logits, copy.deepcopy(batch), monkeypatch),
        *logits,
        mask_factor=mmdets_masks / targets,
    )


def test_equals_mmdets_through_the_network(build_head, monkeypatch):
    """The same weights and features: the same gradient of each parameter."""
    ours, theirs = build_head(), mmdets(build_head)
    theirs.load_state_dict(ours.state_dict())  # the same names and shapes
    features = feature_maps(3)
    batch = ground_truth(3, 1, 2)
    totals = []
    for head in (ours, theirs):
        head.eval()  # no dropout
        monkeypatch.setattr(torch, 'rand', FixedPoints(3))
        losses = head.loss(features, samples(copy.deepcopy(batch)))
        total = sum(value.sum() for value in losses.values())
        total.backward()
        totals.append(total.detach())
    torch.testing.assert_close(totals[0], totals[1], atol=1e-4, rtol=1e-5)
    for (name, one), (_, other) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_the_base_config_trains_without_dropout(build_head):
    """As Mask2Former does; mmcv's deformable attention drops 10 % unless told otherwise."""
    rates = {
        name: module.p
        for name, module in build_head().named_modules()
        if isinstance(module, torch.nn.Dropout) and module.p > 0
    }
    assert rates == {}


def test_one_layer_has_no_auxiliary_loss(build_head):
    losses = build_head().loss_by_feat(*predictions(2, num_layers=1), ground_truth(2, 1))
    assert list(losses) == NAMES
    assert all(losses[name] == 0 for name in NAMES[3:])
    assert all(losses[name] > 0 for name in NAMES[:3])


# -- images without targets ----------------------------------------------------------------------


@pytest.mark.parametrize('make', [ground_truth, pseudo_labels])
def test_all_images_empty(build_head, make):
    """Mask losses are zero; class losses train "no object"; every parameter gets a gradient."""
    head = build_head()
    features = feature_maps(2)
    losses = head.loss(features, samples(make(0, 0)))
    assert list(losses) == NAMES
    for name in NAMES:
        assert (losses[name] > 0) if name.endswith('cls') else (losses[name] == 0)
    sum(losses.values()).backward()
    missing = [name for name, parameter in head.named_parameters() if parameter.grad is None]
    assert missing == []
    assert head.mask_embed[0].weight.grad.eq(0).all()
    assert head.cls_embed.weight.grad.ne(0).any()


def test_all_images_empty_equals_mmdet(build_head, monkeypatch):
    logits = predictions(2)
    batch = ground_truth(0, 0)
    assert_same(
        our_losses(build_head(), *logits, batch, monkeypatch),
        mmdet_losses(mmdets(build_head), *logits, copy.deepcopy(batch), monkeypatch),
        *logits,
    )


def test_a_full_batch_gives_every_parameter_a_gradient(build_head):
    head = build_head()
    features = feature_maps(2)
    sum(head.loss(features, samples(pseudo_labels(2, 0))).values()).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert head.mask_embed[0].weight.grad.ne(0).any()


# -- pseudo-labels: loops ------------------------------------------------------------------------


def read(maps, points):
    """Bilinear values ``(K, P)`` of ``(K, h, w)`` maps at ``(K, P, 2)`` or ``(P, 2)`` points."""
    points = points.expand(len(maps), -1, -1)
    sampled = F.grid_sample(maps[:, None].float(), 2 * points[:, :, None] - 1, align_corners=False)
    return sampled[:, 0, :, 0]


def naive_match(cls_logits, mask_logits, labels, maps, points):
    """Mask2Former's matching of one image and layer: cost 2 class + 5 BCE + 5 dice."""
    cost = np.zeros((len(cls_logits), len(labels)))
    for query in range(len(cls_logits)):
        probabilities = cls_logits[query].softmax(dim=0)
        logits = read(mask_logits[query][None], points)[0]
        mask = logits.sigmoid()
        for target in range(len(labels)):
            wanted = (read(maps[target][None], points)[0] > 0).float()
            bce = F.binary_cross_entropy_with_logits(logits, wanted)
            dice = 1 - (2 * (mask * wanted).sum() + 1) / (mask.sum() + wanted.sum() + 1)
            cost[query, target] = -2 * probabilities[labels[target]] + 5 * bce + 5 * dice
    return linear_sum_assignment(cost)


def naive_losses(cls_logits, mask_logits, batch, loss_points):
    """All losses of pseudo-labelled images; ``loss_points[t]`` belong to target t of the batch."""
    num_targets = sum(len(instances) for instances in batch)
    layers = []
    for layer_cls, layer_masks in zip(cls_logits, mask_logits, strict=True):
        wanted = torch.full(layer_cls.shape[:2], NUM_CLASSES)
        mask_loss = dice_loss = 0.0
        first = 0
        for image, instances in enumerate(batch):
            with torch.no_grad():
                pairs = naive_match(
                    layer_cls[image],
                    layer_masks[image],
                    instances.labels,
                    instances.mask_logits,
                    FixedPoints.points(NUM_POINTS, image),
                )
            for query, target in zip(*pairs, strict=True):
                wanted[image, query] = instances.labels[target]
                points = loss_points[first + target]
                teacher = read(instances.mask_logits[target][None], points)[0].sigmoid()
                pseudo_mask = (teacher > 0.5).float()
                certainty = 2 * (teacher - 0.5).abs()  # 1 - u
                logits = read(layer_masks[image, query][None], points)[0]
                bce = F.binary_cross_entropy_with_logits(logits, pseudo_mask, reduction='none')
                mask_loss = mask_loss + (certainty * bce).mean()
                mask = logits.sigmoid()
                overlap = 2 * (mask * pseudo_mask).sum() + 1
                dice_loss = dice_loss + 1 - overlap / (mask.sum() + pseudo_mask.sum() + 1)
            first += len(instances)
        weight = torch.tensor(CLASS_WEIGHT)[wanted]
        log_probabilities = layer_cls.log_softmax(dim=-1).gather(2, wanted[..., None])[..., 0]
        layers.append(
            (
                -2 * (weight * log_probabilities).sum() / weight.sum(),
                5 * mask_loss / num_targets,
                5 * dice_loss / num_targets,
            )
        )
    last, auxiliary = layers[-1], [sum(terms) for terms in zip(*layers[:-1], strict=True)]
    return dict(zip(NAMES, [*last, *auxiliary], strict=True))


def test_pseudo_labels_equal_the_loop(build_head, monkeypatch):
    head, batch = build_head(), pseudo_labels(3, 0, 1, 2)
    logits = predictions(4)
    loss_points = torch.rand(6, NUM_POINTS, 2)
    monkeypatch.setattr(
        semi_mask2former_head,
        'uncertain_points',
        # rows are layer after layer, in each the targets of the batch
        lambda *_, **__: loss_points.repeat(NUM_LAYERS, 1, 1),
    )
    assert_same(
        our_losses(head, *logits, batch, monkeypatch),
        naive_losses(*logits, batch, loss_points),
        *logits,
    )


def test_pseudo_masks_of_another_resolution(build_head, monkeypatch):
    """Points are relative to the padded frame, so upsampled pseudo-masks fit as well."""
    head, logits = build_head(), predictions(2)
    small, coarse, fine = (pseudo_labels(2, 1, size=4) for _ in range(3))
    for seed, sized, size in zip(small * 2, coarse + fine, (16, 16, 64, 64), strict=True):
        sized.labels = seed.labels
        sized.mask_logits = F.interpolate(seed.mask_logits[None], (size, size), mode='bicubic')[0]
    losses = [our_losses(head, *logits, batch, monkeypatch) for batch in (coarse, fine)]
    for name in NAMES:
        assert losses[0][name].item() == pytest.approx(losses[1][name].item(), rel=0.1)


def test_uncertainty_lowers_the_mask_loss_alone(build_head, monkeypatch):
    pmua, plain = build_head(), build_head(loss_mask=dict(CROSS_ENTROPY))
    logits, batch = predictions(2), pseudo_labels(3, 2)
    weighted, unweighted = (our_losses(head, *logits, batch, monkeypatch) for head in (pmua, plain))
    for name in NAMES:
        if name.endswith('mask'):
            assert 0 < weighted[name] < 0.95 * unweighted[name]
        else:
            assert weighted[name] == unweighted[name]


def test_plain_cross_entropy_sees_only_the_sign_of_pseudo_masks(build_head, monkeypatch):
    head, logits = build_head(loss_mask=dict(CROSS_ENTROPY)), predictions(2)
    batch = pseudo_labels(3, 2)
    for instances in batch:  # constant maps: the same sign wherever they are read
        instances.mask_logits = instances.mask_logits[:, :1, :1].expand(-1, 16, 16).clone()
    weak = copy.deepcopy(batch)
    for instances in weak:
        instances.mask_logits = 0.1 * instances.mask_logits
    one, other = (our_losses(head, *logits, labels, monkeypatch) for labels in (batch, weak))
    for name in NAMES:
        torch.testing.assert_close(one[name], other[name])
    pmua = build_head()
    one, other = (our_losses(pmua, *logits, labels, monkeypatch) for labels in (batch, weak))
    assert other['loss_mask'] < 0.5 * one['loss_mask']


def test_certain_pseudo_labels_equal_ground_truth(build_head, monkeypatch):
    """Masks of whole cells of the logits' map, so that both forms agree but at cell borders."""
    head, logits = build_head(), predictions(2)
    cells = [(torch.rand(count, 16, 16) > 0.5).float() for count in (2, 1)]
    points = torch.randint(16, (3 * NUM_LAYERS, NUM_POINTS, 2)) / 16 + 1 / 32  # centres of cells
    monkeypatch.setattr(semi_mask2former_head, 'uncertain_points', lambda *_, **__: points)
    monkeypatch.setattr(torch, 'rand', lambda rows, *_, **__: points[:rows])
    truth, pseudo = [], []
    for maps in cells:
        labels = torch.arange(len(maps))
        fine = maps.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
        masks = BitmapMasks(fine.numpy().astype(np.uint8), SIZE, SIZE)
        truth.append(InstanceData(labels=labels, masks=masks))
        pseudo.append(InstanceData(labels=labels, mask_logits=60 * maps - 30))
    assert_same(head.loss_by_feat(*logits, pseudo), head.loss_by_feat(*logits, truth), *logits)


def test_pseudo_labels_get_no_gradient(build_head):
    batch = pseudo_labels(2, 1)
    for instances in batch:
        instances.mask_logits.requires_grad_()
    sum(build_head().loss_by_feat(*predictions(2), batch).values()).backward()
    assert all(instances.mask_logits.grad is None for instances in batch)


def test_more_pseudo_labels_than_queries(build_head):
    losses = build_head().loss_by_feat(*predictions(2), pseudo_labels(12, 1))
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_a_mixed_batch_is_refused(build_head):
    batch = [*ground_truth(2), *pseudo_labels(1)]
    with pytest.raises(ValueError, match='either pseudo-labels or ground truth'):
        build_head().loss_by_feat(*predictions(2), batch)


def test_certain_pseudo_masks_do_not_break_the_loss(build_head):
    """The largest logits that pass the filter, which clamps infinite ones."""
    batch = pseudo_labels(2, 1)
    for instances in batch:
        instances.mask_logits = instances.mask_logits.sign() * LARGEST_LOGIT
    losses = build_head().loss_by_feat(*predictions(2), batch)
    assert all(loss.isfinite() for loss in losses.values())


def test_diverged_predictions_have_a_loss_that_is_not_finite(build_head):
    """They match all the same: an error on one rank would leave the others waiting."""
    cls_logits, mask_logits = predictions(2)
    with torch.no_grad():
        mask_logits[1][0, 3, 5, 5] = float('nan')
        mask_logits[1][0, 3] *= float('nan')
        cls_logits[2][1] = float('nan')
    losses = build_head().loss_by_feat(cls_logits, mask_logits, ground_truth(2, 1))
    assert losses['loss_cls'].isnan() and not losses['aux_loss_cls'].isnan()


# -- precision -----------------------------------------------------------------------------------


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('make', [ground_truth, pseudo_labels])
def test_autocast_gives_finite_float32_losses(build_head, make, dtype):
    head = build_head()
    features = feature_maps(2)
    with torch.autocast('cpu', dtype=dtype):
        losses = head.loss(features, samples(make(3, 1)))
    for loss in losses.values():
        assert loss.dtype == torch.float32
        assert loss.isfinite()
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_summed_in_float32(build_head, monkeypatch, dtype):
    """Sums over 12,544 points with losses of 20 would overflow in float16."""
    head, batch = build_head(num_points=12544), ground_truth(2, 1)
    cls_logits, mask_logits = predictions(2, num_layers=2, dtype=dtype)
    with torch.no_grad():
        for logits in mask_logits:
            logits *= 10
    torch.manual_seed(5)
    with torch.autocast('cpu', dtype=dtype):
        half = head.loss_by_feat(cls_logits, mask_logits, batch)
    torch.manual_seed(5)
    full = head.loss_by_feat(
        [x.float() for x in cls_logits], [x.float() for x in mask_logits], batch
    )
    for name in NAMES:
        assert half[name].dtype == torch.float32
        assert half[name] == full[name]
