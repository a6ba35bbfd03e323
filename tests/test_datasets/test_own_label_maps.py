"""A pair of configs made for somebody's label maps, as different as they come."""

import json
import os
import runpy
import shlex
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmpldc.datasets.checks import check_run
from mmpldc.datasets.image_header import ImageHeader
from mmpldc.datasets.label_maps import UnusableLabelMap, read_label_map
from mmpldc.datasets.own_label_maps import read_classes
from mmpldc.datasets.own_label_maps.fitting import fit_to_image
from mmpldc.datasets.own_label_maps.pairing import pair
from mmpldc.datasets.own_label_maps.reading import read_contents

pytest.importorskip('mmseg')
TOOLS = Path(__file__).parents[2] / 'tools'
CLASSES = ('ground', 'cat', 'dog')
COLORS = [(0, 0, 0), (250, 0, 10), (0, 128, 255)]


def save(path: Path, values: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if 'palette' in options:
        image.putpalette(options.pop('palette'))
    image.save(path, **options)


@pytest.fixture
def data(tmp_path):
    """Ten images of 96 x 64; six have a label map with each of three classes, and 255."""
    rng = np.random.default_rng(0)
    names = [f'{i}.jpg' for i in range(5)] + [f'more/{i}.png' for i in range(5, 10)]
    truth = {}
    for name in names:
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (8, 12, 3), np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(coarse, (96, 64)))
    for name in names[2:8]:
        values = rng.integers(0, 3, (4, 6)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
        values[0, :3] = 0, 1, 2
        values[-1] = 255
        truth[name] = values
    return SimpleNamespace(
        root=tmp_path, names=names, truth=truth, images=tmp_path / 'photos', maps=tmp_path / 'maps'
    )


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


def write(data, convert=lambda values: values, name=lambda stem: f'{stem}.png', **options):
    for image, values in data.truth.items():
        stem = name(str(Path(image).with_suffix('')))
        save(data.maps / stem, convert(values), **options)


@pytest.fixture
def run(data, monkeypatch, capsys):
    monkeypatch.syspath_prepend(TOOLS / 'dataset')

    def run(*args, classes=CLASSES, images=data.images, maps=data.maps):
        given = ['--images', images, '--label-maps', maps, '--classes', *classes]
        args = [*given, '--out-dir', data.root / 'mine', '--size', 'tiny', *args]
        monkeypatch.setattr('sys.argv', ['new_config.py', *map(str, args)])
        code = 0
        try:
            runpy.run_path(str(TOOLS / 'dataset/new_config.py'), run_name='__main__')
        except SystemExit as end:
            code = end.code
        return SimpleNamespace(code=code, out=capsys.readouterr().out)

    return run


def names_in(data, part):
    return (data.root / f'mine/{part}.txt').read_text().splitlines()


def written(data, image):
    return np.array(Image.open(data.root / f'mine/label_maps/train/{image}.png'))


def assert_truth(data):
    for image, values in data.truth.items():
        np.testing.assert_array_equal(written(data, image), values)


def test_configs_sets_and_checks(run, data):
    write(data)
    result = run()
    assert result.code == 0, result
    assert_truth(data)
    labeled, val = names_in(data, 'labeled'), names_in(data, 'val')
    assert {*labeled, *val} == set(data.truth) and not {*labeled} & {*val} and val
    assert set(names_in(data, 'unlabeled')) == {*data.names[:2], *data.names[8:]}
    lines = [shlex.split(line) for line in result.out.splitlines()[-4:]]
    configs = [Path(line[2]).name for line in lines]
    assert configs == ['supervised.py', 'supervised.py', 'unimatch.py', 'unimatch.py']
    for name, unlabeled in ('supervised.py', 0), ('unimatch.py', 4):
        cfg = Config.fromfile(data.root / 'mine' / name)
        assert cfg.model.num_classes == 3 and cfg.train_cfg.max_iters == 2000
        assert cfg.model.backbone.depth == 18 and cfg.crop_size == (193, 193)
        checked = check_run(cfg)
        assert not checked.errors and not checked.warnings, checked.markdown()
        sizes = {one.name: one.num_images for one in checked.label_maps}
        assert sizes.get('unlabeled', 0) == unlabeled and sizes['labeled'] == len(labeled)


def test_another_backbone(run, data):
    write(data)
    assert run('--backbone', 'dinov3_s', '--backbone-mode', 'frozen').code == 0
    cfg = Config.fromfile(data.root / 'mine/unimatch.py')
    assert '_delete_' not in str(cfg.model) and '_delete_' not in str(cfg.optim_wrapper)
    assert cfg.model.backbone.frozen and cfg.model.backbone.name.startswith('vit_small_patch16')
    assert cfg.model.segmentor.decode_head.type == 'mmseg.DPTHead'
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr) == ('AdamW', 5e-6 * 8 / 32)
    assert cfg.optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult == 40
    assert 'there is no backbone x; there are' in run('--backbone', 'x').code
    assert '--batch-size 1000 is more than' in run('--batch-size', 1000).code
    line = run('--backbone', 'swin_t', '--method', 'u2pl').code
    assert line == (
        'new_config.py: u2pl needs DeepLabv3+: take a ResNet for --backbone, or another --method'
    )


