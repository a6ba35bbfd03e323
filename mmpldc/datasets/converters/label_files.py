"""Annotation files of images: which belongs to which."""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from ..mask_names import image_stem
from .image_files import suffix_of


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
