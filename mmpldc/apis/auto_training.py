"""From labels and photographs to a trained model and a report, in one call."""

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmpldc.datasets.starter_backbones import Mode, read_backbone
from mmpldc.datasets.starter_config import start_from
from mmpldc.engine.projection import duration
from mmpldc.engine.resuming import saved_checkpoints
from mmpldc.utils.markdown import table
from mmpldc.utils.processes import lock_folder
from mmpldc.utils.settings import guard_settings
from mmpldc.utils.weight_sources import missing_weights

from .options import add_cfg_options, read_config
from .stages import Stages, tools_folder

NUM_STAGES = 9
COCO_LABELS, STUDIO_LABELS = 'pseudo_labels.json', 'label_studio.json'


class AutoTrained(NamedTuple):
    """What :func:`auto_train` made.

    Attributes:
        report: Markdown, with the table of both models and the list of files.
        page: HTML about both runs, with curves, errors and images.
        verdict: whether the unlabelled images helped: 'better', 'worse' or 'unclear'.
        gain: of PL-DC over the baseline, AP in [-1, 1].
        checkpoint, config: of the published model, for plain mmdet.
        pseudo_labels: COCO-format file of the unlabelled images.
        label_studio: tasks of the same.
    """

    report: Path
    page: Path
    verdict: str
    gain: float
    checkpoint: Path
    config: Path
    pseudo_labels: Path
    label_studio: Path


