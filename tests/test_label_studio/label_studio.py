"""Label Studio itself: an environment of its own, a server with an empty store, and its SDK."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = '1.23.2'
SECONDS = 1800  # until the server answers on a busy machine; it makes its store first
USER, PASSWORD = 'annotator@example.org', secrets.token_hex(8)


class NoLabelStudio(Exception):
    """It is not installed, and cannot be."""


def find_python() -> Path:
    """The interpreter of an environment with Label Studio, which is made if need be.

    ``MMPLDC_LABEL_STUDIO`` names an environment; otherwise one is kept beside the compiled wheels,
    in the folder of ``MMPLDC_CACHE``, about 1 GB.

    Raises:
        NoLabelStudio: with the end of pip's output.
    """
    named = os.environ.get('MMPLDC_LABEL_STUDIO')
    caches = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmpldc'
    caches = Path(os.environ.get('MMPLDC_CACHE') or caches)
    folder = Path(named) if named else caches / f'label-studio-{VERSION}'
    python = folder / 'bin/python'
    if (folder / 'bin/label-studio').exists():
        return python
    if named:
        raise NoLabelStudio(f'MMPLDC_LABEL_STUDIO: there is no {folder}/bin/label-studio')
    command = ['-m', 'pip', 'install', '--quiet', '--retries', '1', f'label-studio=={VERSION}']
    try:
        subprocess.run([sys.executable, '-m', 'venv', '--clear', folder], check=True)
        installed = subprocess.run([python, *command], capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoLabelStudio(str(error)) from None
    if installed.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        reason = installed.stderr.strip().splitlines()[-1:] or ['no output']
        raise NoLabelStudio(f'pip install label-studio=={VERSION}: {reason[0]}')
    return python


class LabelStudio:
    """A running server, and a session of its SDK.

    Args:
        address: of the server.
        session: process of sdk_session.py.
    """

    def __init__(self, address: str, session: subprocess.Popen) -> None:
        self.address, self.session = address, session

    def call(self, name: str, **arguments: Any) -> Any:
        """A function of sdk_session.py."""
        assert self.session.stdin is not None and self.session.stdout is not None
        self.session.stdin.write(json.dumps([name, arguments]) + '\n')
        self.session.stdin.flush()
        line = self.session.stdout.readline()
        assert line, f'the session of the SDK has ended in {name}'
        answer = json.loads(line)
        assert 'error' not in answer, f'{name}: {answer["error"]}'
        return answer['result']


def free_port() -> int:
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    """Until an address answers.

    Raises:
        AssertionError: if the process ends or the time is over, with the end of its log.
    """
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (OSError, urllib.error.URLError):
            late = time.monotonic() > end
            assert process.poll() is None and not late, log.read_text()[-3000:]
            time.sleep(0.5)


@contextmanager
def label_studio(folder: Path, document_root: Path) -> Iterator[LabelStudio]:
    """Start Label Studio with an empty store, as docs/inference.md says, and end it.

    Args:
        folder: of the store.
        document_root: of local files.

    Raises:
        NoLabelStudio: see :func:`find_python`.
    """
    python = find_python()
    token = secrets.token_hex(20)
    port = free_port()
    log = folder / 'log.txt'
    environment = os.environ | dict(
        LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED='true',
        LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=str(document_root),
        LABEL_STUDIO_ML_BLOCK_LOCAL_IP='false',
        LABEL_STUDIO_SSRF_PROTECTION_ENABLED='false',
        # nothing is reported to anybody
        COLLECT_ANALYTICS='false',
        LATEST_VERSION_CHECK='false',
        SENTRY_DSN='',
        FRONTEND_SENTRY_DSN='',
    )
    for name in 'PYTHONPATH', 'DJANGO_SETTINGS_MODULE':
        environment.pop(name, None)
    words = ['start', '--no-browser', '--internal-host', '127.0.0.1', '--port', str(port)]
    words += ['--data-dir', str(folder / 'store'), '--enable-legacy-api-token']
    words += ['--username', USER, '--password', PASSWORD, '--user-token', token]
    address = f'http://127.0.0.1:{port}'
    with log.open('w') as file:
        server = subprocess.Popen(
            [python.with_name('label-studio'), *words],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    session = None
    try:
        wait_for(f'{address}/health', server, log)
        session = subprocess.Popen(
            [python, Path(__file__).with_name('sdk_session.py'), address, token],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        yield LabelStudio(address, session)
    finally:
        for process in filter(None, (session, server)):
            process.kill()
            process.wait()
