"""A config's text is laid out once, and is the same."""

import pytest
from mmengine.config import Config
from yapf.yapflib import yapf_api

from mmpldc.utils import config_text
from mmpldc.utils.config_text import remember_layouts


@pytest.fixture
def laid_out(monkeypatch) -> list[str]:
    """The texts that yapf lays out."""
    texts, format_code = [], yapf_api.FormatCode
    if isinstance(format_code, config_text.RememberedLayouts):  # another test's
        format_code = format_code.format_code
    monkeypatch.setattr(
        yapf_api,
        'FormatCode',
        lambda text, **options: texts.append(text) or format_code(text, **options),
    )
    return texts


def test_text_is_the_same_and_laid_out_once(laid_out, monkeypatch):
    monkeypatch.setattr(config_text, 'MOST_TEXTS', 2)
    configs = [Config(dict(model=dict(type='A', sizes=[index] * 40))) for index in range(3)]
    expected = [cfg.pretty_text for cfg in configs]
    assert len(set(expected)) == 3
    laid_out.clear()
    remember_layouts()
    remember_layouts()  # as by two tools in one process
    for _ in range(3):
        assert [cfg.pretty_text for cfg in configs[:2]] == expected[:2]
    assert len(laid_out) == 2
    assert configs[2].pretty_text == expected[2] and configs[0].pretty_text == expected[0]
