"""Lists of images by name, which semantic segmentation divides its data sets by.

U2PL and iMAS, UniMatch, CPS and ST++ each write them in another way, one image a line:

============ ================================================================================
U2PL, VOC    ``2007_000032``
U2PL, Citys. ``leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png``
UniMatch     ``JPEGImages/2007_000032.jpg SegmentationClass/2007_000032.png``
CPS          ``train_aug/image/2007_000032.jpg<TAB>train_aug/label/2007_000032.png``
mmseg        ``2007_000032``, ``aachen/aachen_000000_000019``
============ ================================================================================

All name an image by the last part of its path, without folders and suffixes, which is unique in
either data set (:func:`image_stem`). What is written is mmsegmentation's form.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np

from mmpldc.utils.files import atomic_write
from mmpldc.utils.text import read_lines

from .folders import files_below, suffix_of
from .folders_of_names import warn_of_folders, with_most_folders
from .label_maps import IGNORE, UnusableLabelMap, count_values, read_label_map

# Of names without their extension.
SUFFIXES = ('_leftImg8bit', '_gtFine_labelTrainIds', '_gtFine_labelIds', '_gtFine')
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')


def image_stem(name: str) -> str:
    """An image's name without folders, extension and Cityscapes' suffix.

    Args:
        name: a path, with slashes or backslashes.

    Examples:
        >>> image_stem('/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png')
        'aachen_000000_000019'
        >>> image_stem('2007_000032')
        '2007_000032'
    """
    last = PurePosixPath(name.replace('\\', '/')).name
    stem, dot, extension = last.rpartition('.')
    if dot and f'.{extension.lower()}' in EXTENSIONS:
        last = stem
    for suffix in SUFFIXES:
        last = last.removesuffix(suffix)
    return last


def plain_name(name: str) -> str:
    """An image's name as mmsegmentation's lists have it.

    Args:
        name: in any of the ways above. What has an extension is a path from the data set's root,
            of which Cityscapes keeps the town; anything else stays as it is.

    Examples:
        >>> plain_name('leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png')
        'aachen/aachen_000000_000019'
        >>> plain_name('/JPEGImages/2007_000032.jpg'), plain_name('part_1/2007_000032')
        ('2007_000032', 'part_1/2007_000032')
    """
    path = PurePosixPath(name.replace('\\', '/'))
    if path.suffix.lower() not in EXTENSIONS:
        return name
    stem = image_stem(name)
    return f'{path.parent.name}/{stem}' if path.stem.endswith(SUFFIXES[0]) else stem


def read_names(path: Path) -> list[str]:
    """The images of a list, in any of the ways above.

    Args:
        path: of a text file. Empty lines, and those that begin with ``#``, are passed over; of
            several columns, which tabs or blanks divide, the first one counts.

    Returns:
        Names as they stand there.

    Raises:
        ValueError: if the file is no text, or names no image.
    """
    lines = read_lines(path)
    names = [_first_column(line) for line in lines if line and not line.startswith('#')]
    if not names:
        raise ValueError(f'{path} names no image')
    return names


def read_plain_names(path: Path) -> list[str]:
    """The images of a list as mmsegmentation's lists have them, each once.

    Args:
        path: see :func:`read_names`.

    Raises:
        ValueError: if there are several columns in CSV, or if two images have one name, as one
            could be drawn for both sets.
    """
    listed = read_names(path)
    names = list(map(plain_name, listed))
    commas = [name for name in names if ',' in name and path.suffix.lower() == '.csv']
    if commas:
        raise ValueError(f"{path}: '{commas[0]}': keep the column of images alone")
    twice = [name for name, number in Counter(names).items() if number > 1]
    if not twice:
        return names
    alike = dict.fromkeys(
        given for given, name in zip(listed, names, strict=True) if name == twice[0]
    )
    if len(alike) > 1:
        raise ValueError(
            f"{path}: {' and '.join(list(alike)[:2])} are both called '{twice[0]}': write their "
            'paths below the folder of images, without a suffix'
        )
    raise ValueError(f'{path}: listed more than once: {", ".join(twice[:5])}')


def _first_column(line: str) -> str:
    """The image of a line; a name may have blanks, if no label map follows it."""
    if '\t' in line:
        return line.split('\t')[0].strip()
    columns = line.split(' ')
    for number in range(1, len(columns)):
        first, others = ' '.join(columns[:number]), ' '.join(columns[number:]).strip()
        if image_stem(first) == image_stem(others):
            return first
    return line


def find_names(known: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Where the images of a list are in a data set.

    Args:
        known: names of its I images, such as paths below their folder.
        names: of a list, see :func:`read_names`. Of images of several folders that share their last
            part, the one with most of the folders is meant.

    Returns:
        ``(len(names),)`` int64 indices into ``known``, ascending.

    Raises:
        ValueError: naming what is not in the data set, is ambiguous, or stands in the list twice.
    """
    by_name, by_stem = {}, defaultdict(set)
    for index, name in enumerate(known):
        by_name[name] = index
        by_stem[image_stem(name)].add(index)
    found: list[int] = []
    unknown: list[str] = []
    for name in names:
        matches = {by_name[name]} if name in by_name else by_stem.get(image_stem(name), set())
        matches = with_most_folders(name, {index: known[index] for index in matches})
        if len(matches) > 1:
            raise ValueError(f"'{name}' may be any of {len(matches)} images: list their paths")
        found += matches
        unknown += [] if matches else [name]
    if unknown:
        raise ValueError(
            f'{len(unknown)} of {len(names)} listed images are not in the data set: '
            f'{", ".join(unknown[:5])}'
        )
    if len(by_stem) < len(by_name):
        warn_of_folders(names, [known[index] for index in found])
    return once_each(found, known)


