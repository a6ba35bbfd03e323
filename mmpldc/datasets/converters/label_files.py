"""Annotation files of images: which belongs to which."""

import warnings
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from ..folders import suffix_of
from ..mask_names import image_stem
from ..photo_names import match_names

Place = TypeVar('Place', bound=Hashable)


def without_suffix(names: Sequence[str]) -> dict[str, str]:
    """Each image's name by its name without the suffix, by which annotation files refer to it.

    Raises:
        ValueError: if two images differ in the suffix only.
    """
    images: dict[str, str] = {}
    for name in names:
        stem = str(PurePosixPath(name).with_suffix(''))
        if stem in images:
            raise ValueError(
                f'{images[stem]} and {name} share their annotation file: rename one of them'
            )
        images[stem] = name
    return images


def by_image(names: Iterable[str], suffixes: Collection[str], *, of_masks: bool = False) -> dict:
    """Annotation files by the names of their images.

    Args:
        names: of files, with ``/``.
        suffixes: of annotation files, in small letters; the files may have capitals.
        of_masks: ``0001_mask.png`` belongs to the image ``0001``, unless there is ``0001.png``.

    Returns:
        Name of the image without its suffix to the annotation file's name.

    Raises:
        ValueError: if two files are for the same image.
    """
    exact: dict[str, str] = {}
    derived: dict[str, str] = {}
    for name in sorted(names):
        if suffix_of(name) not in suffixes:
            continue
        stem = str(PurePosixPath(name).with_suffix(''))
        of_image = image_stem(stem) if of_masks else stem
        known = exact if of_image == stem else derived
        if of_image in known:
            raise ValueError(
                f'{known[of_image]} and {name} are for the same image: remove one of them'
            )
        known[of_image] = name
        if of_masks and of_image != stem:
            exact.setdefault(stem, name)  # or the image itself is called a mask
    return derived | exact


def pair(
    stems: Mapping[str, str],
    files: Mapping[str, Place],
    kind: str,
    *,
    passed_over: Callable[[Place], bool] = lambda file: False,
) -> dict[str, Place]:
    """Annotation files of the images; a warning counts files that belong to none.

    A file whose name differs from its image's by case, Unicode form, or by what an annotation tool
    puts around either, is its image's if no other fits, with a warning that counts such files.

    Args:
        stems: names of the images by their names without the suffix.
        files: annotation files by the names of their images, as far as the files tell.
        kind: of annotation file, in the singular, for the messages.
        passed_over: whether a file is none, such as a list of classes.

    Returns:
        Annotation file by the image's name without the suffix.
    """
    own = {stem: file for stem, file in files.items() if stem in stems}
    paired = set(own.values())
    left = {stem: file for stem, file in files.items() if file not in paired}
    meant = match_names(left, list(stems.values()), taken=[stems[stem] for stem in own])
    of_name = {name: stem for stem, name in stems.items()}
    found = {of_name[photo.name]: left[stem] for stem, photo in meant.items()}
    if found:
        warn_of_names([f'{file} of {stems[stem]}' for stem, file in found.items()])
    paired |= set(found.values())
    lost = [file for file in dict.fromkeys(left.values()) if file not in paired]
    lost = [file for file in lost if not passed_over(file)]
    if lost and (own or found):  # else the converter ends with an error
        warnings.warn(
            f'{kind}s without an image: {len(lost)}, such as {lost[0]}; they are left out: '
            'complete the images, or name them alike',
            stacklevel=3,
        )
    return own | found


def warn_of_names(examples: Sequence[str]) -> None:
    """Warn of images that were recognised though their names are others in the annotations."""
    warnings.warn(
        f'the names of {len(examples)} images differ from those in the annotations by case, or by '
        f'what a tool adds, such as {examples[0]}: they are taken',
        stacklevel=4,
    )


def annotated_images(
    stems: Mapping[str, str], files: Collection[str], kind: str, *, negatives: bool
) -> list[str]:
    """Images that a converter lists: those that somebody annotated.

    Args:
        stems: names of the images by their names without the suffix.
        files: those that have an annotation file.
        kind: of annotation file, in the singular, for the message.
        negatives: list the others, too: nothing is on them.

    Returns:
        Stems in their order. If there are others, a warning counts them.
    """
    others = [name for stem, name in stems.items() if stem not in files]
    if not others or len(others) == len(stems):
        return list(stems)
    if negatives:
        fate = 'they count as negatives: nothing is on them'
    else:
        fate = 'they are left out, as not annotated; --negatives if nothing is on them'
    warnings.warn(
        f'images without a {kind}: {len(others)}, such as {others[0]}; {fate}', stacklevel=3
    )
    return list(stems) if negatives else [stem for stem in stems if stem in files]