def auto_train(
    labeled: str | Path,
    images: str | Path,
    out: str | Path,
    *,
    unlabeled_images: str | Path | None = None,
    val: str | Path | None = None,
    val_images: str | Path | None = None,
    test: str | Path | None = None,
    test_images: str | Path | None = None,
    size: str = 'auto',
    backbone: str = 'r50',
    backbone_mode: Mode = 'frozen',
    init: str = 'imagenet',
    init_style: str = 'pytorch',
    time_budget: str | None = None,
    data_options: Sequence[str] = (),
    cfg_options: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> AutoTrained:
    """Check and divide the data, train the baseline and PL-DC, compare, publish and label.

    Each stage is a call of one of the project's tools, which is printed. A stage that is done is
    passed over, and an interrupted training is resumed, so the same call continues.

    Args:
        labeled: COCO-format annotations.
        images: folder of the photographs.
        out: folder of all results, created if missing.
        unlabeled_images: folder of unlabelled photographs; None: those of ``images`` without
            annotations.
        val, test: annotations to validate and to test on; without ``val`` a fifth of the labelled
            images is held out, without ``test`` the models are compared on the validation set.
        val_images, test_images: their folders; None: ``images``.
        size: 'tiny', 'small', 'base', or 'auto' by the machine.
        backbone: file of ``configs/_base_/backbones``, such as 'dinov2_s'.
        backbone_mode: 'tuned' trains it, 'frozen' does not.
        init: 'imagenet' for the backbone's published weights, 'coco', or a file with weights.
        init_style: of the ResNet in such a file, 'pytorch' or 'caffe'.
        time_budget: of both trainings together, such as '2h'; None: the size's number of steps.
        data_options: other options of ``tools/dataset/new_config.py``.
        cfg_options: settings for every stage, ``key=value`` as in ``tools/train.py``.
        say: takes each line for the user.

    Raises:
        ValueError: if the folder was started with other settings, or there is no such backbone.
        OSError: if a file is missing.
        RuntimeError: if weights are missing, or a stage fails; with the end of its log.
    """
    out = Path(out).absolute()
    given = dict(
        labeled=labeled,
        images=images,
        unlabeled_images=unlabeled_images,
        val=val,
        val_images=val_images,
        test=test,
        test_images=test_images,
    )
    paths = {key: str(Path(path).absolute()) for key, path in given.items() if path is not None}
    for path in paths.values():
        if not Path(path).exists():
            raise FileNotFoundError(f'there is no {path}')
    init = init if init in ('imagenet', 'coco') else str(Path(init).absolute())
    choices = dict(
        size=size,
        backbone=backbone,
        backbone_mode=backbone_mode,
        init=init,
        init_style=init_style,
        time_budget=time_budget,
    )
    stages = Stages(out, NUM_STAGES, say)
    if 'supervised' not in stages.done:
        network = read_backbone(tools_folder().parent / 'configs', backbone)
        start = start_from(init, init_style, network, backbone_mode)
        missing = missing_weights(start.config())
        if missing:
            raise RuntimeError('\n'.join(missing))
    lock_folder(out, 'run')  # before a record of another call is touched
    if not stages.done:  # nothing depends on the settings yet, so they may change
        (out / 'settings.json').unlink(missing_ok=True)
    guard_settings(
        out,
        paths | choices | dict(data_options=[*data_options], cfg_options=[*cfg_options]),
        option='--out',
    )

    data = out / 'data'
    words = [*_options(paths), *_options(choices), '--out-dir', data, *data_options]
    stages.run('data', 'check, repair and divide the data', 'dataset/new_config.py', *words)
    config, baseline = data / 'pldc.py', data / 'supervised.py'
    options = ['--cfg-options', *cfg_options] if cfg_options else []
    cfg = read_config(config, _parsed(cfg_options))
    dirs = {name: out / name for name in ('supervised', 'pldc')}

    dry_run = ['--dry-run', '--work-dir', dirs['pldc'], *options]
    stages.run('dry_run', 'measure a few steps', 'train.py', config, *dry_run)
    _show_table(out / 'logs/dry_run.log', say)
    words = [baseline, '--work-dir', dirs['supervised'], '--resume', '--skip-data-check', *options]
    resume: list[str | Path] = ['--resume']
    burn_in = cfg.model.burn_in_iters
    if burn_in:  # PL-DC continues from its end, wherever the options put it
        words += [] if options else ['--cfg-options']
        checkpoint = 'default_hooks.checkpoint'
        interval = cfg.default_hooks.checkpoint.interval
        interval = interval if interval > 0 and burn_in % interval == 0 else burn_in
        words += [f'{checkpoint}.interval={interval}', f'{checkpoint}.max_keep_ckpts=-1']
        if not (dirs['pldc'] / 'last_checkpoint').exists():
            resume.append(dirs['supervised'] / f'iter_{burn_in}.pth')
    stages.run('supervised', 'baseline: the labelled images alone', 'train.py', *words)
    words = [config, '--work-dir', dirs['pldc'], *resume, '--skip-data-check', *options]
    stages.run('pldc', 'PL-DC, from the end of the same burn-in', 'train.py', *words)
    last = {name: _last_checkpoint(dirs[name], cfg.train_cfg.max_iters) for name in dirs}
    words = [baseline, last['supervised'], config, last['pldc']]
    words += ['--out', out / 'comparison', *options]
    which = 'test' if test else 'validation'
    stages.run('compare', f'test both on the {which} set', 'compare/compare_runs.py', *words)
    page = out / 'report.html'
    words = [dirs['supervised'], dirs['pldc'], '--out', page]
    stages.run('page', 'a page with curves, errors and images', 'report.py', *words)

    comparison = json.loads((out / 'comparison.json').read_text())
    # The better one, also where the difference is within chance: there is no better guess.
    best = 'supervised' if comparison['gain']['AP']['value'] < 0 else 'pldc'
    trained = Trained(best, data / f'{best}.py', last[best])
    folder = Path(paths.get('unlabeled_images', paths['images']))
    published = _hand_over(stages, trained, folder, options)
    result = AutoTrained(
        out / 'report.md',
        page,
        comparison['verdict'],
        comparison['gain']['AP']['value'],
        published,
        out / 'published/model.py',
        out / COCO_LABELS,
        out / STUDIO_LABELS,
    )
    text = _report(out, result, which, trained, stages)
    result.report.write_text(text)
    say(f'\n{text}')
    return result


class Trained(NamedTuple):
    """The model that is used: its name, config and checkpoint."""

    name: str
    config: Path
    checkpoint: Path


def _hand_over(stages: Stages, trained: Trained, folder: Path, options: list[str]) -> Path:
    """Publish the teacher and label the unlabelled images; returns the published weights."""
    out = stages.folder
    words = [trained.checkpoint, out / 'published/model', '--config', trained.config, *options]
    stages.run('publish', f'publish the teacher of {trained.name}', 'publish_model.py', *words)
    words = [trained.config, trained.checkpoint, out / 'data/unlabeled.json', '--img-root', folder]
    words += ['--skip-unreadable', *options, '--out']
    coco = [out / COCO_LABELS, '--categories-of', out / 'data/labeled.json']
    studio = [out / STUDIO_LABELS, '--format', 'label-studio']
    title = 'label the unlabelled images'
    export = 'export_pseudo_labels.py'
    stages.run('label_coco', f'{title}, COCO format', export, *words, *coco)
    stages.run('label_studio', f'{title}, for Label Studio', export, *words, *studio)
    found = (out / 'published').glob('model-*.pth')  # more than one if stages were repeated
    return max(found, key=lambda path: path.stat().st_mtime)


def _last_checkpoint(work_dir: Path, max_iters: int) -> Path:
    """Of a run that may have ended early."""
    saved = saved_checkpoints(work_dir)
    return saved[0] if saved else work_dir / f'iter_{max_iters}.pth'


def _options(values: Mapping[str, str | None]) -> list[str]:
    """Command-line options of these names."""
    return [
        word
        for name, value in values.items()
        if value is not None
        for word in (f'--{name.replace("_", "-")}', value)
    ]


def _parsed(cfg_options: Sequence[str]) -> dict | None:
    """``key=value`` pairs as the stages' ``--cfg-options`` reads them."""
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    words = ['--cfg-options', *cfg_options] if cfg_options else []
    return parser.parse_args(words).cfg_options


def _show_table(log: Path, say: Callable[[str], None]) -> None:
    """Repeat the dry run's table."""
    _, found, table = log.read_text(errors='replace').rpartition('What this run needs')
    if found:
        for line in f'What PL-DC needs{table}'.rstrip().splitlines():
            say(f'      {line}')


def _report(out: Path, result: AutoTrained, which: str, trained: Trained, stages: Stages) -> str:
    """The report: results, files, next steps."""
    labels = json.loads(result.pseudo_labels.read_text())
    counts = f'{len(labels["annotations"])} on {len(labels["images"])} images'
    seconds, cpu = (
        sum(stage[key] for stage in stages.done.values()) for key in ('seconds', 'cpu_seconds')
    )
    demo: list[str | Path] = ['python', tools_folder().parent / 'demo/image_demo.py', 'IMAGES']
    demo += [trained.config, '--weights', trained.checkpoint, '--out-dir', out / 'predictions']
    label: list[str | Path] = ['python', tools_folder() / 'label_next.py', trained.config]
    label += [trained.checkpoint, '--count', '20', '--out', out / 'next']
    files = [
        [f'`{result.page}`', 'curves, errors, images and pseudo-labels; opens in a browser'],
        [f'`{result.checkpoint}`', f'teacher of {trained.name}, for plain mmdet, with `model.py`'],
        [f'`{result.pseudo_labels}`', f'pseudo-labels, {counts}; COCO format, as CVAT reads it'],
        [f'`{result.label_studio}`', "the same for Label Studio; `.xml` is its interface's"],
        [f'`{out / "data"}`', 'the sets and both configs'],
        [f'`{trained.checkpoint}`', 'checkpoint of the same teacher and its student'],
    ]
    return f"""# Result on the {which} set

{(out / 'comparison.md').read_text().strip()}

## Files

{table(['', ''], files)}

It took {duration(seconds)} ({duration(cpu)} of processor time).

## Next

Look at predictions:

    {shlex.join(map(str, demo))}

Choose images to label next, correct the teacher's labels on them in CVAT or Label Studio, and merge
them by tools/dataset/merge_labels.py (docs/label_next.md):

    {shlex.join(map(str, label))}
"""