def once_each(rows: Sequence[int | None], names: Sequence[str]) -> np.ndarray:
    """Rows of a list, ``(len(rows),)`` int64, ascending.

    Args:
        rows: into ``names``, none of them None.
        names: of the images.

    Raises:
        ValueError: naming what is in the list twice.
    """
    indices, counts = np.unique(np.array(rows, np.int64), return_counts=True)
    if (counts > 1).any():
        twice = [names[index] for index in indices[counts > 1][:5]]
        raise ValueError(f'listed more than once: {", ".join(twice)}')
    return indices


def find_image_names(folder: Path) -> list[str]:
    """The images below a folder, as mmsegmentation's lists name them.

    Args:
        folder: of images, perhaps in folders of their own.

    Returns:
        Paths below the folder without their extensions, sorted; without ``_leftImg8bit``, too, if
        all end in it.

    Raises:
        ValueError: if there is no image, or two differ in their extension alone.
    """
    names = sorted(
        PurePosixPath(name).with_suffix('').as_posix()
        for name in files_below(folder)
        if suffix_of(name) in EXTENSIONS
    )
    if not names:
        raise ValueError(f'{folder} has no image ({", ".join(EXTENSIONS)})')
    if all(name.endswith(SUFFIXES[0]) for name in names):
        names = [name.removesuffix(SUFFIXES[0]) for name in names]
    twice = [name for name, other in pairwise(names) if name == other]
    if twice:
        raise ValueError(f'{folder} has several images called {", ".join(twice[:5])}')
    return names


def count_pixels(paths: Sequence[Path]) -> np.ndarray:
    """Pixels of each class in each image, to draw from so that each class is there.

    Args:
        paths: I label maps.

    Returns:
        ``(I, C)`` int64, with C - 1 the largest value in any map but 255.

    Raises:
        ValueError: naming a map that cannot be read.
    """
    counts = np.zeros((len(paths), IGNORE), np.int64)
    for row, path in enumerate(paths):
        try:
            counts[row] = count_values(read_label_map(path).values)[:IGNORE]
        except UnusableLabelMap as fault:
            raise ValueError(f'{path} {fault}') from fault
    present = np.flatnonzero(counts.any(axis=0))
    return counts[:, : present[-1] + 1 if len(present) else 0]


def write_names(path: Path, names: Sequence[str]) -> None:
    """Write a list all or nothing, one name a line."""
    text = text_of_names(names)
    with atomic_write(path) as file:
        file.write(text)


def text_of_names(names: Sequence[str]) -> str:
    """A list of names, one a line.

    Raises:
        ValueError: if a list cannot hold a name.
    """
    for name in names:
        try:
            fits = len(name.encode().splitlines()) <= 1 and name == name.strip()
        except UnicodeEncodeError:  # from a system of another encoding
            fits = False
        if not fits:
            raise ValueError(f'{name!r}: a list of names cannot hold this one: rename it')
    return ''.join(f'{name}\n' for name in names)


def split_names(names: Sequence[str], labeled: np.ndarray) -> tuple[list[str], list[str]]:
    """Divide a set into the names that stay labelled and the others.

    Args:
        names: of I images.
        labeled: ``(K,)`` indices.
    """
    chosen = set(np.asarray(labeled).tolist())
    return (
        [name for index, name in enumerate(names) if index in chosen],
        [name for index, name in enumerate(names) if index not in chosen],
    )
