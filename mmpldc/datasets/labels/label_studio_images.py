"""Which image a task of Label Studio shows: of several in its data, the one that regions are on."""

from collections.abc import Collection
from typing import Any

from ..converters.image_files import IMAGE_SUFFIXES
from ..folders import suffix_of


class TaskFault(ValueError):
    """What is wrong with a task or a region."""


def tags_of(regions: Collection[dict]) -> set[str]:
    """Names of the image tags that regions are on."""
    return {tag for one in regions if isinstance(tag := one.get('to_name'), str)}


def address_of_image(task: dict, regions: Collection[dict], *, tags: Collection[str]) -> str:
    """The address of a task's image.

    Args:
        task: of the export.
        regions: shapes of the annotation that counts.
        tags: names of the image tags that regions of the whole export are on.

    Raises:
        TaskFault: if the task has no image, or several, and it is not known which one is meant.
    """
    data = task.get('data')
    data = data if isinstance(data, dict) else {}
    addresses = {key: text for key, value in data.items() if (text := _address(value))}
    own = sorted(tags_of(regions))
    if len(own) > 1 and len(addresses) > 1:
        raise TaskFault(
            f'regions are on several of its images (to_name {", ".join(own)}): make a task of '
            'each image'
        )
    lists = [key for key, value in data.items() if key not in addresses and _is_list(value)]
    pages = {page for one in regions if (page := one.get('item_index')) is not None}
    if (pages and lists) or pages - {0}:
        raise TaskFault(
            f'regions are on pages of a list{_named(lists)} (item_index): make a task of each page'
        )
    pictures = [key for key, text in addresses.items() if _is_picture(text)]
    if len(pictures) > 1 and own and own[0] in pictures:
        return addresses[own[0]]
    if len(pictures) > 1 and len(tags) > 1:
        raise TaskFault(
            f'has several images ({", ".join(pictures)}), and regions of the file are on several '
            f'(to_name {", ".join(sorted(tags))}): make a task of each image'
        )
    if 'image' in addresses:
        return addresses['image']
    if len(addresses) == 1:
        return next(iter(addresses.values()))
    kinds = [f'{key} (a {type(value).__name__})' for key, value in data.items()]
    found = f'"image" is missing among {", ".join(kinds)}' if kinds else 'it is empty'
    raise TaskFault(f'data names no image: {found}: make a task of each image, with its address')


def _address(value: Any) -> str | None:
    """A text, or that of a list of one."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    return value if isinstance(value, str) and value.strip() else None


def _is_list(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, str) for one in value)


def _is_picture(address: str) -> bool:
    """Whether an address looks like that of an image."""
    path = address.partition('#')[0]
    ends = (path, path.partition('?')[0])  # of /data/local-files/?d=a.jpg and of a.jpg?token=x
    return address.startswith('data:image') or any(suffix_of(e) in IMAGE_SUFFIXES for e in ends)


def _named(keys: list[str]) -> str:
    return f' ({", ".join(keys)})' if keys else ''
