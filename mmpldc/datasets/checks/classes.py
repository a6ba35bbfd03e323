"""Categories of annotation files against the config's classes, and of files against each other."""

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .findings import Finding, Level, some


class Named(NamedTuple):
    """The classes of one set.

    Attributes:
        file: annotation file.
        categories: its names -> ids, in its order.
        classes: what the config asks for; None without a config.
        is_default: whether these are the data set type's own, because the config names none.
        is_labeled: whether it is the labelled set.
    """

    file: str
    categories: dict[str, int]
    classes: tuple[str, ...] | None
    is_default: bool
    is_labeled: bool


def check_classes(sets: Sequence[Named]) -> list[Finding]:
    """Compare names, their order and their ids.

    mmdet silently leaves out what a name does not match, and numbers classes in the order of the
    file, whatever order ``metainfo`` has.

    Args:
        sets: all sets of a run. Files with the same fault share a finding.

    Returns:
        Findings; comparisons between sets are left out where a set has an error by itself.
    """
    messages: defaultdict[tuple[Level, str], list[str]] = defaultdict(list)
    for named in sets:
        fault = _missing(named) or _order(named)
        if fault:
            messages['error', fault].append(named.file)
        extra = _extra(named)
        if extra and not fault:
            messages['warning', extra].append(named.file)
        if not named.categories and not named.is_labeled:
            message = "empty: write the same categories as the labelled set's"
            messages['warning', message].append(named.file)
    if not any(level == 'error' for level, _ in messages):
        _compare(sets, messages)
    return [
        Finding(level, ', '.join(dict.fromkeys(files)), 'categories', message)
        for (level, message), files in messages.items()
    ]


def _missing(named: Named) -> str | None:
    if named.classes is None or not (named.categories or named.is_labeled):
        return None
    missing = [name for name in named.classes if name not in named.categories]
    if not missing:
        return None
    if named.is_default and len(missing) == len(named.classes):
        names = ', '.join(map(repr, named.categories))
        return (
            f"metainfo.classes is not set, so the data set type's own {len(named.classes)} names "
            f'are used, none of which is in the file: set metainfo=dict(classes=({names}))'
        )
    hints = [f"'{name}'{_suggest(name, list(named.categories))}" for name in missing]
    return (
        f'{some("class", hints)} of metainfo.classes not in the file; mmdet would silently leave '
        'out what has no match: write the names alike'
    )


def _suggest(name: str, known: list[str]) -> str:
    """The name in the file that was probably meant."""
    spelt = {plain(other): other for other in known}
    close = difflib.get_close_matches(plain(name), spelt, n=1)
    return f" (the file has '{spelt[close[0]]}')" if close else ''


def plain(name: str) -> str:
    """A name without what spellings of one class differ in: case, blanks, lines, Unicode form."""
    composed = unicodedata.normalize('NFC', name)
    return ' '.join(composed.casefold().replace('_', ' ').replace('-', ' ').split())


def _order(named: Named) -> str | None:
    if named.classes is None:
        return None
    in_file = [name for name in named.categories if name in named.classes]
    if in_file == [name for name in named.classes if name in named.categories]:
        return None
    return (
        'metainfo.classes is in another order than the file, by which mmdet numbers classes, so '
        f'that they get wrong names: write classes=({", ".join(map(repr, in_file))})'
    )


def _extra(named: Named) -> str | None:
    if named.classes is None:
        return None
    extra = [name for name in named.categories if name not in named.classes]
    if not extra or len(extra) == len(named.categories):  # the latter has an error
        return None
    return (
        f'{some("category", extra)} not in metainfo.classes: annotations of these are left out; '
        'name them there if they are wanted'
    )


def _compare(sets: Sequence[Named], messages: defaultdict) -> None:
    """Compare each set with the first labelled one, or the first."""
    sets = [named for named in sets if named.categories]
    if not sets:
        return
    first = next((named for named in sets if named.is_labeled), sets[0])
    for named in sets:
        pair = [first.file, named.file]
        if first.classes is not None and named.classes != first.classes:
            message = 'metainfo.classes differs between these sets: write the same for all'
            messages['error', message] += pair
            continue
        if first.classes is None:
            different = sorted(first.categories.keys() ^ named.categories.keys())
            if different:
                message = (
                    f'{some("category", different)} only in one of the files: write names alike'
                )
                messages['error', message] += pair
            elif list(first.categories) != list(named.categories):
                message = 'in different orders, by which mmdet numbers classes: write them alike'
                messages['error', message] += pair
        wanted = first.categories if first.classes is None else first.classes
        moved = [
            name
            for name in wanted
            if first.categories.get(name) != named.categories.get(name, first.categories.get(name))
        ]
        if moved:
            message = (
                f'{some("category", moved)} with different ids: harmless to mmdet; write ids alike'
            )
            messages['warning', message] += pair
