"""Objects of one image, pasted with their labels into another one."""

import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmpldc.models import InstanceCopyPaste
from mmpldc.models.pseudo_labels import LabeledView, without_labels
from mmpldc.structures import PackedMasks

SIDE, STRIDE, CLASSES = 32, 4, 3
ALL = dict(prob=1.0, object_prob=1.0)


def square(left: int, top: int, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[top : top + side, left : left + side] = True
    return mask


def pseudo(masks: list[torch.Tensor], label: int) -> InstanceData:
    """The teacher's labels, with logits of 5 inside and -5 outside."""
    if not masks:
        return without_labels(1, CLASSES, (SIDE // STRIDE, SIDE // STRIDE), 'cpu')[0]
    coarse = torch.stack(masks)[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    found = torch.full((len(masks),), label)
    return InstanceData(
        labels=found,
        class_quality=torch.full((len(masks),), 0.8),
        cls_logits=torch.nn.functional.one_hot(found, CLASSES + 1).float(),
        mask_quality=torch.full((len(masks),), 0.9),
        mask_logits=torch.where(coarse, 5.0, -5.0),
        scores=torch.full((len(masks),), 0.72),
    )


def annotated(masks: list[torch.Tensor], label: int) -> InstanceData:
    return InstanceData(labels=torch.full((len(masks),), label), masks=packed(torch.stack(masks)))


def packed(masks: torch.Tensor) -> PackedMasks:
    pixels = masks.numpy().astype('uint8')
    return PackedMasks.pack(BitmapMasks(pixels, *pixels.shape[1:]))


def view(labels: list[InstanceData], value: float, sizes: list | None = None) -> LabeledView:
    """Images of one value each: ``value``, ``value + 1``, ..."""
    images = torch.arange(len(labels)) + value
    images = images[:, None, None, None].expand(-1, 3, SIDE, SIDE)
    return LabeledView(images, labels, sizes or [(SIDE, SIDE)] * len(labels))


def upsampled(labels: InstanceData) -> torch.Tensor:
    """The mask of the only label at the size of the image: its corners are cut."""
    logits = labels.mask_logits[None]
    return torch.nn.functional.interpolate(logits, (SIDE, SIDE), mode='bilinear')[0, 0] > 0


def masks_of(labels: InstanceData) -> torch.Tensor:
    return labels.mask_logits > 0


def test_pseudo_labels_go_to_the_image_before_theirs_with_their_pixels():
    first, second = square(0, 0), square(16, 16)
    unlabeled = view([pseudo([first], 0), pseudo([second], 1)], value=10.0)
    before = [labels.mask_logits.clone() for labels in unlabeled.labels]
    images, labels = InstanceCopyPaste(**ALL)(unlabeled, view([], 0.0))

    first, second = (upsampled(labels) for labels in unlabeled.labels)
    assert torch.equal(images[0], torch.where(second, 11.0, 10.0).expand(3, -1, -1))
    assert torch.equal(images[1], torch.where(first, 10.0, 11.0).expand(3, -1, -1))
    assert [found.labels.tolist() for found in labels] == [[0, 1], [1, 0]]
    for found, own, other in zip(labels, unlabeled.labels, unlabeled.labels[::-1], strict=True):
        assert torch.equal(masks_of(found), torch.cat([masks_of(own), masks_of(other)]))
        assert torch.equal(found.class_quality, torch.tensor([0.8, 0.8]))
    for labels_, logits in zip(unlabeled.labels, before, strict=True):
        assert len(labels_) == 1 and torch.equal(labels_.mask_logits, logits), 'modified'


def test_what_is_hidden_loses_its_pixels_and_goes_if_little_is_left():
    wide, right, almost = square(0, 0, 32), square(16, 0), square(2, 2, 28)
    half = view([pseudo([wide], 0), pseudo([right], 1)], value=0.0)
    _, labels = InstanceCopyPaste(**ALL)(half, view([], 0.0))
    assert labels[0].labels.tolist() == [0, 1]
    visible = masks_of(half.labels[0])[0] & ~masks_of(half.labels[1])[0]
    assert torch.equal(masks_of(labels[0])[0], visible)
    assert labels[1].labels.tolist() == [0], 'all of its label is hidden'

    outside = view([pseudo([], 0)], value=0.0, sizes=[(8, 8)])
    labeled = view([annotated([right], 1)], value=1.0)
    (none,) = InstanceCopyPaste(source='labeled', **ALL)(outside, labeled)[1]
    assert len(none) == 0 and none.mask_logits.shape == (0, SIDE // 4, SIDE // 4)

    most = view([pseudo([wide], 0), pseudo([almost], 1)], value=0.0)
    assert InstanceCopyPaste(**ALL)(most, view([], 0.0))[1][0].labels.tolist() == [1]
    keep = InstanceCopyPaste(min_visible=0.1, **ALL)
    assert keep(most, view([], 0.0))[1][0].labels.tolist() == [0, 1]


def test_annotated_objects_are_certain():
    mask = square(8, 8)
    unlabeled = view([pseudo([], 0), pseudo([square(0, 0, 8)], 0)], value=0.0)
    labeled = view([annotated([mask], 2)], value=50.0)  # serves both
    images, labels = InstanceCopyPaste(source='labeled', **ALL)(unlabeled, labeled)
    assert torch.equal(images[0], torch.where(mask, 50.0, 0.0).expand(3, -1, -1))
    assert labels[0].labels.tolist() == [2] and labels[1].labels.tolist() == [0, 2]
    for found in labels:
        pasted = found[-1:]
        assert (
            pasted.class_quality.item() == pasted.mask_quality.item() == pasted.scores.item() == 1
        )
        assert pasted.cls_logits.softmax(-1)[0, 2] > 0.999
        assert torch.equal(masks_of(pasted)[0], mask[2::4, 2::4])
        assert pasted.mask_logits.abs().min() > 10


@pytest.mark.parametrize('size', [(SIDE, 16), (16, SIDE)])
def test_nothing_is_pasted_into_the_padding(size):
    unlabeled = view([pseudo([], 0)], value=0.0, sizes=[size])
    labeled = view([annotated([square(8, 8), square(16, 16)], 2)], value=50.0)
    images, (labels,) = InstanceCopyPaste(source='labeled', **ALL)(unlabeled, labeled)
    content = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    content[: size[0], : size[1]] = True
    assert torch.equal(images[0, 0] == 50, square(8, 8) & content)
    assert torch.equal(masks_of(labels)[0], (square(8, 8) & content)[2::4, 2::4])
    assert len(labels) == 1, 'the other one is outside'


def test_labelled_images_of_another_size():
    large = torch.zeros(1, 40, 24, dtype=torch.uint8)
    large[0, 8:16, 8:16] = large[0, 36:, :] = 1
    donor = InstanceData(labels=torch.tensor([1]), masks=packed(large))
    labeled = LabeledView(torch.full((1, 3, 40, 24), 7.0), [donor], [(40, 24)])
    images, (labels,) = InstanceCopyPaste(source='labeled', **ALL)(
        view([pseudo([], 0)], value=0.0), labeled
    )
    assert torch.equal(images[0, 0] == 7, square(8, 8, 8))
    assert torch.equal(masks_of(labels)[0], square(8, 8, 8)[2::4, 2::4])


def test_an_image_alone_or_without_luck_stays_as_it_is():
    alone = view([pseudo([square(0, 0)], 0)], value=3.0)
    two = view([pseudo([square(0, 0)], 0), pseudo([square(0, 0)], 1)], value=3.0)
    for unlabeled, options in (
        (alone, ALL),
        (two, dict(prob=0.0, object_prob=1.0)),
        (two, dict(prob=1.0, object_prob=0.0)),
    ):
        images, labels = InstanceCopyPaste(**options)(unlabeled, view([], 0.0))
        assert torch.equal(images, unlabeled.images)
        for found, own in zip(labels, unlabeled.labels, strict=True):
            assert torch.equal(found.mask_logits, own.mask_logits)


def test_share_of_images_and_objects():
    torch.manual_seed(0)
    corners = [square(left, top, 8) for left in (0, 24) for top in (0, 24)]
    labeled = view([annotated(corners, 0)], value=1.0)
    paste = InstanceCopyPaste(source='labeled', prob=0.5, object_prob=0.25)
    unlabeled = view([pseudo([], 0)] * 400, value=0.0)
    counts = torch.tensor([len(found) for found in paste(unlabeled, labeled)[1]]).float()
    assert abs(counts.mean() - 0.5 * 0.25 * 4) < 0.1
    assert abs((counts == 0).float().mean() - (0.5 + 0.5 * 0.75**4)) < 0.08


def test_what_is_noted_of_an_image_and_weak_labels_stay():
    own = pseudo([square(0, 0)], 0)
    own.weak = torch.tensor([True])
    own.set_metainfo(dict(uncertain_queries=torch.tensor([True, False])))
    paste = InstanceCopyPaste(source='labeled', **ALL)
    (_, (labels,)) = paste(view([own], 0.0), view([annotated([square(16, 16)], 1)], 1.0))
    assert labels.weak.tolist() == [True, False]
    assert labels.uncertain_queries.tolist() == [True, False]


@pytest.mark.parametrize('source', ['unlabeled', 'labeled'])
def test_all_images_have_the_fields_that_other_parts_noted(source):
    """Whether or not anything was pasted into them: weights are of the joined labels."""
    torch.manual_seed(1)  # some images get an object, and some do not
    own = [pseudo([square(16 * (number % 2), 0, 8)], 0) for number in range(8)]
    for number, labels in enumerate(own):
        labels.corrected = labels.refined = torch.tensor([True])
        labels.set_metainfo(dict(uncertain_queries=torch.tensor([number])))
    labeled = view([annotated([square(16, 16)], 1)], 1.0)
    paste = InstanceCopyPaste(source=source, prob=0.5, object_prob=1.0)
    images = paste(view(own, 0.0), labeled)[1]
    assert {len(found) for found in images} == {1, 2}
    joined = InstanceData.cat(images)
    assert joined.corrected.sum() == len(joined if source == 'unlabeled' else own)
    assert [found.uncertain_queries.item() for found in images] == list(range(8))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(source='student'), 'source must be one of'),
        (dict(prob=1.5), r'prob must lie in \[0, 1\], got 1.5'),
        (dict(min_visible=-1), 'min_visible must lie'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        InstanceCopyPaste(**options)
