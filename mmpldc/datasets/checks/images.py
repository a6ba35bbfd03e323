"""Images on disk: are they there, and where may those be that are not?"""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath

from PIL import Image

from .findings import Finding, some

MAX_FOLDERS = 200  # that are searched for a missing image


class Folders:
    """Listings of folders, each read once."""

    def __init__(self) -> None:
        self._listings: dict[str, dict[str, os.DirEntry]] = {}

    def listing(self, folder: str) -> dict[str, os.DirEntry]:
        """Entries of a folder by name; empty if there is no such folder."""
        if folder not in self._listings:
            try:
                with os.scandir(folder or '.') as entries:
                    self._listings[folder] = {entry.name: entry for entry in entries}
            except (OSError, ValueError):  # the latter of a name that no file can have
                self._listings[folder] = {}
        return self._listings[folder]


def find_images(
    file_names: Sequence[str | None],
    prefix: str,
    *,
    file: str,
    folders: Folders,
    settings: Sequence[str] = ('data_prefix.img', 'data_root'),
) -> tuple[list[str | None], list[Finding]]:
    """Look up images.

    Args:
        file_names: N paths below ``prefix``; None is passed over.
        prefix: their folder.
        file: annotation file, which findings name.
        folders: listings, shared by sets.
        settings: what names the folder, the first one itself.

    Returns:
        N paths without symbolic links, None for images that are not there, and findings.
    """
    real_folders: dict[str, str] = {}
    paths: list[str | None] = []
    missing, directories, others = [], [], []
    for name in file_names:
        path = None
        if name:
            folder, base = os.path.split(os.path.join(prefix, name))
            entry = folders.listing(folder).get(base)
            if base in ('', '.', '..'):
                directories.append(name)
            elif entry is None or (entry.is_symlink() and not os.path.exists(entry.path)):
                missing.append(name)
            elif entry.is_dir():
                directories.append(name)
            elif not entry.is_file():
                others.append(name)
            elif entry.is_symlink():
                path = os.path.realpath(entry.path)
            else:
                if folder not in real_folders:
                    real_folders[folder] = os.path.realpath(folder)
                path = os.path.join(real_folders[folder], base)
        paths.append(path)
    findings = []
    if missing:
        what = (
            f'{len(missing)} of {len(file_names)} images are not on disk, for example '
            f'{os.path.join(prefix, missing[0])}: '
            + _advice(missing, prefix, folders, settings, are_all=not any(paths))
        )
        # about records, which can be left out, unless the folder is wrong
        kind = 'image' if any(paths) else ''
        findings.append(Finding('error', file, 'images: file_name', what, kind))
    for names, what in (
        (directories, 'is a folder: write the path of the image'),
        (others, 'is a pipe or a device: write the path of the image'),
    ):
        if names:
            where = f'{some("image", names)}: file_name'
            findings.append(Finding('error', file, where, what, 'image'))
    return paths, findings


def _advice(
    missing: list[str], prefix: str, folders: Folders, settings: Sequence[str], *, are_all: bool
) -> str:
    """Where the first missing image may be, and what to change then.

    Args:
        missing: names of all missing images.
        prefix: folder that has been searched.
        folders: its listing and others.
        settings: what names the folder.
        are_all: whether no image was found: then the folder may be wrong.
    """
    name = missing[0]
    if '\\' in name:
        return 'file_name has backslashes; write slashes'
    folder, base = os.path.split(os.path.join(prefix, name))
    for kind, key in (('case', _folded), ('suffix', lambda text: PurePath(_folded(text)).stem)):
        alike = [
            f"'{other}'"
            for other in sorted(folders.listing(folder))
            if key(other) == key(base)
            and PurePath(other).suffix.lower() in Image.registered_extensions()
        ]
        if alike:
            verb = 'is' if len(alike) == 1 else 'are'
            return f'there {verb} {", ".join(alike)}, of another {kind}; correct file_name'
    if not are_all:
        return 'complete the images, or delete their records from the annotation file'
    tried = missing[:: 1 + len(missing) // 20]
    for candidate in _other_prefixes(prefix):
        if all(os.path.isfile(os.path.join(candidate, other)) for other in tried):
            return f'there are such files in {candidate}; correct {settings[0]} if these are meant'
    if os.path.isfile(prefix):
        return f'{prefix} is a file: give the folder, and unpack an archive first'
    if not os.path.isdir(prefix or '.'):
        return f'there is no folder {prefix}; correct {" or ".join(settings)}'
    if name != base and os.path.isfile(os.path.join(prefix, base)):
        return f"'{base}' is in {settings[0]} itself; remove the folder from file_name"
    return f'correct {", ".join(settings)} or file_name'


def _folded(text: str) -> str:
    return unicodedata.normalize('NFC', text).casefold()


def _other_prefixes(prefix: str) -> list[str]:
    """Folders around a prefix: the one above it, and those beside and below it."""
    prefix = os.path.normpath(prefix)
    above = os.path.dirname(prefix)
    found = [above]
    for folder in (prefix, above):
        try:
            with os.scandir(folder or '.') as entries:
                found += sorted(entry.path for entry in entries if entry.is_dir())
        except OSError:
            continue
    return found[:MAX_FOLDERS]
