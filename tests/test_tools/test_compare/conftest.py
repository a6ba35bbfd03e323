"""The comparison is scripts beside one another, not a package."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(Path(__file__).parents[3] / 'tools/compare'), *sys.path])