def of_colors(values):
    return np.array([*COLORS, *[(255, 255, 255)] * 253], np.uint8)[values]


CVAT = '# label:color_rgb:parts:actions\nground:0,0,0::\ncat:250,0,10::\ndog:0,128,255::\n'
CAMVID = 'name,r,g,b\nground,0,0,0\ncat,250,0,10\ndog,0,128,255\n'
LISTS = dict(
    cvat=CVAT + 'void:255,255,255::\n',
    camvid=CAMVID + 'Void,255,255,255\n',
    numbers='0 0 0 ground\n250 0 10\tcat\n0 128 255 dog\n255 255 255 void\n',
    hex='ground #000000\ncat #fa000a\ndog #0080ff\nvoid #ffffff\n',
)


@pytest.mark.parametrize('kind', LISTS)
def test_colours(run, data, kind):
    write(data, of_colors)
    listed = data.root / 'classes.txt'
    listed.write_text(LISTS[kind])
    assert run(classes=[listed]).code == 0
    assert_truth(data)
    base = Config.fromfile(data.root / 'mine/base.py')
    assert base.classes == CLASSES and list(map(tuple, base.palette)) == COLORS


WHITE_FIRST = 'cat,255,255,255\nbackground,0,0,0\n'
LEVELS = {
    'grey': (WHITE_FIRST, lambda v: np.where(v == 1, 255, 0).astype(np.uint8), 'grey colours'),
    '1 bit': (WHITE_FIRST, lambda v: v == 1, 'grey colours'),
    'numbers': ('cat,1,1,1\nbackground,0,0,0\n', lambda v: (v == 1).astype(np.uint8), 'grey col'),
    'in order': ('background,0,0,0\ncat,9,0,0\n', lambda v: (v == 1).astype(np.uint8), 'in the o'),
    'black and white': (  # of a list with other colours, such as CVAT's
        'background,0,0,0\ncat,250,50,83\n',
        lambda v: np.where(v == 1, 255, 0).astype(np.uint8),
        "255 is taken for 'cat'",
    ),
    'many colours': (  # one of which is grey by chance
        'background,120,120,120\ncat,1,1,1\nroad,200,0,0\n',
        lambda v: (v == 1).astype(np.uint8),
        'in the o',
    ),
    'told': (
        '1,cat,255,255,255\n0,background,0,0,0\n',
        lambda v: (v == 1).astype(np.uint8),
        '',
    ),
    'told bit': ('1,cat,255,255,255\n0,background,0,0,0\n', lambda v: v == 1, ''),
}


@pytest.mark.parametrize('kind', LEVELS)
def test_numbers_of_classes_with_colours(run, data, kind):
    lines, convert, words = LEVELS[kind]
    write(data, convert)
    listed = data.root / 'classes.csv'
    listed.write_text(lines)
    result = run(classes=[listed])
    assert result.code == 0 and words in result.out, result
    assert words or 'taken' not in result.out
    base = Config.fromfile(data.root / 'mine/base.py')
    for image, values in data.truth.items():
        found = np.array(base.classes)[written(data, image)] == 'cat'
        np.testing.assert_array_equal(found, values == 1)


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        ('cat,255,255,255\nbackground,0,0,0\n', 'has 0, a grey colour of --classes, and 1, which'),
        ('1,cat,0,0,0\n0,background,1,1,1\n', '0 is the number of one class and the grey of an'),
    ],
)
def test_numbers_that_may_be_colours(run, data, lines, words):
    write(data, lambda v: (v == 1).astype(np.uint8))
    listed = data.root / 'classes.csv'
    listed.write_text(lines)
    result = run(classes=[listed])
    assert 'nothing was' in result.code and words in result.out


def test_palette_by_index_or_by_colour(run, data):
    palette = np.zeros((256, 3), np.uint8)
    palette[:3], palette[255] = COLORS, 255
    write(data, palette=palette.tobytes())
    assert run().code == 0
    assert_truth(data)
    order = np.arange(256, dtype=np.uint8)
    order[:3] = 7, 9, 8  # indices say nothing, colours do
    moved = np.zeros((256, 3), np.uint8)
    moved[[7, 9, 8]], moved[255] = COLORS, 255
    write(data, lambda values: order[values], palette=moved.tobytes())
    listed = data.root / 'classes.txt'
    listed.write_text(LISTS['cvat'])
    assert run(classes=[listed]).code == 0
    assert_truth(data)
    moved[9] = moved[7]
    write(data, lambda values: order[values], palette=moved.tobytes())
    assert 'indices 7 and 9, which its palette both shows as' in run(classes=[listed]).out


def with_palettes(data, *orders, colors=None, suffix='png'):
    """The label maps as palette images, each with its colours in another order."""
    for row, (image, values) in enumerate(data.truth.items()):
        order = orders[row % len(orders)]
        table = np.zeros((256, 3), np.uint8)
        indices = values.copy()
        for index, label in enumerate(order):
            table[index] = colors[label] if colors else label
            indices[values == label] = index
        table[255] = 255
        path = data.maps / Path(image).with_suffix(f'.{suffix}')
        save(path, indices, palette=table.tobytes())


