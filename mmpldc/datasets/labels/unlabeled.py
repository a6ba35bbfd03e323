"""The unlabelled set: the photos of a folder that no annotated set has."""

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ..checks.findings import Finding, some
from ..converters.coco import build_coco
from ..converters.image_files import find_images, image_record

# Paths of photos and of annotated images -> path, original and kind of those that are copies.
FindCopies = Callable[[Sequence[str], Sequence[str]], Sequence[tuple[str, str, str]]]


def unlabeled_set(
    folder: Path,
    categories: list[dict],
    *,
    known: Collection[str],
    out_dir: Path,
    skip_unreadable: bool,
    find_copies: FindCopies,
) -> tuple[dict, list[Finding], list[str]]:
    """A COCO-format file of all photos of a folder but those that are annotated.

    Args:
        folder: of the photos, which may have subfolders.
        categories: of the labelled set.
        known: paths of images of other sets; links are followed.
        out_dir: what is written below it is no photo.
        skip_unreadable: leave out files that are no images.
        find_copies: called with the paths of the photos that are left and ``known``.

    Returns:
        The content, findings, and a line for each file that was left out.

    Raises:
        FileNotFoundError: if there is no photo.
        ValueError: if one cannot be read, or none is left.
    """
    paths = {name: os.path.realpath(folder / name) for name in find_images(folder)}
    known = {os.path.realpath(path) for path in known}
    written = os.path.join(os.path.realpath(out_dir), '')
    names = [n for n, path in paths.items() if path not in known and not path.startswith(written)]
    found = find_copies([paths[name] for name in names], sorted(known))
    copies = {path: f'a copy of {original} ({kind})' for path, original, kind in found}
    copied = [name for name in names if paths[name] in copies]
    left_out = [f'{folder / name}: {copies[paths[name]]}' for name in copied]
    findings = []
    if copied:
        message = 'copies of annotated images: left out of the unlabelled set'
        findings.append(Finding('note', str(folder), some('image', copied), message))
    records, unreadable = [], []
    for name in (name for name in names if paths[name] not in copies):
        try:
            records.append((image_record(folder, name), []))
        except ValueError as error:
            if not skip_unreadable:
                raise ValueError(
                    f'{error}; --skip-unreadable leaves such files out of the unlabelled set'
                ) from None
            unreadable.append(name)
            left_out.append(str(error))
    if unreadable:
        message = 'cannot be read: left out of the unlabelled set'
        findings.append(Finding('note', str(folder), some('file', unreadable), message))
    if not records:
        raise ValueError(
            f'all photos below {folder} are annotated, none is left to learn from without labels: '
            'give --unlabeled-images, or train on the labels alone (configs/supervised)'
        )
    description = f'unlabelled images of {folder.name}'
    return build_coco(records, categories, description=description), findings, left_out
