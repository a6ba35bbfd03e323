"""Run a notebook's code without Jupyter.

    python tests/test_demo/notebook_runner.py demo/own_data.ipynb --write [NAME=VALUE ...]

runs the cells in the working directory and puts what they print and show into the file.
"""

import argparse
import ast
import base64
import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from PIL import Image

SETTINGS = 'parameters'  # the tag of the cell with settings, as papermill has it
LOG = re.compile(r'\d\d/\d\d [\d:]{8} - mmengine|Loads checkpoint|loading ann|Done|creating|index')


def run_notebook(path: Path, settings: dict[str, Any]) -> list[list[dict]]:
    """Run all code cells in one namespace.

    Args:
        path: of the notebook.
        settings: values by name, in place of those of the cell with the tag ``parameters``.

    Returns:
        For each cell the outputs in the notebook's format: what it printed, without remarks of
        libraries, and its last value, of which an image is a JPEG.

    Raises:
        ValueError: if the cell has no such setting.
    """
    namespace: dict[str, Any] = {}
    outputs = []
    for number, cell in enumerate(json.loads(path.read_text())['cells']):
        outputs.append([])
        if cell['cell_type'] != 'code':
            continue
        source = ''.join(cell['source'])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = _run(source, f'{path.name}, cell {number}', namespace)
        if SETTINGS in cell['metadata'].get('tags', []):
            unknown = settings.keys() - namespace.keys()
            if unknown:
                raise ValueError(f'{path} has no setting {", ".join(sorted(unknown))}')
            namespace.update(settings)
        outputs[-1] = _outputs(printed.getvalue(), value)
    return outputs


def _run(source: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run a cell, and return the value of its last expression."""
    tree = ast.parse(source)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, name, 'exec'), namespace)
    return None if last is None else eval(compile(last, name, 'eval'), namespace)


def _outputs(printed: str, value: Any) -> list[dict]:
    outputs: list[dict] = []
    text = [line for line in printed.splitlines(keepends=True) if not LOG.match(line)]
    if text:
        outputs.append(dict(output_type='stream', name='stdout', text=text))
    if isinstance(value, Image.Image):
        stream = io.BytesIO()
        value.save(stream, 'JPEG', quality=80)
        data = {'image/jpeg': base64.b64encode(stream.getvalue()).decode()}
        outputs.append(dict(output_type='display_data', data=data, metadata={}))
    elif value is not None:
        data = {'text/plain': repr(value).splitlines(keepends=True)}
        outputs.append(dict(output_type='display_data', data=data, metadata={}))
    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('notebook', type=Path)
    parser.add_argument('settings', nargs='*', metavar='NAME=VALUE')
    parser.add_argument('--write', action='store_true', help='put the outputs into the notebook')
    args = parser.parse_intermixed_args()
    sys.path.insert(0, os.getcwd())
    outputs = run_notebook(args.notebook, dict(pair.split('=', 1) for pair in args.settings))
    if args.write:
        content = json.loads(args.notebook.read_text())
        for cell, found in zip(content['cells'], outputs, strict=True):
            if cell['cell_type'] == 'code':
                cell['outputs'] = found
        args.notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + '\n')


if __name__ == '__main__':
    main()
