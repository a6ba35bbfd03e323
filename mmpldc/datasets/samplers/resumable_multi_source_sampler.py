"""Labelled and unlabelled images in a fixed ratio, with a stream that can be continued."""

from itertools import islice

from mmdet.datasets.samplers import MultiSourceSampler

from mmpldc.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ResumableMultiSourceSampler(MultiSourceSampler):
    """mmdet's ``MultiSourceSampler`` that can skip what a resumed run has already seen.

    Without ``skip``, mmengine resumes by loading and discarding every past batch.

    Args:
        dataset: a ``ConcatDataset``, one part per source, such as ``SemiDataset``.
        batch_size: images a process and step.
        source_ratio: of the sources in a batch, e.g. ``[1, 1]``.
        **kwargs: ``shuffle``, ``seed``.

    Raises:
        ValueError: if a source would get no image, for which the parent waits forever.
    """

    def __init__(self, dataset, batch_size: int, source_ratio: list, **kwargs) -> None:
        super().__init__(dataset, batch_size, source_ratio, **kwargs)
        if min(self.num_per_source) < 1:
            raise ValueError(
                f'batch_size={batch_size} with source_ratio={source_ratio} gives '
                f'{self.num_per_source} images of each source: every source needs at least one'
            )

    def skip(self, num_samples: int) -> None:
        """Advance the stream, mmengine's contract for samplers.

        Args:
            num_samples: indices that this rank has consumed, whole batches.

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
