"""Sample labelled and unlabelled images in a fixed ratio, from a resumable stream."""

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import mmpldc._mmdet  # noqa: F401

import torch
from mmdet.datasets.samplers import MultiSourceSampler
from mmengine.dataset import BaseDataset, ConcatDataset
from torch import Tensor

from mmpldc.functional import repeat_factors
from mmpldc.registry import DATA_SAMPLERS
from mmpldc.utils.randomness import Purpose

from .seeded_index import SeededIndex


@DATA_SAMPLERS.register_module()
class ResumableMultiSourceSampler(MultiSourceSampler):
    """mmdet's ``MultiSourceSampler`` that can skip what a resumed run has already seen.

    Without ``skip``, mmengine resumes by loading and discarding every past batch.

    Each index is a :class:`SeededIndex` at the position (seed, source, place in the source's
    stream, which ranks share). The augmentation of a draw depends on nothing else: not on the batch
    size, the number of ranks or workers, or the point at which a run was resumed.

    Args:
        dataset: a ``ConcatDataset``, one part per source, such as ``SemiDataset``.
        batch_size: images per process and step.
        source_ratio: ratio of the sources in a batch, e.g. ``[1, 1]``.
        oversample_thr: draw source 0, the labelled images, by their repeat factors, see
            :func:`~mmpldc.functional.repeat_factors`; None: each image once per pass.
        **kwargs: ``shuffle``, ``seed``.

    Raises:
        ValueError: if a source would get no image; the parent would wait forever.

    Note:
        mmengine's ``ClassBalancedDataset`` rounds repeat factors up, sqrt(10) to 4. Here, as in
        detectron2, which Guided Distillation uses, a pass contains an image as often as the integer
        part of its factor says, and once more with the probability of the fraction.
    """

    source2inds: dict[int, Iterator]

    def __init__(
        self,
        dataset: ConcatDataset,
        batch_size: int,
        source_ratio: list,
        *,
        oversample_thr: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dataset, batch_size, source_ratio, **kwargs)
        if min(self.num_per_source) < 1:
            raise ValueError(
                f'batch_size={batch_size} with source_ratio={source_ratio} gives '
                f'{self.num_per_source} images of each source: every source needs at least one'
            )
        if oversample_thr is not None:
            factors = repeat_factors(_shown_classes(dataset.datasets[0]), oversample_thr)
            self.source2inds[0] = islice(
                self._repeated_indices(factors), self.rank, None, self.world_size
            )
        # (place, index) as they are drawn; rank r of R has the places r, r + R, r + 2 R, ...
        self.source2inds = {
            source: zip(count(self.rank, self.world_size), indices, strict=False)
            for source, indices in self.source2inds.items()
        }

    def __iter__(self) -> Iterator[SeededIndex]:
        while True:
            for source, num in enumerate(self.num_per_source):
                first = self.cumulative_sizes[source]
                for place, index in islice(self.source2inds[source], num):
                    position = self.seed, Purpose.AUGMENTATION, source, place
                    yield SeededIndex(first + index, position)

    def skip(self, num_samples: int) -> None:
        """Advance the stream, as mmengine expects of samplers.

        Args:
            num_samples: indices that this rank has consumed, in whole batches.

        Raises:
            ValueError: if that is not a whole number of batches.
        """
        num_batches, rest = divmod(num_samples, self.batch_size)
        if rest:
            raise ValueError(
                f'cannot skip {num_samples} samples: not a multiple of the batch size '
                f'{self.batch_size}. Was the checkpoint made with another batch size?'
            )
        for source, num in enumerate(self.num_per_source):
            consumed = num_batches * num
            next(islice(self.source2inds[source], consumed, consumed), None)

    def _repeated_indices(self, factors: Tensor) -> Iterator[int]:
        """Yield passes over the images, with as many places for each as its factor says."""
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            chance = torch.rand(len(factors), generator=generator, dtype=factors.dtype)
            repeats = factors.floor().long() + (chance < factors.frac())
            indices = torch.arange(len(factors)).repeat_interleave(repeats)
            if self.shuffle:
                indices = indices[torch.randperm(len(indices), generator=generator)]
            yield from indices.tolist()


def _shown_classes(dataset: BaseDataset) -> Tensor:
    """Return ``(I, N)`` bool, whether an image shows a class, crowds included; reads no image.

    Raises:
        ValueError: if the data set has label maps, which would have to be read.
    """
    shown = torch.zeros(len(dataset), len(dataset.metainfo['classes']), dtype=torch.bool)
    for index in range(len(dataset)):
        try:
            shown[index, dataset.get_cat_ids(index)] = True
        except NotImplementedError:
            raise ValueError(
                'sampler.oversample_thr goes by annotated instances, and label maps have none: '
                'remove it'
            ) from None
    return shown
