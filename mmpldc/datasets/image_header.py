"""What the header of an image says, without decoding its pixels."""

import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from mmpldc.utils.files import FileIdentity, file_identity
from mmpldc.utils.threads import in_threads

from .coco_files import LFS, SIGNATURES

PAGED = ('TIFF', 'GIF')  # formats of Pillow whose pages are images of their own
MOST_TIMES = 256  # one side the other: fitted into 192 px times 0.7, nothing is left of an image
_unlimited = threading.Lock()


class ImageHeader(NamedTuple):
    """An image as mmcv loads it.

    Attributes:
        width: in pixels, turned as EXIF says.
        height: likewise.
        orientation: of EXIF or a TIFF's own, 1 to 8; 1 is upright, those from 5 on swap the sides.
        is_deep: whether values have more than 8 bits.
        has_one_channel: grey, black and white, or a palette.
        pages: of a TIFF or GIF, of which training reads the first one.
        software: that made the image, by its EXIF; empty if it does not say.
    """

    width: int
    height: int
    orientation: int
    is_deep: bool
    has_one_channel: bool
    pages: int
    software: str


def read_header(path: str | Path) -> ImageHeader:
    """Read the header of an image, once as long as the file does not change.

    Raises:
        ValueError: if the file is missing or not an image.

    Note:
        Pixels are not decoded: a truncated file passes, and the orientation of a PNG that has it
        after its pixels is not seen.
    """
    file = file_identity(str(path))
    if file is None:
        raise ValueError(f'{path} cannot be read as an image: no such file')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow's, of broken EXIF and of many pixels
        return _read_once(file)


def read_headers(paths: Sequence[str]) -> dict[str, ImageHeader | ValueError]:
    """Read the headers of many images, in threads where they wait for a file server.

    Args:
        paths: of images.

    Returns:
        The header of each, or the error of :func:`read_header`. Equal headers are one object, so
        that a million images take little memory.
    """
    with warnings.catch_warnings():  # not in the threads: it changes what all of them do
        warnings.simplefilter('ignore')
        headers = in_threads(_header_or_fault, paths, keeps_lock=True)
    known: dict[ImageHeader, ImageHeader] = {}
    return {
        path: header if isinstance(header, ValueError) else known.setdefault(header, header)
        for path, header in zip(paths, headers, strict=True)
    }


def _header_or_fault(path: str) -> ImageHeader | ValueError:
    try:
        return _read(path)
    except ValueError as error:
        return error


@lru_cache(maxsize=2**16)
def _read_once(file: FileIdentity) -> ImageHeader:
    return _read(file.path)


def _read(path: str) -> ImageHeader:
    try:
        with open_image(path) as image:
            exif = _exif(image.info.get('exif', b''))
            orientation = orientation_of(image)
            width, height = image.size
            if isinstance(image, TiffImageFile):  # whose sides Pillow may have swapped already
                width, height = int(image.tag_v2[IMAGEWIDTH]), int(image.tag_v2[IMAGELENGTH])
            is_deep = image.mode[0] in 'IF' or any(';16' in str(tile) for tile in image.tile)
            has_one_channel = len(image.getbands()) == 1
            pages = pages_of(image)
    except UnidentifiedImageError:
        with open(path, 'rb') as file:
            fault = fault_of_beginning(file.read(256)) or 'is none, or damaged'
        raise ValueError(f'{path} cannot be read as an image: it {fault}') from None
    except Exception as error:  # decoders raise many types
        raise ValueError(f'{path} cannot be read as an image: {error}') from error
    if orientation >= 5:
        width, height = height, width
    software = str(exif.get(ExifTags.Base.Software, ''))
    return ImageHeader(width, height, orientation, is_deep, has_one_channel, pages, software)


def fault_of_beginning(content: bytes) -> str:
    """Why a file is no image, by its first 256 bytes; empty if they do not tell."""
    if not content:
        return 'is empty (0 bytes): copy or download it again'
    if content.lstrip().lower().startswith((b'<!doctype html', b'<html')):
        return 'is a web page, not an image: download it again'
    return SIGNATURES[LFS] if content.startswith(LFS) else ''


def why_not_decoded(path: str | Path, error: Exception) -> str:
    """What is wrong with a label map that Pillow does not read."""
    with open(path, 'rb') as file:
        fault = fault_of_beginning(file.read(256))
    if fault:
        return f'cannot be decoded: it {fault}'
    return f'cannot be decoded ({type(error).__name__}): make or copy it again'


def fault_of_shape(width: int, height: int) -> str:
    """What is wrong with an image of which resizing leaves nothing; else empty."""
    if max(width, height) <= MOST_TIMES * min(width, height):
        return ''
    return (
        f'{width} x {height} pixels: one side is more than {MOST_TIMES} times the other, and '
        'nothing is left of it at the size of training: cut the image into pieces, or leave it out'
    )


def open_image(path: str | Path) -> ImageFile.ImageFile:
    """Open an image of any size: Pillow's limit is for pixels that are decoded."""
    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        with _unlimited:
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = limit


def orientation_of(image: Image.Image) -> int:
    """The orientation of an image that is not loaded yet, see :class:`ImageHeader`."""
    if isinstance(image, TiffImageFile):
        orientation = image.tag_v2.get(ExifTags.Base.Orientation, 1)
    else:  # not getexif(): it decodes a PNG, and reads XMP too, which OpenCV does not
        exif = _exif(image.info.get('exif', b''))
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def fault_of_orientation(image: Image.Image) -> str:
    """What is wrong with the orientation of an image whose values are labels; else empty.

    Pillow turns TIFF and no other format, and garbles uncompressed TIFF with swapped sides.
    """
    orientation = orientation_of(image)
    if orientation == 1:
        return ''
    return (
        f'has an EXIF or TIFF orientation ({orientation}), which some programs follow and others '
        'do not: save it as its image is shown, without an orientation'
    )


def pages_of(image: Image.Image) -> int:
    """Images in a TIFF or GIF; the first one is read unless asked for another."""
    return getattr(image, 'n_frames', 1) if image.format in PAGED else 1


def _exif(content: bytes) -> Mapping[int, Any]:
    if not content:
        return {}
    exif = Image.Exif()
    try:
        exif.load(content)
    except Exception:  # broken EXIF, which Pillow raises anything for and OpenCV ignores
        return {}
    return exif
