"""The unlabelled set: the photos of a folder that no annotated set has."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from ..checks.findings import Finding, some
from ..checks.pixels import find_unreadable
from ..converters.coco import build_coco
from ..converters.image_files import find_images, one_name_each, real_paths, without_hard_links
from ..image_header import ImageHeader, fault_of_shape, read_headers
from ..unwanted_images import COPIES, Unwanted, by_kind, find_unwanted

NOTHING: list[dict] = []  # the annotations of each image


def unlabeled_set(
    folder: Path,
    categories: list[dict],
    *,
    known: Collection[str],
    out_dir: Path,
    not_below: Sequence[Path] = (),
    no_photos: Collection[str] = (),
    skip_unreadable: bool,
    keep_all: bool = False,
    all_pictures: bool = False,
) -> tuple[dict, list[Finding], list[str]]:
    """A COCO-format file of all photos of a folder but those that are annotated.

    Args:
        folder: of the photos, which may have subfolders.
        categories: of the labelled set.
        known: paths of images of other sets; links are followed.
        out_dir: what is written below it is no photo, unless ``folder`` is or lies below it.
        not_below: further folders without photos, likewise.
        no_photos: paths of further files that are none, such as label maps.
        skip_unreadable: leave out files that are no images.
        keep_all: leave out the known images themselves only, not their copies, and not what is no
            photo (:mod:`mmpldc.datasets.unwanted_images`).
        all_pictures: see :func:`~mmpldc.datasets.unwanted_images.find_unwanted`.

    Returns:
        The content, findings, and a line for each file that was left out.

    Raises:
        FileNotFoundError: if there is no photo.
        ValueError: if one cannot be read, or none is left.
    """
    paths = one_name_each(real_paths(folder, find_images(folder)))
    known = {os.path.realpath(path) for path in known}
    taken = known | {os.path.realpath(path) for path in no_photos}
    own = os.path.join(os.path.realpath(folder), '')
    others = [os.path.join(os.path.realpath(other), '') for other in (out_dir, *not_below)]
    outside = tuple(other for other in others if not own.startswith(other))
    num_annotated = sum(path in known for path in paths.values())
    paths = {
        name: path
        for name, path in paths.items()
        if path not in taken and not path.startswith(outside)
    }
    paths = without_hard_links(paths)
    headers = read_headers(list(paths.values()))
    unwanted: dict[str, Unwanted] = {}
    compared = len(paths)
    if not keep_all:
        unwanted, compared = find_unwanted(headers, known, all_pictures=all_pictures)
    left_out = [f'{path}: {reason.why}' for path, reason in unwanted.items()]
    names = {path: name for name, path in paths.items() if path in unwanted}
    findings = [
        Finding(
            'note',
            str(folder),
            some('image', lines),
            f'{kind}: left out of the unlabelled set; --keep-all keeps them',
        )
        for kind, lines in by_kind(unwanted, names).items()
    ]
    candidates = len(paths) - sum(reason.kind != COPIES for reason in unwanted.values())
    if compared < candidates:
        message = (
            f'copies of annotated images that were stored anew were looked for among {compared:,} '
            f'of {candidates:,} images, equal files among all: --hash looks at each'
        )
        findings.append(Finding('note', str(folder), '', message))
    records: list[tuple[dict, list[dict]]] = []
    unreadable, thin = [], {}
    whole = [path for path in paths.values() if isinstance(headers[path], ImageHeader)]
    broken = find_unreadable([path for path in whole if path not in unwanted])
    for name, path in paths.items():
        if path in unwanted:
            continue
        header = headers[path] if path not in broken else f'{path} {broken[path]}'
        if isinstance(header, ImageHeader):
            image = dict(file_name=name, width=header.width, height=header.height)
            records.append((image, NOTHING))
            if fault := fault_of_shape(header.width, header.height):
                thin[name] = fault
            continue
        if not skip_unreadable:
            raise ValueError(
                f'{header}; --skip-unreadable leaves such files out of the unlabelled set'
            )
        unreadable.append(name)
        left_out.append(str(header))
    if unreadable:
        message = 'cannot be read: left out of the unlabelled set'
        findings.append(Finding('note', str(folder), some('file', unreadable), message))
    if thin:
        message = f'unlabelled, {next(iter(thin.values()))}'
        findings.append(Finding('warning', str(folder), some('image', list(thin)), message))
    if not records:
        kinds = {
            'of the annotated sets': num_annotated,
            **Counter(reason.kind for reason in unwanted.values()),
            'that cannot be read': len(unreadable),
        }
        raise ValueError(
            f'no photo below {folder} is left to learn from without labels '
            f'({", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)}): '
            f'{"--keep-all keeps what is annotated nowhere, or " if unwanted else ""}'
            'give --unlabeled-images, or train on the labels alone (configs/supervised)'
        )
    description = f'unlabelled images of {folder.name}'
    return build_coco(records, categories, description=description), findings, left_out
