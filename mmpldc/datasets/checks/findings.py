"""What a check finds, and how it names records."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Level = Literal['error', 'warning', 'note', 'repaired']
PLURALS = {'category': 'categories', 'class': 'classes'}
NAMED = 3  # records that a finding names; the others are counted
# A picture's bytes as text, where its name belongs; a folder may stand before it.
LONG_WORD = re.compile(r'(\S{300})\S{1000,}')


@dataclass(frozen=True)
class Finding:
    """One kind of fault in one file.

    Attributes:
        level: 'error' if training or evaluation would fail or be wrong, 'warning' if they might,
            'repaired' for what was put right, 'note' for what was decided.
        file: path of the annotation file or config; several are separated by commas.
        where: records and field, such as ``'annotations 3, 7: bbox'``; may be empty.
        message: what is wrong and what to do about it.
        kind: of the records, such as 'image'; empty if it is about none.
        rows: these records' places in the file's list.
    """

    level: Level
    file: str
    where: str
    message: str
    kind: str = field(default='', compare=False, repr=False)
    rows: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        parts = (self.level, self.file, self.where, self.message)
        text = ': '.join(part for part in parts if part)
        return one_line(LONG_WORD.sub(r'\1...', text))


def some(kind: str, names: Sequence) -> str:
    """Records in words.

    Args:
        kind: the singular.
        names: at least one.

    Returns:
        ``'image 3'``, ``'images 3, 7'`` or ``'5 images (3, 7, 9, ...)'``.
    """
    first = ', '.join(map(str, names[:NAMED]))
    if len(names) == 1:
        return f'{kind} {first}'
    if len(names) <= NAMED:
        return f'{PLURALS.get(kind, f"{kind}s")} {first}'
    return f'{count(len(names), kind)} ({first}, ...)'


def count(number: int, kind: str) -> str:
    """``'1 error'`` or ``'2 errors'``."""
    return f'{number} {kind}' if number == 1 else f'{number} {PLURALS.get(kind, f"{kind}s")}'


def one_line(text: str) -> str:
    """The text with line breaks, control and half characters written as escapes."""
    if text.isprintable():
        return text
    return ''.join(
        char.encode('unicode_escape').decode()
        if unicodedata.category(char) in ('Cc', 'Cs', 'Zl', 'Zp')
        else char
        for char in text
    )


def printable(text: str) -> str:
    """The text with half characters, which JSON allows and no stream takes, written as escapes."""
    return text.encode(errors='backslashreplace').decode()
