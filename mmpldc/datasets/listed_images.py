"""Which images of a COCO-format file a list of others means."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .folders_of_names import warn_of_folders, with_most_folders
from .name_lists import once_each
from .split import count_instances


def find_images(coco: dict, names: Sequence[str | int]) -> np.ndarray:
    """Where the images of a list are in a file.

    Args:
        coco: content of a COCO-format annotation file.
        names: image ids or file names; of file names with folders the last part counts where the
            whole name is not found, and of several such images the one with most of the folders.
            Cityscapes' images are also found by the names of their annotations
            (``CITY_SEQ_FRAME_gtFine_instanceIds.png``) and by ``CITY_SEQ_FRAME``.

    Returns:
        ``(len(names),)`` int64 indices, ascending.

    Raises:
        ValueError: naming what is not in the file, is ambiguous, or stands in the list twice.
    """
    known = ImageNames(coco)
    file_names = [image['file_name'] for image in coco['images']]
    found: list[int | None] = []
    for name in names:
        matches = known.matches(name) if isinstance(name, str) else known.of_id(name)
        if isinstance(name, str) and '/' in name:
            matches = with_most_folders(name, {row: file_names[row] for row in matches})
        if len(matches) > 1:
            raise ValueError(
                f"'{name}' may be any of {len(matches)} images: list ids, or file_name"
            )
        found.extend(matches or [None])
    unknown = [name for name, index in zip(names, found, strict=True) if index is None]
    if unknown:
        raise ValueError(
            f'{len(unknown)} of {len(names)} listed images are not in the annotation file, neither '
            f'as an id nor as a file name: {", ".join(map(str, unknown[:5]))}'
        )
    if len(known.by_last_part) < len(known.by_name):
        listed = [(str(name), row) for name, row in zip(names, found, strict=True)]
        others = [file_names[row] for _, row in listed if row is not None]
        warn_of_folders([name for name, _ in listed], others)
    return once_each(found, file_names)


class ImageNames:
    """Images of a file by what lists call them, see :func:`find_images`.

    Args:
        coco: content of a COCO-format annotation file.
    """

    def __init__(self, coco: dict) -> None:
        self.by_name: dict[str, set[int]] = {}
        self.by_id: dict[str, int] = {}
        self.by_stem: dict[str, set[int]] = defaultdict(set)
        self.by_last_part: dict[str, set[int]] = defaultdict(set)
        for index, image in enumerate(coco['images']):
            self.by_name[image['file_name']] = {index}
            self.by_id[str(image['id'])] = index
            self.by_stem[os.path.splitext(_last_part(image['file_name']))[0]].add(index)
            self.by_last_part[_last_part(image['file_name'])].add(index)
            if '_leftImg8bit' in image['file_name']:
                self.by_last_part[_cityscapes_frame(image['file_name'])].add(index)

    def of_id(self, identity: object) -> set[int]:
        """Index of the image with an id, if there is one."""
        return {self.by_id[str(identity)]} if str(identity) in self.by_id else set()

    def matches(self, name: str) -> set[int]:
        """Indices of the images that a name may stand for.

        A number may be the id of one image and the name, but for its suffix, of another one.
        """
        others = self.by_last_part
        if name not in self.by_name and name in self.by_id:
            return {self.by_id[name]} | self.by_stem.get(name, set())
        return (
            self.by_name.get(name)
            or others.get(_last_part(name))
            or others.get(_cityscapes_frame(name))
            or set()
        )


def _last_part(file_name: str) -> str:
    return file_name.rsplit('/', 1)[-1]


def _cityscapes_frame(file_name: str) -> str:
    """``CITY_SEQ_FRAME`` of a file of Cityscapes; the last part of another name."""
    return re.sub(r'(_\d{6}_\d{6})_[A-Za-z].*', r'\1', _last_part(file_name))


def find_supervision_indices(coco: dict, indices: Sequence[int], *, percent: float) -> np.ndarray:
    """Images that Unbiased Teacher's ``COCO_supervision.txt`` means.

    Its numbers count the images of detectron2's data set: in the order of their ids, usually
    without images that have no annotation but crowds. Which of the two was meant is told by the
    count of numbers, which its code holds to be ``int(percent / 100 * images)``.

    Args:
        coco: content of ``instances_train2017.json``.
        indices: one percentage's and fold's numbers.
        percent: that percentage.

    Returns:
        ``(len(indices),)`` int64 indices into ``coco['images']``, ascending.

    Raises:
        ValueError: if the count fits neither way of counting, or a number appears twice.
    """
    ids = np.array([image['id'] for image in coco['images']])
    by_id = np.argsort(ids, kind='stable')
    annotated = count_instances(coco).sum(axis=1)[by_id] > 0
    for numbered in (by_id[annotated], by_id):
        if len(indices) == int(percent / 100 * len(numbered)):
            if not 0 <= min(indices, default=0) <= max(indices, default=0) < len(numbered):
                raise ValueError(f'an index is beyond the {len(numbered)} images')
            chosen = numbered[np.asarray(indices, np.int64)]
            if len(np.unique(chosen)) != len(chosen):
                raise ValueError('an index appears more than once')
            return np.sort(chosen)
    raise ValueError(
        f'{len(indices)} indices are not {percent:g} % of the {annotated.sum()} annotated or '
        f'{len(ids)} images: was the list made for another annotation file?'
    )