GREYS = {0: (0,) * 3, 1: (128,) * 3, 2: (255,) * 3}


@pytest.mark.parametrize('orders', [[(1, 2, 0)], [(0, 1, 2), (2, 0, 1)]], ids=['one', 'two'])
def test_grey_palettes_in_an_order_of_their_own(run, data, orders):
    with_palettes(data, *orders)
    result = run()
    assert result.code == 0 and 'grey levels are taken for numbers' in result.out
    assert_truth(data)


def test_a_quantized_binary_mask(run, data):
    for image, values in data.truth.items():
        path = data.maps / Path(image).with_suffix('.png')
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((values == 1).astype(np.uint8) * 255).quantize(2).save(path)
    result = run(classes=('background', 'cat'))
    assert result.code == 0 and 'grey levels are taken for numbers' in result.out
    for image, values in data.truth.items():
        np.testing.assert_array_equal(written(data, image), values == 1)
    assert 'new_config.py: nothing was' in run(classes=CLASSES).code


@pytest.mark.parametrize(
    ('orders', 'colors', 'suffix', 'words'),
    [
        ([(0, 1, 2), (0, 2, 1)], COLORS, 'png', 'each file numbers its colours by itself'),
        ([(0, 1, 2), (0, 2, 1)], COLORS, 'gif', 'each file numbers its colours by itself'),
        ([(0, 1, 2), (0, 2, 1)], GREYS, 'png', 'each file numbers its colours by itself'),
        ([(1, 0, 2)], COLORS, 'png', 'index 1 of the palette is black, 0 is (250, 0, 10)'),
        ([(2, 1, 0)], GREYS, 'png', 'index 2 of the palette is black, 0 is (255, 255, 255)'),
    ],
)
def test_palettes_whose_order_a_program_chose(run, data, orders, colors, suffix, words):
    """No choice of label maps settles what the indices mean; colours or numbers do."""
    with_palettes(data, *orders, colors=colors, suffix=suffix)
    for args in (), ('--drop-invalid',):
        result = run(*args)
        assert words in result.out and 'new_config.py: nothing was' in result.code
    assert suffix == 'gif' or run('--values', 0, 1, 2).code == 0  # GIF moves 255
    listed = data.root / 'classes.txt'
    lines = [' '.join(map(str, (*colors[n], name))) for n, name in enumerate(CLASSES)]
    white = [] if colors is GREYS else ['255 255 255 void']
    listed.write_text('\n'.join([*lines, *white]))
    result = run(classes=[listed])
    if white:
        assert result.code == 0
        assert_truth(data)
    else:
        assert 'and 255, which its palette both shows as (255, 255, 255)' in result.out


def test_grey_palettes_beside_coloured_ones(run, data):
    """Level and index are the same in what Pillow writes of a grey image."""
    with_palettes(data, (0, 1, 2), colors=COLORS)
    for image, values in list(data.truth.items())[:2]:
        Image.fromarray(values).convert('P').save(data.maps / Path(image).with_suffix('.png'))
    assert run().code == 0
    assert_truth(data)


def test_palettes_of_a_validation_set_that_differ(run, data):
    """In each folder all are equal."""
    with_palettes(data, (0, 1, 2), colors=COLORS)
    args = ['--val-label-maps', data.root / 'val_maps']
    data.truth = {name: data.truth[name] for name in data.names[2:4]}
    for order, words in ((0, 1, 2), ''), ((0, 2, 1), 'in the label maps to train on'):
        data.maps = data.root / 'val_maps'
        with_palettes(data, order, colors=COLORS)
        for name in data.truth:
            (data.root / 'maps' / name).with_suffix('.png').unlink(missing_ok=True)
        result = run(*args, maps=data.root / 'maps')
        assert words in result.out and (result.code == 0) == (not words), result


@pytest.mark.parametrize('colors', [GREYS, [(50, 60, 70), *COLORS[1:]], [(0, 0, 0)] * 3])
def test_one_palette_without_black_elsewhere_is_read_by_index(run, data, colors):
    with_palettes(data, (0, 1, 2), colors=colors)
    assert run().code == 0
    assert_truth(data)


REPAIRED = {
    '16 bits': (lambda v: v.astype(np.uint16), {}, ''),
    '16 bits, 65535': (
        lambda v: np.where(v == 255, np.uint16(65535), v.astype(np.uint16)),
        {},
        '65535 is taken for no label',
    ),
    'three channels': (lambda v: np.stack([v] * 3, -1), {}, 'three equal channels'),
    'numbered from 1': (
        lambda v: np.where(v == 255, v, v + 1).astype(np.uint8),
        {},
        "numbered from 1: 1 is 'ground'",
    ),
    '0 is no label': (
        lambda v: np.where(v == 255, 0, v + 1).astype(np.uint8),
        dict(args=['--ignore', 0]),
        "1 is 'ground'",
    ),
    'own numbers': (
        lambda v: np.array([7, 24, 26, *[4] * 253], np.uint8)[v],
        dict(args=['--values', 7, 24, 26, '--ignore', 4]),
        '',
    ),
    'float': (lambda v: v.astype(np.float32), dict(name=lambda s: f'{s}.tif'), 'as fractions'),
    'tif': (lambda v: v, dict(name=lambda s: f'{s}.TIF'), ''),
    'bmp': (lambda v: v, dict(name=lambda s: f'{s}.bmp'), ''),
    'gif': (lambda v: v, dict(name=lambda s: f'{s}.gif'), ''),
    '_mask': (lambda v: v, dict(name=lambda s: f'{s}_mask.png'), "'_mask' in their names"),
    'labelIds': (
        lambda v: v,
        dict(name=lambda s: f'{s}_gtFine_labelIds.png'),
        "'_gtFine_labelIds' in their names",
    ),
    'flat': (lambda v: v, dict(name=lambda s: f'{Path(s).name}.png'), ''),
}


