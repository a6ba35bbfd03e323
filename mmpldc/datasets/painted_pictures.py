"""Pictures that tools painted, among photographs: figures, and photographs with drawings."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image

from mmpldc.utils.pictures import SOFTWARE

from .copies.perceptual_hash import hash_files, read_grey
from .copies.roboflow import MAX_DISTANCE
from .image_header import ImageHeader, read_headers

PAINTED_FOLDERS = frozenset({'work_dirs', 'vis_data', 'vis_image'})  # of mmengine's visualizer
# What tools put behind, or before, the name of an image into which they drew boxes or masks.
WORDS = (
    r'(annotated|bbox(es)?|blend(ed)?|boxes|drawn|overlays?|pred(iction)?s?|results?|viz?s?|'
    r'visuali[sz](ed|ation))'
)
OVERLAY_ENDING = re.compile(rf'[ _.-]{WORDS}$', re.IGNORECASE)
OVERLAY_BEGINNING = re.compile(rf'^{WORDS}[ _.-]', re.IGNORECASE)
# Folders of such images, which keep their names; what is in them is compared with the image.
OVERLAY_FOLDER = re.compile(
    r'runs|vi[sz]\d*|preds?\d*|.*(annotated|bbox|blend|drawn|inference|output|overlay|predict|'
    r'render|result|visuali[sz]).*',
    re.IGNORECASE,
)
# A drawing leaves at least this share of the cells of a thumbnail as they were, but for what
# storing a JPEG anew changes: grey levels of 255.
MIN_UNCHANGED, SIDE, MAX_CHANGE = 0.3, 128, 6

Headers = Mapping[str, ImageHeader | ValueError]  # by path


def find_painted(paths: Sequence[str], known: Sequence[str], headers: Headers) -> dict[str, str]:
    """Pictures that tools drew, by their EXIF or their folder, each with the reason."""
    of_tools = {
        folder: min(found)
        for folder, names in folders_of(paths).items()
        if (found := PAINTED_FOLDERS.intersection(names))
    }
    painted: dict[str, str] = {}
    for path in paths:
        tool = of_tools.get(os.path.dirname(path)) if of_tools else None
        if tool is not None:
            painted[path] = f'painted by a tool: in {tool}'
        elif getattr(headers[path], 'software', '') == SOFTWARE:
            painted[path] = 'painted by mmpldc'
    return painted


def find_overlays(paths: Sequence[str], known: Sequence[str], headers: Headers) -> dict[str, str]:
    """Images with drawings, by names or folders; they must resemble the image that these are of.

    ``0001_pred`` may have another size than ``0001``. ``pred_0001``, and ``0001`` in a folder of
    drawings, must have its size and many of its pixels.
    """
    of_drawings = {
        folder
        for folder, names in folders_of([*paths, *known]).items()
        if any(map(OVERLAY_FOLDER.fullmatch, names))
    }
    plain = defaultdict(list)
    for path in dict.fromkeys([*paths, *known]):
        plain[stem_of(path)].append(path)
    by_ending, others = {}, {}
    for path in paths:
        stem = stem_of(path)
        image, behind = OVERLAY_ENDING.sub('', stem), OVERLAY_BEGINNING.sub('', stem)
        if image != stem and image in plain:
            by_ending[path] = plain[image]
        elif behind != stem and behind in plain:
            others[path] = plain[behind]
        elif os.path.dirname(path) in of_drawings:
            same = [one for one in plain[stem] if os.path.dirname(one) not in of_drawings]
            others |= {path: same} if same else {}
    found = {path: alike[0] for path, alike in _resembling(by_ending).items()}
    for path, alike in _resembling(_of_equal_size(others, headers)).items():
        images = [other for other in alike if _is_drawn_into(path, other)]
        if images:
            found[path] = images[0]
    return {path: f'drawn into {found[path]}' for path in paths if path in found}


def _resembling(pairs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Those of the others whose perceptual hashes are near, where any is."""
    hashed, bits = hash_files([*pairs, *(one for others in pairs.values() for one in others)])
    places = {path: place for place, path in enumerate(hashed)}
    near = {
        path: [
            other
            for other in others
            if other in places and (bits[places[path]] ^ bits[places[other]]).sum() <= MAX_DISTANCE
        ]
        for path, others in pairs.items()
        if path in places
    }
    return {path: others for path, others in near.items() if others}


def _of_equal_size(pairs: Mapping[str, Sequence[str]], headers: Headers) -> dict[str, list[str]]:
    involved = {path for own, others in pairs.items() for path in (own, *others)}
    more = read_headers([path for path in sorted(involved) if path not in headers])
    sizes = {}
    for path in involved:
        header = headers[path] if path in headers else more[path]
        sizes[path] = (getattr(header, 'width', None), getattr(header, 'height', None))
    return {
        path: [other for other in others if sizes[other] == sizes[path]]
        for path, others in pairs.items()
    }


def _is_drawn_into(path: str, image: str) -> bool:
    """Whether some of the pixels of an image are changed, and many are not."""
    cells = []
    for one in (path, image):
        grey = read_grey(one, 2 * SIDE)
        if grey is None:
            return False
        small = grey.resize((SIDE, SIDE), Image.Resampling.BOX)
        cells.append(np.asarray(small, np.int16))
    unchanged = np.abs(cells[0] - cells[1]) <= MAX_CHANGE
    return bool(MIN_UNCHANGED <= unchanged.mean() < 1)


def stem_of(path: str) -> str:
    """Name without folders and suffix."""
    return os.path.splitext(os.path.basename(path))[0]


def folders_of(paths: Iterable[str]) -> dict[str, list[str]]:
    """Folders of the paths, each with the names that it has below the one that all are in."""
    folders = set(map(os.path.dirname, paths))
    if not folders:
        return {}
    root = os.path.commonpath(folders)
    return {folder: os.path.relpath(folder, root).split(os.sep) for folder in folders}
