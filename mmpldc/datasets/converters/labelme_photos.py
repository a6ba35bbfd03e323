"""Photos that labelme's files are for."""

import os
from functools import cached_property
from pathlib import Path

from ..photo_names import PhotoNames
from .image_files import find_images


class Photos:
    """Images that annotations are for.

    Args:
        root: folder that all are in.
        annotations: folder of the annotations.

    Attributes:
        guessed: those whose names differ from their files', in words.
    """

    def __init__(self, root: Path, annotations: Path) -> None:
        self.root = root
        self.annotations = annotations
        self.guessed: list[str] = []

    @cached_property
    def names(self) -> PhotoNames:
        return PhotoNames(find_images(self.root))

    @cached_property
    def below(self) -> dict[str, list[str]]:
        """Images in subfolders by the last part of their names."""
        below: dict[str, list[str]] = {}
        for name in sorted(self.names.names):
            folder, _, base = name.rpartition('/')
            if folder:
                below.setdefault(base, []).append(name)
        return below

    def find(self, path: Path, content: dict) -> str:
        """Name, below the root, of the image that a json, of that content, is for."""
        image_path = content['imagePath']
        given = str(image_path or '').replace('\\', '/')
        base = given.rpartition('/')[2] if given.strip() else path.stem
        location = self._place(path, given, base) if base else None
        if location is None:
            embedded = bool(content.get('imageData'))
            try:
                below = path.parent.relative_to(self.annotations).as_posix()
                readings = dict.fromkeys((f'{below}/{base}' if below != '.' else base, base))
                found = (self.names.find(reading) for reading in readings if base)
                meant = next((one for one in found if one is not None), None)
            except FileNotFoundError:  # the folder has no photo at all
                if not (embedded and self.root.is_dir()):
                    raise
                meant = None
            if meant is None and embedded:
                raise ValueError(
                    f'{path}: its photo {base!r} is no file, but embedded in the json (imageData): '
                    'decode this base64 into a file of that name beside the json; '
                    'labelme_export_json writes it as img.png'
                )
            if meant is None:
                raise ValueError(
                    f'{path}: its imagePath {image_path!r} does not exist, and {base!r} is neither '
                    f'beside it nor in {self.root}{self._remedy(base)}'
                )
            location = self.root / meant.name
            self.guessed.append(f'{base} of {path.name}, which is {meant.name}')
        name = Path(os.path.relpath(location, self.root)).as_posix()
        if name.startswith('../'):
            raise ValueError(
                f'{path}: its imagePath {image_path!r} is not in {self.root}: give the folder of '
                'the images with --images'
            )
        return name

    def _place(self, path: Path, given: str, base: str) -> Path | None:
        """Where the image of a json is by its path; None if it is not there.

        Raises ValueError if only the subfolder tells whether it is the one right in the root.
        """
        below = path.parent.relative_to(self.annotations)
        parts = [part for part in given.split('/') if part not in ('', '.', '..')]
        ends = ['/'.join(parts[start:]) for start in range(len(parts) - 1)]
        certain = (
            path.parent / given,
            path.parent / base,
            *(self.root / end for end in ends),
            self.root / below / base,
        )
        location = next((place for place in certain if os.path.isfile(place)), None)
        if location is not None or not os.path.isfile(self.root / base):
            return location
        deeper = self._deeper(base)
        if deeper:
            raise ValueError(
                f'{path}: its photo {base!r} may be that in {self.root} or {deeper[0]} there: '
                'write which in imagePath, put the json in a subfolder of that name, or move the '
                'other one out of the folder of images'
            )
        return self.root / base

    def _deeper(self, base: str) -> list[str]:
        """Images of a name in subfolders."""
        return self.below.get(base, [])

    def _remedy(self, base: str) -> str:
        """What to do about an image that is not found."""
        deeper = self._deeper(base) if base else []
        if deeper:
            return (
                f', but in subfolders ({", ".join(deeper[:2])}): put the json in a subfolder of '
                'that name, or write it in imagePath'
            )
        if self.root == self.annotations:
            return ': give the folder of the images with --images'
        return ': add it there, or give another folder with --images'
