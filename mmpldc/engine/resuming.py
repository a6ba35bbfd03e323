"""Select the checkpoint to resume a run from."""

import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path

import torch
from mmengine.dist import broadcast_object_list
from mmengine.runner import Runner

from mmpldc.utils.checkpoint_loading import safe_loading

NAME = re.compile(r'(?:iter|epoch)_(\d+)\.pth')
# Errors that zipfile and torch.load raise for damaged files.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, OSError, EOFError),
    *(RuntimeError, ValueError, LookupError, OverflowError),
)


class BrokenCheckpoint(Exception):
    """No intact checkpoint was found."""


def resume(runner: Runner, path: str | None = None) -> None:
    """Resume a Runner from a checkpoint when it trains; all ranks use the same one.

    Without a path it is the newest intact checkpoint of the work directory. If the work directory
    has no checkpoint at all, the run starts as it would without this call, from ``load_from`` if
    its config has one, so a batch script can always pass ``--resume``.

    Args:
        runner: a Runner that has not trained yet.
        path: of the checkpoint; a URL such as ``http://...`` is not checked.

    Raises:
        BrokenCheckpoint: if the checkpoint at ``path`` is damaged, or all checkpoints of the work
            directory are.
    """
    chosen: list = [None]
    if runner.rank == 0:  # the others may have an outdated view of the file system
        try:
            chosen = [_choose(runner) if path is None else _checked(path)]
        except BrokenCheckpoint as error:
            chosen = [error]
    broadcast_object_list(chosen)
    if isinstance(chosen[0], BrokenCheckpoint):
        raise chosen[0]
    if chosen[0] is not None:
        runner._resume, runner._load_from = True, chosen[0]


def find_damage(path: Path) -> str | None:
    """Describe the damage of a checkpoint; None if its content is intact.

    Args:
        path: a file written by ``torch.save``: a zip archive with checksums. It is read once, in
            pieces.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            return f'the checksum of {broken} is wrong'
        with safe_loading(str(path)):
            torch.load(path, map_location='meta', mmap=True)  # all but the tensors' values
    except UNREADABLE as error:
        return str(error).partition('\n')[0] or type(error).__name__
    return None


def saved_checkpoints(work_dir: Path) -> list[Path]:
    """List the checkpoints of the latest run in a work directory, newest first.

    mmengine's file ``last_checkpoint`` names that run's last one, unless the run was killed before
    it wrote the file. Older checkpoints with a higher number belong to an earlier run.
    """
    folder, last_step, written = work_dir, float('inf'), 0.0
    file = work_dir / 'last_checkpoint'
    last = Path(file.read_text().strip()) if file.is_file() else Path()
    match = NAME.fullmatch(last.name)
    if match is not None:  # else the file is incomplete
        last_step, written = int(match[1]), file.stat().st_mtime
        if last.exists() and not (work_dir / last.name).exists():
            folder = last.parent  # CheckpointHook's out_dir; a work directory may have been moved
    steps = {
        path: int(match[1])
        for path in folder.glob('*.pth')
        if (match := NAME.fullmatch(path.name)) is not None
    }
    own = [path for path in steps if steps[path] <= last_step or path.stat().st_mtime > written]
    return sorted(own, key=steps.__getitem__, reverse=True)


def _choose(runner: Runner) -> str | None:
    """Return the newest intact checkpoint; None if the work directory has no checkpoint."""
    work_dir = Path(runner.work_dir)
    damaged: dict[Path, str] = {}
    for path in saved_checkpoints(work_dir):
        problem = find_damage(path)
        if problem is None:
            for other, found in damaged.items():
                runner.logger.warning(f'{other} is damaged ({found}): resuming from {path} instead')
            return str(path)
        damaged[path] = problem
    if damaged:
        listed = ''.join(f'\n  {path}: {problem}' for path, problem in damaged.items())
        raise BrokenCheckpoint(
            f'--resume: no checkpoint in {work_dir} is intact:{listed}\n'
            'Name another one, --resume PATH, or remove these to start from the beginning'
        )
    runner.logger.info(
        f'--resume: {work_dir} has no checkpoint, training starts from the beginning'
    )
    return None


def _checked(path: str) -> str:
    """Return the path if the checkpoint is intact."""
    if '://' not in path and not Path(path).exists():
        saved = ', '.join(found.name for found in saved_checkpoints(Path(path).parent))
        raise BrokenCheckpoint(
            f'--resume {path}: there is no such file; its folder has {saved or "no checkpoint"}'
        )
    problem = None if '://' in path else find_damage(Path(path))
    if problem is None:
        return path
    others = saved_checkpoints(Path(path).parent)
    intact = next((other for other in others if find_damage(other) is None), None)
    advice = 'no other one in its folder is intact' if intact is None else f'use --resume {intact}'
    raise BrokenCheckpoint(f'--resume {path}: the checkpoint is damaged ({problem}); {advice}')
