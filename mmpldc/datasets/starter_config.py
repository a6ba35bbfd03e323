"""A first config for somebody's own data: the template's numbers, worked out for that data."""

import ast
import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmpldc.utils.weight_sources import kind_of_weights

from .starter_backbones import Backbone, Mode
from .starter_refiner import ClassCorrection
from .starter_sizes import BASE, Schedule, Size, limits_for, passes_for, training_side

MARK = re.compile(r'\n# Written by tools/dataset/new_config\.py \((\w+)\)[^\n]*\n$')
# Behind the config, if --keep-all is given.
KEPT = """
# --keep-all: photos of the unlabelled set that look like annotated ones are other photos, and the
# checks before training warn of them. Equal files of the validation or test set stay an error.
keep_copies = True
"""


class Code(str):
    """Text that stands in a config as it is, instead of as a string."""

    __repr__ = str.__str__


@dataclass(frozen=True)
class Start:
    """Backbone and weights that a run starts from.

    Attributes:
        backbone: file of ``configs/_base_/backbones``.
        published: the weights that it names.
        mode: 'frozen', or 'tuned', which trains the backbone, too.
        backbone_weights: of the backbone alone, a file; None: the published ones.
        backbone_style: 'pytorch', or 'caffe' (BGR images, not divided by a deviation).
        load_from: of a whole detector, a file or an address; None: only the backbone is given.
    """

    backbone: str
    published: str
    mode: Mode = 'frozen'
    backbone_weights: str | None = None
    backbone_style: str = 'pytorch'
    load_from: str | None = None

    def describe(self) -> str:
        """What the run starts from, for one line."""
        weights = self.load_from or self.backbone_weights or self.published
        return f'backbone {self.backbone}, {self.mode}, starts from {weights}'

    def config(self) -> dict:
        """The part of a config that names the weights."""
        init_cfg = None
        if self.load_from is None:
            init_cfg = dict(checkpoint=self.backbone_weights or self.published)
        return dict(load_from=self.load_from, model=dict(backbone=dict(init_cfg=init_cfg)))


def start_from(init: str, style: str, backbone: Backbone, mode: Mode = 'frozen') -> Start:
    """Choose a run's first weights.

    Args:
        init: 'imagenet' for the backbone's published weights, 'coco', or a file with weights of the
            backbone or of a detector.
        style: of a ResNet in a file, see :class:`Start`.
        backbone: of the run.
        mode: see :class:`Start`.

    Raises:
        FileNotFoundError: if there is no such file; the message names it.
        ValueError: if the file has other weights, nobody publishes a detector of COCO, or there is
            a style without a file.
    """
    start = Start(backbone.name, backbone.weights, mode)
    if init in ('imagenet', 'coco') and style != 'pytorch':
        raise ValueError(f'--init-style {style} is of weights in a file: give --init FILE')
    if init == 'imagenet':
        return start
    if init == 'coco':
        if backbone.coco_detector is None:
            raise ValueError(
                f'--init coco: there is no Mask2Former of COCO on {backbone.name}; there is one on '
                'r50, r101, swin_t and swin_s'
            )
        return replace(start, load_from=backbone.coco_detector)
    path = str(Path(init).absolute())
    if kind_of_weights(path) == 'backbone':
        return replace(start, backbone_weights=path, backbone_style=style)
    return replace(start, backbone_style=style, load_from=path)


