"""What is in the images: can they be read, as annotated, and as the camera meant them?"""

import io
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from mmpldc.utils.files import FileIdentity, file_identity
from mmpldc.utils.threads import in_threads

from ..image_header import ImageHeader, fault_of_beginning, read_header
from .findings import Finding, Level, some

MOST_HEADERS = 20000  # of a set, some 2 s
TURNED = (
    'the EXIF orientation turns the image when it is loaded, but the annotated width and height '
    '(and masks) are those before: annotate the turned image, or store it turned and without EXIF'
)
SWAPPED = 'width and height are swapped, if the image is right: exchange them'
ANOTHER_SIZE = (
    'another size than annotated: take the image that was annotated; correct width and height only '
    'if the masks fit this image'
)
SAME_SIZE_TURNED = (
    'the EXIF orientation turns or mirrors the image when it is loaded, and its size does not tell '
    'whether it was annotated like that: look at the pictures of tools/dataset/check.py --out-dir'
)
PAGES = (
    'several pages, of which training reads the first one: tools/dataset/convert.py plain writes '
    'a file for each'
)
DEEP_IN_COLOR = ('PNG', 'TIFF', 'PPM', 'JPEG2000')  # formats that hold 16 bits
DIM = 128  # of 255: below, the upper half of an image's range is empty


class UnreadableImage(Exception):
    """An image that training could not load; the message says why and what to do."""


class Decoded(NamedTuple):
    """What training makes of an image.

    Attributes:
        size: height and width.
        is_turned: whether its EXIF orientation swaps them (mmcv turns the image).
        brightest: value of an image of 16 bits; None for other images.
        is_color: whether it has three channels or more.
    """

    size: tuple[int, int]
    is_turned: bool
    brightest: int | None = None
    is_color: bool = False


def read_size(path: str) -> tuple[tuple[int, int], bool]:
    """Decode an image as training does.

    Returns:
        Height and width, and whether its EXIF orientation swaps them (mmcv turns the image).

    Raises:
        UnreadableImage: if it cannot be decoded, or only in part.
    """
    decoded = decode(path)
    return decoded.size, decoded.is_turned


def decode(path: str) -> Decoded:
    """Decode an image as training does.

    Raises:
        UnreadableImage: if it cannot be decoded, or only in part.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError as error:
        raise UnreadableImage(f'cannot be read ({error.strerror})') from None
    except ValueError as error:  # of a name that no file can have
        raise UnreadableImage(f'cannot be read ({error})') from None
    if fault := fault_of_beginning(content[:256]):
        raise UnreadableImage(fault)
    turned, brightest, is_color, is_deep = False, None, False, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(content)) as image:
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
                image.load()  # OpenCV before 4.12 fills what is cut off with grey, Pillow objects
                is_color = len(image.getbands()) > 2
                is_deep = image.mode[0] in 'IF'
                if image.mode[0] == 'I':
                    brightest = int(np.max(np.asarray(image)))
                elif image.format in DEEP_IN_COLOR:
                    brightest = _brightest_of_16_bits(content)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        pass  # OpenCV may know the format, and has another limit
    except Exception as error:  # decoders raise many types
        raise UnreadableImage('is cut off or damaged: copy or download it again') from error
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        remedy = 'tools/dataset/convert.py plain writes a copy of 8 bits'
        remedy = remedy if is_deep else 'convert it to PNG or JPEG'
        raise UnreadableImage(f'is no image that OpenCV can decode: {remedy}')
    return Decoded(pixels.shape[:2], turned, brightest, is_color)


def _brightest_of_16_bits(content: bytes) -> int | None:
    """Brightest value of an image of 16 bits, of which Pillow reads the upper 8 in colour."""
    is_png = content.startswith(b'\x89PNG')
    if is_png and content[24] != 16:  # bits of a channel
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint16:
        return None
    return int(pixels[..., :3].max() if pixels.ndim == 3 else pixels.max())  # not the opacity


def describe_sizes(annotated: tuple[int, int], read: tuple[int, int]) -> str:
    """Two sizes, each height and width, in words."""
    return f'{annotated[1]} x {annotated[0]} annotated, {read[1]} x {read[0]} read'


def check_content(
    paths: Sequence[str | None],
    sizes: np.ndarray,
    *,
    file: str,
    limit: int | None,
    is_unlabeled: bool = False,
) -> list[Finding]:
    """Compare images with what is annotated: all by their headers, some by their pixels.

    Args:
        paths: N images; None is passed over.
        sizes: ``(N, 2)`` annotated height and width; 0 is not compared.
        file: annotation file, which findings name.
        limit: number of images to decode, spread evenly over the set; None for all. Of an
            unlabelled set, headers are read of these alone.
        is_unlabeled: a wrong size is a warning then, and a turned image none: no mask relies on
            it.

    Returns:
        One finding for each kind of fault.
    """
    there = {row: path for row, path in enumerate(paths) if path is not None}
    decoded = _spread(list(there), limit)
    faults = _Faults(file, len(there))
    level: Level = 'warning' if is_unlabeled else 'error'
    outcomes = _decode_all([there[row] for row in decoded])
    headers: dict[int, ImageHeader | None] = {}
    for row in decoded if is_unlabeled else _spread(list(there), MOST_HEADERS):
        header = headers[row] = _header(there[row])
        if header is not None:
            _check_header(header, row, there[row], is_unlabeled, faults)
    brightest: dict[int, tuple[int, bool]] = {}
    read_sizes = {
        row: ((header.height, header.width), header.orientation >= 5)
        for row, header in headers.items()
        if header is not None
    }
    for row, outcome in zip(decoded, outcomes, strict=True):
        if isinstance(outcome, UnreadableImage):
            faults.add('error', str(outcome), row, there[row])
            read_sizes.pop(row, None)
        else:
            read_sizes[row] = outcome.size, outcome.is_turned
            if outcome.brightest is not None:
                brightest[row] = outcome.brightest, outcome.is_color
    for row in sorted(read_sizes):
        (height, width), turned = read_sizes[row]
        annotated = tuple(sizes[row].tolist())
        if not all(annotated) or annotated == (height, width):
            continue
        fault = ANOTHER_SIZE
        if annotated == (width, height):
            fault = TURNED if turned else SWAPPED
        example = f' ({describe_sizes(annotated, (height, width))})'
        faults.add(level, fault, row, there[row], example=example)
    return [*faults.findings(), *_check_depth(brightest, paths, file)]


class _Faults:
    """Images by level and kind of fault."""

    def __init__(self, file: str, total: int) -> None:
        self.file = file
        self.total = total
        self.images: dict[tuple[Level, str], dict[int, str]] = defaultdict(dict)
        self.examples: dict[tuple[Level, str], str] = {}

    def add(self, level: Level, fault: str, row: int, path: str, *, example: str = '') -> None:
        self.images[level, fault][row] = path
        self.examples.setdefault((level, fault), example)

    def findings(self) -> list[Finding]:
        return [
            Finding(
                level,
                self.file,
                some('image', list(images.values())),
                fault + self.examples[level, fault],
                'image' if len(images) < self.total else '',  # of all: no record's fault
                tuple(images),
            )
            for (level, fault), images in self.images.items()
        ]


def _spread(rows: list[int], limit: int | None) -> list[int]:
    """At most ``limit`` of the rows, spread evenly."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[place] for place in np.linspace(0, len(rows) - 1, limit).astype(int)]


