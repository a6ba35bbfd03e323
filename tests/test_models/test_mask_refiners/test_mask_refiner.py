"""What every refiner of masks does with its proposals."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmpldc.functional import PixelNormalization, mask_quality, mask_uncertainty
from mmpldc.models.mask_refiners import MaskProposals, MaskRefiner
from mmpldc.schedules import Progress

SIZE, STRIDE = 32, 4
CELLS = SIZE // STRIDE
AS_IS = PixelNormalization(0.0, 255.0, is_rgb=True)
PROGRESS = Progress(step=50, pseudo_label_start=0, max_steps=100)


def mask(top, left, bottom, right, logit=3.0):
    cells = torch.full((CELLS, CELLS), -logit)
    cells[top:bottom, left:right] = logit
    return cells


class Proposes(MaskRefiner):
    """Proposes given masks, and remembers what it was asked."""

    def __init__(self, masks, quality=None, valid=None, **options):
        super().__init__(**options)
        self.answer = MaskProposals(
            (masks > 0).float(),
            torch.ones(len(masks)) if quality is None else quality,
            torch.ones(len(masks), dtype=torch.bool) if valid is None else valid,
        )
        self.asked = []

    def propose(self, images, sizes, mask_logits, image_index):
        self.asked.append((images, sizes, mask_logits, image_index))
        return self.answer


def labels_of(*masks):
    count = len(masks)
    class_quality = torch.full((count,), 0.9)
    logits = torch.stack(masks) if masks else torch.zeros(0, CELLS, CELLS)
    quality = mask_quality(logits)[0]
    return InstanceData(
        metainfo=dict(uncertain_queries=count),
        labels=torch.arange(count),
        class_quality=class_quality,
        mask_quality=quality,
        scores=class_quality * quality,
        mask_logits=logits,
        cls_logits=torch.zeros(count, 4),
    )


def refine(refiner, instances, images=None, progress=PROGRESS):
    images = torch.rand(len(instances), 3, SIZE, SIZE) if images is None else images
    samples = [DetDataSample(metainfo=dict(img_shape=(SIZE, 24))) for _ in instances]
    return refiner(instances, images, samples, progress, AS_IS)


def test_accepted_masks_replace_the_teachers_and_others_stay():
    first, second, third = mask(0, 0, 4, 4), mask(4, 0, 8, 4), mask(0, 0, 4, 4)
    grown = mask(0, 0, 4, 5)
    proposed = torch.stack([grown, mask(4, 4, 8, 8), grown])  # the second is elsewhere
    refiner = Proposes(proposed, weight=1.0)
    given = [labels_of(first, second), labels_of(third)]
    before = [one.mask_logits.clone() for one in given]
    found = refine(refiner, given)
    assert [one.refined.tolist() for one in found] == [[True, False], [True]]
    assert ((found[0].mask_logits > 0) == (torch.stack([grown, second]) > 0)).all()
    assert ((found[1].mask_logits > 0) == (grown > 0)).all()
    assert found[0].mask_quality[1] == given[0].mask_quality[1]
    assert found[0].mask_quality[0] > 0.999  # certain
    assert found[0].labels.tolist() == [0, 1] and found[0].uncertain_queries == 2
    for one, masks in zip(given, before, strict=True):  # not modified
        assert one.mask_logits.equal(masks) and 'refined' not in one


def test_where_both_disagree_pmua_leaves_the_pixel_out():
    refiner = Proposes(mask(0, 0, 4, 5)[None], weight=0.5)
    (found,) = refine(refiner, [labels_of(mask(0, 0, 4, 4, logit=8.0))])
    uncertainty = mask_uncertainty(found.mask_logits[0])
    assert uncertainty[:4, 4].min() > 0.99  # the column that only the refiner has
    assert uncertainty[:4, :4].max() < 0.01 and uncertainty[4:].max() < 0.01


def test_what_a_refiner_is_asked():
    refiner = Proposes(torch.stack([mask(0, 0, 4, 4)] * 3))
    images = torch.rand(3, 3, SIZE, SIZE)
    given = [labels_of(mask(0, 0, 4, 4)), labels_of(), labels_of(*[mask(0, 0, 4, 4)] * 2)]
    found = refine(refiner, given, images)
    ((asked, sizes, logits, index),) = refiner.asked
    torch.testing.assert_close(asked, images)
    assert sizes == [(SIZE, 24)] * 3 and index.tolist() == [0, 2, 2]
    assert logits.shape == (3, CELLS, CELLS)
    assert [len(one) for one in found] == [1, 0, 2]


def test_it_is_not_asked_without_labels_or_weight():
    refiner = Proposes(torch.zeros(0, CELLS, CELLS))
    (found,) = refine(refiner, [labels_of()])
    assert len(found) == 0 and found.refined.dtype == torch.bool and not refiner.asked
    fade = dict(type='mmpldc.Ramp', start=1.0, end=0.0, begin=0, until=10)
    refiner = Proposes(mask(0, 0, 4, 5)[None], weight=fade)
    (found,) = refine(refiner, [labels_of(mask(0, 0, 4, 4))])
    assert not refiner.asked and found.refined.tolist() == [False]
    refine(refiner, [labels_of(mask(0, 0, 4, 4))], progress=PROGRESS._replace(step=5))
    assert refiner.asked


@pytest.mark.parametrize(
    'answer',
    [
        dict(quality=torch.tensor([0.6])),
        dict(valid=torch.tensor([False])),
    ],
)
def test_bad_proposals_are_not_accepted(answer):
    refiner = Proposes(mask(0, 0, 4, 4)[None], min_quality=0.7, **answer)
    (found,) = refine(refiner, [labels_of(mask(0, 0, 4, 4))])
    assert found.refined.tolist() == [False]


@pytest.mark.parametrize(
    'options', [dict(weight=1.5), dict(min_iou=-0.1), dict(area_ratio=(1.5, 2.0))]
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Proposes(torch.zeros(0, CELLS, CELLS), **options)
