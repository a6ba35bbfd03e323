"""iMAS's ease against a naive count, and the published formula's values by hand."""

import pytest
import torch

from mmpldc.functional import image_ease, joint_counts

# Four rows of four pixels.
STUDENT = torch.tensor([[[0, 0, 0, 1], [0, 0, 1, 1], [2, 0, 1, 1], [2, 2, 0, 0]]])
TEACHER = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 1], [2, 0, 0, 0]]])


def sure_of(num: int, like: torch.Tensor) -> torch.Tensor:
    """A confidence that reaches 0.9 in the first ``num`` pixels."""
    confidence = torch.full(like.shape, 0.5).flatten()
    confidence[:num] = 0.9
    return confidence.view(like.shape)


def ease(student, teacher, *, of_student=10, of_teacher=12, valid=None, **options) -> float:
    return image_ease(
        student,
        teacher,
        sure_of(of_student, student),
        sure_of(of_teacher, teacher),
        torch.ones_like(student, dtype=torch.bool) if valid is None else valid,
        **dict(num_classes=3, threshold=0.9) | options,
    ).item()


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (dict(), 0.417708),
        (dict(version='v2'), 0.607576),
        (dict(ignore_class=0), 0.382639),
    ],
)
def test_values_by_hand(options, expected):
    assert ease(STUDENT, TEACHER, **options) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('ignore_class', [None, 0])
def test_equal_maps_are_as_easy_as_they_are_certain(ignore_class):
    assert ease(STUDENT, STUDENT, ignore_class=ignore_class) == pytest.approx(0.6875)


def test_all_background_is_not_hard():
    """The released code gives 0 here."""
    nothing = torch.zeros_like(STUDENT)
    assert ease(nothing, nothing, ignore_class=0) == pytest.approx((12 / 16 + 10 / 16) / 2)


def test_padding_counts_nothing():
    valid = torch.ones(1, 6, 5, dtype=torch.bool)
    valid[:, 4:], valid[..., 4:] = False, False
    rng = torch.Generator().manual_seed(0)

    def padded(maps, values):
        out = torch.randint(0, 3, (1, 6, 5), generator=rng).to(maps.dtype) * values
        out[:, :4, :4] = maps
        return out

    maps = [padded(STUDENT, 1), padded(TEACHER, 1)]
    sure = [padded(sure_of(10, STUDENT), 1.0), padded(sure_of(12, TEACHER), 1.0)]
    found = image_ease(*maps, *sure, valid, num_classes=3, threshold=0.9)
    assert found.item() == pytest.approx(0.417708, abs=1e-6)
    assert image_ease(*maps, *sure, valid & False, num_classes=3, threshold=0.9).item() == 0


def test_each_image_has_its_own():
    student = torch.cat([STUDENT, TEACHER, STUDENT])
    teacher = torch.cat([TEACHER, TEACHER, STUDENT])
    sure = torch.ones(student.shape)
    found = image_ease(student, teacher, sure, sure, sure > 0, num_classes=3, threshold=0.9)
    alone = [
        image_ease(s, t, sure[:1], sure[:1], sure[:1] > 0, num_classes=3, threshold=0.9).item()
        for s, t in zip(student[:, None], teacher[:, None], strict=True)
    ]
    assert found.tolist() == pytest.approx(alone) and alone[1:] == [1, 1]


def test_v2_without_a_certain_pixel_is_0():
    assert ease(STUDENT, TEACHER, of_student=0, of_teacher=0, version='v2') == 0


def test_joint_counts_like_a_loop():
    first, second = torch.randint(0, 4, (2, 3, 9, 11)).unbind()
    valid = torch.rand(3, 9, 11) < 0.7
    expected = torch.zeros(3, 4, 4, dtype=torch.int64)
    for image, row, column in valid.nonzero().tolist():
        expected[image, first[image, row, column], second[image, row, column]] += 1
    first[~valid] = 255  # whatever it is
    assert torch.equal(joint_counts(first, second, valid, 4), expected)


def test_unknown_version():
    with pytest.raises(ValueError, match="'v1' or 'v2'"):
        ease(STUDENT, TEACHER, version='v3')
