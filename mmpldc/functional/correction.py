"""Dynamic instance category correction (DICC, Eqs. 7 to 9): who is believed about a class."""

import math

from torch import Tensor


def cosine_weight(
    step: int, *, begin: int, end: int, initial: float = 0.5, final: float = 0.0
) -> float:
    """Weight w of the vision-language model (Eq. 7): half a cosine from ``initial`` to ``final``.

    With the default values it is 0.25 (cos(pi (step - begin) / (end - begin)) + 1).

    Args:
        step: iteration t.
        begin: a, up to here the weight is ``initial``.
        end: T, from here on it is ``final``, whatever ``begin`` is.
        initial: weight at ``begin``, in [0, 1]; 0.5 in the paper.
        final: weight at ``end``, in [0, 1]; 0 in the paper.

    Returns:
        w in [0, 1].

    Examples:
        >>> [cosine_weight(step, begin=100, end=300) for step in (0, 100, 200, 300)]
        [0.5, 0.5, 0.25, 0.0]
    """
    if step >= end:
        return final
    share = max(step - begin, 0) / max(end - begin, 1)
    return final + (initial - final) * (math.cos(math.pi * share) + 1) / 2


def teacher_probabilities(cls_logits: Tensor) -> Tensor:
    """The teacher's class distribution, renormalised without "no object", as released.

    Args:
        cls_logits: ``(K, N + 1)`` float, the last column is "no object".

    Returns:
        ``(K, N)`` float32, rows sum to 1.

    Examples:
        >>> teacher_probabilities(torch.tensor([[0.0, 0.0, 5.0]]))  # most likely no object
        tensor([[0.5000, 0.5000]])
    """
    return cls_logits[..., :-1].float().softmax(dim=-1)


def linear_fusion(teacher: Tensor, vlm: Tensor, weight: float) -> Tensor:
    """p_f = w p_clip + (1 - w) p_teacher (Eq. 8).

    Args:
        teacher: ``(K, N)`` float, rows sum to 1.
        vlm: ``(K, N)`` float, the vision-language model's, rows sum to 1.
        weight: w in [0, 1].

    Returns:
        ``(K, N)``, rows sum to 1.

    Examples:
        >>> linear_fusion(torch.tensor([[0.9, 0.1]]), torch.tensor([[0.1, 0.9]]), 0.25)
        tensor([[0.7000, 0.3000]])
    """
    return weight * vlm + (1 - weight) * teacher


def product_fusion(teacher: Tensor, vlm: Tensor, weight: float) -> Tensor:
    """p_f ∝ p_clip^w p_teacher^(1 - w): the joint distribution that PLePI models.

    Arguments and result as in :func:`linear_fusion`.

    Note:
        A reading of PLePI, which PL-DC's Table 5 compares with: that paper's formula was not at
        hand, only PL-DC's words "joint probability distribution of the teacher's and CLIP's".

    Examples:
        >>> product_fusion(torch.tensor([[0.9, 0.1]]), torch.tensor([[0.1, 0.9]]), 0.5)
        tensor([[0.5000, 0.5000]])
    """
    tiny = 1e-12  # a class that one of them excludes stays possible for the other
    joint = weight * vlm.clamp(min=tiny).log() + (1 - weight) * teacher.clamp(min=tiny).log()
    return joint.softmax(dim=-1)
