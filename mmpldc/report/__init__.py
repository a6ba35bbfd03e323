"""A page about one or several runs: result, curves, errors, pictures, data and settings.

read (run_folder) -> look at images (inference, kept by cache) -> collect -> lay out (page).
"""

import mmpldc._mmdet  # noqa: F401

from .collect import Options, collect
from .contents import Report
from .page import render, write_page
from .run_folder import Run, open_runs

__all__ = ['Options', 'Report', 'Run', 'collect', 'open_runs', 'render', 'write_page']
