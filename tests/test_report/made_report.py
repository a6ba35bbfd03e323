"""A report made by hand, with names that try to be HTML."""

import base64
import io

import numpy as np
from PIL import Image

from mmpldc.evaluation.bootstrap import Interval
from mmpldc.report.contents import (
    Accuracy,
    AccuracyRow,
    Column,
    DataSection,
    ErrorRow,
    Gallery,
    Mark,
    Panel,
    Picture,
    Report,
    Series,
    Settings,
    Shape,
    Table,
    View,
)

EVIL = '<script>document.title = "owned"</script>'
IMAGE_SIZE = (120, 90)
NAN = float('nan')


def picture_data(seed: int) -> str:
    pixels = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'WEBP')
    return 'data:image/webp;base64,' + base64.b64encode(stream.getvalue()).decode()


def shape(name: str, kind: str, left: int) -> Shape:
    path = f'M{left} 20L{left + 40} 20L{left + 40} 60L{left} 60Z'
    return Shape(path, name, kind, f'{name} 0.90: {kind}', left, left)


def pictures(count: int, name: str, kinds: tuple[str, str]) -> tuple[Picture, ...]:
    """Every other picture has an object of the class with the evil name."""
    made = []
    for rank in range(count):
        shapes = (shape('cat', kinds[0], 10), shape(EVIL if rank % 2 else 'dog', kinds[1], 60))
        views = (View('Truth', shapes[:1]), View('pldc', shapes))
        data = picture_data(rank)
        made.append(Picture(f'{name}_{rank}.jpg', *IMAGE_SIZE, data, rank, 'summary', views))
    return tuple(made)


def make_report(num_pictures: int = 6) -> Report:
    """All sections, two runs."""
    columns = (
        Column(0, 'teacher', f'{EVIL}, teacher'),
        Column(1, 'teacher', 'pldc, teacher'),
        Column(1, '', 'pldc - supervised', is_difference=True),
    )
    values = (Interval(20, 15, 26), Interval(30, 24, 35), Interval(10, 4, 15))
    unknown = (Interval(NAN, NAN, NAN),) * 3
    points = {step: 1000 / step for step in range(100, 1100, 100)}
    tiny = {step: value / 1e6 for step, value in points.items()}
    table = Table('Sets', ('set', 'images'), (('labeled', '40'), (EVIL, '3')))
    validation = pictures(num_pictures, 'val', ('correct', 'category'))
    unlabelled = pictures(3, EVIL, ('kept', 'mask'))
    classes = ('cat', 'dog', EVIL)
    return Report(
        title=f'supervised, {EVIL}',
        sentence=f'Unlabelled images helped {EVIL}.',
        details=('How.',),
        runs=(EVIL, 'pldc'),
        accuracy=Accuracy(
            columns,
            (
                AccuracyRow('all', 'AP', None, values),
                AccuracyRow('size', 'large', 0, unknown),
                AccuracyRow('class', EVIL, 7, values),
            ),
            12,
            500,
        ),
        panels=tuple(
            Panel(
                key,
                key.title(),
                'A note.',
                tuple(
                    Series(f'{run} {name}', number, dash, of_key)
                    for number, run in enumerate((EVIL, 'pldc'))
                    for dash, name in enumerate(('first', 'second'))
                ),
                (Mark(700, 1, f'Early stopping would have ended {EVIL}.'),) * (key == 'accuracy'),
            )
            for key, of_key in (('accuracy', points), ('loss', points), ('rate', tiny))
        ),
        errors=(ErrorRow('category', EVIL, (3, 1200), (Interval(5, 3, 7), Interval(2, 0, 3))),),
        galleries=(
            Gallery(
                'validation',
                validation,
                200,
                {'correct': 'correct', 'category': 'wrong class'},
                classes,
            ),
            Gallery(
                'unlabelled',
                unlabelled,
                9,
                {'kept': 'kept', 'mask': 'mask quality too low'},
                classes,
            ),
        ),
        data=(DataSection('pldc', (table,), (('error', f'image {EVIL}'),), ('A note.',)),),
        settings=Settings(table, table, table, {EVIL: f'model = "{EVIL}"'}),
        notes=(f'note {EVIL}',),
        created='2026-01-01',
        shown=(EVIL, 'pldc'),
    )
