"""Write Markdown tables and generated blocks of a page."""

import re
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table; all columns but the first are right-aligned, as numbers are.

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
        page: Markdown; returned unchanged without these marks.
        name: name of the block.
        text: new content of the block.
    """
    block = f'<!-- {name} -->\n\n{text.strip()}\n\n<!-- /{name} -->'
    pattern = rf'<!-- {name} -->.*?<!-- /{name} -->'
    return re.sub(pattern, lambda _: block, page, flags=re.DOTALL)
