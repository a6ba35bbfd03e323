"""Read ``KEY=VALUE`` options of the command line."""

import argparse
import ast
import os
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

CLOSING = {'[': ']', '(': ')'}


class OptionsAction(argparse.Action):
    """mmengine's ``DictAction`` that keeps spaces, and refuses what is no ``KEY=VALUE`` in a line.

    The result is a dict of values by dotted key; several options of the same name add up.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        options = dict(getattr(namespace, self.dest, None) or {})
        before = ''
        for word in [values] if isinstance(values, str) else values or []:
            key, equals, value = word.partition('=')
            if not equals or not key.strip():
                whole = f"'{before} {word}'" if before else "'KEY=a value'"
                parser.error(
                    f"{option_string}: '{word}' is not KEY=VALUE; put a value that has spaces in "
                    f'quotes, such as {whole}'
                )
            options[key.strip()] = parse_value(value)
            before = word
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """Read a value as mmengine does, but keep spaces, file names and names in quotes.

    Args:
        text: a number, ``true``, ``None``, a name, a list ``a,b`` or ``[a,b]``, a tuple ``(a,b)``,
            nested ones, or a dict as Python writes it. A text with commas that is the path of a
            file or folder is that path.

    Returns:
        The value; a text that is nothing else stays a text.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in '\'"':
        text = text[1:-1].strip()
    if text.startswith('{') and text.endswith('}'):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
    parts = split_at_commas(text)
    if parts is None or not text:  # brackets that do not match, as in some file names
        return text
    if text[0] in CLOSING and text[-1] == CLOSING[text[0]] and len(parts) == 1:
        inner = split_at_commas(text[1:-1])
        if inner is None:  # '[a] and [b]'
            return text
        values = [parse_value(part) for part in inner if part.strip()]
        return tuple(values) if text[0] == '(' else values
    if len(parts) == 1 or os.path.exists(text):
        return DictAction._parse_int_float_bool(text)
    return [parse_value(part) for part in parts if part.strip()]


def split_at_commas(text: str) -> list[str] | None:
    """Split a text at commas outside of brackets and quotes.

    Returns:
        The parts, at least one; None if brackets do not match.
    """
    parts, start = [], 0
    expected: list[str] = []
    quote = ''
    for place, sign in enumerate(text):
        if quote:
            quote = '' if sign == quote else quote
        elif sign in '\'"' and not text[start:place].strip('[( '):  # an apostrophe is no quote
            quote = sign
        elif sign in CLOSING:
            expected.append(CLOSING[sign])
        elif sign in CLOSING.values():
            if not expected or expected.pop() != sign:
                return None
        elif sign == ',' and not expected:
            parts.append(text[start:place])
            start = place + 1
    return None if expected else [*parts, text[start:]]