def _header(path: str) -> ImageHeader | None:
    try:
        return read_header(path)
    except ValueError:  # decoding says why, if this image is chosen; else training passes it over
        return None


def _check_header(
    header: ImageHeader, row: int, path: str, is_unlabeled: bool, faults: _Faults
) -> None:
    if header.pages > 1:
        faults.add('warning', PAGES, row, path, example=f' ({header.pages} pages)')
    is_square = header.width == header.height
    same_size = header.orientation in (2, 3, 4) or (header.orientation >= 5 and is_square)
    if same_size and not is_unlabeled:
        example = f' (orientation {header.orientation})'
        faults.add('warning', SAME_SIZE_TURNED, row, path, example=example)


def _check_depth(
    brightest: dict[int, tuple[int, bool]], paths: Sequence[str | None], file: str
) -> Iterable[Finding]:
    """Images of 16 bits of which training, which takes the upper 8, would see little.

    ``brightest`` has the value of each by its row, and whether it is in colour.
    """
    for in_color in (False, True):
        deep = {row: value for row, (value, is_color) in brightest.items() if is_color == in_color}
        value = max(deep.values(), default=0)
        level = value >> 8
        if not deep or level >= DIM:
            continue
        white = (1 << max(8, value.bit_length())) - 1
        remedy = (
            f'divide their values by {(white + 1) / 256:g} and store them with 8 bits'
            if in_color
            else f'tools/dataset/convert.py plain --white {white} writes copies of 8 bits'
        )
        message = (
            f'16 bits, of which training takes the upper 8: the brightest value, {value}, becomes '
            f'{level} of 255. {remedy}'
        )
        names = [paths[row] for row in deep]
        yield Finding('error' if level == 0 else 'warning', file, some('image', names), message)


def find_unreadable(paths: Sequence[str], limit: int = 64) -> dict[str, str]:
    """Images that cannot be decoded among ``limit`` of ``paths``, spread evenly, each with why."""
    rows = _spread(list(range(len(paths))), limit)
    chosen = [paths[row] for row in rows]
    return {
        path: str(outcome)
        for path, outcome in zip(chosen, _decode_all(chosen), strict=True)
        if isinstance(outcome, UnreadableImage)
    }


def _decode_all(paths: Sequence[str]) -> list[Decoded | UnreadableImage]:
    """What decoding each image gives; those that were decoded before are not read again."""
    return in_threads(_decoded_or_fault, [(path, file_identity(path)) for path in paths])


@lru_cache(maxsize=4096)
def _decoded_or_fault(
    path_and_file: tuple[str, FileIdentity | None],
) -> Decoded | UnreadableImage:
    try:
        return decode(path_and_file[0])
    except UnreadableImage as error:
        return error