@pytest.mark.parametrize('kind', REPAIRED)
def test_repaired_with_a_word(run, data, kind):
    convert, options, words = REPAIRED[kind]
    args = options.get('args', ())
    write(data, convert, **{key: value for key, value in options.items() if key != 'args'})
    result = run(*args)
    assert result.code == 0, result
    assert words in result.out
    is_repaired = any(line.startswith('repaired') for line in result.out.splitlines())
    assert is_repaired == bool(words)
    assert_truth(data)


def test_a_binary_mask(run, data):
    write(data, lambda v: np.where(v == 1, 255, 0).astype(np.uint8))
    result = run(classes=('background', 'cat'))
    assert result.code == 0 and "nothing but 0 and 255: 255 is taken for 'cat'" in result.out
    for image, values in data.truth.items():
        np.testing.assert_array_equal(written(data, image), values == 1)


def binary(bright):
    return lambda v: np.where(v == 1, bright, 0).astype(np.uint8)


def test_binary_masks_of_two_kinds(run, data):
    """In two folders each is read by itself; in one, 255 may be a class or no label."""
    classes = ('background', 'cat')
    names = sorted(data.truth)
    write(data, binary(1))
    for name in names[:2]:
        stem = Path(name).with_suffix('.png')
        (data.maps / stem).unlink()
        save(data.root / 'val_maps' / stem, binary(255)(data.truth[name]))
    result = run('--val-label-maps', data.root / 'val_maps', classes=classes)
    assert result.code == 0 and f'{data.root / "val_maps"}: nothing but 0 and 255' in result.out
    for image, values in data.truth.items():
        part = 'val' if image in names[:2] else 'train'
        path = data.root / f'mine/label_maps/{part}/{image}.png'
        np.testing.assert_array_equal(np.array(Image.open(path)), values == 1)
    for stray in False, True:
        write(data, binary(255))
        one = data.truth[names[0]]
        save((data.maps / names[0]).with_suffix('.png'), stray + binary(1 + 253 * stray)(one))
        result = run(classes=classes)
        assert 'nothing was written' in result.code
        assert '--ignore 255 if 255 means no label' in result.out
    listed = data.root / 'classes.txt'
    listed.write_text('0 background\n1 cat\n255 cat\n')
    write(data, binary(255))
    assert run(classes=[listed]).code == 0
    assert run('--ignore', 1, classes=CLASSES).code


def test_another_size_of_the_same_shape_is_resized(run, data):
    write(data, lambda v: v[::2, ::2])
    result = run()
    assert result.code == 0 and '32 x 48' in result.out.replace('48 x 32', '32 x 48')
    for image, values in data.truth.items():
        assert written(data, image).shape == values.shape
        assert (written(data, image) == values).mean() > 0.95


@pytest.mark.parametrize('orientation', [6, 8])
def test_a_label_map_is_turned_with_its_image(run, data, orientation):
    """Cameras write how an image is turned; the label map was drawn on the stored pixels."""
    write(data)
    photo = data.images / data.names[2]
    image = Image.open(photo)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(photo, exif=exif)
    result = run()
    assert result.code == 0 and "turned as its image's EXIF orientation says" in result.out
    expected = np.rot90(data.truth[data.names[2]], -1 if orientation == 6 else 1)
    np.testing.assert_array_equal(written(data, data.names[2]), expected)
    assert cv2.imread(str(photo)).shape[:2] == expected.shape
    assert not check_run(Config.fromfile(data.root / 'mine/unimatch.py')).errors
    label_map = data.maps / f'{Path(data.names[2]).with_suffix("")}.png'
    with Image.open(label_map) as image:
        image.load()
    image.save(label_map, exif=exif)
    assert f'has an EXIF or TIFF orientation ({orientation}), which some' in run().out
    with pytest.raises(UnusableLabelMap, match='orientation'):
        read_label_map(label_map)


REFUSED = {
    'too many': (lambda v: np.where(v == 2, 7, v).astype(np.uint8), 'has the values 7'),
    'one name too few': (
        lambda v: np.where(v == 255, 3, v).astype(np.uint8),
        'if 0 is the background, name it first; if 0 means no label, --ignore 0',
    ),
    'colours': (of_colors, "a file with a line 'R G B name' for each class"),
    'shape': (lambda v: v[:, :64], 'has another shape than its image'),
    'from 0 or 1': (
        lambda v: np.where(v == 255, v, np.maximum(v, 1)).astype(np.uint8),
        "--ignore 0 if 1 is 'ground'; --values 0 1 2 if 0 is",
    ),
    'nothing but 255': (lambda v: np.where(v == 1, 255, 0).astype(np.uint8), 'name the two'),
    'fractions': (lambda v: v.astype(np.float32) + 0.5, 'has fractions'),
}


