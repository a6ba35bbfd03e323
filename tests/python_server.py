"""A ``python`` that starts in a moment: forked from one that has imported torch and the like.

``python_server.py SOCKET PYTHON`` imports third-party packages and waits. ``python_server.py SOCKET
run [-u] (FILE | -m MODULE | -c CODE) ARGUMENT...`` then does what ``python [-u] ...`` does: the
program runs as ``__main__`` in a process forked from the waiting one, with the environment, folder
and open files of the caller, which passes signals on and ends as the program ends. This project and
mmsegmentation are not among the imported packages: each program imports and registers them anew.
What shortcuts.py leaves out is left out. A program that ends well and is no rank of others skips
what Python does at its very end, which takes it a second to take a large process down. PYTHON is
the script by which this is called, the program's ``sys.executable``.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NoReturn

THIRD_PARTY = (
    *('cv2', 'imgaug', 'matplotlib.pyplot', 'modelindex', 'numba', 'open_clip'),
    *('pycocotools.cocoeval', 'rich.progress', 'scipy.ndimage', 'scipy.optimize'),
    *('shapely.geometry', 'tifffile', 'torch', 'torch.distributed.fsdp'),
    *('torch.distributed.launcher.api', 'torch.distributed.optim', 'torch.utils.tensorboard'),
    *('torchvision.transforms.v2', 'yapf.yapflib.yapf_api'),
)
SIGNALS = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
LARGEST_REQUEST = 2**17


# ---------------------------------------------------------------- the caller


def call(address: str, arguments: list[str]) -> NoReturn:
    """Have a program run, and end as it does."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(address)

    def pass_on(number: int, _: object) -> None:
        with suppress(OSError):  # the program has ended just now
            server.send(b'%d' % number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    request = dict(arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))
    socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
    code = int(server.recv(100))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


# ---------------------------------------------------------------- the server


def serve(listener: socket.socket) -> dict:
    """Fork a process for each call, until standard input is closed.

    Returns:
        In a process that is forked for it: what the caller asks for.
    """
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [], 1)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if sys.stdin in ready:
            sys.exit()
        if listener in ready:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return keep(caller)
            caller.close()


def keep(caller: socket.socket) -> dict:
    """Fork the program, pass the caller's signals on to it, and say how it ended."""
    content, files, _, _ = socket.recv_fds(caller, LARGEST_REQUEST, 3)
    program = os.fork()
    if program == 0:
        caller.close()
        return become(json.loads(content), files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(program)
    while True:
        ready, _, _ = select.select([caller, ended], [], [])
        if ended in ready:
            break
        number = int(caller.recv(100) or signal.SIGKILL)  # nothing: the caller was killed
        os.kill(program, number)
        if number == signal.SIGKILL:
            break
    _, status = os.waitpid(program, 0)
    with suppress(OSError):
        caller.send(b'%d' % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: dict, files: list[int]) -> dict:
    """Take over what a process has from the one that starts it."""
    import random

    import numpy as np

    os.setsid()
    for descriptor, file in enumerate(files):
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(request['environment'])
    os.chdir(request['folder'])
    random.seed()
    np.random.seed()
    return request


def execute(arguments: list[str], installed: list[str]) -> None:
    """Run what ``python ARGUMENT...`` would run; ``installed`` is its path without PYTHONPATH."""
    paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[:] = [*filter(None, paths), *installed]
    if arguments[0] == '-u':
        sys.stdout.reconfigure(write_through=True)
        arguments = arguments[1:]
    if arguments[0] == '-c':
        sys.path.insert(0, '')
        sys.argv = ['-c', *arguments[2:]]
        sys.modules['__main__'] = main = ModuleType('__main__')
        exec(compile(arguments[1], '<string>', 'exec'), main.__dict__)
    elif arguments[0] == '-m':
        sys.path.insert(0, os.getcwd())
        sys.argv = arguments[1:]
        runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
    else:
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        sys.argv = arguments
        runpy.run_path(sys.argv[0], run_name='__main__')


def import_openmmlab() -> None:
    """As this project does, but leave this project's own modules for each program to import."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    importlib.import_module('mmpldc._mmdet')
    importlib.import_module('shortcuts').take_shortcuts()
    del sys.path[0]
    for name in [*sys.modules]:
        if name.partition('.')[0] == 'mmpldc':
            del sys.modules[name]


def end() -> NoReturn:
    """End well, at once."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in sys.stdout, sys.stderr:
        with suppress(ValueError):  # the program has closed it
            stream.flush()
    os._exit(0)


def main() -> None:
    address, python = sys.argv[1:3]
    if python == 'run':
        call(address, sys.argv[3:])
    installed = sys.path[1:]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    print('ready', flush=True)  # calls wait from now on
    for name in THIRD_PARTY:
        importlib.import_module(name)
    import_openmmlab()
    gc.collect()
    gc.freeze()
    request = serve(listener)
    sys.executable = python
    try:
        execute(request['arguments'], installed)
    except SystemExit as ended:
        if ended.code:
            raise
    if 'RANK' not in os.environ:
        end()


if __name__ == '__main__':
    main()
