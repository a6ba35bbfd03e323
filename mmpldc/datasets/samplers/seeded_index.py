"""An index into a data set that says what randomness its augmentation has."""

from mmpldc.utils.randomness import Purpose


class SeededIndex(int):
    """The integer, with the position of this draw in the sampler's stream.

    A data set that knows of it, such as :class:`~mmpldc.datasets.SemiDataset`, seeds the
    augmentation with :attr:`position`; for others it is the integer.

    Args:
        index: into the data set.
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
        """For ``pickle``: the way to a worker process."""
        return int(self), self.position
