"""Settings and environment of the runs, and what differs between them."""

import platform
from collections.abc import Iterable, Sequence
from typing import Any

from mmpldc import __version__

from .contents import Settings, Table
from .run_folder import Run

LONGEST = 160  # characters of a value in a table


def _get(cfg: Any, key: str) -> Any:
    for part in key.split('.'):
        if not hasattr(cfg, 'get'):
            return None
        cfg = cfg.get(part)
    return cfg


MAIN = {
    'method': 'model.type',
    'backbone': 'model.backbone.type',
    'classes': 'model.num_classes',
    'iterations': 'train_cfg.max_iters',
    'burn-in': 'model.burn_in_iters',
    'weight of pseudo-labels': 'model.unsup_weight',
    'threshold on the class quality': 'model.pseudo_label_filter.class_thr',
    'threshold on the mask quality': 'model.pseudo_label_filter.mask_thr',
    'threshold on the score': 'model.pseudo_label_filter.score_thr',
    'thresholds of each class': 'model.class_thresholds.type',
    'refiner': 'model.refiner.type',
    'refiner of masks': 'model.mask_refiner.type',
    'weak labels': 'train_dataloader.dataset.weak_labels',
    'images a step and process': 'train_dataloader.batch_size',
    'labelled to unlabelled': 'train_dataloader.sampler.source_ratio',
    'optimizer': 'optim_wrapper.optimizer.type',
    'learning rate': 'optim_wrapper.optimizer.lr',
    'weight decay': 'optim_wrapper.optimizer.weight_decay',
    "teacher's keep rate": 'default_hooks.mean_teacher.keep_rate',
    'seed': 'randomness.seed',
    'starts from': 'load_from',
}
EXPERIMENT = (  # what the runner takes: other names are variables that configs pass on
    'model',
    'train_dataloader',
    'val_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'default_hooks',
    'custom_hooks',
    'randomness',
    'load_from',
)
UNINTERESTING = ('work_dir', 'launcher', 'resume', 'visualizer.', 'vis_backends', 'experiment_name')


def settings_section(runs: Sequence[Run]) -> Settings:
    """Tables of settings; a row without any value is left out."""
    names = tuple(run.name for run in runs)
    rows = [('checkpoint', *(_checkpoint(run) for run in runs))]
    for title, key in MAIN.items():
        values = [_get(run.cfg, key) for run in runs]
        if any(value is not None for value in values):
            rows.append((title, *map(_text, values)))
    environment = [('mmpldc, for this page', *([__version__] * len(runs)))]
    keys = dict.fromkeys(key for run in runs for key in run.environment)
    environment += [(key, *(run.environment.get(key, '-') for run in runs)) for key in keys]
    if not keys:
        environment.append(('Python, for this page', *([platform.python_version()] * len(runs))))
    return Settings(
        main=Table('Settings', ('setting', *names), tuple(rows)),
        differences=_differences(runs),
        environment=Table('Environment', ('', *names), tuple(environment)),
        configs={run.name: run.cfg.pretty_text for run in runs},
    )


def _checkpoint(run: Run) -> str:
    return run.checkpoint.name if run.checkpoint else 'none'


def _differences(runs: Sequence[Run]) -> Table | None:
    """Settings of which two runs have different values; None for one run."""
    if len(runs) < 2:
        return None
    flat = [_leaves(_experiment(run)) for run in runs]
    keys = sorted({key for of_run in flat for key in of_run})
    rows = []
    for key in keys:
        values = [of_run.get(key, '-') for of_run in flat]
        if len(set(values)) > 1 and not key.startswith(UNINTERESTING):
            rows.append((key, *values))
    return Table(
        'Other settings that differ', ('setting', *(run.name for run in runs)), tuple(rows)
    )


def _experiment(run: Run) -> dict:
    content = run.cfg.to_dict() if hasattr(run.cfg, 'to_dict') else dict(run.cfg)
    return {key: content[key] for key in EXPERIMENT if key in content}


def _leaves(value: Any, prefix: str = '') -> dict[str, str]:
    if isinstance(value, dict) and value:
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = enumerate(value)
    else:
        return {prefix: _text(value)}
    leaves: dict[str, str] = {}
    for key, item in items:
        leaves |= _leaves(item, f'{prefix}.{key}' if prefix else str(key))
    return leaves


def _text(value: Any) -> str:
    if value is None:
        return '-'
    text = str(dict(value) if hasattr(value, 'to_dict') else value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'
