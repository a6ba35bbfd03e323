"""How a label map of another size, or not turned as its image is, is brought to its image."""

from PIL import Image

from ..checks.pixels import describe_sizes
from ..image_header import ImageHeader, fault_of_shape

ALIKE = 0.01  # by which the aspect ratios of an image and its label map may differ
# What mmcv does to the pixels of a turned image.
TURNS = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def fit_to_image(size: tuple[int, int], header: ImageHeader) -> tuple[int, str, str]:
    """How a label map is brought to its image.

    Args:
        size: height and width of the label map.
        header: of the image.

    Returns:
        The EXIF orientation by which it is turned, 1 for not at all; the repair in words, empty if
        there is none; and what is wrong, empty if it fits.
    """
    if fault := fault_of_shape(header.width, header.height):
        return 1, '', f'has an image of {fault}'
    loaded = header.height, header.width
    stored = loaded[::-1]
    turns = header.orientation >= 5 and header.height != header.width
    if header.orientation != 1 and not turns:
        what = (
            "its image's EXIF orientation turns or mirrors the image when it is loaded, and "
            'sizes do not tell whether the label map is turned: store the image turned and '
            'without EXIF'
        )
        return 1, '', what
    if size == loaded:
        return 1, '', ''
    as_loaded, as_stored = _is_alike(size, loaded), turns and _is_alike(size, stored)
    if (turns and size == stored) or (as_stored and not as_loaded):
        return header.orientation, "turned as its image's EXIF orientation says", ''
    sizes = describe_sizes(size, loaded)
    if as_loaded and as_stored:
        return 1, '', f'may be turned or not ({sizes}): save it in the size of its image'
    if as_loaded:
        return 1, f'smaller or larger than its image ({sizes}): resized', ''
    return 1, '', f'has another shape than its image ({sizes}): they do not belong together'


def _is_alike(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have one aspect ratio, but for rounding."""
    scale = (size[0] / other[0] * size[1] / other[1]) ** 0.5
    return all(
        abs(mine - scale * theirs) <= max(1, ALIKE * mine)
        for mine, theirs in zip(size, other, strict=True)
    )


def turned(label_map: Image.Image, orientation: int) -> Image.Image:
    """A label map turned by an EXIF orientation that :func:`fit_to_image` gives."""
    return label_map if orientation == 1 else label_map.transpose(TURNS[orientation])
