"""Sets of images with label maps: drawn, compared with one another, counted."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..checks.annotations import Role
from ..checks.findings import Finding, some
from ..checks.label_map_contents import MOSTLY_UNLABELED
from ..checks.leaks import Listed, check_leaks
from ..copies import group_names
from ..label_maps import IGNORE
from ..labels import draw_held_out_names
from .classes import Classes
from .prepare import LabelMapFile, LabelMaps


class Part(NamedTuple):
    """A set with labels: its label maps, and the images that belong to it."""

    maps: LabelMaps
    names: list[str]

    def files(self) -> list[LabelMapFile]:
        """The label maps of its images."""
        wanted = set(self.names)
        return [file for file in self.maps.files if file.image in wanted]

    def image_paths(self) -> list[Path]:
        """Its images."""
        return [self.maps.images / name for name in self.names]

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image."""
        return [file.size for file in self.files()]

    def pixels(self) -> np.ndarray:
        """``(256,)`` int64, pixels of each class, the last one without a label."""
        return np.stack([file.pixels for file in self.files()]).sum(axis=0)


def hold_out(
    part: Part, num_classes: int, percent: float, seed: int, *, keep: Collection[str] = ()
) -> tuple[Part, Part]:
    """Divide a set by the images' names, as :func:`~mmpldc.datasets.labels.draw_held_out` does.

    Args:
        part: labelled images.
        num_classes: C.
        percent: share of images to validate on.
        seed: of the choice.
        keep: names of images that were validated on before.

    Returns:
        What is trained on, and what is validated on.
    """
    maps, names = part
    same = group_names(maps.images, names)
    shows = maps.counts(num_classes) > 0
    held_out = draw_held_out_names(names, shows, percent, seed, keep=keep, same=same)
    train, val = (
        [name for name, is_in in zip(names, mask, strict=True) if is_in]
        for mask in (~held_out, held_out)
    )
    return Part(maps, train), Part(maps, val)


def check_parts(parts: Mapping[Role, Part], classes: Classes) -> list[Finding]:
    """Leaks between the sets by content, and classes that one of them does not show.

    Args:
        parts: sets by role.
        classes: of the user.
    """
    findings = check_leaks(
        [
            Listed(
                role,
                role,
                str(part.maps.images),
                list(part.names),
                list(part.names),
                [os.path.realpath(part.maps.images / name) for name in part.names],
            )
            for role, part in parts.items()
        ]
    )
    for role, part in parts.items():
        pixels = part.pixels()
        folder = str(part.maps.folder)
        absent = [name for label, name in enumerate(classes.names) if not pixels[label]]
        if absent:
            message = (
                'no pixel in the labelled set: label some, or if label maps show it, give the '
                'numbers of --classes with --values'
                if role == 'labeled'
                else f'no pixel in the {role} set: the mIoU is the mean of the other classes'
            )
            findings.append(Finding('warning', folder, some('class', absent), message))
        share = pixels[IGNORE] / max(1, pixels.sum())
        if share > MOSTLY_UNLABELED:
            message = f'{share:.0%} of all pixels have no label: make sure that this is meant'
            findings.append(Finding('warning', folder, role, message))
    return findings
