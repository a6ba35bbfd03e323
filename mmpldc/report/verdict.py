"""The result in one sentence: did the unlabelled images help?"""

from collections.abc import Sequence

from mmpldc.evaluation.bootstrap import Interval

from .contents import Accuracy
from .inference import NETWORKS
from .run_folder import Run


def verdict(runs: Sequence[Run], accuracy: Accuracy | None) -> tuple[str, tuple[str, ...]]:
    """Say the result in one sentence, and how it was found.

    Args:
        runs: of the report.
        accuracy: their table; None without one.
    """
    if accuracy is None:
        return _logged_verdict(runs), ('Read from the log; the images were not looked at.',)
    details = [
        f'AP of masks (COCO: mean over IoU 0.5 to 0.95) on {accuracy.num_images} validation '
        f'images. In brackets: 95 % interval over {accuracy.samples} resamples of these images. It '
        'does not cover the choice of the labelled images or the seed.'
    ]
    if accuracy.rows[0].values[0].value != accuracy.rows[0].values[0].value:
        return 'The validation images have no objects, so there is no AP.', ()
    values = dict(zip(accuracy.columns, accuracy.rows[0].values, strict=True))
    sentences = []
    for column, value in values.items():
        if column.is_difference:
            base = next(number for number, run in enumerate(runs) if run.is_supervised)
            own, other = (
                next(
                    v.value for c, v in values.items() if c.run == run and c.network == NETWORKS[0]
                )
                for run in (column.run, base)
            )
            sentences.append(
                f'{_helped(value)} AP {own:.1f} ({runs[column.run].name}) against {other:.1f} '
                f'({runs[base].name}), {value.value:+.1f} points [{value.low:+.1f} to '
                f'{value.high:+.1f}].'
            )
    if sentences:
        return ' '.join(sentences), tuple(details)
    for column, value in values.items():
        if column.network == NETWORKS[0]:
            sentences.append(
                f'The teacher of {runs[column.run].name} reaches AP {value.value:.1f} '
                f'[{value.low:.1f} to {value.high:.1f}].'
            )
    if any(not run.is_supervised for run in runs):
        details.append(
            'Whether unlabelled images helped cannot be told from these runs: give the supervised '
            'run, too.'
        )
    return ' '.join(sentences), tuple(details)


def _helped(difference: Interval) -> str:
    if difference.low > 0:
        return 'Unlabelled images helped:'
    if difference.high < 0:
        return 'Unlabelled images did harm:'
    return 'No clear effect of unlabelled images:'


def _logged_verdict(runs: Sequence[Run]) -> str:
    """The last validation in the log."""
    sentences = []
    for run in runs:
        keys = ('teacher/coco/segm_mAP', 'teacher/mIoU')
        logged = [
            (record['step'], key, record[key])
            for record in run.records
            for key in keys
            if key in record
        ]
        if not logged:
            sentences.append(f'{run.name} has not been validated yet.')
            continue
        step, key, value = logged[-1]
        name, scale = ('mIoU', 1) if key.endswith('mIoU') else ('AP', 100)
        sentences.append(f'{run.name}: teacher {name} {scale * value:.1f} at iteration {step}.')
    return ' '.join(sentences)
