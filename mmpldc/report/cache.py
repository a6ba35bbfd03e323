"""Keep the pass over the images in the run's folder, so that the next report is quick."""

import gzip
import json
import sys
from pathlib import Path

from mmpldc.utils.files import atomic_write, file_identity

from .inference import Looked, Say, look
from .run_folder import Run

FORMAT = 1  # raised when the content of the file changes its meaning
FOLDER = 'report'


def looked(
    run: Run,
    *,
    num_images: int | None,
    num_unlabelled: int,
    device: str,
    say: Say,
) -> Looked:
    """Return the run's predictions, from its folder if they are there; see :func:`look`.

    They are computed anew when the checkpoint, the config, the images asked for or the annotation
    file have changed. A folder that cannot be written to is no error.
    """
    settings = _settings(run, num_images, num_unlabelled)
    path = run.work_dir / FOLDER / 'predictions.json.gz'
    known = _read(path, settings)
    if known is not None:
        say(f'{run.name}: predictions of {run.checkpoint} are in {path}')
        return known
    found = look(run, num_images=num_images, num_unlabelled=num_unlabelled, device=device, say=say)
    content = dict(settings=settings, identity=_identity(found), found=found._asdict())
    try:
        with atomic_write(path, 'wb') as file:
            file.write(gzip.compress(json.dumps(content).encode(), 5))
    except OSError as error:
        print(f'{path}: not written ({error}); the next report predicts anew', file=sys.stderr)
    return found


def _settings(run: Run, num_images: int | None, num_unlabelled: int) -> dict:
    """What the predictions depend on, apart from the annotations."""
    parts = {
        key: run.cfg.get(key)
        for key in ('model', 'val_dataloader', 'train_dataloader', 'train_cfg')
    }
    settings = dict(
        format=FORMAT,
        checkpoint=file_identity(str(run.checkpoint)),
        config=json.dumps(parts, default=repr, sort_keys=True),
        num_images=num_images,
        num_unlabelled=num_unlabelled,
    )
    return json.loads(json.dumps(settings))


def _identity(found: Looked) -> list | None:
    return json.loads(json.dumps(file_identity(found.ann_file)))


def _read(path: Path, settings: dict) -> Looked | None:
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        found = Looked(**content['found'])
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # none, or damaged
        return None
    is_same = content.get('settings') == settings and content.get('identity') == _identity(found)
    return found if is_same else None
