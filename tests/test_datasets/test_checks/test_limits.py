"""More objects than a config predicts or an evaluation counts."""

import numpy as np
import pytest
from mmengine.config import Config

from mmpldc.datasets.checks import Contents, DataSet
from mmpldc.datasets.checks.limits import check_limits


def contents(most: int, most_of_class: int) -> Contents:
    return Contents(
        image_ids=[1],
        file_names=['a.jpg'],
        sizes=np.array([[9, 9]]),
        categories=dict(a=1),
        instances=dict(a=most),
        by_area=(most, 0, 0),
        num_crowds=0,
        annotated=np.array([True]),
        most=most,
        fullest='a.jpg',
        most_of_class=most_of_class,
    )


@pytest.mark.parametrize(
    ('role', 'most', 'most_of_class', 'words'),
    [
        ('labeled', 100, 100, []),
        ('labeled', 101, 50, ['num_queries=100']),
        ('val', 100, 100, []),
        ('val', 101, 101, ['num_queries=100', 'max_per_image=90', 'the 100 of a class that AP']),
        ('val', 95, 50, ['max_per_image=90']),
        ('unlabeled', 500, 500, []),
    ],
)
def test_images_with_more_objects(role, most, most_of_class, words):
    model = dict(
        type='X', head=dict(num_queries=100), parts=[dict(test_cfg=dict(max_per_image=90))]
    )
    sets = [
        (DataSet(role, role, 'a.json'), contents(most, most_of_class)),
        (DataSet('x', role, 'x'), None),
    ]
    if role == 'val' and most == 100:
        model['parts'][0]['test_cfg']['max_per_image'] = 100
    cfg = Config(
        dict(model=model, val_evaluator=dict(type='CocoMetric', proposal_nums=(1, 2, 900)))
    )
    found = check_limits(cfg, sets)
    assert len(found) == bool(words)
    for finding in found:
        assert finding.level == 'warning'
        assert str(finding).startswith(
            f'warning: a.json: image a.jpg: has {most} objects, more than'
        )
        assert all(word in str(finding) for word in words)


@pytest.mark.parametrize(
    ('evaluators', 'counted'),
    [
        (dict(type='mmpldc.CocoMetric'), 1000),
        (dict(type='mmpldc.CocoMetric', proposal_nums=(100, 300, 500)), 500),
        ([dict(type='mmpldc.CocoMetric'), dict(type='CocoMetric')], 100),
    ],
)
def test_ap_counts_as_many_as_its_largest_number(evaluators, counted):
    cfg = Config(dict(val_evaluator=evaluators))
    for most, is_told in (counted, False), (counted + 1, True):
        found = check_limits(cfg, [(DataSet('val', 'val', 'a.json'), contents(most, most))])
        assert [f'the {counted} of a class' in str(one) for one in found] == [True] * is_told
