"""The network's forward against mmdet's, with the same weights."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from torch.utils._python_dispatch import TorchDispatchMode

from mmpldc.models.dense_heads import FastMask2FormerHead, fast_mask2former_head

NUM_CLASSES, NUM_QUERIES = 3, 8
OWN = 'mmpldc.MSDeformAttnPixelDecoder'


@pytest.fixture
def build_pair(tiny_detector_cfg):
    """Our head and mmdet's with equal weights, in eval mode; 4 decoder layers see 3 levels."""

    def build(pixel_decoder='MSDeformAttnPixelDecoder', **options):
        heads = []
        for head_type, decoder_type in (
            ('mmpldc.SemiMask2FormerHead', pixel_decoder),
            ('Mask2FormerHead', 'MSDeformAttnPixelDecoder'),
        ):
            cfg = copy.deepcopy(tiny_detector_cfg.panoptic_head)
            cfg.pop('loss_mask')
            cfg.update(type=head_type, loss_mask=dict(type='CrossEntropyLoss', use_sigmoid=True))
            cfg.pixel_decoder.type = decoder_type
            cfg.transformer_decoder.num_layers = 4
            cfg.pop('upsample_masks', None)
            cfg.update(options)
            heads.append(MODELS.build(cfg).eval())
        ours, theirs = heads
        assert isinstance(ours, FastMask2FormerHead)
        assert not isinstance(theirs, FastMask2FormerHead)
        theirs.init_weights()
        torch.nn.init.normal_(theirs.query_feat.weight, std=3)  # masks that differ
        torch.nn.init.normal_(theirs.cls_embed.bias)
        ours.load_state_dict(theirs.state_dict())
        return ours, theirs

    return build


