"""Label Studio's run lengths of brush regions, read.

The code is described, and written, in :func:`mmpldc.apis.label_studio_rle`.
"""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

CHANNELS = 4  # RGBA; the last one says what is painted
PAINTED = 128  # of 255: a pixel at the brush's soft edge belongs to the mask from its half on


def decode_label_studio_rle(code: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Read a brush region.

    Args:
        code: bytes, ints in [0, 255].
        size: (H, W) of the image.

    Returns:
        ``(H, W)`` bool.

    Raises:
        ValueError: if the code is broken, or of an image of another size.
    """
    packed: np.ndarray = np.zeros(0)
    with suppress(ValueError, TypeError, OverflowError):
        packed = np.array(code, np.int64)
    if packed.ndim != 1 or not len(packed) or packed.min() < 0 or packed.max() > 255:
        raise ValueError('rle is no list of bytes from 0 to 255')
    bits = np.unpackbits(packed.astype(np.uint8))
    reader = _Reader((bits + ord('0')).tobytes().decode())
    number, wanted = reader.read(32), CHANNELS * size[0] * size[1]
    if number != wanted:
        raise ValueError(
            f'rle stands for {number} values, but an image of {size[1]} x {size[0]} has {wanted}'
        )
    value_bits = reader.read(5) + 1
    length_bits = [reader.read(4) + 1 for _ in range(4)]
    if value_bits != 8:
        raise ValueError(f'rle has values of {value_bits} bits: Label Studio writes 8')
    values, place = np.zeros(number, np.uint8), 0
    while place < number:  # run by run
        is_run = reader.read(1)
        length = reader.read(length_bits[reader.read(2)]) + 1
        if place + length > number:
            raise ValueError('rle stands for more values than it says')
        if is_run:
            values[place : place + length] = reader.read(8)
        else:
            start = reader.skip(8 * length)
            values[place : place + length] = np.packbits(bits[start : start + 8 * length])
        place += length
    return values.reshape(*size, CHANNELS)[..., -1] >= PAINTED


class _Reader:
    """Numbers from a text of bits."""

    def __init__(self, bits: str) -> None:
        self.bits, self.place = bits, 0

    def skip(self, count: int) -> int:
        """Pass over bits, and return the place of the first."""
        start = self.place
        self.place += count
        if self.place > len(self.bits):
            raise ValueError('rle ends early: the file was cut off')
        return start

    def read(self, count: int) -> int:
        """A number of so many bits, the highest first."""
        return int(self.bits[self.skip(count) : self.place], 2)
