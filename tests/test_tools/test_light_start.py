"""Tools that only read and write labels start without PyTorch and mmdet, which take seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools/dataset'
HEAVY = {'torch', 'torchvision', 'mmcv', 'mmdet', 'matplotlib'}
SHOW_HELP = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    assert not end.code
print(*sys.modules)
"""


@pytest.mark.parametrize(
    'tool',
    ['convert', 'generate_shapes', 'make_noisy_labels', 'merge_labels', 'split', 'weak_labels'],
)
def test_imports_nothing_heavy(tool):
    shown = subprocess.run(
        [sys.executable, '-c', SHOW_HELP, TOOLS / f'{tool}.py', '--help'],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert HEAVY.isdisjoint(shown.stdout.splitlines()[-1].split())
