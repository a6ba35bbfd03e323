"""The methods of a comparison: configs of configs/comparison, their thresholds and phases."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mmengine.config import Config

from mmpldc.phases import Phases
from mmpldc.utils.files import atomic_write

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/comparison'
CLASS_THR = 'model.pseudo_label_filter.class_thr'
SCORE_THR = 'model.pseudo_label_filter.score_thr'
CLASS_RANGE = 'model.class_thresholds.class_range'
# Settings of the model that affect pseudo-labels alone.
OF_PSEUDO_LABELS = (
    'pseudo_label_filter',
    'class_thresholds',
    'refiner',
    'train_no_object_without_labels',
    'pseudo_label_weights',
    'ignore_uncertain',
)
# PAIS's, the midpoint, Guided Distillation's, PL-DC's, and half of the remaining distance to 1
GRID = (0.35, 0.5, 0.7, 0.85, 0.93)


@dataclass(frozen=True)
class Method:
    """A config of configs/comparison.

    Attributes:
        title: name in the tables.
        threshold: the setting to choose; None: the method has none.
        chosen_by: the method whose choice it uses; None: its own.
        is_of_dicc: whether it concerns CLIP, so that the base needs a refiner.
    """

    title: str
    threshold: str | None = CLASS_THR
    chosen_by: str | None = None
    is_of_dicc: bool = False


METHODS = {
    'supervised': Method('supervised (EMA)', None),
    'mean_teacher': Method('mean teacher, coupled threshold', SCORE_THR),
    'guided_distillation': Method('Guided Distillation'),
    'pais': Method('PAIS'),
    'pldc': Method('PL-DC, arXiv'),
    'pldc_aaai': Method('PL-DC, AAAI-26 (DF-ACAT)', CLASS_RANGE, 'pldc'),
    'pldc_expected_count': Method('PL-DC, threshold by expected count', None),
    'pldc_expected_count_weighted': Method('PL-DC, expected count, labels weighted', None),
    'pldc_without_ddtf': Method('PL-DC − DDTF', SCORE_THR, 'mean_teacher'),
    'pldc_without_dicc': Method('PL-DC − DICC', chosen_by='pldc', is_of_dicc=True),
    'pldc_without_pmua': Method('PL-DC − PMUA', chosen_by='pldc'),
    'pldc_boundary_map': Method("PL-DC, Noisy Boundaries' map for PMUA", chosen_by='pldc'),
    'pldc_plepi': Method("PL-DC, PLePI's product for DICC", chosen_by='pldc', is_of_dicc=True),
    'pldc_predicted_iou': Method("PL-DC, PAIS's predicted IoU for m", chosen_by='pldc'),
    'pldc_polite_gate': Method("PL-DC, Polite Teacher's gate for m_t", chosen_by='pldc'),
    'pldc_dynamic_aligning': Method("PL-DC + PAIS's aligning loss", chosen_by='pldc'),
}


def chooser(name: str) -> str:
    """Return the method whose threshold a method uses, often itself."""
    return METHODS[name].chosen_by or name


def setting(name: str, threshold: float | None) -> dict[str, object]:
    """Return the option that sets a method's threshold.

    DF-ACAT's thresholds move in a range from 0.10 below to 0.05 above it, as in the config around
    the fixed threshold.
    """
    key = METHODS[name].threshold
    if key is None or threshold is None:
        return {}
    if key == CLASS_RANGE:
        low, high = max(0.0, threshold - 0.10), min(1.0, threshold + 0.05)
        return {key: f'({low:.2f},{high:.2f})'}
    return {key: threshold}


def fitting_methods(base: Config, wanted: Sequence[str] | None) -> list[str]:
    """Return the methods to compare, with the supervised run, the reference of every gain.

    Raises:
        SystemExit: if the base has adaptive thresholds, or lacks the CLIP that a method needs.
    """
    if base.model.get('class_thresholds') is not None:
        raise SystemExit(
            'the base has model.class_thresholds, which would replace every threshold: '
            'give a config of PL-DC without them (DF-ACAT is one of the methods)'
        )
    lacking = [name for name, method in METHODS.items() if method.is_of_dicc]
    if base.model.get('refiner') is not None:
        lacking = []
    unfit = [name for name in wanted or () if name in lacking]
    if unfit:
        raise SystemExit(
            f'{", ".join(unfit)}: the base has no model.refiner (CLIP) to compare with'
        )
    fitting = [name for name in METHODS if name not in lacking]
    return [name for name in METHODS if name in ('supervised', *(wanted or fitting))]


def write_config(name: str, base: Path, folder: Path) -> Path:
    """Write the config of a method of configs/comparison over another base.

    Args:
        name: of the method.
        base: a config of PL-DC.
        folder: folder of ``NAME.py``.

    Returns:
        The path of the config.
    """
    return rebase_config(CONFIGS / f'{name}.py', base, folder)


def rebase_config(config: Path, base: Path, folder: Path) -> Path:
    """Write a copy of a config that differs only in ``_base_``.

    Args:
        config: such as one of configs/comparison, which inherit the quickstart's PL-DC.
        base: the config that it inherits instead.
        folder: folder of the copy.

    Returns:
        The path of the copy.

    Raises:
        ValueError: if the config has no ``_base_``.
    """
    lines = config.read_text().splitlines(keepends=True)
    statements = [
        node
        for node in ast.parse(''.join(lines)).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_'
    ]
    if len(statements) != 1:
        raise ValueError(f'{config} has no line "_base_ = ..." that a base could replace')
    (statement,) = statements
    lines[statement.lineno - 1 : statement.end_lineno] = [f'_base_ = {str(base.resolve())!r}\n']
    path = folder / config.name
    with atomic_write(path) as file:
        file.write(''.join(lines))
    return path


def needs_teacher(config: Config) -> bool:
    """Whether a method starts with a teacher that was trained before."""
    return Phases.from_config(config.model).is_guided


def share_without_labels(config: Config) -> float:
    """Share of a run's steps without pseudo-labels at its start, in [0, 1]."""
    phases, max_iters = Phases.from_config(config.model), config.train_cfg.max_iters
    if not phases.uses_pseudo_labels(max_iters - 1):
        return 1.0
    return phases.pseudo_label_start / max_iters


def shares_burn_in(config: Config, supervised: Config) -> bool:
    """Whether a method's steps before the first pseudo-labels equal the supervised run's.

    They do if its config differs in nothing that affects labelled images. A setting unknown to this
    module counts as affecting them: the method then runs these steps itself.
    """
    return share_without_labels(config) > 0 and _for_labels(config) == _for_labels(supervised)


def _for_labels(config: Config) -> dict:
    """Return the model's settings without those of pseudo-labels."""
    model = config.model.to_dict()
    for name in (*(field.name for field in fields(Phases)), *OF_PSEUDO_LABELS):
        model.pop(name, None)
    head = model['detector']['panoptic_head']
    # PMUA weights the pixels of pseudo-masks alone
    head['loss_mask'] = head['loss_mask']['loss_weight']
    return model
