"""Plot curves from mmengine's logs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_scalars(work_dir: Path) -> list[dict]:
    """Read all records of a run's ``LocalVisBackend`` by step, including resumed parts.

    Args:
        work_dir: the run's work directory.

    Returns:
        One dict per log record, each with ``step``; lines that were cut off are left out.

    Raises:
        FileNotFoundError: if the folder has no ``vis_data/scalars.json`` below it.
    """
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    if not files:
        raise FileNotFoundError(
            f'{work_dir} has no */vis_data/scalars.json: is it the work directory of a run?'
        )
    latest: dict[tuple, dict] = {}  # a resumed run repeats steps: the later record counts
    for file in files:
        for line in file.read_text(errors='replace').splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # a full disk or a power failure cut it off
                continue
            if isinstance(record, dict) and 'step' in record:
                is_validation = any(key.startswith(('teacher/', 'student/')) for key in record)
                latest[is_validation, record['step']] = record
    return sorted(latest.values(), key=lambda record: record['step'])


def plot_curves(
    path: Path, runs: Mapping[str, Sequence[dict]], panels: Mapping[str, Sequence[str]]
) -> None:
    """Plot one panel per entry of ``panels``, with a line for each run and each of its keys.

    Args:
        path: PNG to write; its folder is created.
        runs: records by the name of the run, see :func:`read_scalars`.
        panels: keys of the records by panel title; a run without a key has no line.
    """
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False)
    for axis, (title, keys) in zip(axes[0], panels.items(), strict=True):
        for name, records in runs.items():
            for key in keys:
                points = [(record['step'], record[key]) for record in records if key in record]
                if points:
                    label = name if len(keys) == 1 else f'{name}: {key}'
                    axis.plot(*zip(*points, strict=True), marker='.', label=label)
        axis.set(title=title, xlabel='iteration')
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