@pytest.mark.parametrize('stray', [3, 200])
def test_leaving_out_label_maps_does_not_settle_what_0_is(run, data, stray):
    """As in ADE20K: one map has the last of the classes, which are numbered from 1."""
    write(data)
    shown = data.truth['3.jpg'].copy()
    shown[:32], shown[32:33] = 3, stray
    save(data.maps / '3.png', shown)
    for args in (), ('--drop-invalid',):
        result = run(*args)
        assert 'nothing was' in result.code and 'if 0 means no label, --ignore 0' in result.out
    assert run('--values', 0, 1, 2, '--drop-invalid').code == 0
    assert '3.jpg' in names_in(data, 'unlabeled')
    assert run('--ignore', 0, stray).code == 0


@pytest.mark.parametrize('kind', REFUSED)
def test_refused_with_one_line(run, data, kind):
    convert, words = REFUSED[kind]
    write(data, convert, name=lambda s: f'{s}.tif')
    result = run()
    assert isinstance(result.code, str) and result.code.startswith('new_config.py: nothing was')
    errors = [line for line in result.out.splitlines() if line.startswith('error')]
    assert len(errors) == 1 and words in errors[0], errors
    assert kind == 'nothing but 255' or '.tif' in errors[0]
    assert not (data.root / 'mine').exists()


@pytest.mark.parametrize(
    ('break_it', 'words'),
    [
        (lambda d: save(d.maps / 'lost.png', np.zeros((64, 96), np.uint8)), 'belongs to no image'),
        (lambda d: (d.maps / '3.png').write_bytes(b'no image'), 'cannot be decoded'),
        (lambda d: save(d.maps / '3.png', d.truth['3.jpg'][:32]), 'has another shape'),
        (lambda d: save(d.maps / '3.png', np.full_like(d.truth['3.jpg'], 9)), 'has the values 9'),
        (lambda d: save(d.images / '3.bmp', np.zeros((64, 96), np.uint8)), 'several images have'),
        (lambda d: save(d.maps / '3_x.png', d.truth['3.jpg']), 'one of 2 label maps of its image'),
        (lambda d: cut(d.images / '3.jpg'), 'cut off'),
        (lambda d: save(d.images / '3.jpg', np.zeros((1, 600), np.uint8)), 'an image of 600 x 1'),
    ],
    ids=['lost', 'broken', 'shape', 'value', 'images', 'maps', 'photo', 'strip'],
)
def test_invalid_label_maps_can_be_left_out(run, data, break_it, words):
    write(data)
    break_it(data)
    result = run()
    assert '--drop-invalid leaves such label maps out' in result.code and words in result.out
    assert not (data.root / 'mine').exists()
    assert run('--drop-invalid', '--skip-unreadable').code == 0
    assert words in (data.root / 'mine/left_out.txt').read_text()
    used = {*names_in(data, 'labeled'), *names_in(data, 'val')}
    if words != 'cut off':
        assert ('3.jpg' in names_in(data, 'unlabeled')) == ('3.jpg' not in used)


@pytest.mark.parametrize(
    ('suffix', 'options', 'is_lossy'),
    [
        ('.webp', dict(quality=100), True),
        ('.webp', dict(lossless=True), False),
        ('.tif', dict(compression='jpeg'), True),
        ('.tif', dict(compression='tiff_lzw'), False),
        ('.jpg', {}, True),
    ],
)
def test_what_is_stored_with_loss_is_refused(data, suffix, options, is_lossy):
    path = data.maps / f'map{suffix}'
    values = data.truth[data.names[2]]
    save(path, np.stack([values] * 3, -1) if suffix == '.webp' else values, **options)
    if is_lossy:
        with pytest.raises(UnusableLabelMap, match='which changes numbers: save label maps as PNG'):
            read_contents(path, by_color=False)
    else:
        assert read_contents(path, by_color=False).values.tolist() == [0, 1, 2, 255]


def test_several_label_maps_of_an_image(run, data):
    write(data, name=lambda s: f'{s}_labelIds.png')
    write(data, of_colors, name=lambda s: f'{s}_color.png')
    result = run()
    assert '--map-suffix' in result.out and 'nothing was written' in result.code
    assert run('--map-suffix', '_labelIds.png').code == 0
    assert_truth(data)


def test_images_and_label_maps_in_one_folder(run, data):
    data.maps = data.images
    write(data, name=lambda s: f'{s}_mask.png')
    assert 'tell them apart by --map-suffix' in run(maps=data.maps).code
    assert 'correct --map-suffix' in run('--map-suffix', 'mask.PNG', maps=data.maps).out
    assert run('--map-suffix', '_mask.png', maps=data.maps).code == 0
    assert set(names_in(data, 'unlabeled')) == {*data.names[:2], *data.names[8:]}


def test_label_maps_in_a_folder_of_the_images_are_no_images(run, data):
    data.maps = data.images / 'masks'
    write(data)
    assert run(maps=data.maps).code == 0
    assert set(names_in(data, 'unlabeled')) == {*data.names[:2], *data.names[8:]}


