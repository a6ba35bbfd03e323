"""Numbers worked out for somebody's data, against arithmetic by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmpldc.datasets.starter_backbones import read_backbone
from mmpldc.datasets.starter_config import (
    Start,
    fill_in,
    free_path,
    is_edited,
    start_from,
    with_mark,
)
from mmpldc.datasets.starter_sizes import (
    BASE,
    SMALL,
    TINY,
    limits_for,
    passes_for,
    schedule_for,
    schedule_of,
    size_for,
    training_side,
)

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    ('num_images', 'batch_size', 'expected'),
    [
        # passes, max_iters, burn_in_iters, ema_steps, keep_rate
        (700, 8, (4375, 10000, 2000, 500, 0.998)),
        (8000, 8, (50000, 50000, 10000, 2500, 0.9996)),
        (4000, 8, (25000, 25000, 5000, 1250, 0.9992)),
        (118287, 16, (369646, 368750, 20000, 2500, 0.9996)),
    ],
)
def test_schedule(num_images, batch_size, expected):
    schedule = schedule_for(num_images, batch_size)
    assert expected == (
        passes_for(num_images, batch_size),
        schedule.max_iters,
        schedule.burn_in_iters,
        schedule.ema_steps,
        schedule.keep_rate,
    )


@pytest.mark.parametrize(
    ('iters', 'size', 'expected'),
    [
        # max_iters, burn_in_iters, ema_steps
        (1500, TINY, (1500, 900, 100)),
        (4009, TINY, (4000, 2400, 200)),
        (333, SMALL, (330, 66, 500)),
        (3, TINY, (10, 6, 100)),
    ],
)
def test_schedule_of_some_steps(iters, size, expected):
    schedule = schedule_of(iters, size)
    assert expected == (schedule.max_iters, schedule.burn_in_iters, schedule.ema_steps)


def test_tiny_has_one_length():
    assert {schedule_for(n, 8, TINY).max_iters for n in (20, 120, 100000)} == {1500}


def test_sizes_by_device():
    assert size_for(None) is TINY
    assert size_for(8 * 2**30) is SMALL and size_for(24 * 2**30) is BASE


@pytest.mark.parametrize(
    ('most', 'size', 'expected'),
    [
        (1, TINY, (20, 20)),
        (16, TINY, (20, 20)),
        (17, TINY, (30, 30)),
        (80, BASE, (100, 100)),
        (300, BASE, (380, 380)),
        (0, TINY, (20, 20)),
    ],
)
def test_queries_are_more_than_objects(most, size, expected):
    assert limits_for(most, size) == expected


def test_starts(tmp_path):
    resnet, detector, other = (tmp_path / name for name in ('r50.pth', 'm2f.pth', 'x.pth'))
    torch.save({'layer4.2.conv2.weight': torch.zeros(1)}, resnet)
    torch.save(dict(state_dict={'panoptic_head.cls_embed.bias': torch.zeros(1)}), detector)
    torch.save({'fc.weight': torch.zeros(1)}, other)
    r50, vit = (read_backbone(CONFIGS, name) for name in ('r50', 'dinov2_s'))
    plain = Start('r50', 'torchvision://resnet50')
    assert start_from('imagenet', 'pytorch', r50) == plain
    assert start_from('coco', 'pytorch', r50) == replace(plain, load_from=r50.coco_detector)
    start = start_from(str(resnet), 'caffe', r50)
    assert start == replace(plain, backbone_weights=str(resnet), backbone_style='caffe')
    start = start_from(str(detector), 'pytorch', vit, 'tuned')
    published = 'timm://vit_small_patch14_dinov2.lvd142m'
    assert start == Start('dinov2_s', published, 'tuned', load_from=str(detector))
    assert start.config()['model'] == dict(backbone=dict(init_cfg=None))
    with pytest.raises(ValueError, match='no Mask2Former of COCO on dinov2_s'):
        start_from('coco', 'pytorch', vit)
    with pytest.raises(FileNotFoundError, match=r'no\.pth'):
        start_from(str(tmp_path / 'no.pth'), 'pytorch', r50)
    with pytest.raises(ValueError, match=r'x\.pth has weights of neither'):
        start_from(str(other), 'pytorch', r50)


def test_backbones():
    dinov3, convnext = (read_backbone(CONFIGS, n) for n in ('dinov3_s', 'dinov3_convnext_t'))
    assert (dinov3.learning_rate, convnext.learning_rate) == (5e-6, 1e-4)
    r18 = read_backbone(CONFIGS, 'r18')
    assert r18.has_deeplab and not dinov3.has_deeplab and not convnext.has_deeplab
    assert r18.learning_rate == 0.002  # of 16 + 16 images
    with pytest.raises(ValueError, match=r'no backbone dinov4; there are dinov2_b, .*swin_t$'):
        read_backbone(CONFIGS, 'dinov4')


@pytest.mark.parametrize(('longer', 'side'), [(40, 192), (200, 224), (384, 256)])
def test_side_of_tiny(longer, side):
    assert training_side([(longer, 30)], TINY) == side


@pytest.mark.parametrize(
    ('sizes', 'side'),
    [
        ([(640, 480)], 640),
        ([(100, 80), (481, 640), (384, 300)], 384),
        ([(385, 300)], 416),
        ([(40, 30)], 256),
        ([(4000, 3000)], 1024),
        ([(320, 200), (200, 321)], 320),
    ],
)
def test_side(sizes, side):
    assert training_side(sizes) == side


TEMPLATE = '''"""Doc."""

# about a
a = (
    1,
    2,
)
b = 'x'
c = dict(a=a, b=b)
'''


def test_fill_in_changes_assignments_and_nothing_else():
    text = fill_in(TEMPLATE, dict(b="it's", a=[3]), dict(a='ours'))
    assert text == '"""Doc."""\n\n# about a\na = [3]  # ours\nb = "it\'s"\nc = dict(a=a, b=b)\n'


@pytest.mark.parametrize(
    'value', [('ring', '{{ fileDirname }}'), dict(img='/x/{{ $HOME:a }}/y'), ['a{{b}}']]
)
def test_fill_in_refuses_what_mmengine_would_replace(value):
    with pytest.raises(ValueError, match=r"b: .* in double braces .* '\{\{.*\}\}': rename it"):
        fill_in(TEMPLATE, dict(b=value), {})
    assert fill_in(TEMPLATE, dict(b='{a}} {{b}'), {})


def test_fill_in_needs_the_name():
    with pytest.raises(KeyError, match='d'):
        fill_in(TEMPLATE, dict(d=1), {})


@pytest.mark.parametrize(
    ('change', 'edited'),
    [
        (lambda text: text, False),
        (lambda text: text + '# mine\n', True),
        (lambda text: text.replace('a = 1', 'a = 2'), True),
        (lambda text: text.rsplit('#', 1)[0], True),
        (lambda text: '', True),
    ],
)
def test_an_edited_config_is_known(change, edited, tmp_path):
    text = change(with_mark('a = 1\nb = 2\n'))
    assert is_edited(text) == edited
    path = tmp_path / 'pldc.py'
    path.write_text(text)
    new = with_mark('a = 3\n')
    assert free_path(path, new).name == ('pldc_2.py' if edited else 'pldc.py')
    assert free_path(path, text) == path
