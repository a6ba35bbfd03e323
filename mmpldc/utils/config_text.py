"""The text of a config, laid out once for a run."""

from collections.abc import Callable
from typing import Any

from yapf.yapflib import yapf_api

MOST_TEXTS = 16


class RememberedLayouts:
    """yapf's ``FormatCode``, which keeps what it has made.

    Args:
        format_code: yapf's function, from code and a style to formatted code.
    """

    def __init__(self, format_code: Callable[..., tuple[str, bool]]) -> None:
        self.format_code = format_code
        self.made: dict[tuple[str, str], tuple[str, bool]] = {}

    def __call__(self, text: str, *args: Any, **options: Any) -> tuple[str, bool]:
        """See yapf."""
        key = text, repr((args, options))  # the style is a dict
        if key not in self.made:
            if len(self.made) == MOST_TEXTS:
                self.made.clear()
            self.made[key] = self.format_code(text, *args, **options)
        return self.made[key]


def remember_layouts() -> None:
    """Make mmengine lay each config out once in this process; the text stays the same.

    mmengine asks yapf for the text of the config for the log, the folder of the run, each
    visualizer and each checkpoint, which takes a second or more each time.
    """
    if not isinstance(yapf_api.FormatCode, RememberedLayouts):
        yapf_api.FormatCode = RememberedLayouts(yapf_api.FormatCode)
