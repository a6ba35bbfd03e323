"""The maps that U2PL's contrast compares, pixel by pixel."""

import pytest
import torch

from mmpldc.models.pseudo_labels.dense import DenseLabels
from mmpldc.models.segmentors.contrast_maps import contrast_maps
from mmpldc.models.segmentors.mixing import MixPlan
from mmpldc.models.segmentors.outputs import SegOutputs, TeacherPass
from mmpldc.models.segmentors.student_view import mix_targets

CHANNELS, NUM_CLASSES, NUM_LABELED, NUM_WEAK = 3, 4, 1, 2
SIZE, STRIDE = 8, 4  # maps of 2 x 2


def outputs(num: int) -> SegOutputs:
    size = SIZE // STRIDE
    return SegOutputs(
        torch.randn(num, NUM_CLASSES, size, size), (), torch.randn(num, CHANNELS, size, size)
    )


@pytest.mark.parametrize('partners', ['mixed', 'erased', 'unmixed'])
def test_maps_are_those_of_each_pixel(partners):
    shape = (NUM_WEAK, SIZE, SIZE)
    truth = torch.randint(NUM_CLASSES, (NUM_LABELED, SIZE, SIZE))
    truth[0, 0, 0] = 255
    labels = torch.randint(NUM_CLASSES, shape)
    valid = torch.ones(shape, dtype=torch.bool)
    valid[0, STRIDE:, STRIDE:] = False
    reliable = (torch.rand(shape) < 0.5) & valid
    unreliable = ~reliable & valid
    plan = None
    if partners != 'unmixed':
        partner = torch.tensor([1, 0]) if partners == 'mixed' else None
        plan = MixPlan(torch.rand(shape) < 0.5, partner, torch.tensor(True))
    student, on_weak = (outputs(NUM_LABELED), outputs(NUM_WEAK)), outputs(NUM_WEAK)
    on_labeled = outputs(NUM_LABELED)
    dense = DenseLabels(torch.empty(0), labels, torch.empty(0), valid)
    maps = contrast_maps(
        student=student,
        teacher=(on_labeled, TeacherPass(on_weak, dense, torch.empty(0), [])),
        truth=truth,
        targets=mix_targets(plan, labels, reliable, valid),
        reliable=reliable,
        unreliable=unreliable,
        plan=plan,
    )
    teacher = maps.teacher
    assert torch.equal(maps.features, torch.cat([one.features for one in student]))
    assert torch.equal(teacher.features, torch.cat([on_labeled.features, on_weak.features]))
    assert torch.equal(teacher.logits, torch.cat([on_labeled.logits, on_weak.logits]))
    for image in range(NUM_LABELED + NUM_WEAK):
        weak = image - NUM_LABELED
        for y in range(SIZE // STRIDE):
            for x in range(SIZE // STRIDE):
                at, full = (image, y, x), (y * STRIDE, x * STRIDE)
                if weak < 0:
                    label = truth[(image, *full)].item()
                    expected = label, label, 255, False
                    source = on_labeled.logits[image, :, y, x]
                else:
                    here = (weak, *full)
                    seen = here  # the pixel that the student's view shows
                    if plan is not None and plan.from_others[here]:
                        seen = None if plan.partners is None else (1 - weak, *full)
                    target = labels[seen].item() if seen and reliable[seen] else 255
                    pseudo_label = labels[here].item() if reliable[here] else 255
                    expected = target, 255, pseudo_label, unreliable[here].item()
                    source = None if seen is None else on_weak.logits[seen[0], :, y, x]
                found = maps.labels[at], teacher.truth[at], teacher.pseudo_labels[at]
                assert (*(part.item() for part in found), teacher.unreliable[at].item()) == expected
                if expected[0] != 255:
                    probability = source.softmax(dim=0)[expected[0]]
                    torch.testing.assert_close(maps.probability[at], probability)
