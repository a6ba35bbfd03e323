"""Let threads run one at a time, in a fixed order."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition


class Stopped(Exception):
    """Another thread has failed, so this one must end."""


class Turns:
    """Threads that run one at a time: each keeps its turn until it gives it to the next.

    Args:
        names: of the threads, in their order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.order = deque(names)
        self.changed = Condition()
        self.error: BaseException | None = None

    @contextmanager
    def take_part(self, name: str) -> Iterator[None]:
        """Wait for the first turn; afterwards leave, and stop the others after an error.

        Args:
            name: of this thread.
        """
        self._wait(name)
        try:
            yield
        except BaseException as error:
            self.stop(error)
            raise
        finally:
            with self.changed:
                self.order.remove(name)
                self.changed.notify_all()

    def give_way(self, name: str) -> None:
        """Let all the others have one turn.

        Args:
            name: of this thread, whose turn it is.

        Raises:
            Stopped: if one of them has failed.
        """
        with self.changed:
            self.order.rotate(-1)
            self.changed.notify_all()
        self._wait(name)

    def stop(self, error: BaseException) -> None:
        """End all threads when they next give way."""
        with self.changed:
            self.error = self.error or error
            self.changed.notify_all()

    def _wait(self, name: str) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.error is not None or self.order[0] == name)
            if self.error is not None:
                raise Stopped(name)
