"""A headless browser."""

import shutil
from pathlib import Path

import pytest
from headless_browser import chromium


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    """A tab of a headless Chromium; without one the test is skipped."""
    names = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        pytest.skip(f'no browser: none of {", ".join(names)} is on PATH')
    with chromium(binary, Path(tmp_path_factory.mktemp('profile'))) as page:
        yield page