@pytest.mark.parametrize('out', ['', 'photos'])
def test_output_around_the_images(run, data, out):
    """Beside their folder, or in it: twice, when label maps of ours are there."""
    write(data)
    for _ in range(2):
        result = run('--out-dir', data.root / out)
        assert result.code == 0, result
        unlabeled = (data.root / out / 'unlabeled.txt').read_text().splitlines()
        assert set(unlabeled) == {*data.names[:2], *data.names[8:]}


def test_label_maps_in_a_folder_above_the_images(run, data):
    """Photographs below it are no label maps."""
    write(data)
    assert run(maps=data.root).code == 0
    assert_truth(data)
    (data.root / 'alone').mkdir()
    data.images.rename(data.root / 'alone/photos')
    result = run(images=data.root / 'alone/photos', maps=data.root / 'alone')
    assert 'alone has no label map but in' in str(result.code) and '--label-maps' in result.code


def test_label_maps_among_the_images_are_no_images(run, data):
    """Our own ones of another run, and coloured ones, though label maps are as flat as they are."""
    data.maps = data.images
    write(data, name=lambda s: f'{s}_mask.png')
    write(data, of_colors, name=lambda s: f'{s}_color.png')
    for out in data.images / 'before', data.root / 'mine':
        assert run('--map-suffix', '_mask.png', '--out-dir', out, maps=data.maps).code == 0
        unlabeled = (out / 'unlabeled.txt').read_text().splitlines()
        assert set(unlabeled) == {*data.names[:2], *data.names[8:]}


def test_output_below_the_label_maps(run, data):
    """Twice: what the first run wrote is no label map of the second."""
    write(data)
    for _ in range(2):
        assert run('--out-dir', data.maps / 'mine').code == 0


@pytest.mark.parametrize(
    'name',
    [' 0.jpg', 'a\nb.jpg', 'x' * 251 + '.jpg', b'\xff.jpg'],
    ids=['blank', 'line', 'long', 'bytes'],
)
@pytest.mark.parametrize('is_labelled', [False, True])
def test_names_that_cannot_be_written(run, data, name, is_labelled):
    """Of a labelled or an unlabelled photo: said before anything is written."""
    write(data)
    image, name = data.images / data.names[2 if is_labelled else 0], os.fsdecode(name)
    image.rename(image.with_name(name))
    if is_labelled:
        label_map = data.maps / '2.png'
        label_map.rename(label_map.with_name(f'{Path(name).stem}.png'))
    result = run()
    if len(name) > 250 and not is_labelled:  # no label map is called after it
        assert result.code == 0
        return
    assert isinstance(result.code, str) and '\n' not in result.code
    assert 'rename it' in result.code + result.out and not (data.root / 'mine').exists()


def test_a_label_map_without_labels_leaves_its_image_unlabelled(run, data):
    write(data)
    save(data.maps / '3.png', np.full((64, 96), 255, np.uint8))
    result = run()
    assert result.code == 0 and 'taken for images that nobody labelled' in result.out
    assert '3.jpg' in names_in(data, 'unlabeled')


def test_label_maps_without_labels_alone(run, data):
    write(data, lambda values: np.full_like(values, 255))
    result = run()
    assert 'nothing was written' in result.code and 'no label map has a label' in result.out


def test_ignored_numbers_that_no_label_map_has(run, data):
    write(data)
    assert '--ignore has the number 70000: they are 0 to 65535' in run('--ignore', 70000).code


def test_a_validation_set_of_its_own_and_a_leak(run, data):
    write(data)
    theirs, maps = data.root / 'theirs', data.root / 'their_maps'
    rng = np.random.default_rng(9)
    theirs.mkdir()
    for name in 'ab':
        coarse = rng.integers(0, 256, (8, 12, 3), np.uint8)
        assert cv2.imwrite(str(theirs / f'{name}.jpg'), cv2.resize(coarse, (96, 64)))
        save(maps / f'{name}.png', data.truth[data.names[2]])
    args = ['--val-label-maps', maps, '--val-images', theirs]
    assert run(*args).code == 0
    assert set(names_in(data, 'labeled')) == set(data.truth) and names_in(data, 'val') == [
        'a.jpg',
        'b.jpg',
    ]
    assert not (data.root / 'mine/held_out.json').exists()
    (theirs / 'a.jpg').write_bytes((data.images / data.names[2]).read_bytes())
    result = run(*args)
    assert 'in both the labeled and the val set' in result.out and 'nothing was' in result.code


@pytest.mark.parametrize('start', [0, 1])
def test_a_validation_set_that_lacks_a_class_follows_the_training_set(run, data, start):
    """Numbers mean what they mean there; without the first class they may be others."""
    present = data.truth.pop('more/7.png')
    write(data, lambda values: np.where(values == 255, values, values + start))
    lacking = np.where(present == 2 * start, 1, present)  # the last or the first class
    save(data.root / 'val/7.png', np.where(lacking == 255, lacking, lacking + start))
    result = run('--val-label-maps', data.root / 'val')
    assert result.code == 0, result
    found = np.array(Image.open(data.root / 'mine/label_maps/val/more/7.png.png'))
    np.testing.assert_array_equal(found, lacking)
    assert ("has no 0, which is 'ground' in the label maps to train on" in result.out) == (
        not start
    )


