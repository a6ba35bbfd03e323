"""Text files as other programs write them."""

import codecs
import json
from pathlib import Path

MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def read_text(path: str | Path) -> str:
    """A text in UTF-8, or in what its byte order mark says.

    Raises:
        ValueError: if it is a folder, or in another encoding; the message says how to go on.
    """
    if Path(path).is_dir():
        raise ValueError(f'{path} is a folder: give a file')
    content = Path(path).read_bytes()
    if content.startswith(b'PK\x03\x04'):
        raise ValueError(f'{path} is a table of Excel or an archive: save it as CSV, or unpack it')
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), 'utf-8')
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b'\n') + 1
        raise ValueError(
            f'{path}, line {line}: is not in UTF-8 (byte {content[error.start]:#04x}): save the '
            'file as UTF-8'
        ) from None


def is_markup(text: str) -> bool:
    """Whether a text is XML or HTML."""
    return text.lstrip().startswith('<') and text.rstrip().endswith('>')


def read_lines(path: str | Path) -> list[str]:
    """Lines of a list with a name in each, without blanks around them; empty ones are there, too.

    Raises:
        ValueError: see :func:`read_text`; or if the file is JSON, XML or HTML.
    """
    text = read_text(path)
    if text.lstrip().startswith(('{', '[')):  # as names may
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            raise ValueError(f'{path} is JSON: give a text with a name in each line')
    if is_markup(text):
        raise ValueError(f'{path} is XML or HTML: give a text with a name in each line')
    return [line.strip() for line in text.splitlines()]
