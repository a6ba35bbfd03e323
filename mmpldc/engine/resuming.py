"""Which checkpoint a run is resumed from."""

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
# What zipfile and torch.load raise at garbage.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, OSError, EOFError),
    *(RuntimeError, ValueError, LookupError, OverflowError),
)


class BrokenCheckpoint(Exception):
    """There is no intact checkpoint where there should be one."""


def resume(runner: Runner, path: str | None = None) -> None:
    """Let a Runner go on from a checkpoint when it trains; all ranks from the same one.

    Without a path from the newest intact one of its work directory. If that has none at all, the
    run starts as it would without this call, from ``load_from`` if its config has one, so that a
    batch script can always ask for it.

    Args:
        runner: that has not trained yet.
        path: of the checkpoint; an address such as ``http://...`` is not looked at.

    Raises:
        BrokenCheckpoint: if the checkpoint at ``path`` is damaged, or all of a work directory are.
    """
    chosen: list = [None]
    if runner.rank == 0:  # the others may see the file system as it was a while ago
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
    """What is wrong with a checkpoint; None if all of its content is as it was written.

    Args:
        path: of a file that ``torch.save`` wrote: a zip archive with checksums. It is read once, in
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
    """The checkpoints of the latest run in a work directory, the newest first.

    That run's last one is in mmengine's file ``last_checkpoint``, unless it was killed before it
    wrote this. Checkpoints with a higher number that are older are of an earlier run.
    """
    folder, last_step, written = work_dir, float('inf'), 0.0
    file = work_dir / 'last_checkpoint'
    last = Path(file.read_text().strip()) if file.is_file() else Path()
    match = NAME.fullmatch(last.name)
    if match is not None:  # else the file was not written to its end
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
    """The newest intact checkpoint; None if there is none at all."""
    work_dir = Path(runner.work_dir)
    damaged: dict[Path, str] = {}
    for path in saved_checkpoints(work_dir):
        problem = find_damage(path)
        if problem is None:
            for other, found in damaged.items():
                runner.logger.warning(f'{other} is damaged ({found}): {path} is resumed instead')
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
    """The path, if the checkpoint there is intact."""
    problem = None if '://' in path else find_damage(Path(path))
    if problem is None:
        return path
    others = saved_checkpoints(Path(path).parent)
    intact = next((other for other in others if find_damage(other) is None), None)
    advice = 'no other one in its folder is intact' if intact is None else f'take --resume {intact}'
    raise BrokenCheckpoint(f'--resume {path}: the checkpoint is damaged ({problem}); {advice}')