def test_copies_of_labelled_images_are_left_out(run, data):
    write(data)
    (data.images / 'copy.jpg').write_bytes((data.images / data.names[2]).read_bytes())
    result = run()
    assert result.code == 0 and 'copy.jpg, a copy of' in result.out
    assert 'copy.jpg' not in names_in(data, 'unlabeled')


def test_validation_images_stay_where_label_maps_are_added(run, data):
    write(data)
    for name in data.names[6:8]:
        (data.maps / Path(name).with_suffix('.png')).unlink()
    assert run().code == 0
    before = set(names_in(data, 'val'))
    write(data)
    assert run().code == 0
    assert before <= set(names_in(data, 'val'))
    choice = json.loads((data.root / 'mine/held_out.json').read_text())
    assert set(choice['images']) == set(names_in(data, 'val'))


def test_edited_configs_are_kept(run, data):
    write(data)
    run()
    base, second = data.root / 'mine/base.py', data.root / 'mine/base_2.py'
    base.write_text(base.read_text().replace('batch_size = 8', 'batch_size = 4'))
    result = run()
    assert f'{base} was edited: it is kept, the new config is {second}' in result.out
    assert 'batch_size = 4' in base.read_text()
    assert Config.fromfile(data.root / 'mine/unimatch.py').batch_size == 8


@pytest.mark.parametrize('method', ['mean_teacher', 'u2pl', 'imas'])
def test_other_methods(run, data, method):
    write(data)
    assert run('--method', method).code == 0
    cfg = Config.fromfile(data.root / f'mine/{method}.py')
    assert not check_run(cfg).errors
    if method == 'u2pl':
        assert (cfg.model.contrast.low_rank, cfg.model.contrast.high_rank) == (1, 3)
    if method == 'imas':
        assert cfg.model.ease.ignore_class is None


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        ('road\n1 2 3 car\n', 'line 2 has a colour, line 1 a name alone'),
        ('1 2 3 road\n1 2 3 car\n', r'gives \(1, 2, 3\) to two classes'),
        ('road\n', 'has 1 names: it takes 2 to 254'),
        ('<View>\n<Label value="road"/>\n</View>\n', 'is XML or HTML: write a line for each class'),
        ('70000 road\n1 car\n', 'has the number 70000: they are 0 to 65535'),
        ('300 0 0 road\n1 2 3 car\n', r'has the colour \(300, 0, 0\): its parts are 0 to 255'),
    ],
)
def test_a_list_of_classes_that_makes_no_sense(tmp_path, lines, words):
    path = tmp_path / 'classes.txt'
    path.write_text(lines)
    with pytest.raises(ValueError, match=words):
        read_classes([str(path)])


def test_names_that_mean_no_label():
    classes = read_classes(['void', 'road', 'car'])
    assert classes.names == ('road', 'car') and classes.values == {0: 255, 1: 0, 2: 1}
    with pytest.raises(ValueError, match='twice'):
        read_classes(['road', 'road'])
    with pytest.raises(ValueError, match=r'there is no file lost\.txt'):
        read_classes(['lost.txt'])
    with pytest.raises(ValueError, match='has the number -1: they are 0 to 65535'):
        read_classes(['a', 'b'], [-1, 0])
    with pytest.raises(ValueError, match='2 numbers for 3'):
        read_classes(['a', 'b', 'c'], [1, 2])


def test_numbers_of_other_images_are_no_suffix():
    """Image 1 has no label map; 1_2 is not its."""
    pairs = pair(['1.jpg', '2.jpg'], ['1_2.png', '2.png'], folder='maps')
    assert pairs.maps == {'2.jpg': '2.png'} and list(pairs.faults) == ['1_2.png']
    pairs = pair(['x/1.jpg', 'y/1.jpg'], ['gt/x/1.png', 'gt/y/1.png'], folder='maps')
    assert pairs.maps == {'x/1.jpg': 'gt/x/1.png', 'y/1.jpg': 'gt/y/1.png'}
    pairs = pair(['a/1.jpg', 'b/1.jpg'], ['1.png'], folder='maps')
    assert not pairs.maps and 'several images have this name' in pairs.faults['1.png']
    pairs = pair(['1.jpg'], ['mask_1.png'], folder='maps')
    assert pairs.maps == {'1.jpg': 'mask_1.png'}


CAM_A, CAM_B = ['camA/1.jpg', 'camA/2.jpg', 'camA/3.jpg'], ['camB/1.jpg', 'camB/3.jpg']
STRAYS = {
    'cameras': (['camA/1', 'camA/3', 'camB/1', 'camB/2', 'camB/3'], 'p', [*CAM_A, *CAM_B]),
    'one of a camera': (['camA/1', 'camB/2'], 'p', [*CAM_A, *CAM_B]),
    'folders inside': (
        ['camA/m/1', 'camB/m/1', 'camB/m/3', 'camB/m/2'],
        'p',
        [name.replace('/', '/rgb/') for name in [*CAM_A, *CAM_B]],
    ),
    'split': (['lm/train/1', 'lm/val/2'], 'd/train', ['1.jpg', '2.jpg']),
    'split without others': (['val/2'], 'd/train_images', ['1.jpg', '2.jpg']),
    'ending': (['1', '3', '4', '5', '2_left'], 'p', [f'{n}.jpg' for n in range(6)]),
}


