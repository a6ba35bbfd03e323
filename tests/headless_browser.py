"""A headless Chromium, driven by the DevTools protocol over a pipe: no package needed."""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FLAGS = (
    '--headless',
    '--no-sandbox',  # tests may run as root
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--remote-debugging-pipe',
)
TIMEOUT = 60  # seconds; loaded machines start Chromium slowly


class Page:
    """One tab. What the console, the log and the network say is kept in ``events``."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.buffer, self.number, self.session = b'', 0, None
        self.events: list[dict] = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self.session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def call(self, method: str, **params) -> dict:
        self.number += 1
        message = dict(id=self.number, method=method, params=params)
        if self.session:
            message['sessionId'] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive(TIMEOUT)
            if answer.get('id') == self.number:
                assert 'error' not in answer, (method, answer['error'])
                return answer['result']
            self.events.append(answer)

    def _receive(self, seconds: float) -> dict:
        end = time.monotonic() + seconds
        while b'\0' not in self.buffer:
            ready, _, _ = select.select([self.from_browser], [], [], max(0, end - time.monotonic()))
            assert ready, 'Chromium does not answer'
            part = os.read(self.from_browser, 1 << 20)
            assert part, 'Chromium has ended'
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)

    def open(
        self, place: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False
    ) -> None:
        """Load a file, or an address, with a fresh record of events."""
        self.resize(width, height)
        scheme = dict(name='prefers-color-scheme', value='dark' if dark else 'light')
        self.call('Emulation.setEmulatedMedia', features=[scheme])
        self.events.clear()
        address = place if isinstance(place, str) else place.resolve().as_uri()
        self.call('Page.navigate', url=address)
        self.wait('document.readyState === "complete"')

    def resize(self, width: int, height: int) -> None:
        phone = dict(mobile=width < 600, deviceScaleFactor=1)
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, **phone)

    def run(self, script: str):
        """The value of an expression."""
        result = self.call(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while not self.run(script):
            assert time.monotonic() < end, f'never true: {script}'
            time.sleep(0.05)

    def key(self, key: str, code: int = 0) -> None:
        text = dict(text=key) if len(key) == 1 else {}
        for kind in ('keyDown', 'keyUp'):
            self.call(
                'Input.dispatchKeyEvent', type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    def mouse(self, kind: str, x: float, y: float, **options) -> None:
        self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, **options)

    def screenshot(self, selector: str | None = None) -> bytes:
        """PNG of the window, or of an element of any height."""
        clip = {}
        if selector:
            box = self.run(
                f'(() => {{ const box = document.querySelector({json.dumps(selector)})'
                '.getBoundingClientRect(); return [box.x + scrollX, box.y + scrollY, box.width, '
                'box.height]; })()'
            )
            names = ('x', 'y', 'width', 'height')
            clip = dict(
                clip=dict(zip(names, box, strict=True), scale=1), captureBeyondViewport=True
            )
        return base64.b64decode(self.call('Page.captureScreenshot', format='png', **clip)['data'])

    def complaints(self) -> list[str]:
        """Errors and warnings of the console and the log, and exceptions."""
        self.run('1')  # so that what was sent before has arrived
        found = []
        for event in self.events:
            params = event.get('params', {})
            if event.get('method') == 'Runtime.exceptionThrown':
                found.append(str(params['exceptionDetails']))
            elif event.get('method') == 'Runtime.consoleAPICalled':
                found.append(str(params['args']))
            elif event.get('method') == 'Log.entryAdded':
                found.append(params['entry']['text'])
        return found

    def requests(self) -> list[str]:
        """Addresses that the page asked for, apart from those inside it."""
        self.run('1')
        addresses = [
            event['params']['request']['url']
            for event in self.events
            if event.get('method') == 'Network.requestWillBeSent'
        ]
        return [one for one in addresses if not one.startswith(('data:', 'blob:'))]


@contextmanager
def chromium(binary: str, profile: Path) -> Iterator[Page]:
    """Start Chromium and open a tab; it ends with the context."""
    pipes = [os.pipe(), os.pipe()]
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (pipes[0][0], pipes[1][1])]
    command = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
    process = subprocess.Popen(
        ['bash', '-c', command, binary, *FLAGS, f'--user-data-dir={profile}'],
        pass_fds=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for fd in (pipes[0][0], pipes[1][1], *theirs):
        os.close(fd)
    try:
        page = Page(pipes[0][1], pipes[1][0])
        yield page
        page.session = None
        page.call('Browser.close')
        process.wait(timeout=TIMEOUT)
    finally:
        process.kill()
        process.wait()
        os.close(pipes[0][1])
        os.close(pipes[1][0])
