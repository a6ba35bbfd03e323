"""The head with a representation gives mmsegmentation's logits, and its representation trains."""

import pytest
import torch

pytest.importorskip('mmseg')

from mmdet.registry import MODELS
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead

from mmpldc.models.decode_heads import RepresentationASPPHead

SETTINGS = dict(
    in_channels=16,
    in_index=1,
    channels=8,
    dilations=(1, 2),
    c1_in_channels=4,
    c1_channels=6,
    num_classes=5,
    norm_cfg=dict(type='BN'),
    align_corners=True,
    loss_decode=dict(type='mmseg.CrossEntropyLoss'),
)


@pytest.fixture
def heads():
    """mmsegmentation's and ours with the same weights."""
    parent = MODELS.build(dict(type='mmseg.DepthwiseSeparableASPPHead', **SETTINGS))
    head = MODELS.build(
        dict(type='mmpldc.RepresentationASPPHead', representation_channels=12, **SETTINGS)
    )
    assert type(parent) is DepthwiseSeparableASPPHead and type(head) is RepresentationASPPHead
    missing, unexpected = head.load_state_dict(parent.state_dict(), strict=False)
    assert not unexpected and all(key.startswith('representation.') for key in missing)
    return parent, head


@pytest.fixture
def features():
    return torch.randn(2, 4, 17, 17), torch.randn(2, 16, 9, 9)


@pytest.mark.parametrize('training', [False, True])
def test_logits_are_the_parents_bit_for_bit(heads, features, training):
    outputs = []
    for head in (*heads, heads[1].forward_with_representation):
        for module in heads:
            module.train(training)
        torch.manual_seed(3)  # dropout
        outputs.append(head(features))
    expected, logits, (same, representation) = outputs
    assert torch.equal(logits, expected) and torch.equal(same, expected)
    assert representation.shape == (2, 12, 17, 17)


def test_both_branches_reach_the_fused_map(heads, features):
    _, head = heads
    features = [feature.requires_grad_() for feature in features]
    _, representation = head.forward_with_representation(features)
    representation.square().sum().backward()
    assert all(feature.grad.abs().sum() > 0 for feature in features)
    assert (
        head.conv_seg.weight.grad is None
        and head.sep_bottleneck[0].pointwise_conv.conv.weight.grad is None
    )
    assert head.representation[0].conv.in_channels == 8 + 6


def test_without_low_level_features():
    with pytest.raises(ValueError, match='c1_in_channels above 0'):
        RepresentationASPPHead(**SETTINGS | dict(c1_in_channels=0, c1_channels=0))
