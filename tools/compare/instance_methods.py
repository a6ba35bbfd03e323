"""The comparison of instance segmentation: configs of configs/comparison over a base of PL-DC."""

from compared_methods import CONFIGS, ROOT, Method, Task, at, without
from mmengine.config import Config

CLASS_THR = at('model.pseudo_label_filter.class_thr')
SCORE_THR = at('model.pseudo_label_filter.score_thr')
# Settings of the model that affect pseudo-labels alone.
OF_PSEUDO_LABELS = (
    'pseudo_label_filter',
    'class_thresholds',
    'refiner',
    'mask_refiner',
    'copy_paste',
    'train_no_object_without_labels',
    'pseudo_label_weights',
    'ignore_uncertain',
)


def class_range(threshold: float) -> dict[str, object]:
    """Return DF-ACAT's range, as in the config from 0.10 below to 0.05 above a fixed threshold."""
    low, high = max(0.0, threshold - 0.10), min(1.0, threshold + 0.05)
    return {'model.class_thresholds.class_range': f'({low:.2f},{high:.2f})'}


METHODS = {
    'supervised': Method('supervised (EMA)', None),
    'mean_teacher': Method('mean teacher, coupled threshold', SCORE_THR),
    'guided_distillation': Method('Guided Distillation', CLASS_THR),
    'pais': Method('PAIS', CLASS_THR),
    'pldc': Method('PL-DC, arXiv', CLASS_THR),
    'pldc_aaai': Method('PL-DC, AAAI-26 (DF-ACAT)', class_range, 'pldc'),
    'pldc_expected_count': Method('PL-DC, threshold by expected count', None),
    'pldc_half_expected_count': Method('PL-DC, half of the expected count', None),
    'pldc_expected_count_weighted': Method('PL-DC, expected count, labels weighted', None),
    'pldc_without_ddtf': Method('PL-DC − DDTF', SCORE_THR, 'mean_teacher'),
    'pldc_without_dicc': Method('PL-DC − DICC', CLASS_THR, 'pldc', needs='model.refiner'),
    'pldc_without_pmua': Method('PL-DC − PMUA', CLASS_THR, 'pldc'),
    'pldc_boundary_map': Method("PL-DC, Noisy Boundaries' map for PMUA", CLASS_THR, 'pldc'),
    'pldc_plepi': Method(
        "PL-DC, PLePI's product for DICC", CLASS_THR, 'pldc', needs='model.refiner'
    ),
    'pldc_predicted_iou': Method("PL-DC, PAIS's predicted IoU for m", CLASS_THR, 'pldc'),
    'pldc_polite_gate': Method("PL-DC, Polite Teacher's gate for m_t", CLASS_THR, 'pldc'),
    'pldc_dynamic_aligning': Method("PL-DC + PAIS's aligning loss", CLASS_THR, 'pldc'),
    # one further part each
    'grab_cut': Method('PL-DC + GrabCut', CLASS_THR, 'pldc', folder='parts'),
    'oracle_masks': Method('PL-DC, true masks', CLASS_THR, 'pldc', needs='hidden', folder='parts'),
    'weak_labels': Method('PL-DC + weak labels', CLASS_THR, 'pldc', needs='weak', folder='parts'),
    'copy_paste': Method('PL-DC + copy-paste', CLASS_THR, 'pldc', folder='parts'),
}


def of_labels(model: dict) -> dict:
    """Return a model's settings without those of pseudo-labels; modifies the model."""
    head = model['detector']['panoptic_head']
    # PMUA weights the pixels of pseudo-masks alone
    head['loss_mask'] = head['loss_mask']['loss_weight']
    return without(model, OF_PSEUDO_LABELS)


def refuse(base: Config) -> None:
    """Refuse adaptive thresholds in the base.

    Raises:
        SystemExit: if it has some.
    """
    if base.model.get('class_thresholds') is not None:
        raise SystemExit(
            'the base has model.class_thresholds, which would replace every threshold: '
            'give a config of PL-DC without them (label_share = None in one of own data); '
            'thresholds that set themselves are among the methods'
        )


INSTANCE = Task(
    model='SemiMask2Former',
    base=ROOT / 'configs/quickstart/pldc.py',
    configs=CONFIGS,
    methods=METHODS,
    # PAIS's, the midpoint, Guided Distillation's, PL-DC's, and half of the remaining distance to 1
    grid=(0.35, 0.5, 0.7, 0.85, 0.93),
    score='mask AP',
    metrics=dict(
        AP=('coco/segm_mAP', 100), AP50=('coco/segm_mAP_50', 100), AP75=('coco/segm_mAP_75', 100)
    ),
    validated='teacher/coco/segm_mAP',
    references=('supervised',),
    quality_tool='analysis/pseudo_label_quality.py',
    hidden_options=('--ann-file', '--img-prefix'),
    hidden=('annotations/unlabeled_hidden.json', 'images/train/'),
    qualities=dict(
        kept_per_image=('kept an image', 2),
        precision=('precision', 3),
        recall=('recall', 3),
        mask_precision=('mask right', 3),
        teacher_class_accuracy=('class right, teacher', 3),
        class_accuracy=('class right, corrected', 3),
        mask_iou=('mask IoU', 3),
    ),
    block='ap',
    figure='comparison',
    of_labels=of_labels,
    refuse=refuse,
)
