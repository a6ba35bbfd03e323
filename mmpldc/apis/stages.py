"""Run the project's tools one after the other, each once, with their progress on the console."""

import json
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress, TaskID

from mmpldc.utils.files import write_json
from mmpldc.utils.processes import lock_folder

POSITION = re.compile(r'Iter\((train|val|test)\) *\[ *(\d+)/(\d+)\]')
SHOWN = re.compile(r'eta: [\d:, days]*[\d:]|\bloss: [\d.]+|pseudo_per_image: [\d.]+')
FINDING = re.compile(r'(repaired|note|warning|error|before training): ')
OF_TEACHER = re.compile(r' - mmengine - WARNING - ((The teacher|iterations) .*)')  # of our hooks
AP = re.compile(r'coco/segm_mAP: (-?[\d.]+)')
TENTHS = 10  # lines of progress where there is no terminal
LAST_LINES = 15  # of a log, if a stage fails


def tools_folder() -> Path:
    """The folder of the command-line tools, in a checkout or in an installed package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / 'tools', package / '.mim/tools'):
        if (folder / 'train.py').is_file():
            return folder
    raise FileNotFoundError(f'the tools of mmpldc are neither beside nor inside {package}')


class Stages:
    """Stages of a longer work in a folder; those that are done are passed over.

    Args:
        folder: of the results; ``stages.json`` says what is done, ``logs`` has each stage's output.
        total: number of stages, for the headings.
        say: takes a line for the user.
    """

    def __init__(self, folder: Path, total: int, say: Callable[[str], None] = print) -> None:
        self.folder, self.total, self.say = folder, total, say
        self.record = folder / 'stages.json'
        self.done: dict[str, dict] = {}
        if self.record.exists():
            self.done = read_record(self.record)
        self.number = 0

    def run(self, name: str, title: str, tool: str, *words: object) -> None:
        """Run a tool unless it has been run to its end.

        Args:
            name: of the stage.
            title: what it does, for the user.
            tool: path below the folder of the tools.
            *words: its arguments.

        Raises:
            RuntimeError: if it fails; with the end of its log.
            SystemExit: if another process runs stages in the folder.
        """
        lock_folder(self.folder, 'run')
        self.number += 1
        heading = f'[{self.number}/{self.total}] {title}'
        if name in self.done:
            self.say(f'{heading}: already done')
            return
        arguments = [str(word) for word in words]
        self.say(heading)
        self.say(f'      {shlex.join(["python", str(tools_folder() / tool), *arguments])}')
        log = self.folder / 'logs' / f'{name}.log'
        start, cpu = time.monotonic(), _cpu_seconds()
        status = self._call([sys.executable, str(tools_folder() / tool), *arguments], log)
        if status:
            lines = log.read_text(errors='replace').strip().splitlines()[-LAST_LINES:]
            raise RuntimeError(
                '\n'.join(lines) + f'\n{title}: failed; the whole log is {log}. After a remedy the '
                'same command continues here'
            )
        self.done[name] = dict(
            seconds=round(time.monotonic() - start), cpu_seconds=round(_cpu_seconds() - cpu)
        )
        write_json(self.record, self.done, indent=2)

    def _call(self, command: Sequence[str], log: Path) -> int:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open('a') as file, self._progress() as show:
            process = subprocess.Popen(
                command,
                text=True,
                errors='replace',
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            try:
                for line in process.stdout or ():
                    file.write(line)
                    file.flush()
                    show(line)
                return process.wait()
            except BaseException:  # Ctrl-C, or SIGTERM: the tool saves and ends
                process.terminate()
                process.wait()
                raise

    @contextmanager
    def _progress(self) -> Iterator[Callable[[str], None]]:
        """A function that shows the progress in lines of a log: a bar, or a line each tenth."""
        with Progress(disable=not sys.stdout.isatty(), transient=True) as bar:
            tasks: dict[str, TaskID] = {}
            shown = -1

            def show(line: str) -> None:
                nonlocal shown
                if FINDING.match(line):
                    self.say(f'      {line.rstrip()}')
                warned = OF_TEACHER.search(line)
                if warned:
                    self.say(f'      warning: {warned[1]}')
                found = POSITION.search(line)
                if found is None:
                    return
                kind, done, total = found[1], int(found[2]), int(found[3])
                text = '  '.join(SHOWN.findall(line))
                ap = AP.search(line)
                if ap:
                    self.say(f'      {kind}: AP {100 * float(ap[1]):.1f}')
                if not bar.disable:
                    if kind not in tasks:
                        tasks[kind] = bar.add_task(kind, total=total)
                    bar.update(tasks[kind], completed=done, total=total, description=text or kind)
                elif kind == 'train' and done * TENTHS // total > shown:
                    shown = done * TENTHS // total
                    self.say(f'      step {done} of {total}  {text}')

            yield show


def read_record(path: Path) -> dict[str, dict]:
    """What ``stages.json`` says; nothing if it is damaged, so that all is done again."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _cpu_seconds() -> float:
    """Of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