@pytest.mark.parametrize('kind', STRAYS)
def test_a_label_map_of_another_image_of_that_name(kind):
    names, image_folder, images = STRAYS[kind]
    label_maps = [f'{name}.png' for name in names]
    pairs = pair(images, label_maps, folder='maps', image_folder=image_folder)
    [(name, fault)] = pairs.faults.items()
    assert PurePosixPath(name).stem in ('2', '2_left'), fault
    assert 'of its image' in fault and set(pairs.maps.values()) == {*label_maps} - {name}


@pytest.mark.parametrize(
    ('names', 'images'),
    [
        (['1', '2', '3', '4'], ['a/1.jpg', 'a/2.jpg', 'a/3.jpg', 'b/4.jpg']),
        (['all/1', 'all/2', 'all/4'], ['a/1.jpg', 'a/2.jpg', 'b/4.jpg']),
        (['train/1', 'val/2', 'val/3'], ['1.jpg', '2.jpg', '3.jpg']),
        (['p/1', 'p/2', 'p/3'], ['p/1.jpg', 'p/2.jpg', 'p/more/3.jpg']),
        (['1_jpg.rf.a1', '2_jpg.rf.b2', '3_jpg.rf.c3', '4_jpg.rf.d4'], ['1.jpg', '4.jpg']),
        (['1_ann', '2_ann', '3_bob', '4_bob', '5'], [f'{n}.jpg' for n in range(1, 6)]),
        (['1', '2', '3', '4', '5_labelIds'], [f'{n}.jpg' for n in range(1, 6)]),
        (
            ['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.png'],
            ['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.png'],
        ),
        (['1_mask', '2_mask', '3_mask', '4_mask', '5_v2'], [f'{n}.jpg' for n in range(1, 6)]),
        (['photos/1', 'photos/3', 'more/2'], ['1.jpg', '2.jpg', '3.jpg']),
    ],
)
def test_folders_and_ends_of_names_that_say_nothing(names, images):
    pairs = pair(images, [f'{name}.png' for name in names], folder='maps', image_folder='photos')
    assert set(pairs.maps) == set(images)
    doubtful = any('folders belong to images of one' in one.message for one in pairs.findings)
    assert doubtful == (names[0] in ('train/1', 'photos/1'))


@pytest.mark.parametrize(
    ('image', 'label_map'),
    [
        ('IMG_{}.JPG', 'img_{}.png'),
        ('u\u0308_{}.jpg', '\u00fc_{}.png'),
        ('{}.jpg', '1a2b3c4d-{}_mask.png'),
        ('img_{}.jpg', 'mask_{}.png'),
        ('image{}.png', 'label{}.png'),
        ('{}_sat.jpg', '{}_mask.png'),
        ('top_2_{}_RGB.tif', 'top_2_{}_label.tif'),
        ('{}.jpg', '{}_json/label.png'),
        ('s1/rgb/{}.jpg', 's1/{}.png'),
    ],
)
def test_names_that_differ(image, label_map):
    """Seen through where one image fits alone."""
    images = [image.format(n) for n in (1, 2, 11)]
    others = [image.replace('s1', 's2').format(n) for n in (1, 2)]
    pairs = pair([*images, *others] if 's1' in image else images, [label_map.format(1)], folder='m')
    assert pairs.maps == {images[0]: label_map.format(1)} and not pairs.faults
    two = ['img_1.jpg', 'photo_1.jpg']
    assert not pair(two, ['mask_1.png'], folder='m').maps


def test_a_turned_image_that_is_almost_square():
    """The size of the image as it is loaded counts first, then that of the stored pixels."""
    header = ImageHeader(100, 101, 6, False, False, 1, '')
    assert fit_to_image((101, 100), header) == (1, '', '')
    assert fit_to_image((100, 101), header)[0] == 6
    turn, repair, fault = fit_to_image((50, 50), header)
    assert (turn, repair) == (1, '') and 'may be turned or not' in fault


@pytest.mark.parametrize('channels', [1, 3])
def test_numbers_of_16_bits(tmp_path, channels):
    values = np.array([[0, 1], [2, 300]], np.uint16)
    path = tmp_path / 'map.png'
    assert cv2.imwrite(str(path), values if channels == 1 else np.dstack([values] * 3))
    assert read_contents(path, by_color=False).values.tolist() == [0, 1, 2, 300]


def test_counts_are_those_of_all_pixels(tmp_path):
    rng = np.random.default_rng(0)
    for values in rng.integers(0, 3, (7, 5), np.uint8), rng.integers(0, 2, (7, 5, 3), np.uint8):
        save(tmp_path / 'map.png', values)
        found = read_contents(tmp_path / 'map.png', by_color=values.ndim == 3)
        whole = values if values.ndim == 2 else values @ np.array([1, 256, 65536])
        expected, counts = np.unique(whole, return_counts=True)
        np.testing.assert_array_equal(found.values, expected)
        np.testing.assert_array_equal(found.counts, counts)
