"""Scores of annotations: weak labels need them, labels have none."""

from collections.abc import Sequence

from .findings import Finding
from .records import NUMBER, Names, Records

FIELDS = ('score', 'mask_quality')


def check_scores(
    annotations: Sequence[dict], *, file: str, names: Names | None = None
) -> list[Finding]:
    """Check that each annotation has a score in [0, 1], and a mask quality there if it has one.

    Args:
        annotations: of a COCO-format file.
        file: path that findings name.
        names: of records whose ids were changed.
    """
    records = Records(list(annotations), 'annotation', file, names)
    values = records.column('score', NUMBER, 'a number in [0, 1]: how sure the model is')
    rows = [row for row, value in enumerate(values) if value is not None and not 0 <= value <= 1]
    records.report('error', rows, 'score', _outside(values, rows))
    given = [row for row, one in enumerate(annotations) if one.get('mask_quality') is not None]
    qualities = [annotations[row]['mask_quality'] for row in given]
    wrong = [
        row
        for row, value in zip(given, qualities, strict=True)
        if type(value) not in NUMBER or not 0 <= value <= 1
    ]
    records.report('error', wrong, 'mask_quality', 'must be a number in [0, 1], or be left out')
    return records.findings


def warn_of_scores(annotations: Records) -> None:
    """Warn of annotations that are used as labels although they look like a model's predictions."""
    scores = [one.get('score') for one in annotations.records]
    rows = [row for row, one in enumerate(scores) if type(one) in NUMBER and one not in (0, 1)]
    message = (
        'a score, as predictions have: all are used as labels, however low it is; if nobody '
        'corrected them, give them to tools/dataset/weak_labels.py instead'
    )
    annotations.report('warning', rows, 'score', message)


def _outside(values: Sequence, rows: Sequence[int]) -> str:
    example = values[rows[0]] if rows else None
    return f'is {example}, outside of [0, 1]: divide percents by 100'
