"""Texts that describe classes to a vision-language model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def read_prompts(
    classes: Sequence[str], *, descriptions: str | None, templates: str | None
) -> list[list[str]]:
    """Collect the texts of each class: its descriptions, the templates with its name, or both.

    Args:
        classes: N names.
        descriptions: a JSON file that maps each class to a list of texts; ``'coco'`` or
            ``'cityscapes'`` for the texts included in mmpldc; None for none.
        templates: a JSON file with a list of texts that contain ``{}``, the place of the name;
            ``'templates'`` for the list included in mmpldc; None for none.

    Returns:
        N lists of at least one text.

    Raises:
        ValueError: if both are None, a class is missing (the message names all of them), or a file
            does not have the form described here.
    """
    if descriptions is None and templates is None:
        raise ValueError('give descriptions or templates: CLIP needs a text for each class')
    prompts: list[list[str]] = [[] for _ in classes]
    if templates is not None:
        texts = _read(templates)
        if not _are_texts(texts) or not all('{}' in text for text in texts):
            raise ValueError(f"{templates} must hold a JSON list of texts with '{{}}' in them")
        for name, own in zip(classes, prompts, strict=True):
            own += [text.replace('{}', name) for text in texts]
    if descriptions is not None:
        by_class = _read(descriptions)
        if not isinstance(by_class, dict):
            raise ValueError(f'{descriptions} must hold a JSON object: class name -> list of texts')
        missing = [name for name in classes if not _are_texts(by_class.get(name))]
        if missing:
            raise ValueError(
                f'{descriptions} has no descriptions of {missing}: add a list of texts for each, '
                "or use templates='templates', descriptions=None"
            )
        for name, own in zip(classes, prompts, strict=True):
            own += by_class[name]
    return prompts


def _read(name: str) -> Any:
    builtin = FOLDER / f'{name}.json'
    path = builtin if builtin.exists() else Path(name)
    if not path.exists():
        known = sorted(file.stem for file in FOLDER.glob('*.json'))
        raise ValueError(f'there is no file {path}, and it is none of the included texts: {known}')
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)
