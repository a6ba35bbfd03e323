"""Half of the expected labels; ImageNet's classifier corrects their classes.

The map is of the seven animals of photographs.py. ImageNet has no deer: these are its antelopes.
"""

_base_ = './photographs.py'

scorer = dict(
    _base_.imagenet_dicc.scorer,
    classifier=dict(_base_.imagenet_dicc.scorer.classifier, pretrained=True),
    class_indices={
        'bear': [294, 295, 296, 297],
        'deer': [351, 352, 353],
        'elephant': [101, 385, 386],
        'otter': [356, 357, 358, 359, 360],  # with weasel, mink, polecat and ferret
        'rhesus monkey': [*range(366, 384)],  # apes and monkeys
        'tiger': [282, 290, 292],  # with tiger cat and jaguar
        'turtle': [33, 34, 35, 36, 37],
    },
)
model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.half_expected_count,
    refiner=dict(_base_.imagenet_dicc, scorer=scorer),
)
