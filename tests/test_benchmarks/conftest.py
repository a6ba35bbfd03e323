"""Benchmarks are scripts beside one another, not a package."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    benchmarks = str(Path(__file__).parents[2] / 'benchmarks')
    monkeypatch.setattr(sys, 'path', [benchmarks, *sys.path])
