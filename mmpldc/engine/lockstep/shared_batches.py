"""Load each batch once for several runs."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from torch.utils.data import DataLoader

END = object()


class SharedBatches:
    """The batches of one data loader for several consumers, each of which gets its own copy.

    All consumers read as many batches, at most one ahead of one another, so that no more than one
    batch is kept.

    Args:
        loader: the data loader that is read.
        consumers: their number.
    """

    def __init__(self, loader: DataLoader, consumers: int) -> None:
        self.loader = loader
        self.consumers = consumers
        self.passes: Counter[str] = Counter()
        self.begun = 0
        self.stream: Iterator = iter(())
        self.kept: dict[tuple[int, int], tuple[Any, int]] = {}

    def read(self, name: str, give_way: Callable[[], None]) -> Iterator[Any]:
        """Yield the batches of one pass.

        Args:
            name: of the consumer.
            give_way: called before each batch, to let the other consumers read theirs.
        """
        self.passes[name] += 1
        number = self.passes[name]
        for index in count():
            give_way()
            batch = self._take(number, index)
            if batch is END:
                return
            yield batch

    def _take(self, number: int, index: int) -> Any:
        """Return a batch: the kept one, or a copy of the next one."""
        key = number, index
        if key not in self.kept:
            if number > self.begun:
                self.begun, self.stream = number, iter(self.loader)
            self.kept[key] = next(self.stream, END), self.consumers
        batch, waiting = self.kept.pop(key)
        if waiting > 1:
            self.kept[key] = batch, waiting - 1
            # Preprocessing pads the masks of the data samples in place.
            batch = batch if batch is END else copy.deepcopy(batch)
        return batch


class LoaderView:
    """A run's own data loader, whose batches are read from a shared one.

    Args:
        own: the run's data loader; its data set, sampler and sizes are what the run sees.
        shared: whose batches it gets.
        name: of the run.
        give_way: see :meth:`SharedBatches.read`.
    """

    def __init__(
        self, own: DataLoader, shared: SharedBatches, name: str, give_way: Callable[[], None]
    ) -> None:
        self.own, self.shared = own, shared
        self.name, self.give_way = name, give_way

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.own, attribute)

    def __len__(self) -> int:
        return len(self.own)

    def __iter__(self) -> Iterator[Any]:
        return self.shared.read(self.name, self.give_way)
