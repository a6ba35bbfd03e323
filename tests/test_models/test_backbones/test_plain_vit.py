"""A plain transformer's map: what it computes, where its tokens lie, and what frozen means."""

import sys

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn

mmpretrain_models = pytest.importorskip('mmpretrain.models')
DIMS, HEADS, LAYERS, PATCH = 16, 2, 2, 14
ARCH = dict(embed_dims=DIMS, num_heads=HEADS, num_layers=LAYERS, feedforward_channels=24)


def build(**options):
    """A transformer of 2 layers with patches of 14 and a positional embedding of 3 x 3."""
    config = dict(
        type='mmpldc.PlainViT',
        arch=ARCH,
        patch_size=PATCH,
        img_size=3 * PATCH,
        layer_scale_init_value=0.5,
    )
    model = MODELS.build(config | options)
    if 'init_cfg' not in options:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
    return model


def naive_forward(state, images):
    """The forward pass by its formulas, from the weights; images of 1 x 2 times 32 pixels."""
    weights = {name.removeprefix('vit.'): value for name, value in state.items()}

    def linear(x, name):
        return x @ weights[f'{name}.weight'].T + weights[f'{name}.bias']

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return scaled * weights[f'{name}.weight'] + weights[f'{name}.bias']

    rows, columns = images.shape[2] // 16, images.shape[3] // 16
    images = F.interpolate(images, (rows * PATCH, columns * PATCH), mode='bilinear', antialias=True)
    kernel = weights['patch_embed.projection.weight']
    tokens = torch.stack(
        [
            torch.einsum(
                'bcyx,ocyx->bo',
                images[:, :, r * PATCH : (r + 1) * PATCH, c * PATCH : (c + 1) * PATCH],
                kernel,
            )
            for r in range(rows)
            for c in range(columns)
        ],
        dim=1,
    )
    tokens = tokens + weights['patch_embed.projection.bias']
    grid = weights['pos_embed'][0, 1:].reshape(3, 3, DIMS).permute(2, 0, 1)[None]
    grid = F.interpolate(grid, (rows, columns), mode='bicubic')[0].flatten(1).T
    x = torch.cat(
        [
            (weights['cls_token'] + weights['pos_embed'][:, :1]).expand(len(images), -1, -1),
            tokens + grid,
        ],
        dim=1,
    )
    for layer in range(LAYERS):
        name = f'layers.{layer}'
        query, key, value = (
            linear(norm(x, f'{name}.ln1'), f'{name}.attn.qkv')
            .unflatten(-1, (3, HEADS, DIMS // HEADS))
            .permute(2, 0, 3, 1, 4)
        )
        attention = (query @ key.transpose(-1, -2) / (DIMS // HEADS) ** 0.5).softmax(-1) @ value
        attention = linear(attention.transpose(1, 2).flatten(2), f'{name}.attn.proj')
        x = x + attention * weights[f'{name}.attn.gamma1.weight']
        hidden = linear(norm(x, f'{name}.ln2'), f'{name}.ffn.layers.0.0')
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = x + linear(hidden, f'{name}.ffn.layers.1') * weights[f'{name}.ffn.gamma2.weight']
    return norm(x, 'ln1')[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))


@pytest.mark.parametrize('size', [(32, 64), (64, 32), (48, 48)])
def test_forward_equals_the_naive_one(size):
    model = build().double().eval()
    images = torch.randn(2, 3, *size, dtype=torch.double)
    (output,) = model(images)
    assert output.shape == (2, DIMS, size[0] // 16, size[1] // 16)
    # mmpretrain interpolates the positional embedding in single precision
    torch.testing.assert_close(
        output, naive_forward(model.state_dict(), images), rtol=1e-5, atol=1e-5
    )


def test_a_token_is_a_cell_of_16_pixels_of_the_batch():
    model = build()
    embeddings = []
    model.vit.patch_embed.register_forward_hook(lambda *args: embeddings.append(args[2]))
    rows, columns = 5, 7
    for row in range(rows):
        for column in range(columns):
            image = torch.zeros(1, 3, rows * 16, columns * 16)
            image[:, :, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = 1
            model(image)
            tokens, grid = embeddings.pop()
            assert grid == (rows, columns)
            change = tokens[0] - model.vit.patch_embed.projection.bias
            assert change.norm(dim=-1).argmax() == row * columns + column
            # resizing spreads a cell by less than a pixel into its neighbours
            near = [
                r * columns + c
                for r in range(max(row - 1, 0), min(row + 2, rows))
                for c in range(max(column - 1, 0), min(column + 2, columns))
            ]
            change[near] = 0
            assert change.abs().max() < 1e-5


def test_patches_of_16_need_no_resizing():
    model = build(patch_size=16, img_size=32).eval()
    images = torch.randn(1, 3, 32, 48)
    assert model(images)[0].equal(model.vit(images)[0])


@pytest.mark.parametrize('size', [(40, 64), (64, 40)])
def test_sides_must_be_multiples_of_16(size):
    with pytest.raises(ValueError, match=f'{size[0]} x {size[1]}.*pad_size_divisor'):
        build()(torch.zeros(1, 3, *size))


def test_attention_keeps_no_matrix_of_all_pairs_of_tokens():
    model = build().train()
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()), lambda t: t):
        model(torch.randn(1, 3, 512, 512))
    tokens = 32 * 32 + 1
    assert max(sizes) < tokens**2


def test_frozen_has_no_gradients_no_graph_and_no_stochastic_depth():
    model = build(frozen=True, drop_path_rate=0.9).train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    images = torch.randn(2, 3, 32, 32)
    (output,) = model(images)
    assert output.grad_fn is None
    assert output.equal(model(images)[0])


def test_not_frozen_trains_all_of_it():
    model = build(drop_path_rate=0.9).train()
    assert all(module.training for module in model.modules())
    images = torch.randn(8, 3, 32, 32)
    (output,) = model(images)
    assert not output.equal(model(images)[0])  # stochastic depth
    model = build().train()
    model(images)[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert not any(module.training for module in model.eval().modules())


@pytest.mark.parametrize('frozen', [False, True])
def test_weights_of_an_mmpretrain_checkpoint(tmp_path, frozen):
    """Its keys start with ``backbone.``; its positional embedding is of another image size."""
    arguments = dict(arch=ARCH, patch_size=PATCH, layer_scale_init_value=1e-5)
    transformer = mmpretrain_models.VisionTransformer(img_size=2 * PATCH, **arguments)
    classifier = nn.ModuleDict(dict(backbone=transformer))
    for parameter in classifier.parameters():
        nn.init.normal_(parameter)
    path = str(tmp_path / 'dinov2.pth')
    torch.save(dict(state_dict=classifier.state_dict()), path)
    model = build(
        frozen=frozen, init_cfg=dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    )
    model.init_weights()
    loaded, source = model.vit.state_dict(), classifier['backbone'].state_dict()
    assert loaded.keys() == source.keys()
    resized = loaded.pop('pos_embed'), source.pop('pos_embed')
    assert [len(table[0]) for table in resized] == [10, 5]
    assert resized[0][:, 0].equal(resized[1][:, 0])  # of the class token
    for name in source:
        assert loaded[name].equal(source[name]), name


def test_error_without_mmpretrain(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmpretrain.models', None)
    with pytest.raises(ImportError, match='pip install onedl-mmpretrain'):
        build()
