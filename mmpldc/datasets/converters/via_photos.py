"""Photos that annotations of VIA are for."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..photo_names import PhotoNames, fitting_photos, match_below_a_folder


class ViaPhotos:
    """Images by name, or by the last part of a name whose folders say nothing.

    Args:
        names: of the images, relative to their folder.
        given: names in the file.
        root: folder of the images.

    Attributes:
        guessed: names that differ from their files', in words.
    """

    def __init__(self, names: Sequence[str], given: Sequence[str], root: Path) -> None:
        self.names = set(names)
        self.root = root
        self.guessed: list[str] = []
        self.by_base: dict[str, list[str]] = {}
        for name in names:
            self.by_base.setdefault(PurePosixPath(name).name, []).append(name)
        missing = {name for name in given if _plain(name) not in self.names}
        inside = {name for name in missing if '/' in _plain(name) and not _is_foreign(name)}
        photos = PhotoNames(names)
        ends = {name: photos.find(f'/{_plain(name)}', keep_folder=True) for name in inside}
        self.meant = {name: meant for name, meant in ends.items() if meant}
        self.meant |= fitting_photos(missing, names, folder=root.absolute().name)
        above = {f'{PurePosixPath(_plain(name)).parent}/' for name in inside}
        if not any(name.startswith(tuple(above)) for name in names):
            self.meant = match_below_a_folder(inside, names) | self.meant
        self.folders = {PurePosixPath(_plain(name)).parent.name for name in given} - {''}

    def find(self, given: str, where: str) -> str:
        """Raises ValueError if there is none, or several fit."""
        name = _plain(given)
        if name in self.names:
            return name
        found = self.by_base.get(PurePosixPath(name).name, [])
        meant = self.meant.get(given)
        if '/' in name and not _is_foreign(given):
            found = []
        elif '/' in name:  # which of the photo's folders are in other names, this one would have
            found = [one for one in found if PurePosixPath(one).parent.name not in self.folders]
        if meant and (not found or ('/' in name and (len(found) < 2 or '/' in meant.name))):
            found = [meant.name]
            self.guessed.append(f'{given}, which is {meant.name}')
        elif '/' in name and len(found) == 1:
            self.guessed.append(f'{given}, which is {found[0]}')
        if len(found) != 1:
            several = f'{len(found)} images of that name are' if found else 'it is not'
            remedy = 'write where it lies in filename' if found else 'add it, or correct filename'
            others = [] if found else self.by_base.get(PurePosixPath(name).name, [])
            if others:
                remedy = f'if it is {others[0]}, write that in filename, else add it'
            raise ValueError(f'{where}: the image {given!r}: {several} in {self.root}: {remedy}')
        return found[0]


def _plain(name: str) -> str:
    return os.path.normpath(name.replace('\\', '/'))


def _is_foreign(name: str) -> bool:
    """Whether a name is a URL, or begins with folders of another computer."""
    return re.match(r'[A-Za-z][\w+.-]*://|[A-Za-z]:|[\\/]|\.\.[\\/]', name) is not None
