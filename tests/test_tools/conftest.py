"""Stand-ins for the programs that the shell tools start."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'

# Prints a line for each argument, and PYTHONPATH and MASTER_PORT as it sees them.
ECHO = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0")" "$@"
echo "PYTHONPATH=$PYTHONPATH" "MASTER_PORT=${MASTER_PORT:-}"
"""


@pytest.fixture
def shell(tmp_path):
    """Run a shell tool with stand-ins on PATH, from a directory that is not the repository."""
    folder = tmp_path / 'stand-ins'
    folder.mkdir()

    def add(name: str, content: str = ECHO) -> None:
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)

    def run(tool: str, *args: str, **environment: str) -> SimpleNamespace:
        inherited = {name: os.environ[name] for name in ('HOME', 'LANG') if name in os.environ}
        result = subprocess.run(
            ['bash', TOOLS / tool, *args],
            cwd=tmp_path,
            env=inherited | dict(PATH=f'{folder}:/usr/bin:/bin') | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return SimpleNamespace(
            lines=result.stdout.splitlines(), error=result.stderr, code=result.returncode
        )

    return SimpleNamespace(run=run, add=add)
