"""Read what a run has left in its work directory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmengine.config import Config

from mmpldc.models import SemiMask2Former
from mmpldc.phases import Phases
from mmpldc.registry import MODELS
from mmpldc.visualization import read_scalars

Which = Literal['last', 'best']
ENVIRONMENT = ('Python', 'PyTorch', 'TorchVision', 'OpenCV', 'MMEngine', 'CUDA available', 'GPU 0')


@dataclass(frozen=True)
class Run:
    """A run's work directory.

    Attributes:
        name: distinguishes the runs of a report.
        work_dir: the folder.
        cfg: its config.
        checkpoint: the one to show; None if there is none.
        records: log records by step, see :func:`~mmpldc.visualization.read_scalars`; may be empty.
        environment: software and hardware from the log, by name.
    """

    name: str
    work_dir: Path
    cfg: Config
    checkpoint: Path | None
    records: list[dict]
    environment: dict[str, str]

    @property
    def phases(self) -> Phases | None:
        """Its phases; None if it is not of a teacher and a student."""
        model = self.cfg.get('model') or {}
        return Phases.from_config(model) if 'burn_in_iters' in model else None

    @property
    def is_supervised(self) -> bool:
        """Whether it has learnt from labelled images alone."""
        phases = self.phases
        if phases is None:
            return True
        return phases.is_supervised or not phases.uses_pseudo_labels(self.max_iters - 1)

    @property
    def max_iters(self) -> int:
        """Its planned length, in iterations."""
        return int((self.cfg.get('train_cfg') or {}).get('max_iters', 0))

    @property
    def finds_instances(self) -> bool:
        """Whether its model segments instances, so that its images can be looked at."""
        kind = MODELS.get(str((self.cfg.get('model') or {}).get('type')))
        return isinstance(kind, type) and issubclass(kind, SemiMask2Former)


def open_runs(work_dirs: Sequence[Path], *, which: Which = 'last') -> list[Run]:
    """Open work directories.

    Args:
        work_dirs: at least one; each once.
        which: the checkpoint to show.

    Raises:
        SystemExit: naming the folder that is not the work directory of a run.
    """
    if len({path.resolve() for path in work_dirs}) < len(work_dirs):
        raise SystemExit('a run is given twice: name each once')
    names = _names(work_dirs)
    return [_open(path, name, which) for path, name in zip(work_dirs, names, strict=True)]


def _open(work_dir: Path, name: str, which: Which) -> Run:
    configs = sorted(work_dir.glob('*.py'), key=lambda path: path.stat().st_mtime)
    if not configs:
        raise SystemExit(
            f"{work_dir}: no config here, so this is not a run's work directory; give the folder "
            'that tools/train.py wrote (--work-dir)'
        )
    try:
        records = read_scalars(work_dir)
    except FileNotFoundError:
        records = []
    return Run(
        name=name,
        work_dir=work_dir,
        cfg=Config.fromfile(configs[-1]),
        checkpoint=find_checkpoint(work_dir, which),
        records=records,
        environment=_environment(work_dir),
    )


def find_checkpoint(work_dir: Path, which: Which) -> Path | None:
    """Find the best or the last checkpoint of a run; the last one if no best one was kept.

    Args:
        work_dir: of the run. It may have been moved since.
        which: see above.
    """
    if which == 'best':
        best = sorted(work_dir.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
        if best:
            return best[-1]
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        last = work_dir / Path(pointer.read_text().strip()).name
        if last.is_file():
            return last
    numbered = {
        int(found.group(1)): path
        for path in work_dir.glob('iter_*.pth')
        if (found := re.fullmatch(r'iter_(\d+)\.pth', path.name))
    }
    return numbered[max(numbered)] if numbered else None


def _names(work_dirs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ, such as ``'pldc'`` or ``'seed_0/pldc'``."""
    parts = [path.resolve().parts for path in work_dirs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def _environment(work_dir: Path) -> dict[str, str]:
    """What mmengine wrote of the machine at the beginning of the newest log."""
    logs = sorted(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime)
    if not logs:
        return {}
    with logs[-1].open(errors='replace') as file:
        head = file.read(20_000)
    found = dict(re.findall(r'^ {4}([\w .,]+): (.+)$', head, re.MULTILINE))
    return {name: found[name] for name in ENVIRONMENT if name in found}
