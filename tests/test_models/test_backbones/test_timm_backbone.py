"""timm's networks as backbones: their weights, features, grid, freezing and depths."""

import sys

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn

from mmpldc.models.backbones.timm_backbone import create
from mmpldc.utils.checkpoint_loading import MissingWeights, UnsafeCheckpoint

pytest.importorskip('timm')
DINOV2, DINOV3 = 'vit_small_patch14_dinov2.lvd142m', 'vit_small_patch16_dinov3.lvd1689m'
CONVNEXT = 'convnext_tiny.dinov3_lvd1689m'
SMALL = {  # options that make each of them small
    DINOV2: dict(embed_dim=16, depth=3, num_heads=2, img_size=42, dynamic_img_size=True),
    'vit_small_patch14_reg4_dinov2.lvd142m': dict(
        embed_dim=16, depth=3, num_heads=2, img_size=42, dynamic_img_size=True
    ),
    DINOV3: dict(embed_dim=16, depth=3, num_heads=2),
    CONVNEXT: dict(dims=(8, 8, 16, 16), depths=(1, 1, 2, 1)),
}


def build(name=DINOV2, **options):
    """A small network, at random, with norms and layer scales that do something."""
    last = (3,) if name == CONVNEXT else (2,)
    config = dict(type='mmpldc.TimmBackbone', name=name, out_indices=last) | SMALL[name] | options
    model = MODELS.build(config)
    if 'init_cfg' not in options:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
    return model


# ---------------------------------------------------------------- weights, by their published names


def transformer_blocks(dim: int, depth: int) -> dict[str, tuple[int, ...]]:
    """What DINOv2's and DINOv3's state dicts have in common, in their repositories' words."""
    shapes = {'cls_token': (1, 1, dim), 'mask_token': (1, dim)}
    shapes |= {'norm.weight': (dim,), 'norm.bias': (dim,)}
    for block in range(depth):
        of_block = {
            'norm1.weight': (dim,),
            'norm1.bias': (dim,),
            'attn.qkv.weight': (3 * dim, dim),
            'attn.qkv.bias': (3 * dim,),
            'attn.proj.weight': (dim, dim),
            'attn.proj.bias': (dim,),
            'ls1.gamma': (dim,),
            'norm2.weight': (dim,),
            'norm2.bias': (dim,),
            'mlp.fc1.weight': (4 * dim, dim),
            'mlp.fc1.bias': (4 * dim,),
            'mlp.fc2.weight': (dim, 4 * dim),
            'mlp.fc2.bias': (dim,),
            'ls2.gamma': (dim,),
        }
        shapes |= {f'blocks.{block}.{name}': shape for name, shape in of_block.items()}
    return shapes


def dinov2(dim: int, depth: int, registers: int = 0, side: int = 37) -> dict:
    shapes = transformer_blocks(dim, depth) | {
        'pos_embed': (1, 1 + side * side, dim),
        'patch_embed.proj.weight': (dim, 3, 14, 14),
        'patch_embed.proj.bias': (dim,),
    }
    return shapes | ({'register_tokens': (1, registers, dim)} if registers else {})


