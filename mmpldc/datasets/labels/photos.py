"""Which photo a name in an annotation file means, if none has that very name."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ..converters.image_files import find_images

# What tools put around the names of uploaded images.
TOOL_PARTS = (
    (re.compile(r'^[0-9a-f]{8}-(?=.)'), ''),  # Label Studio: 1a2b3c4d-0001.jpg
    (re.compile(r'_(\w{3,4})\.rf\.\w{20,}\.\w+$'), r'.\1'),  # Roboflow: 0001_jpg.rf.<hash>.jpg
)


class Meant(NamedTuple):
    """The photo that a name stands for.

    Attributes:
        name: its path below the folder.
        why: how the two names differ, in words.
    """

    name: str
    why: str


def find_meant(names: Sequence[str], folder: Path) -> dict[str, Meant]:
    """Photos that the names without a file stand for, as far as they can be told.

    Backslashes, another computer's folders, URLs, the name of ``folder`` itself, prefixes of
    annotation tools, a missing suffix, another case or Unicode form are seen through. A photo is
    meant only if it is the only one that fits, and no other name stands for it.

    Args:
        names: of images, relative to ``folder``.
        folder: of the photos.
    """
    missing = {name for name in names if not os.path.isfile(os.path.join(folder, name))}
    if not missing:
        return {}
    try:
        photos = _Photos(find_images(folder))
    except OSError:  # no folder, or no image in it, which the checks report
        return {}
    found = {}
    for name in missing:
        readings = _readings(name, folder.absolute().name)
        meant = next(filter(None, (photos.look_up(*reading) for reading in readings)), None)
        if meant is not None:
            found[name] = meant
    present = {os.path.normpath(name) for name in names if name not in missing}
    claims = Counter(meant.name for meant in found.values())
    return {
        name: meant
        for name, meant in found.items()
        if claims[meant.name] == 1 and meant.name not in present
    }


class _Photos:
    """Photos of a folder, by their names in several forms."""

    def __init__(self, names: list[str]) -> None:
        self.names = set(names)
        self.folded: dict[str, list[str]] = defaultdict(list)
        self.stems: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self.folded[_folded(name)].append(name)
            self.stems[_folded(str(PurePosixPath(name).with_suffix('')))].append(name)

    def look_up(self, reading: str, why: str) -> Meant | None:
        """The only photo of that name; case, Unicode form and a missing suffix do not matter."""
        if reading in self.names:
            return Meant(reading, why)
        for known, remark in (
            (self.folded, 'another case or Unicode form'),
            (self.stems, 'no suffix'),
        ):
            found = known.get(_folded(reading), [])
            if len(found) == 1:
                return Meant(found[0], f'{why}, {remark}' if why else remark)
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize('NFC', text).casefold()


def _readings(name: str, folder: str) -> Iterator[tuple[str, str]]:
    """Paths below a folder that a name may stand for, each with what was seen through."""
    text, is_foreign = name.strip(), False
    why = [] if text == name else ['blanks around it']
    if '://' in text or text.startswith('/data/local-files/'):
        url = urlsplit(text)
        text = unquote(parse_qs(url.query).get('d', [url.path])[0])
        why, is_foreign = [*why, 'a URL'], True
    if '\\' in text:
        text = text.replace('\\', '/')
        why.append('backslashes')
    if text.startswith('/') or re.match('[A-Za-z]:', text):
        is_foreign = True
        if 'a URL' not in why:
            why.append("another computer's folder")
    parts = [part for part in re.sub('^[A-Za-z]:', '', text).split('/') if part not in ('', '.')]
    if not parts:
        return
    tails = [(parts, why)]
    if len(parts) > 1 and parts[0] == folder:
        tails.append((parts[1:], [*why, f'the folder {folder} twice']))
    if is_foreign:
        tails += [(parts[start:], why) for start in range(1, len(parts))]
    for tail, reasons in tails:
        yield '/'.join(tail), ', '.join(reasons)
    if '%' in text:
        yield unquote('/'.join(parts)), 'percent signs of a URL'
    for pattern, plain in TOOL_PARTS:
        base = pattern.sub(plain, parts[-1])
        if base != parts[-1]:
            seen = ', '.join([*why, 'a prefix or suffix of an annotation tool'])
            yield '/'.join([*parts[:-1], base]), seen
            yield base, seen