def feature_maps(num_images=2, height=64, width=96):
    """What the tiny backbone gives for images of this size."""
    shapes = ((8, 4), (16, 8), (32, 16), (64, 32))  # channels, stride
    return [torch.randn(num_images, c, height // s, width // s) for c, s in shapes]


def assert_all_close(result, expected, atol=1e-5):
    """Of two (class logits, mask logits), each a list of layers."""
    for one, other in zip(result[:2], expected, strict=True):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, atol=atol, rtol=1e-5)


@pytest.mark.parametrize('pixel_decoder', ['MSDeformAttnPixelDecoder', OWN])
@pytest.mark.parametrize(
    'options', [{}, dict(enforce_decoder_input_project=True)], ids=['plain', 'projected']
)
def test_forward_equals_mmdets(build_pair, pixel_decoder, options):
    ours, theirs = build_pair(pixel_decoder, **options)
    features = feature_maps()
    with torch.no_grad():
        result, expected = ours(features, None), theirs(features, None)
    assert all(isinstance(layers, list) and len(layers) == 5 for layers in result[:2])
    assert result[0][0].shape == (2, NUM_QUERIES, NUM_CLASSES + 1)
    assert result[1][0].shape == (2, NUM_QUERIES, 16, 24)
    inside = torch.stack(expected[1]) > 0
    assert 0.05 < inside.float().mean() < 0.95  # masks matter
    assert_all_close(result, expected)


@pytest.mark.parametrize('pixel_decoder', ['MSDeformAttnPixelDecoder', OWN])
def test_gradients_equal_mmdets(build_pair, pixel_decoder):
    heads = build_pair(pixel_decoder)
    features = feature_maps()
    for head in heads:
        all_cls_logits, all_mask_logits, *_ = head.train()(features, None)
        for layer, logits in enumerate((*all_cls_logits, *all_mask_logits)):
            (logits.square().mean() / (layer + 1)).backward(retain_graph=True)
    ours, theirs = (dict(head.named_parameters()) for head in heads)
    assert ours.keys() == theirs.keys()
    for name, parameter in theirs.items():
        assert parameter.grad is not None, name
        torch.testing.assert_close(
            ours[name].grad, parameter.grad, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f'{n}: {m}'
        )


@pytest.mark.parametrize('shape', [(1, 64, 64), (2, 64, 96), (2, 32, 160)])
def test_the_last_layer_alone_equals_mmdets(build_pair, shape):
    ours, theirs = build_pair(OWN)
    features = feature_maps(*shape)
    with torch.no_grad():
        result, expected = ours.predict_last(features), theirs(features, None)
    assert_all_close(([result[0]], [result[1]]), ([expected[0][-1]], [expected[1][-1]]))


def test_the_last_layer_alone_makes_no_other(build_pair, monkeypatch):
    """One classification, one set of full masks, and each level's features resized once."""
    ours, _ = build_pair()
    classified, resized = [], []
    ours.cls_embed.register_forward_hook(lambda module, args, result: classified.append(result))
    own_resize = fast_mask2former_head.resize
    monkeypatch.setattr(
        fast_mask2former_head,
        'resize',
        lambda maps, size: resized.append(tuple(size)) or own_resize(maps, size),
    )
    with torch.no_grad():
        cls_logits = ours.predict_last(feature_maps()).cls_logits
    assert len(classified) == 1
    assert classified[0] is cls_logits
    assert resized == [(2, 3), (4, 6), (8, 12)]


def test_resized_features_give_the_resized_masks():
    """What ``predict_last`` rests on, at the sizes of the levels and at odd ones."""
    queries, features = torch.randn(2, 5, 16), torch.randn(2, 16, 24, 40)
    for size in (3, 5), (6, 10), (12, 20), (7, 9):
        of_masks = F.interpolate(
            torch.einsum('bqc,bchw->bqhw', queries, features),
            size,
            mode='bilinear',
            align_corners=False,
        )
        of_features = queries @ fast_mask2former_head.resize(features, size).flatten(2)
        torch.testing.assert_close(of_features, of_masks.flatten(2), atol=1e-5, rtol=1e-5)


def test_predict_equals_mmdets(build_pair):
    ours, theirs = build_pair()
    features = feature_maps()
    samples = [DetDataSample(metainfo=dict(batch_input_shape=(64, 96)))] * 2
    with torch.no_grad():
        result, expected = ours.predict(features, samples), theirs.predict(features, samples)
    assert result[1].shape == (2, NUM_QUERIES, 64, 96)
    for one, other in zip(result, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_queries_with_empty_masks_look_everywhere(build_pair):
    """No mask feature is positive and all queries are: every mask is empty, in every layer."""
    ours, theirs = build_pair()
    for head in ours, theirs:
        torch.nn.init.constant_(head.mask_embed[-1].weight, 0)
        torch.nn.init.constant_(head.mask_embed[-1].bias, 1)
        torch.nn.init.constant_(head.pixel_decoder.mask_feature.weight, 0)
        torch.nn.init.constant_(head.pixel_decoder.mask_feature.bias, -1)
    features = feature_maps()
    with torch.no_grad():
        expected = theirs(features, None)
        assert_all_close(ours(features, None), expected)
        cls_logits, mask_logits, _ = ours.predict_last(features)
    assert (mask_logits < 0).all()
    torch.testing.assert_close(cls_logits, expected[0][-1], atol=1e-5, rtol=1e-5)


def test_dropout_of_the_decoder_is_mmdets(build_pair):
    """Rates of 1 and 0 leave nothing to chance: first attention's, then the block's."""
    for place in ('attention', 'block'):
        ours, theirs = build_pair()
        for head in ours, theirs:
            for layer in head.transformer_decoder.layers:
                if place == 'attention':
                    layer.cross_attn.attn.dropout = 1.0
                else:
                    layer.self_attn.proj_drop.p = 1.0
        features = feature_maps()
        with torch.no_grad():
            in_eval = theirs(features, None)
            assert_all_close(ours(features, None), in_eval)
            expected = theirs.train()(features, None)
            assert_all_close(ours.train()(features, None), expected)
        assert (in_eval[1][-1] - expected[1][-1]).abs().max() > 0.01


@pytest.mark.parametrize('pixel_decoder', ['MSDeformAttnPixelDecoder', OWN])
def test_bfloat16_autocast_is_close(build_pair, pixel_decoder):
    """To float32 as close as mmdet's own bfloat16 is, within a factor of two."""
    ours, theirs = build_pair(pixel_decoder)
    features = feature_maps()
    with torch.no_grad():
        expected = theirs(features, None)
        with torch.autocast('cpu', torch.bfloat16):
            stock = theirs(features, None)
            results = [tuple(layers[-1] for layers in ours(features, None)[:2])]
            results.append(ours.predict_last(features)[:2])
    for result in results:
        for own, other, exact in zip(result, stock, expected, strict=True):
            own_error = (own.float() - exact[-1]).abs().mean()
            assert own_error < 2 * (other[-1].float() - exact[-1]).abs().mean()
            assert own_error < 0.1 * exact[-1].std()


def test_nothing_is_read_by_the_host(build_pair):
    """On a GPU each such read waits for everything before it; mmdet's forward has dozens."""
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(function.overloadpacket.__name__)
            return function(*args, **(kwargs or {}))

    def reads():
        waits = ('_local_scalar_dense', 'nonzero', '_unique2', 'is_nonzero', 'masked_select')
        found = sum(name in waits for name in seen)
        seen.clear()
        return found

    ours, theirs = build_pair(OWN)
    features = feature_maps()
    with Watch():
        theirs(features, None)
        assert reads() > 0
        ours(features, None)
        assert len(seen) > 100
        assert reads() == 0
        ours.predict_last(features)
        assert len(seen) > 100
        assert reads() == 0


def test_checkpoints_are_mmdets(build_pair):
    ours, theirs = build_pair(OWN)
    assert type(theirs) is Mask2FormerHead
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert {name for name, _ in ours.named_modules()} == {
        name for name, _ in theirs.named_modules()
    }
