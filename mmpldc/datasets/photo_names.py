"""Which photo a name stands for, if none has that very name."""

import base64
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

# What tools put around the names of uploaded images.
# Label Studio: 1a2b3c4d-0001.jpg, but not 20240131-0001.jpg, which has a day of its own
LABEL_STUDIO = re.compile(r'^(?!(19|20)\d\d(0[1-9]|1[0-2])[0-3]\d)[0-9a-f]{8}-(?=.)')
UPLOADED = re.compile(r'(^|/)data/upload/(\d+/)?[^/]+$')  # /data/upload/7/1a2b3c4d-0001.jpg
TOOL_PARTS = (
    (LABEL_STUDIO, ''),
    (re.compile(r'_(\w{3,4})\.rf\.\w{20,}(\.\w+)?$'), r'.\1'),  # Roboflow: 0001_jpg.rf.<hash>.jpg
)
# Folders that tell sets of a name apart.
SPLIT = re.compile(
    r'(train|val(id)?|validation|test|dev|unlabell?ed)(ing|set)?[_-]?\d*', re.IGNORECASE
)


class Meant(NamedTuple):
    """The photo that a name stands for.

    Attributes:
        name: its path below the folder.
        why: how the two names differ, in words.
    """

    name: str
    why: str


def match_names(
    names: Collection[str], photos: Sequence[str], *, folder: str = '', taken: Collection[str] = ()
) -> dict[str, Meant]:
    """Photos that names stand for, as far as they can be told.

    Backslashes, another computer's folders, URLs, the name of the folder itself, prefixes of
    annotation tools (of the names or of the photos), a missing suffix, another case or Unicode form
    are seen through. A photo is meant only if it is the only one that fits, and no other name
    stands for it.

    Args:
        names: which no photo has.
        photos: names of the photos, relative to their folder, with ``/``.
        folder: that folder's own name.
        taken: photos that other names stand for.
    """
    return _unshared(fitting_photos(names, photos, folder=folder), taken)


def fitting_photos(
    names: Collection[str], photos: Sequence[str], *, folder: str = ''
) -> dict[str, Meant]:
    """The only photo that fits each name, though it may fit other names, too.

    If some names are of the folder by its name, others that are not mean no photo right in it.

    Args:
        names, photos, folder: see :func:`match_names`.
    """
    known = PhotoNames(photos)
    folders = {name: _folders_of(name) for name in names}
    keep = any(parts[-1:] == [folder] for parts in folders.values())
    meant = {
        name: known.find(name, folder, keep_folder=keep and bool(parts) and folder not in parts)
        for name, parts in folders.items()
    }
    return {name: one for name, one in meant.items() if one is not None}


def match_below_a_folder(names: Collection[str], photos: Sequence[str]) -> dict[str, Meant]:
    """Photos of names that all have one folder in front which is not there.

    The folder of a split, such as ``val``, is not seen through: other photos may be meant.

    Args:
        names: of a file, none of which a photo has.
        photos: names of the photos, relative to their folder, with ``/``.
    """
    paths = {name: PurePosixPath(name.strip().replace('\\', '/')) for name in names}
    above = {path.parts[:-1] for path in paths.values()}
    shared = next(iter(above), ())
    if len(above) != 1 or not shared or SPLIT.fullmatch(shared[-1]) or shared[0] == '/':
        return {}
    if not all(name.isprintable() and '://' not in name for name in names):
        return {}
    known = PhotoNames(photos)
    why = f'the folder {"/".join(shared)} is not there'
    meant = {name: known.find_plain(path.name, why) for name, path in paths.items()}
    return _unshared({name: one for name, one in meant.items() if one is not None}, ())


def _unshared(found: dict[str, Meant], taken: Collection[str]) -> dict[str, Meant]:
    """Without photos that several names fit, or that are taken."""
    claims = Counter(meant.name for meant in found.values())
    others = frozenset(taken)
    return {
        name: meant
        for name, meant in found.items()
        if claims[meant.name] == 1 and meant.name not in others
    }


