"""Instance masks that stay encoded until their pixels are needed."""

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmdet.structures.mask import BitmapMasks
from pycocotools import mask as mask_utils


class EncodedMasks(BitmapMasks):
    """mmdet's ``BitmapMasks``, decoded one by one after flips, resizing and crops.

    A byte for each pixel of each mask is 4.8 GB for 200 masks of 24 megapixels, and a flip needs as
    much again. Flips, resizing to the nearest pixel and crops choose rows and columns of a mask. So
    these are chosen first, and each mask is decoded when :attr:`masks` is read: for a crop of 1024
    x 1024, 200 masks take 0.2 GB. All other methods are those of ``BitmapMasks``, and return such.

    Args:
        encoded: G masks of the image as pycocotools' compressed run lengths.
        rows: ``(h,)`` int, the image's row that each row of the masks shows.
        columns: ``(w,)`` int, likewise.
    """

    def __init__(self, encoded: Sequence[dict], rows: np.ndarray, columns: np.ndarray) -> None:
        self.encoded = list(encoded)
        self.rows = rows
        self.columns = columns
        self.height = len(rows)
        self.width = len(columns)
        self._masks: np.ndarray | None = None

    @classmethod
    def of_image(cls, encoded: Sequence[dict], height: int, width: int) -> 'EncodedMasks':
        """Masks of a whole image."""
        return cls(encoded, np.arange(height), np.arange(width))

    @property
    def masks(self) -> np.ndarray:
        """``(G, h, w)`` uint8 of 0 and 1, read-only; decoded when it is read first."""
        if self._masks is None:
            self._masks = decoded = np.empty((len(self), self.height, self.width), np.uint8)
            for own, encoded in zip(decoded, self.encoded, strict=True):
                # pycocotools' pixels go down the columns
                own[:] = mask_utils.decode(encoded).T[self.columns][:, self.rows].T
            decoded.flags.writeable = False  # what is written would be lost with the next flip
        return self._masks

    @masks.setter
    def masks(self, masks: np.ndarray) -> None:
        self.encoded = [mask_utils.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
        self.height, self.width = masks.shape[1:]
        self.rows, self.columns = np.arange(self.height), np.arange(self.width)
        self._masks = None

    def __deepcopy__(self, memo: dict) -> 'EncodedMasks':
        """A copy that shares the pixels, which nobody can write to."""
        masks = EncodedMasks(self.encoded, self.rows, self.columns)
        masks._masks = self._masks
        return masks

    def __len__(self) -> int:
        return len(self.encoded)

    def __repr__(self) -> str:
        size = f'height={self.height}, width={self.width}'
        return f'{type(self).__name__}(num_masks={len(self)}, {size})'

    def __getitem__(self, index: Any) -> 'EncodedMasks':
        """Masks chosen as by ``BitmapMasks``: by an integer, integers, booleans or a slice."""
        chosen = np.arange(len(self))[index].reshape(-1)
        masks = EncodedMasks([self.encoded[row] for row in chosen], self.rows, self.columns)
        if self._masks is not None:
            masks._masks = self._masks[chosen]
            masks._masks.flags.writeable = False
        return masks

    def rescale(self, scale: Any, interpolation: str = 'nearest') -> BitmapMasks:
        """See ``BaseInstanceMasks.rescale``."""
        width, height = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((height, width), interpolation)

    def resize(self, out_shape: tuple[int, int], interpolation: str = 'nearest') -> BitmapMasks:
        """See ``BaseInstanceMasks.resize``."""
        if interpolation != 'nearest':
            return super().resize(out_shape, interpolation)
        height, width = out_shape
        return EncodedMasks(
            self.encoded, _nearest(self.rows, height), _nearest(self.columns, width)
        )

    def flip(self, flip_direction: str = 'horizontal') -> 'EncodedMasks':
        """See ``BaseInstanceMasks.flip``."""
        if flip_direction not in ('horizontal', 'vertical', 'diagonal'):
            raise ValueError(f'masks cannot be flipped in the direction {flip_direction}')
        rows = self.rows if flip_direction == 'horizontal' else self.rows[::-1]
        columns = self.columns if flip_direction == 'vertical' else self.columns[::-1]
        return EncodedMasks(self.encoded, rows, columns)

    def crop(self, bbox: np.ndarray) -> 'EncodedMasks':
        """See ``BaseInstanceMasks.crop``."""
        left, right = np.clip(bbox[0::2], 0, self.width).tolist()
        top, bottom = np.clip(bbox[1::2], 0, self.height).tolist()
        rows = self.rows[top : max(bottom, top + 1)]
        return EncodedMasks(self.encoded, rows, self.columns[left : max(right, left + 1)])

    @classmethod
    def cat(cls, masks: Sequence[BitmapMasks]) -> BitmapMasks:
        """See ``BaseInstanceMasks.cat``."""
        return BitmapMasks.cat(masks)


def _nearest(places: np.ndarray, length: int) -> np.ndarray:
    """The places that OpenCV takes where it resizes an axis to ``length`` pixels.

    Args:
        places: ``(n,)`` int, below 2 ** 24.
    """
    axis = places.astype(np.float32)[None]
    return cv2.resize(axis, (length, 1), interpolation=cv2.INTER_NEAREST)[0].astype(np.int64)
