"""The comparison of semantic segmentation: configs of configs/comparison/semantic over a base."""

from compared_methods import CONFIGS, Method, Task, at, without

# Settings of the model that affect pseudo-labels alone.
OF_PSEUDO_LABELS = ('reliability', 'student_views', 'unsup_loss', 'ease')
CONFIDENCE = at('model.reliability.threshold')
# iMAS measures an image's ease with the threshold of its loss.
WITH_EASE = at('model.reliability.threshold', 'model.ease.threshold')


def kept_share(threshold: float) -> dict[str, object]:
    """Return U2PL's alpha_0: the threshold is the share of pixels that count at first."""
    return {'model.reliability.unreliable_share.start': round(1 - threshold, 6)}


def of_labels(model: dict) -> dict:
    """Return a model's settings without those of pseudo-labels, and without parts it lacks."""
    model = {key: value for key, value in model.items() if value is not None}
    return without(model, OF_PSEUDO_LABELS)


METHODS = {
    'supervised': Method('supervised (EMA)', None),
    'mean_teacher': Method('mean teacher + CutMix', CONFIDENCE),
    'u2pl': Method('U2PL', kept_share),
    'imas': Method('iMAS', WITH_EASE),
    'unimatch': Method('UniMatch V1', CONFIDENCE),
    'u2pl_without_contrast': Method('U2PL − contrast', kept_share, 'u2pl'),
    'imas_without_weights': Method('iMAS − weights by ease', WITH_EASE, 'imas'),
    'imas_without_blending': Method('iMAS − adaptive intensity', WITH_EASE, 'imas'),
    'imas_without_cutmix_by_ease': Method('iMAS − adaptive CutMix', WITH_EASE, 'imas'),
}

SEMANTIC = Task(
    model='SemiSegmentor',
    base=CONFIGS / 'semantic/_base.py',
    configs=CONFIGS / 'semantic',
    methods=METHODS,
    # 0.8 is U2PL's on VOC, 0.95 the others'
    grid=(0.5, 0.8, 0.95),
    score='mIoU',
    metrics={'mIoU': ('mIoU', 1), 'pixel accuracy': ('aAcc', 1)},
    validated='teacher/mIoU',
    references=('supervised', 'mean_teacher'),
    quality_tool='analysis/pixel_label_quality.py',
    hidden_options=('--ann-file', '--img-prefix', '--seg-map-prefix'),
    hidden=('lists/unlabeled.txt', 'images/train', 'labels/train'),
    qualities=dict(
        coverage=('coverage', 3),
        accuracy=('pixel accuracy', 3),
        precision=('precision', 3),
        recall=('recall', 3),
        all_accuracy=('pixel accuracy of all', 3),
    ),
    block='miou',
    figure='semantic_comparison',
    of_labels=of_labels,
)
