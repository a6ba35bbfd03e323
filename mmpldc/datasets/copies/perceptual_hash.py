"""The perceptual hash of images: alike for the same picture, however it is stored."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps
from scipy.fft import dct

from mmpldc.utils.threads import in_threads

from .remembered import Known, remembered

SIDE = 64  # pixels of the thumbnail that is hashed
BITS = 16  # lowest frequencies along each axis: 256 bits
MIN_CONTRAST = 2.0  # standard deviation in grey levels; below it, the bits are those of noise
LOWEST = dct(np.eye(SIDE), axis=0)[:BITS]  # the cosine transform's first rows, ``(16, 64)``

_known: Known = {}  # hashes of this process


def perceptual_hash(thumbnails: np.ndarray) -> np.ndarray:
    """The hash of the lowest frequencies: the bits of ImageHash's ``phash(hash_size=16)``.

    That library takes 0.7 ms for a thumbnail, this a tenth for one of many.

    Args:
        thumbnails: ``(N, 64, 64)``, grey.

    Returns:
        ``(N, 16, 16)`` bool: whether a coefficient of the cosine transform is above their median.
    """
    pixels = np.asarray(thumbnails, np.float64)
    frequencies = LOWEST @ pixels @ LOWEST.T
    return frequencies > np.median(frequencies, axis=(1, 2), keepdims=True)


def mirrored(bits: np.ndarray) -> np.ndarray:
    """Hashes of the pictures mirrored from left to right: odd frequencies change their signs.

    Args:
        bits: ``(..., 16, 16)`` bool.

    Note:
        Coefficients between zero and the median, a few bits, come out wrong.
    """
    return bits ^ (np.arange(BITS) % 2 == 1)


def turned(bits: np.ndarray) -> np.ndarray:
    """Hashes of the pictures turned by 0, 90, 180 and 270 degrees, and of these mirrored.

    Args:
        bits: ``(16, 16)`` bool.

    Returns:
        ``(8, 16, 16)`` bool.
    """
    upright = np.stack([bits, bits.T])
    upright = np.concatenate([upright, mirrored(upright)])
    return np.concatenate([upright, mirrored(upright.swapaxes(1, 2)).swapaxes(1, 2)])


def hash_files(paths: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Hash images. Those that were hashed before, and have not changed, are not read again.

    Args:
        paths: of images.

    Returns:
        The N different ones that have a hash: they can be decoded, and have some contrast. And
        ``(N, 16, 16)`` bool.
    """
    found = remembered(paths, _hashes, _known)
    joined = np.frombuffer(b''.join(found.values()), np.uint8)
    bits = np.unpackbits(joined).astype(bool).reshape(len(found), BITS, BITS)
    return list(found), bits


def read_grey(path: str, least_side: int) -> Image.Image | None:
    """An image in 8 bits of grey, upright as its EXIF says.

    Args:
        path: of the image.
        least_side: in pixels. A JPEG is decoded smaller than it is, but no smaller than this.

    Returns:
        The image; None if it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            image.draft('L', (least_side, least_side))
            image.load()
            if 'exif' in image.info or image.format == 'TIFF':
                ImageOps.exif_transpose(image, in_place=True)
            if image.mode == 'L':
                return image
            return _to_8_bits(image) if image.mode[0] in 'IF' else image.convert('L')
    except Exception:  # decoders raise many types; the checks of images say what is wrong
        return None


def squeeze(image: Image.Image, side: int) -> np.ndarray:
    """An image as a square of ``side`` pixels: ``(side, side)`` uint8."""
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def _thumbnail(path: str) -> np.ndarray | None:
    image = read_grey(path, 2 * SIDE)
    return None if image is None else squeeze(image, SIDE)


def _hashes(paths: list[str]) -> list[bytes | None]:
    """The hash of each image in 32 bytes; None without enough contrast."""
    thumbnails = in_threads(_thumbnail, paths)
    usable = {
        row: one
        for row, one in enumerate(thumbnails)
        if one is not None and one.std(dtype=np.float64) >= MIN_CONTRAST
    }
    packed: list[bytes | None] = [None] * len(thumbnails)
    if usable:
        bits = perceptual_hash(np.stack(list(usable.values())))
        for row, own in zip(usable, bits, strict=True):
            packed[row] = np.packbits(own).tobytes()
    return packed


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Stretch the values of an image of 16 or 32 bits to 0 to 255."""
    values = np.nan_to_num(np.asarray(image, np.float32))
    low, high = values.min(), values.max()
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8))
