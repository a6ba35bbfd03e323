"""Attention against ``nn.MultiheadAttention``, whose masks are per head and mean the opposite."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmpldc.functional import attention_mask, multi_head_attention

IMAGES, QUERIES, KEYS, CHANNELS, HEADS = 2, 5, 12, 16, 4


@pytest.fixture(autouse=True)
def _reproducible():
    torch.manual_seed(0)


def build(**options):
    weights = nn.MultiheadAttention(CHANNELS, HEADS, **options).eval()
    for parameter in weights.parameters():
        nn.init.normal_(parameter, std=0.5)
    return weights


def tokens(*, requires_grad=False):
    return [
        torch.randn(IMAGES, count, CHANNELS, requires_grad=requires_grad)
        for count in (QUERIES, KEYS, KEYS)
    ]


def reference(weights, query, key, value, mask=None):
    """The module's own forward, sequence first, its mask repeated for each head."""
    if mask is not None:
        mask = ~mask.expand(-1, HEADS, -1, -1).flatten(0, 1)
    sequences = (part.transpose(0, 1) for part in (query, key, value))
    return weights(*sequences, attn_mask=mask)[0].transpose(0, 1)


def random_mask():
    mask = torch.rand(IMAGES, 1, QUERIES, KEYS) > 0.6
    mask[..., 0] = True  # a row that looks nowhere has no answer
    return mask


@pytest.mark.parametrize('masked', [True, False])
@pytest.mark.parametrize('options', [{}, dict(bias=False), dict(batch_first=True)])
def test_equals_the_module(options, masked):
    weights = build(**options)
    weights.batch_first = False  # for the reference; ours does not ask
    inputs, mask = tokens(), random_mask() if masked else None
    expected = reference(weights, *inputs, mask)
    weights.batch_first = options.get('batch_first', False)
    result = multi_head_attention(weights, *inputs, mask)
    assert result.shape == (IMAGES, QUERIES, CHANNELS)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)


def test_gradients_equal_the_modules():
    weights, mask = build().double(), random_mask()
    inputs = [part.double() for part in tokens(requires_grad=True)]
    leaves = [*inputs, *weights.parameters()]
    gradients = [
        torch.autograd.grad(attend(weights, *inputs, mask).square().sum(), leaves)
        for attend in (multi_head_attention, reference)
    ]
    for own, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(own, expected)


def test_masked_keys_play_no_part():
    weights, (query, key, value) = build(), tokens()
    mask = random_mask()
    mask[..., -3:] = False
    first = multi_head_attention(weights, query, key, value, mask)
    key[:, -3:], value[:, -3:] = 100.0, -100.0
    assert first.equal(multi_head_attention(weights, query, key, value, mask))


def test_weights_drop_out_in_training_only():
    weights, inputs = build(dropout=0.5), tokens()
    expected = reference(weights, *inputs)
    torch.testing.assert_close(multi_head_attention(weights, *inputs), expected)
    weights.train()
    drawn = torch.stack([multi_head_attention(weights, *inputs) for _ in range(400)])
    assert drawn.std(dim=0).min() > 0.01
    error = drawn.std(dim=0) / 400**0.5
    assert ((drawn.mean(dim=0) - expected).abs() < 5 * error).all()  # kept weights make up for it


def test_bfloat16_autocast_is_close():
    weights, inputs, mask = build(), tokens(), random_mask()
    expected = reference(weights, *inputs, mask)
    with torch.autocast('cpu', torch.bfloat16):
        result = multi_head_attention(weights, *inputs, mask)
    assert result.dtype == torch.bfloat16
    assert (result - expected).abs().max() < 0.02 * expected.abs().max()  # it has 8 bits


@pytest.mark.parametrize(
    'options', [dict(kdim=8, vdim=8), dict(add_bias_kv=True), dict(add_zero_attn=True)]
)
def test_other_attention_is_refused(options):
    with pytest.raises(ValueError, match='without kdim, vdim, add_bias_kv and add_zero_attn'):
        multi_head_attention(nn.MultiheadAttention(CHANNELS, HEADS, **options), *tokens())


def test_mask_by_hand():
    logits = torch.tensor(
        [
            [[-3.0, 0.1, 2.0], [-1.0, -2.0, -3.0], [0.0, -0.5, -0.5]],
            [[1.0, 1.0, 1.0], [-9.0, -9.0, 9.0], [-0.2, -0.1, -0.3]],
        ],
        requires_grad=True,
    )
    mask = attention_mask(logits)
    assert mask.shape == (2, 1, 3, 3)
    assert mask.dtype == torch.bool
    assert mask[:, 0].int().tolist() == [
        [[0, 1, 1], [1, 1, 1], [1, 0, 0]],  # an empty mask looks everywhere; 0 is inside
        [[1, 1, 1], [0, 0, 1], [1, 1, 1]],
    ]


def test_nothing_is_read_by_the_host():
    seen = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.add(function.overloadpacket.__name__)
            return function(*args, **(kwargs or {}))

    weights, inputs = build(), tokens(requires_grad=True)
    with Watch():
        mask = attention_mask(torch.randn(IMAGES, QUERIES, KEYS))
        multi_head_attention(weights, *inputs, mask).sum().backward()
    assert len(seen) > 10
    assert not seen & {'_local_scalar_dense', 'nonzero', '_unique2', 'is_nonzero', 'masked_select'}
