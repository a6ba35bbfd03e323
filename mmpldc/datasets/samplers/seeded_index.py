"""Index into a data set that carries the seed of its augmentation."""

from mmpldc.utils.randomness import Purpose


class SeededIndex(int):
    """An integer with the position of this draw in the sampler's stream.

    A data set that supports it, such as :class:`~mmpldc.datasets.SemiDataset`, seeds the
    augmentation with :attr:`position`; for others it is a plain integer.

    Args:
        index: index into the data set.
        position: arguments of :func:`~mmpldc.utils.randomness.seeded`.
    """

    position: tuple[int, Purpose, int, int]

    def __new__(cls, index: int, position: tuple[int, Purpose, int, int]) -> 'SeededIndex':
        self = super().__new__(cls, index)
        self.position = position
        return self

    # int's own has one argument, and so has its type
    def __getnewargs__(  # type: ignore[override]
        self,
    ) -> tuple[int, tuple[int, Purpose, int, int]]:
        """Return the arguments for ``pickle``, on the way to a worker process."""
        return int(self), self.position
