"""Which label map belongs to which image."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from ..checks.findings import Finding, some
from ..name_lists import SUFFIXES
from ..photo_names import TOOL_PARTS
from .strays import common_parts, doubtful_folders, stray_endings, stray_folders

PREFIX = re.compile(r'^(?:mask|label|labels|gt|seg|annotation)[_-](?=.)', re.IGNORECASE)
# Words that stand for one another: img_0001 and mask_0001, image1 and label1, 1_sat and 1_mask.
OF_IMAGES = 'images?|img|im|photos?|pictures?|pic|frames?|rgb|sat|satellite|orig|original'
OF_MAPS = 'masks?|labels?|lbl|gt|segmentation|seg|annotations?|annot|targets?'
FIRST_WORD = re.compile(rf'^(?:{OF_IMAGES}|{OF_MAPS})(?:[ _.-]+(?=.)|(?=\d))')
LAST_WORD = re.compile(rf'(?<=.)[ _.-]+(?:{OF_IMAGES}|{OF_MAPS})$')


class Pairs(NamedTuple):
    """Images and their label maps.

    Attributes:
        maps: image -> label map, in the order of the images.
        faults: label map -> why it has no image, or no image of its own.
        findings: what was seen through.
    """

    maps: dict[str, str]
    faults: dict[str, str]
    findings: list[Finding]


def pair(
    images: Sequence[str],
    label_maps: Sequence[str],
    *,
    folder: str,
    suffix: str | None = None,
    image_folder: str = 'their folder',
) -> Pairs:
    """Find the image of each label map by their names.

    Both have the same name apart from the extension, or the label map's has more: an end such as
    ``_mask`` or ``_gtFine_labelIds``, or a beginning such as ``mask_``. Folders count where the
    names alone do not tell, and a label map whose folder belongs to other images has none. What is
    left is compared without case, Unicode form, a prefix of
    Label Studio and words such as ``img`` and ``label``, and paired if just one image fits.

    Args:
        images: names relative to their folder, with ``/``.
        label_maps: likewise.
        folder: of the label maps, for messages.
        suffix: end of the names of the label maps that count, such as ``'_labelIds.png'``.
        image_folder: of the images, for messages.
    """
    if suffix is not None:
        label_maps = [name for name in label_maps if name.endswith(suffix)]
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_stem[_image_stem(image)].append(image)
    found: dict[str, list[str]] = defaultdict(list)
    remarks: dict[str, list[str]] = defaultdict(list)
    faults: dict[str, str] = {}
    left = []
    endings = {}
    for label_map in label_maps:
        stem, ending = _image_of(PurePosixPath(label_map).stem, by_stem)
        candidates = by_stem.get(stem, []) if stem is not None else []
        if len(candidates) > 1:
            candidates = _same_folder(candidates, label_map)
        if len(candidates) > 1:
            faults[label_map] = _of_several_images(candidates)
        elif candidates:
            found[candidates[0]].append(label_map)
            endings[label_map] = ending
            if ending:
                remark = f"'{ending}' in their names is not in those of the images: seen through"
                remarks[remark].append(label_map)
        else:
            left.append(label_map)
    for remark, key in SEEN_THROUGH.items():
        claims = _by_key(key, [image for image in images if image not in found], left)
        for label_map, image in claims.items():
            found[image].append(label_map)
            remarks[remark].append(label_map)
        left = [label_map for label_map in left if label_map not in claims]
    faults |= dict.fromkeys(
        left,
        f'belongs to no image below {image_folder}: give it the name of its image, or remove it',
    )
    for maps in found.values():
        if len(maps) > 1:
            faults |= dict.fromkeys(maps, _of_one_image(maps))
    chosen = {image: found[image][0] for image in images if len(found.get(image, ())) == 1}
    alone = {name: endings[name] for name in chosen.values() if name in endings}
    strays = stray_endings(alone) | stray_folders(chosen, images, image_folder)
    faults |= strays
    chosen = {image: name for image, name in chosen.items() if name not in strays}
    findings = [
        Finding('repaired', folder, some('label map', kept), remark)
        for remark, names in remarks.items()
        if (kept := [name for name in names if name not in strays])
    ]
    findings += doubtful_folders(chosen, image_folder, folder)
    return Pairs(chosen, faults, findings)


def why_none(
    pairs: Pairs,
    image_names: Sequence[str],
    map_names: Sequence[str],
    image_folder: str,
    suffix: str | None,
) -> str:
    """Why no label map has an image, and what to do; see :func:`pair`."""
    if not pairs.faults:
        return f'no name, such as {map_names[0]}, ends in {suffix}: correct --map-suffix'
    name, fault = next(iter(pairs.faults.items()))
    if not fault.startswith('belongs to no image'):
        return f'{name}: {fault}'
    example = image_names[0] if image_names else 'none'
    return (
        f'no label map, such as {name}, has the name of an image below {image_folder}, such as '
        f'{example}: give them the names of their images, or another folder'
    )


def _of_several_images(images: Sequence[str]) -> str:
    if len({PurePosixPath(image).parent for image in images}) == 1:
        remedy = 'move or rename all but one'
    else:
        remedy = 'put label maps into folders like the images'
    return f'several images have this name ({", ".join(images[:3])}): {remedy}'


def _of_one_image(maps: Sequence[str]) -> str:
    example = ', '.join(maps[:3])
    if len({PurePosixPath(name).name for name in maps}) == 1:
        remedy = 'give --label-maps the folder of the right ones'
    elif len({PurePosixPath(name).stem for name in maps}) == 1:
        remedy = 'remove all but one, or --map-suffix with the end of the right ones, such as .png'
    else:
        remedy = (
            'remove all but one, or --map-suffix with the end of the right ones, such as '
            '_labelIds.png'
        )
    return f'one of {len(maps)} label maps of its image ({example}): {remedy}'


# ---------------------------------------------------------------- names


def _folded(name: str) -> str:
    return unicodedata.normalize('NFC', _image_stem(name)).casefold()


def _without_prefix(name: str) -> str:
    return TOOL_PARTS[0][0].sub('', _folded(name))


def _core(name: str) -> str:
    """What is left of a name without words that say what it is of; a folder's name for those."""
    stem = _without_prefix(name)
    if re.fullmatch(OF_MAPS, stem) and '/' in name:  # labelme: 0001_json/label.png
        return PurePosixPath(name).parent.name.casefold().removesuffix('_json')
    return LAST_WORD.sub('', FIRST_WORD.sub('', stem))


