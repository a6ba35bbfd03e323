"""Skip or report images and annotations that training cannot use."""

import errno
import logging
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import cv2
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .checks.findings import printable
from .checks.pixels import UnreadableImage, read_size

OnFault = Literal['skip', 'raise']
# An error: even with half of the data faulty it happens once in 10^15 images.
MOST_IN_A_ROW = 50
# Errors of the machine, whatever image is being read.
OUT_OF_RESOURCES = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class InputFault(ValueError):
    """An image or its annotations cannot be used; the message says why."""


class GuardedPipeline:
    """A data set's pipeline that skips or reports unusable images.

    Input faults are an image that cannot be read, an :class:`InputFault` of a transform, and
    OpenCV's refusal to process an image (for example, one shrunk to nothing). Each is logged once
    per image, with the file's name; the data set then draws another image, by NumPy's generator.

    Any other error comes from a transform or from the machine. It always stops the run, with the
    image named as well, and so do 50 faults in a row.

    Args:
        pipeline: pipeline of a data set; takes what ``get_data_info`` returns.
        ann_file: annotation file of the data set, for messages.
        num_images: number of images of the data set.
        on_fault: 'skip' lets the data set draw another image, 'raise' stops.

    Raises:
        ValueError: if ``on_fault`` is anything else.

    Attributes:
        is_faulty: ``(num_images,)`` bool, in memory that the workers share.
    """

    def __init__(
        self, pipeline: Callable, *, ann_file: str, num_images: int, on_fault: OnFault
    ) -> None:
        if on_fault not in get_args(OnFault):
            raise ValueError(f"on_fault is {on_fault!r}: it must be 'skip' or 'raise'")
        self.pipeline = pipeline
        self.ann_file = ann_file
        self.on_fault = on_fault
        self.is_faulty = torch.zeros(num_images, dtype=torch.bool).share_memory_()
        self._in_a_row = 0

    def __call__(self, results: dict) -> dict | None:
        """Run the pipeline.

        Args:
            results: of one image.

        Returns:
            The sample; None if another image is to be drawn.

        Raises:
            InputFault: if the image cannot be used and ``on_fault`` is 'raise', or after too many
                faults in a row.
            RuntimeError: on any other error.
        """
        index, path = results['sample_idx'], results['img_path']
        identity = f'image id {results["img_id"]} of ' if 'img_id' in results else ''
        name = f'{path} ({identity}{self.ann_file})'
        try:
            sample = self.pipeline(results)
        except Exception as error:
            cause = _fault_of_input(error, path, results)
            if cause is None:
                cause = f'the pipeline failed: {type(error).__name__}: {error}'
                raise RuntimeError(printable(f'{name}: {cause}')) from error
            fault = InputFault(printable(f'{name}: {cause}'))
            self._count(index, fault)
            if self.on_fault == 'raise':
                raise fault from error
            if self._in_a_row >= MOST_IN_A_ROW:
                raise InputFault(
                    f'{MOST_IN_A_ROW} images in a row could not be used, the last one: {fault}. '
                    'tools/dataset/check.py checks all of them'
                ) from error
            return None
        self._in_a_row = 0
        return sample

    def _count(self, index: int, fault: InputFault) -> None:
        self._in_a_row += 1
        if self.on_fault == 'skip' and not self.is_faulty[index]:
            # An error, because ranks other than the first print nothing below it.
            print_log(f'Input fault: {fault}', logger='current', level=logging.ERROR)
        self.is_faulty[index] = True


def _fault_of_input(error: Exception, path: str, results: dict) -> str | None:
    """Describe the fault of the input; None if the error has another cause."""
    if isinstance(error, OSError) and error.errno in OUT_OF_RESOURCES:
        return None
    is_loaded = 'img' in results
    if not is_loaded and '://' not in path:
        try:
            read_size(path)
        except UnreadableImage as reason:
            return str(reason)
    if isinstance(error, InputFault | OSError):
        return str(error)
    # OpenCV's other errors concern wrong arguments, or memory.
    if is_loaded and isinstance(error, cv2.error) and error.code == cv2.Error.StsAssert:
        height, width = results['ori_shape']
        return f'OpenCV cannot {error.func} an image of {width} x {height} px: {error.err}'
    # mmcv asserts that an image was decoded.
    return str(error) if isinstance(error, AssertionError) and not is_loaded else None


# ---------------------------------------------------------------- data sets


def guard_pipelines(dataset: BaseDataset, *, on_fault: OnFault) -> None:
    """Guard the pipelines of a data set in place; guarded ones stay unchanged.

    Args:
        dataset: a data set, or a wrapper of others.
        on_fault: see :class:`GuardedPipeline`.
    """
    for part in _leaves(dataset):
        if not isinstance(part.pipeline, GuardedPipeline):
            part.pipeline = GuardedPipeline(
                part.pipeline, ann_file=part.ann_file, num_images=len(part), on_fault=on_fault
            )


def faulty_images(dataset: BaseDataset) -> list[str]:
    """List the images that guarded pipelines could not use so far, as sorted paths."""
    return sorted(
        {
            part.get_data_info(index)['img_path']
            for part in _leaves(dataset)
            if isinstance(part.pipeline, GuardedPipeline)
            # copied, as workers may still mark others, and PyTorch fails if that is while it counts
            for index in part.pipeline.is_faulty.clone().nonzero().flatten().tolist()
        }
    )


def _leaves(dataset: BaseDataset) -> Iterator[BaseDataset]:
    """Yield the data sets with a pipeline of their own, inside of wrappers."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from _leaves(part)
    elif hasattr(dataset, 'dataset'):
        yield from _leaves(dataset.dataset)
    elif isinstance(dataset, BaseDataset):
        yield dataset
