"""The pixel decoder against mmdet's, with the same weights."""

import copy

import pytest
import torch
from mmdet.registry import MODELS

from mmpldc.models.layers import MSDeformAttnPixelDecoder, ms_deform_attn_pixel_decoder

CHANNELS = (8, 16, 32, 64)  # of the tiny backbone's levels
STRIDES = (4, 8, 16, 32)


@pytest.fixture
def build_pair(tiny_detector_cfg):
    """Ours and mmdet's with equal weights, none of them zero, in eval mode."""

    def build(num_layers=2, num_levels=3, **options):
        cfg = copy.deepcopy(tiny_detector_cfg.panoptic_head.pixel_decoder)
        cfg.update(in_channels=list(CHANNELS), feat_channels=16, out_channels=16, **options)
        cfg.encoder.num_layers = num_layers
        cfg.encoder.layer_cfg.self_attn_cfg.num_levels = num_levels
        ours, theirs = (
            MODELS.build(dict(copy.deepcopy(cfg), type=name)).eval()
            for name in ('mmpldc.MSDeformAttnPixelDecoder', 'MSDeformAttnPixelDecoder')
        )
        for parameter in theirs.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    return build


def feature_maps(num_images=2, height=64, width=96, **options):
    return [
        torch.randn(num_images, channels, -(-height // stride), -(-width // stride), **options)
        for channels, stride in zip(CHANNELS, STRIDES, strict=True)
    ]


def assert_equal_outputs(result, expected, **tolerance):
    mask_features, maps = result
    expected_features, expected_maps = expected
    torch.testing.assert_close(mask_features, expected_features, **tolerance)
    assert len(maps) == len(expected_maps)
    for one, other in zip(maps, expected_maps, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize('shape', [(1, 64, 64), (2, 64, 96), (2, 100, 36)])
@pytest.mark.parametrize(
    'options', [{}, dict(num_levels=4), dict(num_outs=4)], ids=['usual', 'no lateral', 'all maps']
)
def test_equals_mmdets(build_pair, options, shape):
    ours, theirs = build_pair(**options)
    features = feature_maps(*shape)
    with torch.no_grad():
        result, expected = ours(features), theirs(features)
    assert expected[0].std() > 0.1
    assert_equal_outputs(result, expected, atol=1e-5, rtol=1e-4)


def test_gradients_equal_mmdets(build_pair):
    pair = build_pair()
    features = feature_maps()
    inputs = []
    for decoder in pair:
        leaves = [feature.clone().requires_grad_() for feature in features]
        mask_features, maps = decoder.train()(leaves)
        sum(map_.square().mean() for map_ in (mask_features, *maps)).backward()
        inputs.append(leaves)
    ours, theirs = (dict(decoder.named_parameters()) for decoder in pair)
    assert list(ours) == list(theirs)
    for name, parameter in theirs.items():
        torch.testing.assert_close(ours[name].grad, parameter.grad, atol=1e-5, rtol=1e-3)
    for one, other in zip(*inputs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-3)


def test_dropout_of_deformable_attention(build_pair):
    """A rate of 1 takes attention away, in training only."""
    pair = build_pair()
    for decoder in pair:
        for layer in decoder.encoder.layers:
            layer.self_attn.dropout.p = 1.0
    features = feature_maps()
    ours, theirs = pair
    with torch.no_grad():
        evaluated = theirs(features)
        assert_equal_outputs(ours(features), evaluated, atol=1e-5, rtol=1e-4)
        trained = theirs.train()(features)
        assert_equal_outputs(ours.train()(features), trained, atol=1e-5, rtol=1e-4)
    assert (evaluated[0] - trained[0]).abs().max() > 0.01


def test_sampling_stays_in_float32_under_autocast(build_pair, monkeypatch):
    ours, _ = build_pair()
    features = feature_maps()
    dtypes = []
    sample = ms_deform_attn_pixel_decoder.multi_scale_deformable_attn_pytorch

    def recorded(value, sizes, locations, weights):
        dtypes.extend(tensor.dtype for tensor in (value, locations, weights))
        result = sample(value, sizes, locations, weights)
        dtypes.append(result.dtype)
        return result

    monkeypatch.setattr(
        ms_deform_attn_pixel_decoder, 'multi_scale_deformable_attn_pytorch', recorded
    )
    with torch.no_grad():
        expected = ours(features)
        dtypes.clear()
        with torch.autocast('cpu', torch.bfloat16):
            mask_features, maps = ours(features)
    assert dtypes == [torch.float32] * 8  # 2 layers
    assert mask_features.dtype == torch.bfloat16
    for own, exact in zip((mask_features, *maps), (expected[0], *expected[1]), strict=True):
        assert (own.float() - exact).abs().mean() < 0.05 * exact.std()


def test_weights_are_initialised_as_mmdets(build_pair):
    """``init_weights`` must find the attention that took mmcv's place."""
    ours, theirs = build_pair()
    for decoder in ours, theirs:
        torch.manual_seed(0)
        decoder.init_weights()
    for (name, one), (_, other) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert one.equal(other), name
    assert isinstance(ours, MSDeformAttnPixelDecoder)


@pytest.mark.parametrize(
    ('batch', 'at_once'), [(1, 1), (12, 12), (24, 24), (64, 64), (96, 32), (128, 64)]
)
def test_the_cuda_operator_gets_a_divisor_of_the_batch(batch, at_once):
    assert ms_deform_attn_pixel_decoder._divisor(batch, most=64) == at_once


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_the_cuda_operator_equals_the_cpu(build_pair, dtype):
    ours, _ = build_pair()
    features = feature_maps()
    with torch.no_grad():
        expected = ours(features)
        ours.cuda()
        with torch.autocast('cuda', dtype, enabled=dtype != torch.float32):
            mask_features, maps = ours([feature.cuda() for feature in features])
    share = 0.01 if dtype == torch.float32 else 0.05  # convolutions may run in TF32
    for own, exact in zip((mask_features, *maps), (expected[0], *expected[1]), strict=True):
        assert (own.cpu().float() - exact).abs().mean() < share * exact.std()


class Saved:
    """Bytes that autograd keeps, each storage once."""

    def __init__(self):
        self.sizes = {}

    def __enter__(self):
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error):
        self.hooks.__exit__(*error)

    def _pack(self, tensor):
        self.sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor


def test_checkpointing_keeps_less_and_changes_no_gradient(build_pair):
    decoder, _ = build_pair(num_layers=3)
    decoder.train()
    features = feature_maps()
    found = []
    for decoder.with_cp in (False, True):
        decoder.zero_grad()
        with Saved() as saved:
            mask_features, maps = decoder(features)
        sum(map_.square().mean() for map_ in (mask_features, *maps)).backward()
        found.append(([p.grad.clone() for p in decoder.parameters()], sum(saved.sizes.values())))
    (plain, plain_bytes), (again, again_bytes) = found
    assert again_bytes < 0.6 * plain_bytes
    for one, other in zip(plain, again, strict=True):
        assert torch.equal(one, other)