SEEN_THROUGH: Mapping[str, Callable[[str], str]] = {
    'another case or Unicode form than in the names of the images: seen through': _folded,
    'a prefix of an annotation tool, here or in the names of the images: seen through': (
        _without_prefix
    ),
    'paired by names without words such as img, image, rgb, label and mask': _core,
}


def _by_key(
    key: Callable[[str], str], images: Sequence[str], label_maps: Sequence[str]
) -> dict[str, str]:
    """Label map -> the only image that has this key, if no other label map has the same image."""
    by_key: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_key[key(image)].append(image)
    claims = {}
    for label_map in label_maps:
        stem, _ = _image_of(key(label_map), by_key)
        candidates = by_key[stem] if stem is not None else []
        if len(candidates) > 1:
            candidates = _same_folder(candidates, label_map)
        if len(candidates) == 1:
            claims[label_map] = candidates[0]
    times = Counter(claims.values())
    return {label_map: image for label_map, image in claims.items() if times[image] == 1}


def _image_stem(name: str) -> str:
    return PurePosixPath(name).stem.removesuffix(SUFFIXES[0])


def _image_of(stem: str, known: Mapping[str, list[str]]) -> tuple[str | None, str]:
    """Stem of the image that a label map's stem means, and what else is in it."""
    if stem in known:
        return stem, ''
    for length in range(len(stem) - 1, 0, -1):
        start, ending = stem[:length], stem[length:]
        if start in known and re.match(r'[._ -]+(?=.*[A-Za-z])', ending):
            return start, ending
    match = PREFIX.match(stem)
    if match and stem[match.end() :] in known:
        return stem[match.end() :], match[0]
    return None, ''


def _same_folder(images: list[str], label_map: str) -> list[str]:
    """The image whose folders end like the label map's, or have most of its parts."""
    own = PurePosixPath(label_map).parent.parts

    def common(image: str) -> tuple[int, int]:
        return common_parts(own, PurePosixPath(image).parent.parts)

    most = max(map(common, images))
    best = [image for image in images if common(image) == most]
    if len(best) > 1:
        best = [image for image in best if PurePosixPath(image).parent.parts == own] or best
    return best
