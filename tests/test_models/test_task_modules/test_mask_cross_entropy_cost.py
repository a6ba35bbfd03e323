"""The mask cost against mmdet's."""

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData


@pytest.mark.parametrize(('queries', 'targets'), [(7, 3), (1, 1), (4, 0)])
@pytest.mark.parametrize('spread', [1.0, 30.0])
@pytest.mark.parametrize('binary', [True, False])
def test_equals_mmdets(queries, targets, spread, binary):
    predicted = InstanceData(masks=spread * torch.randn(queries, 500))
    values = torch.rand(targets, 500)
    wanted = InstanceData(masks=(values > 0.5).float() if binary else values)
    options = dict(weight=5.0, use_sigmoid=True)
    ours, theirs = (
        TASK_UTILS.build(dict(type=name, **options))(predicted, wanted)
        for name in ('mmpldc.MaskCrossEntropyCost', 'CrossEntropyLossCost')
    )
    assert ours.shape == (queries, targets)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
