"""U2PL's contrastive loss as a part of a model: whose features, which pixels, on how many ranks."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS

from mmpldc.functional import label_probabilities
from mmpldc.models.segmentors import PixelContrast, TeacherMaps

NUM_CLASSES, CHANNELS = 5, 6
SIZE = (2, NUM_CLASSES, 8, 8)


@pytest.fixture
def contrast():
    return build()


def build(**settings) -> PixelContrast:
    options = dict(
        num_classes=NUM_CLASSES,
        channels=CHANNELS,
        low_rank=2,
        high_rank=4,
        num_anchors=16,
        num_negatives=4,
        keys_per_class=8,
        capacity=20,
        background_capacity=30,
        loss_weight=1.0,
    )
    return MODELS.build(dict(options | settings, type='mmpldc.PixelContrast'))


def maps(classes=range(NUM_CLASSES)) -> tuple[torch.Tensor, torch.Tensor, TeacherMaps]:
    """A labelled and an unlabelled image: labels of both, the teacher's view of them."""
    logits, features = torch.randn(SIZE), torch.randn(2, CHANNELS, *SIZE[2:])
    labels = torch.tensor(list(classes))[torch.randint(0, len(classes), (2, *SIZE[2:]))]
    unreliable = torch.zeros(labels.shape, dtype=torch.bool)
    unreliable[1, :3] = True
    truth, pseudo_labels = labels.clone(), labels.clone()
    truth[1], pseudo_labels[0] = 255, 255
    truth[0, :, :2], pseudo_labels[unreliable] = 255, 255
    labels = truth.where(truth != 255, pseudo_labels)
    probability = label_probabilities(5 * F.one_hot(labels % 5, 5).permute(0, 3, 1, 2), labels)
    return labels, probability, TeacherMaps(features, logits, truth, pseudo_labels, unreliable)


def test_gradient_reaches_anchors_of_every_present_class_alone(contrast):
    """The release mixes up classes when some are absent: only class 0 learns here."""
    labels, probability, teacher = maps(classes=(0, 4))
    probability[:, :, 0] = 0.2
    features = torch.randn(teacher.features.shape, requires_grad=True)
    for _ in range(30):  # of the draws
        contrast(features, labels, probability, teacher).backward()
    moved = features.grad.abs().sum(dim=1) > 0
    expected = (labels != 255) & (probability > 0.3)
    assert torch.equal(moved, expected)
    assert all(moved[labels == label].any() for label in (0, 4))


def test_keys_are_negatives_of_their_class_and_not_padding(contrast):
    """Each pixel's feature says which one it is."""
    labels, probability, teacher = maps()
    pixels = torch.arange(128.0).view(2, 1, 8, 8)
    angle = pixels / 128
    features = torch.cat([angle.cos(), angle.sin(), torch.zeros(2, CHANNELS - 2, 8, 8)], dim=1)
    contrast(torch.randn(features.shape), labels, probability, teacher._replace(features=features))
    order = teacher.logits.permute(0, 2, 3, 1).flatten(0, 2).argsort(dim=1, descending=True)
    truth, unreliable = teacher.truth.flatten(), teacher.unreliable.flatten()
    for label in range(NUM_CLASSES):
        keys = contrast.bank.of_class(label)
        found = (torch.atan2(keys[:, 1], keys[:, 0]) * 128).round().long().tolist()
        assert len(found) == 8 == len(set(found))
        for pixel in found:
            rank = order[pixel].tolist().index(label)
            if pixel < 64:
                assert truth[pixel] not in (label, 255) and rank < 2
            else:
                assert unreliable[pixel] and 2 <= rank < 4


def test_positive_is_the_teachers_mean():
    """With one class, one negative and a student that equals the prototype the loss is known."""
    contrast = build(num_negatives=1)
    labels, probability, teacher = maps()
    mean = torch.stack(
        [teacher.features.permute(0, 2, 3, 1)[labels == c].mean(dim=0) for c in range(5)]
    )
    mean = F.normalize(mean, dim=1)
    student = mean[labels % 5].permute(0, 3, 1, 2)
    found = []
    for _ in range(200):
        found.append(contrast(student, labels, probability, teacher).item())
    bank = [contrast.bank.of_class(label) for label in range(5)]
    assert all(len(keys) for keys in bank)
    # log(1 + exp((cos(negative) - 1) / tau)) of random negatives, which are as good as random
    assert 0.05 < sum(found) / 200 < 0.6
    worse = contrast(-student, labels, probability, teacher).item()
    assert worse > 2 * max(found)


def test_without_anchors_or_keys(contrast):
    labels, probability, teacher = maps()
    features = torch.randn(teacher.features.shape, requires_grad=True)
    nothing = torch.full_like(labels, 255)
    for own, theirs in (
        (nothing, teacher),
        (labels, teacher._replace(truth=nothing, unreliable=teacher.unreliable & False)),
    ):
        loss = build()(features, own, probability, theirs)
        loss.backward()
        assert loss.item() == 0 and features.grad.eq(0).all()


def test_bank_is_part_of_the_state(contrast):
    contrast(*(torch.randn(2, CHANNELS, 8, 8), *maps()))
    other = build()
    other.load_state_dict(contrast.state_dict())
    assert other.bank.filled.tolist() == contrast.bank.filled.tolist() == [8] * 5
    assert contrast.bank.capacities.tolist() == [30, 20, 20, 20, 20]
    other.load_state_dict({})  # of another method


def test_two_ranks(run_on_ranks):
    """Equal banks; equal data gives one rank's gradient, and a rank without anchors waits for none.

    The release divides the loss by the number of ranks, and DDP divides once more.
    """

    def step(rank: int, empty_rank: int | None = None):
        torch.manual_seed(5)
        labels, probability, teacher = maps()
        # A class's anchors are alike, and so are all keys: those of unreliable pixels, as no
        # labelled pixel is mistaken for another class. What is drawn does not matter.
        features = F.one_hot(labels % 5, CHANNELS).permute(0, 3, 1, 2).float()
        logits = teacher.logits.clone()
        logits[0] = 9 * features[0, :NUM_CLASSES]
        others = teacher.unreliable[:, None]
        teacher = teacher._replace(features=features.masked_fill(others, 1.0), logits=logits)
        weight = (torch.eye(CHANNELS) + 0.3 * torch.randn(CHANNELS, CHANNELS)).requires_grad_()
        contrast = build(low_rank=1)
        if rank == empty_rank:
            labels = torch.full_like(labels, 255)
            teacher = teacher._replace(truth=labels, unreliable=teacher.unreliable & False)
        student = torch.einsum('bchw,cd->bdhw', features, weight)
        contrast(student, labels, probability, teacher).backward()
        return weight.grad.numpy(), {n: v.numpy() for n, v in contrast.state_dict().items()}

    alone, _ = step(0)
    (first, one), (second, two) = run_on_ranks(step)
    torch.testing.assert_close(torch.from_numpy(first + second) / 2, torch.from_numpy(alone))
    assert abs(alone).max() > 0.01
    assert one['bank.filled'].tolist() == [16] * 5
    for name, value in one.items():
        assert (value == two[name]).all()
    (first, one), (second, two) = run_on_ranks(step, 1)
    assert abs(first).max() > 0 and (second == 0).all()
    assert all((value == two[name]).all() for name, value in one.items())


@pytest.mark.parametrize(
    'ranks', [dict(low_rank=0), dict(low_rank=4), dict(low_rank=5, high_rank=9)]
)
def test_refuses_ranks_that_give_nothing(ranks):
    with pytest.raises(ValueError, match='low_rank below the number of classes'):
        build(**ranks)
