"""How often images are drawn so that rare classes are seen more often (LVIS, its Appendix B.2)."""

from torch import Tensor


def repeat_factors(has_class: Tensor, oversample_thr: float) -> Tensor:
    """Repeat factor of each image: the largest of its classes', max(1, sqrt(threshold / f_c)).

    Args:
        has_class: ``(I, N)`` bool, whether image i shows class c.
        oversample_thr: images of classes with a frequency f_c below it are repeated; f_c is the
            share of images that show the class. Guided Distillation's 10 is above any share, so
            that every image is repeated: what differs are ratios, by the classes' 1 / sqrt(f_c).

    Returns:
        ``(I,)`` float64, at least 1; 1 for an image without objects.

    Raises:
        ValueError: if the threshold is not above 0.

    Examples:
        >>> has_class = torch.tensor([[True, False], [True, False], [True, False], [True, True]])
        >>> repeat_factors(has_class, 1.0)  # a quarter of the images shows the second class
        tensor([1., 1., 1., 2.], dtype=torch.float64)
    """
    if oversample_thr <= 0:
        raise ValueError(f'oversample_thr must be above 0, got {oversample_thr}')
    frequency = has_class.double().mean(dim=0)
    of_class = (oversample_thr / frequency).sqrt()  # inf for a class that no image shows
    return of_class.masked_fill(~has_class, 1.0).amax(dim=1).clamp(min=1.0)