def fill_in(template: str, values: dict[str, object], remarks: dict[str, str]) -> str:
    """Give variables of a config other values, and leave all other lines as they are.

    Args:
        template: text of a Python config.
        values: new values by name; each must be assigned in the template, at top level.
        remarks: comments to put behind them, by name.

    Raises:
        KeyError: if the template does not assign one of the names.
        ValueError: if a value has a text in double braces.
    """
    for name, value in values.items():
        in_braces = None if isinstance(value, Code) else re.search(r'\{\{.*?\}\}', repr(value))
        if in_braces:
            raise ValueError(
                f'{name}: mmengine replaces texts in double braces in a config, such as '
                f'{in_braces[0]!r}: rename it'
            )
    lines = template.splitlines()
    assignments = {
        statement.targets[0].id: statement
        for statement in ast.parse(template).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    for name in sorted(values, key=lambda name: -assignments[name].lineno):  # last first
        remark = f'  # {remarks[name]}' if name in remarks else ''
        statement = assignments[name]
        lines[statement.lineno - 1 : statement.end_lineno] = [f'{name} = {values[name]!r}{remark}']
    return '\n'.join(lines) + '\n'


def config_text(
    template: str,
    configs: Path,
    *,
    sources: Mapping[str, dict],
    classes: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    most_objects: int,
    negatives: bool,
    size: Size,
    start: Start,
    batch_size: int,
    schedule: Schedule,
    early_stopping: int | None = None,
    correction: ClassCorrection | None = None,
    backbone_dtype: str | None = None,
) -> str:
    """The template, filled in for a data set.

    Args:
        template: text of ``configs/custom/pldc_mask2former_r50_custom.py``.
        configs: the folder that its ``_base_`` files are in.
        sources: ``ann_file`` and ``data_prefix`` of ``labeled``, ``unlabeled``, ``val`` and maybe
            ``test``.
        classes: names, in the order of the files' categories.
        sizes: width and height of all images to train on.
        most_objects: of a labelled image.
        negatives: whether there are labelled images without an object.
        size: of the run.
        start: weights that it starts from.
        batch_size: labelled and unlabelled images together.
        schedule: of the run.
        early_stopping: validations without a better teacher after which it ends; None: never.
        correction: the second model for the classes; None: there is none.
        backbone_dtype: what a frozen backbone computes in; None: float32.
    """
    correction = correction or ClassCorrection()
    side = training_side(sizes, size)
    num_queries, max_per_image = limits_for(most_objects, size)
    learning_rate = size.learning_rate
    if start.mode == 'tuned':  # a rate for a head alone spoils what the backbone knows
        learning_rate = min(learning_rate, BASE.learning_rate)
    values: dict[str, object] = dict(
        classes=tuple(classes),
        image_size=(side, side),
        resize_ratios=size.resize_ratios,
        batch_size=batch_size,
        num_queries=num_queries,
        max_per_image=max_per_image,
        sup_views=list(size.sup_views),
        negatives=negatives,
        learning_rate=learning_rate,
        max_iters=schedule.max_iters,
        burn_in_iters=schedule.burn_in_iters,
        keep_rate=schedule.keep_rate,
        num_validations=size.num_validations,
        early_stopping=early_stopping,
        num_workers=size.num_workers,
        param_scheduler=Code(size.param_scheduler),
        backbone_mode=start.mode,
        backbone_weights=start.backbone_weights,
        backbone_style=start.backbone_style,
        load_from=start.load_from,
        backbone_dtype=backbone_dtype if start.mode == 'frozen' else None,
        refiner=correction.refiner,
        class_indices=correction.class_indices,
        refiner_weights=correction.weights,
        **sources,
    )
    remarks = dict(
        num_queries=f'the fullest labelled image has {most_objects} objects',
        max_iters=f'{passes_for(len(sizes), batch_size):,} are the 50 passes',
        keep_rate=f'over {schedule.ema_steps} steps',
    )
    for part in 'model', 'schedule':
        template = template.replace(getattr(BASE, part), getattr(size, part))
    template = template.replace('backbones/r50.py', f'backbones/{start.backbone}.py')
    absolute = re.sub(
        r"'\.\./_base_/([^']+)'", lambda m: repr(str(configs / '_base_' / m[1])), template
    )
    return fill_in(absolute, values, remarks)


def supervised_text(config: str) -> str:
    """The config of the baseline: the same steps and labelled batches, no unlabelled image.

    Args:
        config: file name of PL-DC's config, in the same folder.
    """
    return f'''"""The baseline of {config}: the labelled images alone.

Steps, labelled batches and seed are the same; its teacher is the student's average. All else is set
in {config}. All checkpoints are kept, as PL-DC may continue from that at the end of burn-in. No
best one is, because a run that continues from another's checkpoint would replace that run's best.
"""

_base_ = './{config}'

batch_size = _base_.batch_size // 2
model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
auto_scale_lr = dict(base_batch_size=batch_size)
checkpoint_interval = _base_.max_iters // _base_.num_validations
if _base_.burn_in_iters % checkpoint_interval:  # none would be at the end of burn-in
    checkpoint_interval = _base_.burn_in_iters
default_hooks = dict(
    checkpoint=dict(interval=checkpoint_interval, max_keep_ckpts=-1, save_best=None)
)
'''


# ---------------------------------------------------------------- edited configs


def with_mark(text: str) -> str:
    """The text with a last line by which :func:`is_edited` knows it again."""
    return (
        f'{text}\n# Written by tools/dataset/new_config.py ({_digest(text)}): an edited config is '
        'not replaced.\n'
    )


def is_edited(text: str) -> bool:
    """Whether a config differs from what :func:`with_mark` made."""
    mark = MARK.search(text)
    return mark is None or mark[1] != _digest(text[: mark.start()])


def refuse_foreign_folder(folder: Path, paths: Iterable[Path]) -> None:
    """Refuse to write over files of a folder in which no config of :func:`with_mark` is.

    Raises:
        ValueError: if one of the paths is there already, and no such config.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is None:
        return
    configs = (path.read_text(encoding='utf-8', errors='replace') for path in folder.glob('*.py'))
    if not any(MARK.search(text) for text in configs):
        raise ValueError(
            f'{there} is there already, and was not written by this tool: choose another '
            '--out-dir, or move it away'
        )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def free_path(path: Path, text: str) -> Path:
    """Where to write a config: the path itself, or ``NAME_2.py``, ... beside an edited one.

    Args:
        path: of the config.
        text: of the new one.
    """
    for number in itertools.count(1):
        place = path if number == 1 else path.with_stem(f'{path.stem}_{number}')
        if not place.exists() or place.read_text(encoding='utf-8') == text:
            return place
        if not is_edited(place.read_text(encoding='utf-8')):
            return place
    raise AssertionError('unreachable')
