"""An index into a data set that says what randomness its augmentation has."""


class SeededIndex(int):
    """The integer, with the position of this draw in the sampler's stream.

    A data set that knows of it, such as :class:`~mmpldc.datasets.SemiDataset`, seeds the
    augmentation with :attr:`position`; for others it is the integer.

    Args:
        index: into the data set.
        position: arguments of :func:`~mmpldc.utils.randomness.seeded`.
    """

    position: tuple[int, ...]

    def __new__(cls, index: int, position: tuple[int, ...]) -> 'SeededIndex':
        self = super().__new__(cls, index)
        self.position = position
        return self

    def __getnewargs__(self) -> tuple[int, tuple[int, ...]]:
        """For ``pickle``: the way to a worker process."""
        return int(self), self.position
