"""Categories of a user's file: put right, and matched with those of another file."""

import unicodedata
from collections import defaultdict
from collections.abc import Hashable

from ..checks.classes import plain
from ..checks.findings import Finding, count, some
from ..checks.records import Names, Records
from .values import number_anew, read_whole_numbers, whole_number


def repair_categories(
    coco: dict, file: str, names: Names
) -> tuple[dict[Hashable, int], list[Finding]]:
    """Read ids and names as what they stand for, and merge what is listed twice, in place.

    Args:
        coco: content of the file.
        file: its path.
        names: of records, kept where an id changes.

    Returns:
        New ids of categories by the old ones: of those that were merged with another one, and of
        those that were numbered anew; and findings.
    """
    categories = Records(coco['categories'], 'category', file, names)
    read_whole_numbers(categories, 'id')
    numbers = [
        row
        for row, category in enumerate(categories.records)
        if type(category.get('name')) in (int, float)
    ]
    for row in numbers:
        categories.records[row]['name'] = str(whole_number(categories.records[row]['name']))
    categories.report('repaired', numbers, 'name', 'a number: read as a text')
    _compose(categories)
    merged = _merge(categories)
    numbered = number_anew(categories)
    moved = {old: numbered.get(new, new) for old, new in merged.items()} | numbered
    placeholder = _placeholder(categories.records, coco['annotations'])
    if placeholder is not None:
        name = categories.records[placeholder].get('name')
        message = (
            f"'{name}' is Roboflow's placeholder, the supercategory of all others and without an "
            'annotation: left out'
        )
        categories.report('repaired', [placeholder], 'name', message)
        del categories.records[placeholder]
    return moved, categories.findings


def _compose(categories: Records) -> None:
    """Write names in one Unicode form, so that equal texts are one name."""
    rows = []
    for row, category in enumerate(categories.records):
        name = category.get('name')
        if type(name) is str and unicodedata.normalize('NFC', name) != name:
            category['name'] = unicodedata.normalize('NFC', name)
            rows.append(row)
    categories.report('repaired', rows, 'name', 'accents apart from their letters: joined')


def _merge(categories: Records) -> dict[Hashable, int]:
    """Merge categories of the same name and supercategory; old ids -> the one that is left."""
    first: dict[tuple, dict] = {}
    used = defaultdict(set)
    for category in categories.records:
        used[_key(category.get('id'))].add(_key(category.get('name')))
    merged, rows = {}, []
    for row, category in enumerate(categories.records):
        name, identity = category.get('name'), category.get('id')
        ids_are_clear = type(identity) is int and len(used[identity]) == 1
        if type(name) is not str or not name.strip() or not ids_are_clear:
            continue
        original = first.setdefault((name, str(category.get('supercategory'))), category)
        if original is not category:
            merged[identity] = original['id']
            rows.append(row)
    categories.report('repaired', rows, 'name', 'listed before: merged with the first of its name')
    left_out = set(rows)
    categories.records[:] = [
        category for row, category in enumerate(categories.records) if row not in left_out
    ]
    return {old: new for old, new in merged.items() if old != new}


def _key(value: object) -> Hashable:
    return value if type(value) in (int, str) else repr(value)


def _placeholder(categories: list[dict], annotations: list[dict]) -> int | None:
    """Place of the category with which Roboflow names the project."""
    if len(categories) < 2:
        return None
    above = {str(category.get('supercategory')) for category in categories}
    for row, category in enumerate(categories):
        name = category.get('name')
        others = {str(c.get('supercategory')) for c in categories if c is not category}
        if type(name) is str and others == {name} and above - {name} <= {'none', 'None', ''}:
            used = {_key(whole_number(a.get('category_id'))) for a in annotations}
            return None if category.get('id') in used else row
    return None


def match_categories(coco: dict, file: str, wanted: list[dict], wanted_file: str) -> list[Finding]:
    """Give a file the categories of the labelled one, matched by name, in place.

    Args:
        coco: checked content of a file to validate or to test on.
        file: its path.
        wanted: categories of the labelled file.
        wanted_file: that file's path.

    Returns:
        Findings. Annotations of classes that the labelled file lacks are left out; a name that is a
        class of the labelled file but for its spelling is an error.
    """
    ids = {category['name']: category['id'] for category in wanted}
    spelt = {plain(name): name for name in ids}
    findings: list[Finding] = []
    own = {category['id']: category['name'] for category in coco['categories']}
    extra = [name for name in own.values() if name not in ids]
    if own and len(extra) == len(own):
        message = (
            f'none of {some("name", extra)} is a class of {wanted_file} '
            f'({", ".join(list(ids)[:5])}): write names alike'
        )
        return [Finding('error', file, 'categories', message)]
    for name in extra:
        if plain(name) in spelt:
            message = f"'{name}' is '{spelt[plain(name)]}' in {wanted_file}: write names alike"
            findings.append(Finding('error', file, 'categories', message))
    if findings:
        return findings
    new_ids = {identity: ids[name] for identity, name in own.items() if name in ids}
    kept = [one for one in coco['annotations'] if one['category_id'] in new_ids]
    for one in kept:
        one['category_id'] = new_ids[one['category_id']]
    if extra:
        message = (
            f'{some("category", extra)} not in {wanted_file}, so that no model learns it: '
            f'{count(len(coco["annotations"]) - len(kept), "annotation")} left out'
        )
        findings.append(Finding('warning', file, 'categories', message))
    if list(own.items()) != list(zip(ids.values(), ids, strict=True)):
        message = f'another order, other ids or fewer than in {wanted_file}: matched by name'
        findings.append(Finding('repaired', file, 'categories', message))
    coco['annotations'], coco['categories'] = kept, wanted
    return findings