class PhotoNames:
    """Names of the photos in a folder, in several forms.

    Args:
        names: relative to the folder, with ``/``.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = set(names)
        self.folded: dict[str, list[str]] = defaultdict(list)
        self.stems: dict[str, list[str]] = defaultdict(list)
        self.plain: dict[str, list[str]] = defaultdict(list)
        self.uploaded: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self.folded[_folded(name)].append(name)
            self.stems[_folded(str(PurePosixPath(name).with_suffix('')))].append(name)

            parts = name.split('/')
            for base in _without_tool_parts(parts[-1]):
                plain = '/'.join([*parts[:-1], base])
                for key in _keys(plain):
                    self.plain[key].append(name)
            uploaded = _as_uploaded(parts[-1])
            if uploaded != parts[-1]:
                for key in _keys(uploaded):
                    self.uploaded[key].append(name)

    def find(self, name: str, folder: str = '', *, keep_folder: bool = False) -> Meant | None:
        """The only photo that a name stands for.

        Args:
            name: of a file.
            folder: the photos' folder's own name.
            keep_folder: see through no folder that the photo lies in by its name.
        """
        readings = [one for one in _readings(name, folder) if not keep_folder or '/' in one[0]]
        for look_up in (self.find_plain, self._with_tool_parts, self._before_upload):
            for reading in readings:
                meant = look_up(*reading)
                if meant is not None:
                    return meant
        return None

    def _with_tool_parts(self, reading: str, why: str) -> Meant | None:
        """The only photo that has this name but for what an annotation tool put around it."""
        found = self.plain.get(_folded(reading), [])
        remark = "the photo's name has a prefix or suffix of an annotation tool"
        return Meant(found[0], f'{why}, {remark}' if why else remark) if len(found) == 1 else None

    def _before_upload(self, reading: str, why: str) -> Meant | None:
        """The only photo to which Label Studio gave this name when it was uploaded."""
        base = reading.rsplit('/', 1)[-1]
        plain = LABEL_STUDIO.sub('', base)
        found = self.uploaded.get(_folded(plain), []) if plain != base else []
        remark = 'blanks and signs that Label Studio replaces'
        return Meant(found[0], f'{why}, {remark}' if why else remark) if len(found) == 1 else None

    def find_plain(self, reading: str, why: str) -> Meant | None:
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


def _as_uploaded(base: str) -> str:
    """What Label Studio calls an uploaded file, but for its prefix (Django's valid file names)."""
    return re.sub(r'[^-\w.]', '', base.strip().replace(' ', '_'))


def _keys(name: str) -> set[str]:
    """A name with and without its suffix, folded."""
    return {_folded(name), _folded(str(PurePosixPath(name).with_suffix('')))}


def _folded(text: str) -> str:
    return unicodedata.normalize('NFC', text).casefold()


def _stored_address(encoded: str) -> str:
    """The path in the address of a cloud store, which Label Studio writes as base64, or ''."""
    try:
        address = base64.b64decode(encoded.replace(' ', '+'), validate=True).decode()
    except ValueError:
        return ''
    return address.partition('://')[2].partition('/')[2]


def _folders_of(name: str) -> list[str]:
    """Folders in a name, but for those of Label Studio's uploads, which say nothing."""
    whole, _ = next(_readings(name, ''), ('', ''))
    return [] if UPLOADED.search(whole) else whole.split('/')[:-1]


def _readings(name: str, folder: str) -> Iterator[tuple[str, str]]:
    """Paths below a folder that a name may stand for, each with what was seen through."""
    text, is_foreign = name.strip(), False
    why = [] if text == name else ['blanks around it']
    if '://' in text or text.startswith('/data/local-files/') or '/resolve/?fileuri=' in text:
        try:
            url = urlsplit(text)
        except ValueError:  # brackets that hold no address
            return
        fields = parse_qs(url.query)
        stored = _stored_address(fields.get('fileuri', [''])[0])
        text = stored or unquote(fields.get('d', [url.path])[0])
        why, is_foreign = [*why, 'a URL'], True
    elif query := re.search(r'\.[A-Za-z0-9]{2,5}(\?.*)$', text):  # 0001.jpg?w=200
        text = text[: query.start(1)]
        why.append('the query of a URL')
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
        for tail, reasons in tails:
            yield unquote('/'.join(tail)), ', '.join([*reasons, 'percent signs of a URL'])
    for base in _without_tool_parts(unquote(parts[-1])):
        seen = ', '.join([*why, 'a prefix or suffix of an annotation tool'])
        yield '/'.join([*parts[:-1], base]), seen
        yield base, seen


def _without_tool_parts(base: str) -> Iterator[str]:
    """The name before an annotation tool put something around it, if one did."""
    for pattern, plain in TOOL_PARTS:
        text = pattern.sub(plain, base)
        if text != base:
            yield text
