"""What compare_methods.py compares: configs of configs/comparison and their thresholds."""

from dataclasses import dataclass

from mmengine.config import Config

from mmpldc.phases import Phases

CLASS_THR = 'model.pseudo_label_filter.class_thr'
SCORE_THR = 'model.pseudo_label_filter.score_thr'
CLASS_RANGE = 'model.class_thresholds.class_range'
# PAIS's, the middle, Guided Distillation's, PL-DC's, and half of the way that is left to 1
GRID = (0.35, 0.5, 0.7, 0.85, 0.93)


@dataclass(frozen=True)
class Method:
    """A config of configs/comparison.

    Attributes:
        title: in the tables.
        threshold: the setting that is chosen; None: there is none.
        chosen_by: the method whose choice it takes; None: its own.
        is_of_dicc: it says something about CLIP, so that the base needs a refiner.
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
    """The method whose threshold a method takes, often itself."""
    return METHODS[name].chosen_by or name


def setting(name: str, threshold: float | None) -> dict[str, object]:
    """The option that gives a method its threshold.

    DF-ACAT's thresholds move in a range, 0.10 below to 0.05 above it, as the config's does around
    the fixed threshold.
    """
    key = METHODS[name].threshold
    if key is None or threshold is None:
        return {}
    if key == CLASS_RANGE:
        low, high = max(0.0, threshold - 0.10), min(1.0, threshold + 0.05)
        return {key: f'({low:.2f},{high:.2f})'}
    return {key: threshold}


def phases(config: Config) -> Phases:
    """When a method's teacher labels."""
    model = config.model
    burn_in = model.get('burn_in', 'supervised')
    return Phases(model.burn_in_iters, burn_in, model.get('unsup_weight', 1.0))


def share_without_labels(config: Config) -> float:
    """Of a run's steps, those before its teacher labels."""
    max_iters = config.train_cfg.max_iters
    lengths = phases(config).lengths(max_iters)
    return (lengths.get('supervised', 0) + lengths.get('burn-in', 0)) / max_iters


def shares_burn_in(config: Config) -> bool:
    """Whether a method's burn-in is the supervised run's: the same network and losses."""
    burn_in = phases(config).lengths(config.train_cfg.max_iters).get('burn-in', 0)
    return burn_in > 0 and config.model.detector.panoptic_head.get('iou_head') is None