def dinov3(dim: int, depth: int, heads: int) -> dict:
    return (
        transformer_blocks(dim, depth)
        | {
            'storage_tokens': (1, 4, dim),
            'rope_embed.periods': (dim // heads // 4,),
            'patch_embed.proj.weight': (dim, 3, 16, 16),
            'patch_embed.proj.bias': (dim,),
        }
        | {f'blocks.{block}.attn.qkv.bias_mask': (3 * dim,) for block in range(depth)}
    )


def dinov3_convnext(dims, depths) -> dict:
    shapes = {'downsample_layers.0.0.weight': (dims[0], 3, 4, 4)}
    shapes |= {'norm.weight': (dims[3],), 'norm.bias': (dims[3],)}
    shapes |= {'norms.3.weight': (dims[3],), 'norms.3.bias': (dims[3],)}  # the same tensors
    for number, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
        # the norm comes last in the stem, first in the others
        norm, conv = (1, 0) if number == 0 else (0, 1)
        before = dim if number == 0 else dims[number - 1]
        at = f'downsample_layers.{number}'
        shapes |= {f'{at}.{norm}.weight': (before,), f'{at}.{norm}.bias': (before,)}
        shapes |= {f'{at}.{conv}.bias': (dim,)}
        if number:
            shapes |= {f'{at}.{conv}.weight': (dim, before, 2, 2)}
        for block in range(depth):
            of_block = {
                'gamma': (dim,),
                'dwconv.weight': (dim, 1, 7, 7),
                'dwconv.bias': (dim,),
                'norm.weight': (dim,),
                'norm.bias': (dim,),
                'pwconv1.weight': (4 * dim, dim),
                'pwconv1.bias': (4 * dim,),
                'pwconv2.weight': (dim, 4 * dim),
                'pwconv2.bias': (dim,),
            }
            shapes |= {f'stages.{number}.{block}.{name}': s for name, s in of_block.items()}
    return shapes


@pytest.mark.parametrize(
    ('name', 'shapes'),
    [
        (DINOV2, dinov2(384, 12)),
        ('vit_base_patch14_dinov2.lvd142m', dinov2(768, 12)),
        ('vit_large_patch14_dinov2.lvd142m', dinov2(1024, 24)),
        ('vit_small_patch14_reg4_dinov2.lvd142m', dinov2(384, 12, registers=4)),
        (DINOV3, dinov3(384, 12, 6)),
        ('vit_base_patch16_dinov3.lvd1689m', dinov3(768, 12, 12)),
        (CONVNEXT, dinov3_convnext((96, 192, 384, 768), (3, 3, 9, 3))),
        (
            'convnext_small.dinov3_lvd1689m',
            dinov3_convnext((96, 192, 384, 768), (3, 3, 27, 3)),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_published_state_dicts_fit_at_full_size(name, shapes):
    """Without remainder; on the meta device, where a network costs nothing."""
    state = {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}
    network = create(
        name, pretrained=True, pretrained_cfg_overlay=dict(state_dict=dict(state)), device='meta'
    )
    assert not network.num_classes
    with pytest.raises(RuntimeError, match=r'Missing key'):
        del state['norm.weight'], state['norm.bias']
        create(name, pretrained=True, pretrained_cfg_overlay=dict(state_dict=state), device='meta')


RENAMED = {
    'storage_tokens': 'reg_token',
    '.ls1.gamma': '.gamma_1',
    '.ls2.gamma': '.gamma_2',
}


@pytest.mark.parametrize('name', [DINOV2, DINOV3, CONVNEXT])
@pytest.mark.parametrize('frozen', [False, True])
def test_weights_arrive(name, frozen, tmp_path):
    """A file with the authors' names, and one of timm's: every value is in its place."""
    shapes = {
        DINOV2: dinov2(16, 3, side=3),
        DINOV3: dinov3(16, 3, 2),
        CONVNEXT: dinov3_convnext((8, 8, 16, 16), (1, 1, 2, 1)),
    }[name]
    state = {key: torch.randn(shape) for key, shape in shapes.items()}
    path = tmp_path / 'weights.pth'
    torch.save(state, path)
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    options = dict(norm_maps=True, out_indices=(1, 3)) if name == CONVNEXT else {}
    model = build(name, frozen=frozen, init_cfg=init_cfg, **options)
    model.init_weights()
    found = model.net.state_dict()
    if name != CONVNEXT:  # most have the same names
        for key, value in state.items():
            for old, new in RENAMED.items() if name == DINOV3 else ():
                key = key.replace(old, new)
            if key in found:
                assert found[key].equal(value), key
        assert found.keys() - state.keys() <= {
            'reg_token',
            *(f'blocks.{block}.gamma_{number}' for block in range(3) for number in (1, 2)),
        }
    else:
        assert found['stem.0.weight'].equal(state['downsample_layers.0.0.weight'])
        assert found['stages.2.blocks.1.mlp.fc2.weight'].equal(state['stages.2.1.pwconv2.weight'])
        assert found['stages.3.downsample.1.weight'].equal(state['downsample_layers.3.1.weight'])
        assert model.norms[0].weight.eq(1).all() and len(model.norms) == 2
        assert model.norms[1].weight.equal(state['norm.weight'])
        assert model.norms[1].bias.equal(state['norm.bias'])
    assert not frozen or not any(p.requires_grad for p in model.parameters())

    again = tmp_path / 'timm.safetensors'
    from safetensors.torch import save_file

    complete = create(
        name, pretrained=True, pretrained_cfg_overlay=dict(file=str(path)), **SMALL[name]
    )
    save_file(complete.state_dict(), again)
    second = build(name, init_cfg=dict(type='Pretrained', checkpoint=str(again)))
    second.init_weights()
    assert all(value.equal(found[key]) for key, value in second.net.state_dict().items())


def test_later_blocks_are_left_out_with_their_weights(tmp_path):
    torch.save({k: torch.randn(s) for k, s in dinov2(16, 3, side=3).items()}, tmp_path / 'w.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'w.pth'))
    model = build(out_indices=(0, 1), init_cfg=init_cfg)
    model.init_weights()
    assert len(model.net.blocks) == 2 and len(model(torch.zeros(1, 3, 28, 28))) == 2


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        (lambda s: s.pop('blocks.1.ls1.gamma'), ValueError, r'Missing key.*blocks\.1\.ls1\.gamma'),
        (lambda s: s.update(extra=torch.zeros(1)), ValueError, r'Unexpected key.*"extra"'),
        (lambda s: s.clear(), ValueError, 'has no weights'),
        (lambda s: s.update({'norm.bias': torch.zeros(9)}), ValueError, r'norm\.bias'),
        (lambda s: s.update(code=pytest.raises), UnsafeCheckpoint, 'holds more than weights'),
    ],
)
def test_weights_of_another_network_are_refused(change, error, message, tmp_path):
    state = {key: torch.zeros(shape) for key, shape in dinov2(16, 3, side=3).items()}
    change(state)
    torch.save(state, tmp_path / 'w.pth')
    model = build(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'w.pth')))
    with pytest.raises(error, match=message) as caught:
        model.init_weights()
    assert 'w.pth' in str(caught.value) and '\n' not in str(caught.value)


def test_weights_that_cannot_be_had(tmp_path, monkeypatch):
    gone = build(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'gone.pth')))
    with pytest.raises(MissingWeights, match=r'gone\.pth cannot be loaded'):
        gone.init_weights()
    other = build(init_cfg=dict(type='Pretrained', checkpoint=f'timm://{DINOV3}'))
    with pytest.raises(ValueError, match='is of another network than vit_small_patch14'):
        other.init_weights()

    def offline(*args, **kwargs):
        raise OSError('no network')

    monkeypatch.setattr('timm.models._builder.load_state_dict_from_hf', offline)
    hub = build(init_cfg=dict(type='Pretrained', checkpoint=f'timm://{DINOV2}'))
    with pytest.raises(MissingWeights, match=f'timm://{DINOV2} cannot be loaded: no network'):
        hub.init_weights()


