"""A second model that corrects classes, chosen for somebody's own data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Refiner = Literal['clip', 'imagenet']


@dataclass(frozen=True)
class ClassCorrection:
    """The choice of DICC's second model, see ``configs/custom``.

    Attributes:
        refiner: the model; None: no label is corrected.
        class_indices: for 'imagenet', its outputs for each class; [] if it does not know the class.
        weights: a file; None: the published ones.
    """

    refiner: Refiner | None = None
    class_indices: dict[str, list[int]] | None = None
    weights: str | None = None

    def describe(self) -> Iterator[str]:
        """Say which outputs were matched with which class, a line each."""
        if self.class_indices is None:
            return
        outputs = imagenet_names()
        yield 'The classifier corrects these classes. If a match is wrong, give --class-map:'
        for name, own in self.class_indices.items():
            matches = ', '.join(outputs[index].split(',')[0] for index in own)
            yield f'  {name}: {matches or "not known to it, its labels stay as they are"}'


def choose_correction(
    refiner: Refiner | None,
    classes: Sequence[str],
    class_map: Path | None = None,
    weights: Path | None = None,
) -> ClassCorrection:
    """Choose the second model, and for a classifier which of its classes are which.

    Args:
        refiner: see :class:`ClassCorrection`.
        classes: names of the detector's classes.
        class_map: file for :func:`read_class_map`; None: by their names.
        weights: a file.

    Raises:
        ValueError: if the classifier knows none of the classes, if the map is faulty or not needed.
        FileNotFoundError: if a file is missing.
    """
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f'--refiner-weights: there is no file {weights}')
    file = None if weights is None else str(weights)
    if refiner != 'imagenet':
        if class_map is not None:
            raise ValueError('--class-map is for --refiner imagenet')
        if refiner is None and weights is not None:
            raise ValueError('--refiner-weights needs --refiner')
        return ClassCorrection(refiner, weights=file)
    outputs = imagenet_names()
    if class_map is None:
        indices = find_by_name(classes, outputs)
    else:
        indices = read_class_map(class_map, classes, outputs)
    if not any(indices.values()):
        raise ValueError(
            '--refiner imagenet: none of its classes is called like one of yours; --class-map says '
            'which are'
        )
    return ClassCorrection(refiner, indices, file)


def imagenet_names() -> Sequence[str]:
    """Names of ImageNet's 1,000 classes, each with its synonyms, separated by commas.

    Raises:
        ValueError: without mmpretrain, which has them.
    """
    try:
        from mmpretrain.datasets.categories import IMAGENET_CATEGORIES as names
    except ImportError as error:
        raise ValueError('--refiner imagenet: pip install onedl-mmpretrain') from error
    return names


def find_by_name(classes: Sequence[str], outputs: Sequence[str]) -> dict[str, list[int]]:
    """Find the outputs of a classifier that are called like a class, or a kind of it.

    A synonym matches if it is the class's name or ends with it as a word: 'bear' is found in 'polar
    bear', but 'tiger' is not found in 'tiger cat'. Case and a plural's s do not matter.

    Args:
        classes: names of the detector's classes.
        outputs: names of the classifier's, each with synonyms that commas separate.

    Returns:
        Indices for each class, ascending; [] where no name matches.

    Examples:
        >>> outputs = ['tiger cat', 'tiger, Panthera tigris', 'ice bear, polar bear', 'sea lion']
        >>> find_by_name(['Bears', 'tiger', 'lion', 'deer'], outputs)
        {'Bears': [2], 'tiger': [1], 'lion': [3], 'deer': []}
    """
    synonyms = [[_words(name) for name in names.split(',')] for names in outputs]
    found = {}
    for name in classes:
        wanted = _words(name)
        found[name] = [
            index
            for index, own in enumerate(synonyms)
            if wanted and any(words[-len(wanted) :] == wanted for words in own)
        ]
    return found


def read_class_map(
    path: Path, classes: Sequence[str], outputs: Sequence[str]
) -> dict[str, list[int]]:
    """Read which outputs of a classifier stand for which class.

    Args:
        path: JSON, ``{"class": [index or name, ...], ...}``; a class that is missing is not known
            to the classifier.
        classes: names of the detector's classes.
        outputs: as for :func:`find_by_name`; a name is the whole entry or one of its synonyms.

    Raises:
        ValueError: if the file is something else, or has an unknown class or output, which is
            named.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except ValueError as error:
        raise ValueError(f'{path}: no JSON: {error}') from None
    if not isinstance(content, Mapping) or not all(isinstance(v, list) for v in content.values()):
        raise ValueError(f'{path}: {{"class": [index or name, ...], ...}} is needed')
    unknown = sorted(set(content) - set(classes))
    if unknown:
        raise ValueError(f'{path}: there is no class {unknown[0]!r}; classes: {", ".join(classes)}')
    indices: dict[tuple[str, ...], int] = {}
    for index, names in enumerate(outputs):
        for name in (names, *names.split(',')):
            indices.setdefault(_words(name), index)
    return {
        name: sorted(
            {_index(path, entry, indices, len(outputs)) for entry in content.get(name, [])}
        )
        for name in classes
    }


def _index(path: Path, entry: object, indices: Mapping[tuple[str, ...], int], count: int) -> int:
    if isinstance(entry, str) and _words(entry) in indices:
        return indices[_words(entry)]
    if type(entry) is int and 0 <= entry < count:
        return entry
    raise ValueError(f'{path}: the classifier has no class {entry!r}')


def _words(name: str) -> tuple[str, ...]:
    words = name.casefold().replace('_', ' ').replace('-', ' ').split()
    return tuple(word.removesuffix('s') if len(word) > 3 else word for word in words)
