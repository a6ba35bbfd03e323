"""Which image a listed path means, if several folders have one of that name."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile


def with_most_folders(name: str, others: Mapping[int, str]) -> set[int]:
    """Rows of the images that have most folders of a path, counted from its last one.

    Args:
        name: a path.
        others: images with its last part, by their rows.
    """
    common = {row: _num_common(_folders(name), _folders(other)) for row, other in others.items()}
    return {row for row, number in common.items() if number == max(common.values())}


def warn_of_folders(names: Sequence[str], others: Sequence[str]) -> None:
    """Warn of paths that were taken for images of other folders, where those share last parts.

    Args:
        names: of a list.
        others: the images that they were taken for.
    """
    moved = [
        (name, other)
        for name, other in zip(names, others, strict=True)
        if _folders(name) and _folders(other) and _folders(name)[0] != _folders(other)[0]
    ]
    if moved:
        warnings.warn(
            f'{len(moved)} listed images are in another folder, such as {moved[0][0]}: '
            f'{moved[0][1]} is taken; list paths if it is another image',
            stacklevel=3,
        )


def _num_common(folders: Sequence[str], others: Sequence[str]) -> int:
    """Folders that are equal from the first one on."""
    pairs = zip(folders, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _folders(name: str) -> list[str]:
    """Folders of a path, the last one first."""
    return name.replace('\\', '/').split('/')[-2::-1]