def test_weights_from_the_hub(monkeypatch):
    """timm asks for the repository of that name."""
    asked = []
    state = create(DINOV2, **SMALL[DINOV2]).state_dict()

    def hub(repository, *args, **kwargs):
        asked.append(repository)
        return dict(state)

    monkeypatch.setattr('timm.models._builder.load_state_dict_from_hf', hub)
    model = build(init_cfg=dict(type='Pretrained', checkpoint=f'timm://{DINOV2}'))
    model.init_weights()
    assert asked == [f'timm/{DINOV2}']
    assert all(value.equal(state[key]) for key, value in model.net.state_dict().items())


# ---------------------------------------------------------------- features


@pytest.mark.parametrize('name', SMALL)
def test_maps_equal_the_librarys_own(name):
    """The last map of a transformer is ``forward_features``; a ConvNeXt's are ``features_only``."""
    norm_maps = name == CONVNEXT
    indices = (0, 1, 2, 3) if norm_maps else (0, 2)
    model = build(name, out_indices=indices, norm_maps=norm_maps).eval()
    images = torch.randn(2, 3, 112, 224)
    maps = model(images)
    if norm_maps:
        own = create(name, features_only=True, **SMALL[name]).eval()
        own.load_state_dict(
            {
                k.replace('stages.', 'stages_').replace('stem.', 'stem_'): v
                for k, v in model.net.state_dict().items()
            }
        )
        for norm, found, expected in zip(model.norms, maps, own(images), strict=True):
            expected = expected.permute(0, 2, 3, 1)
            expected = F.layer_norm(expected, norm.normalized_shape, norm.weight, norm.bias, 1e-6)
            torch.testing.assert_close(found, expected.permute(0, 3, 1, 2))
        return
    own = create(name, num_classes=0, **SMALL[name]).eval()
    own.load_state_dict(model.net.state_dict())
    tokens = own.forward_features(images)
    patch = own.patch_embed.patch_size[0]
    expected = tokens[:, own.num_prefix_tokens :].transpose(1, 2)
    torch.testing.assert_close(maps[-1], expected.unflatten(2, (112 // patch, 224 // patch)))
    early = own.forward_intermediates(images, indices=[0], norm=True, intermediates_only=True)
    torch.testing.assert_close(maps[0], early[0])
    with_tokens = build(name, out_indices=indices, class_tokens=True).eval()
    with_tokens.load_state_dict(model.state_dict())
    for (found, token), expected in zip(with_tokens(images), maps, strict=True):
        assert found.equal(expected) and token.shape == (2, 16)
    torch.testing.assert_close(token, tokens[:, 0])


@pytest.mark.parametrize('name', [DINOV2, DINOV3])
def test_a_stride_of_16_resizes_by_the_patch(name):
    model = build(name, stride=16).eval()
    images = torch.randn(1, 3, 96, 160)
    patch = model.net.patch_embed.patch_size[0]
    resized = F.interpolate(images, (6 * patch, 10 * patch), mode='bilinear', antialias=True)
    if patch == 16:
        resized = images
    expected = model.net.forward_intermediates(
        resized, indices=[2], norm=True, intermediates_only=True
    )
    assert model(images)[0].equal(expected[0]) and expected[0].shape == (1, 16, 6, 10)


def test_a_token_is_a_cell_of_16_pixels_of_the_batch():
    model = build(stride=16)
    embeddings = []
    model.net.patch_embed.register_forward_hook(lambda *args: embeddings.append(args[2]))
    rows, columns = 5, 7
    for row in range(rows):
        for column in range(columns):
            image = torch.zeros(1, 3, rows * 16, columns * 16)
            image[:, :, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = 1
            model(image)
            tokens = embeddings.pop()
            assert tokens.shape == (1, rows, columns, 16)
            change = tokens[0].flatten(0, 1) - model.net.patch_embed.proj.bias
            assert change.norm(dim=-1).argmax() == row * columns + column
            # resizing spreads a cell by less than a pixel into its neighbours
            near = [
                r * columns + c
                for r in range(max(row - 1, 0), min(row + 2, rows))
                for c in range(max(column - 1, 0), min(column + 2, columns))
            ]
            change[near] = 0
            assert change.abs().max() < 1e-5


@pytest.mark.parametrize('size', [(40, 64), (64, 40)])
def test_sides_must_be_multiples_of_the_stride(size):
    with pytest.raises(ValueError, match=f'{size[0]} x {size[1]}.*pad_size_divisor'):
        build(stride=16)(torch.zeros(1, 3, *size))


def test_without_a_stride_any_size_goes_to_the_nearest_patches():
    model = build()
    shapes = [tuple(model(torch.zeros(1, 3, *size))[0].shape[2:]) for size in ((50, 61), (5, 43))]
    assert shapes == [(4, 4), (1, 3)]


@pytest.mark.parametrize('size', [(32, 64), (64, 32), (96, 96), (160, 288), (512, 320)])
def test_positions_are_interpolated_for_multiples_of_32(size):
    """DINOv2's table is resized by bicubic interpolation, row by row and column by column."""
    model = build(stride=16).double()
    rows, columns = size[0] // 16, size[1] // 16
    before = []
    model.net.norm_pre.register_forward_hook(lambda *args: before.append(args[2]))
    model.net.patch_embed.proj.weight.data.zero_()
    assert model(torch.zeros(1, 3, *size, dtype=torch.double))[0].shape[2:] == (rows, columns)
    table = model.net.pos_embed[:, 1:].float().unflatten(1, (3, 3)).permute(0, 3, 1, 2)
    expected = F.interpolate(table, (rows, columns), mode='bicubic', antialias=True)
    found = before[0][:, 1:] - model.net.patch_embed.proj.bias
    found = found.unflatten(1, (rows, columns)).permute(0, 3, 1, 2)
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-5)
    assert build(DINOV3, stride=16)(torch.zeros(1, 3, *size))[0].shape[2:] == (rows, columns)


def test_attention_keeps_no_matrix_of_all_pairs_of_tokens():
    model = build(stride=16).train()
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()), lambda t: t):
        model(torch.randn(1, 3, 512, 512))
    tokens = 32 * 32 + 1
    assert max(sizes) < tokens**2


# ---------------------------------------------------------------- training


@pytest.mark.parametrize('name', [DINOV2, DINOV3, CONVNEXT])
def test_frozen_has_no_gradients_no_graph_and_no_stochastic_depth(name):
    model = build(name, frozen=True, drop_path_rate=0.9, norm_maps=True).train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    images = torch.randn(2, 3, 64, 64)
    (output,) = model(images)
    assert output.grad_fn is None
    assert output.equal(model(images)[0])


@pytest.mark.parametrize('name', [DINOV2, DINOV3, CONVNEXT])
def test_not_frozen_trains_all_of_it(name):
    model = build(name, drop_path_rate=0.9).train()
    assert all(module.training for module in model.modules())
    images = torch.randn(8, 3, 64, 64)
    (output,) = model(images)
    assert not output.equal(model(images)[0])  # stochastic depth
    model = build(name, norm_maps=name == CONVNEXT).train()
    model(images)[0].pow(3).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, key
    assert not any(module.training for module in model.eval().modules())


def test_depths():
    def depths(model, names):
        return [model.get_layer_depth(f'student.backbone.{n}', 'student.backbone.') for n in names]

    names = ['net.cls_token', 'net.patch_embed.proj.weight', 'net.blocks.0.norm1.weight']
    names += ['net.blocks.2.mlp.fc2.bias', 'net.norm.weight']
    assert depths(build(), names) == [(layer, 5) for layer in (0, 0, 1, 3, 4)]
    assert depths(build(DINOV3), ['net.reg_token', *names[2:]]) == [(0, 5), (1, 5), (3, 5), (4, 5)]
    names = ['net.stem.0.weight', 'net.stages.0.blocks.0.gamma', 'net.stages.1.downsample.1.bias']
    names += ['net.stages.2.blocks.1.gamma', 'net.stages.3.blocks.0.gamma', 'norms.0.weight']
    convnext = build(CONVNEXT, norm_maps=True)
    assert depths(convnext, names) == [(layer, 7) for layer in (0, 1, 2, 4, 5, 6)]


# ---------------------------------------------------------------- what is wrong with a config


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match='has no network vit_small_dinov9'):
        MODELS.build(dict(type='mmpldc.TimmBackbone', name='vit_small_dinov9', out_indices=(1,)))
    with pytest.raises(ValueError, match=r"init_cfg must be dict\(type='Pretrained'"):
        build(init_cfg=dict(type='Normal', layer='Linear'))
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ImportError, match='pip install'):
        build()
