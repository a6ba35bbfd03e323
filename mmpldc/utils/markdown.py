"""Markdown: tables, and blocks of a page that a program writes."""

import re
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns, but the first, are aligned to the right, as numbers are.

    >>> print(table(['', 'AP'], [['PL-DC', '38.3']]))
    |  | AP |
    | --- | ---: |
    | PL-DC | 38.3 |
    """
    rule = ['---', *(['---:'] * (len(header) - 1))]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in (header, rule, *rows))


def put_block(page: str, name: str, text: str) -> str:
    """Replace the text between ``<!-- name -->`` and ``<!-- /name -->``.

    Args:
        page: Markdown; without these marks it is returned as it is.
        name: of the block.
        text: its new content.
    """
    block = f'<!-- {name} -->\n\n{text.strip()}\n\n<!-- /{name} -->'
    pattern = rf'<!-- {name} -->.*?<!-- /{name} -->'
    return re.sub(pattern, lambda _: block, page, flags=re.DOTALL)
