"""A config made for somebody's data, from files that are as different as they come."""

import json
import os
import runpy
import shlex
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmpldc.datasets.checks import check_run
from mmpldc.registry import DATASETS
from mmpldc.utils import machine, weight_sources

TOOLS = Path(__file__).parents[2] / 'tools'
TOOL = TOOLS / 'dataset/new_config.py'


def write_coco(path, names, *, first_id=1):
    """An image of 96 x 64 pixels, with one object, for each name."""
    images = [
        dict(id=i, file_name=name, width=96, height=64) for i, name in enumerate(names, first_id)
    ]
    annotations = [
        dict(
            id=i,
            image_id=image['id'],
            category_id=3 + i % 2,
            bbox=[10, 10, 20, 20],
            area=400,
            iscrowd=0,
            segmentation=[[10, 10, 30, 10, 30, 30, 10, 30]],
        )
        for i, image in enumerate(images, 1)
    ]
    categories = [dict(id=4, name='dog'), dict(id=3, name='cat')]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path


def edit(path, change):
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))


@pytest.fixture
def data(tmp_path):
    """Ten images in a folder with a subfolder; six of them are annotated."""
    rng = np.random.default_rng(0)
    names = [f'{i}.jpg' for i in range(5)] + [f'more/{i}.png' for i in range(5)]
    for name in names:
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3), np.uint8))
    labels = write_coco(tmp_path / 'labels.json', names[2:8])
    return SimpleNamespace(root=tmp_path, names=names, labels=labels, images=tmp_path / 'photos')


@pytest.fixture
def run(data, monkeypatch, capsys):
    def run(*args, labels=data.labels, images=data.images):
        args = ['--labeled', labels, '--images', images, '--out-dir', data.root / 'mine', *args]
        monkeypatch.setattr('sys.argv', ['new_config.py', *map(str, args)])
        monkeypatch.setattr(weight_sources, '_unreachable', lambda url: None)  # no network
        code = 0
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return run


def test_a_number_of_steps(run, data):
    assert run('--size', 'tiny', '--steps', 405).code == 0
    cfg = Config.fromfile(data.root / 'mine/pldc.py')
    assert (cfg.train_cfg.max_iters, cfg.model.burn_in_iters) == (400, 240)


def test_early_stopping_is_off_unless_asked_for(run, data):
    out = data.root / 'mine'
    assert run('--size', 'tiny').code == 0
    assert 'early_stopping' not in Config.fromfile(out / 'pldc.py').default_hooks
    result = run('--size', 'tiny', '--early-stopping', 2)
    assert result.code == 0 and 'last_checkpoint names it' in result.out
    for name in 'pldc.py', 'supervised.py':
        hooks = Config.fromfile(out / name).default_hooks
        assert hooks.early_stopping == dict(type='mmpldc.EarlyStoppingHook', patience=2)
    assert run('--early-stopping', 0).code == 2
    assert run('--early-stopping', 'two').code == 2


@pytest.mark.parametrize(
    ('flags', 'options', 'expected'),
    [
        ('fpu avx512_bf16 sse', (), 'bfloat16'),
        ('fpu avx512f sse', (), None),
        ('fpu avx512_bf16 sse', ('--backbone-mode', 'tuned'), None),
    ],
)
def test_a_processor_with_bfloat16_is_used(run, data, monkeypatch, flags, options, expected):
    info = data.root / 'cpuinfo'
    info.write_text(f'flags\t\t: {flags}\n')
    monkeypatch.setattr(machine, 'CPU_INFO', info)
    monkeypatch.setattr(machine, 'device_bytes', lambda: None)
    assert run('--size', 'tiny', *options).code == 0
    hooks = Config.fromfile(data.root / 'mine/supervised.py').default_hooks
    assert hooks.get('fast_backbone', {}).get('dtype') == expected


def test_a_second_model_for_the_classes(run, data):
    config, weights = data.root / 'mine/pldc.py', data.root / 'weights.pth'
    assert run('--size', 'tiny').code == 0
    model = Config.fromfile(config).model
    assert model.get('refiner') is None and model.class_thresholds.share == 0.5
    result = run('--size', 'tiny', '--refiner', 'imagenet')
    assert result.code == 0 and 'cat: tabby, tiger cat' in result.out
    scorer = Config.fromfile(config).model.refiner.scorer
    assert scorer.class_indices['cat'][0] == 281 and scorer.classifier.pretrained
    weights.touch()
    for refiner, key in ('imagenet', 'checkpoint'), ('clip', 'pretrained'):
        options = '--refiner', refiner, '--refiner-weights', weights
        assert run('--size', 'tiny', *options).code == 0
        assert Config.fromfile(config).model.refiner.scorer[key] == str(weights)
    assert 'for --refiner imagenet' in run('--class-map', weights).code


def names_in(data, part):
    content = json.loads((data.root / f'mine/{part}.json').read_text())
    return {image['file_name'] for image in content['images']}


def test_hold_out(run, data):
    result = run('--val-percent', 34, '--size', 'tiny')
    assert result.code == 0, result
    labeled, unlabeled, val = (names_in(data, part) for part in ('labeled', 'unlabeled', 'val'))
    assert labeled | val == set(data.names[2:8]) and not labeled & val
    assert 1 <= len(val) <= 4 and unlabeled == {*data.names[:2], *data.names[8:]}
    out = data.root / 'mine'
    baseline, train, compare = (shlex.split(line)[1:] for line in result.out.splitlines()[-3:])
    work = out / 'work_dirs'
    assert baseline == [f'{TOOLS}/train.py', f'{out}/supervised.py', '--work-dir',
                        f'{work}/supervised']  # fmt: skip
    assert train == [f'{TOOLS}/train.py', f'{out}/pldc.py', '--work-dir', f'{work}/pldc',
                     '--resume', f'{work}/supervised/iter_900.pth']  # fmt: skip
    assert compare == [f'{TOOLS}/compare/compare_runs.py',
                       f'{out}/supervised.py', f'{work}/supervised/iter_1500.pth',
                       f'{out}/pldc.py', f'{work}/pldc/iter_1500.pth']  # fmt: skip

    config = Config.fromfile(data.root / 'mine/pldc.py')
    assert config.model.num_classes == 2
    parts = config.train_dataloader.dataset
    assert parts.metainfo.classes == ('dog', 'cat')  # in the file's order, not that of the ids
    assert parts.unlabeled.ann_file == str(data.root / 'mine/unlabeled.json')
    assert config.val_dataloader.dataset.data_prefix.img == str(data.images)
    assert config.val_evaluator.ann_file == str(data.root / 'mine/val.json')
    assert config.train_cfg.max_iters == 1500 and config.model.burn_in_iters == 900
    assert config.model.data_preprocessor.data_preprocessor.batch_augments[0]['size'] == (192, 192)


def test_the_last_line_counts_all_warnings(run, data):
    """Also those that were printed before the tables: a hidden format, too few instances."""
    (data.images / 'phone.heic').write_bytes(b'')
    result = run('--size', 'tiny')
    assert result.code == 0
    told = [line for line in result.out.splitlines() if line.startswith('warning: ')]
    assert len(told) >= 2
    assert f'0 errors, {len(told)} warnings ({len(told)} of them before the tables)' in result.out


def test_a_truncated_unlabelled_photo(run, data):
    """Its header says nothing; it is found among the images that are decoded."""
    path = data.images / '0.jpg'
    path.write_bytes(path.read_bytes()[:-2000])
    result = run('--size', 'tiny')
    assert result.code.startswith(f'new_config.py: {path} is cut off or damaged')
    assert '--skip-unreadable leaves such files out' in result.code
    result = run('--size', 'tiny', '--skip-unreadable')
    assert result.code == 0 and '0.jpg' not in names_in(data, 'unlabeled')
    assert str(path) in (data.root / 'mine/left_out.txt').read_text()


def test_an_image_of_an_extreme_shape(run, data):
    """Nothing is left of it when it is resized: a warning if it is unlabelled, else an error."""
    cv2.imwrite(str(data.images / 'strip.png'), np.arange(1800, dtype=np.uint8).reshape(1, 600, 3))
    result = run('--size', 'tiny')
    assert (
        result.code == 0
        and 'image strip.png: unlabelled, 600 x 1 pixels: one side is more' in result.out
    )
    checked = check_run(Config.fromfile(data.root / 'mine/pldc.py'))
    assert any('strip.png has 600 x 1' in str(warning) for warning in checked.warnings)
    edit(data.labels, lambda coco: coco['images'][0].update(file_name='strip.png'))
    edit(data.labels, lambda coco: coco['images'][0].update(width=600, height=1))
    result = run('--size', 'tiny')
    assert result.code != 0 and 'labels.json: image 1: width, height: strip.png has' in result.out


def test_the_output_must_be_a_folder(run, data):
    (data.root / 'file').touch()
    result = run('--out-dir', data.root / 'file/mine')
    assert result.code == 2 and f'--out-dir: {data.root}/file is no folder' in result.err


def test_the_baseline_differs_in_the_unlabelled_images_alone(run, data):
    assert run('--size', 'base').code == 0
    pldc, supervised = (
        Config.fromfile(data.root / f'mine/{name}.py') for name in ('pldc', 'supervised')
    )
    # 50 * 8 / 8 steps are raised to 10,000; sides of 96 to 256
    assert pldc.train_cfg.max_iters == 10000 and pldc.model.burn_in_iters == 2000
    assert pldc.model.data_preprocessor.data_preprocessor.batch_augments[0]['size'] == (256, 256)
    loader = supervised.train_dataloader
    assert loader.batch_size == loader.sampler.batch_size == 4
    assert supervised.auto_scale_lr.base_batch_size == 4
    assert loader.sampler.source_ratio == [1] and loader.dataset.unlabeled is None
    assert supervised.model.unsup_weight == 0
    assert loader.dataset.labeled == pldc.train_dataloader.dataset.labeled
    for key in 'optim_wrapper', 'param_scheduler', 'train_cfg', 'val_dataloader', 'randomness':
        assert supervised[key] == pldc[key]
    assert dict(supervised.model, unsup_weight=1.0) == dict(pldc.model, unsup_weight=1.0)
    # the checkpoint that PL-DC continues from stays
    saving = supervised.default_hooks.checkpoint
    assert saving.max_keep_ckpts == -1 and saving.save_best is None
    text = (data.root / 'mine/pldc.py').read_text()
    for burn_in, interval in (2000, 1000), (333, 333), (0, 1000):
        edited = text.replace('burn_in_iters = 2000', f'burn_in_iters = {burn_in}')
        (data.root / 'mine/pldc.py').write_text(edited)
        supervised = Config.fromfile(data.root / 'mine/supervised.py')
        assert supervised.default_hooks.checkpoint.interval == interval


@pytest.mark.parametrize(
    ('name', 'options', 'checkpoint'),
    [
        ('dinov3_s', (), 'timm://vit_small_patch16_dinov3.lvd1689m'),
        ('dinov2_b', ('--backbone-mode', 'tuned'), 'timm://vit_base_patch14_dinov2.lvd142m'),
        ('swin_t', ('--init', 'coco'), None),
        ('r101', ('--size', 'base'), 'torchvision://resnet101'),
    ],
)
def test_another_backbone(run, data, name, options, checkpoint):
    result = run('--size', 'tiny', '--backbone', name, *options)
    assert result.code == 0 and f'backbone {name}, ' in result.out
    for config in 'pldc', 'supervised':
        cfg = Config.fromfile(data.root / f'mine/{config}.py')
        assert '_delete_' not in str(cfg.model) and '_delete_' not in str(cfg.optim_wrapper)
        assert (cfg.load_from or '').endswith('.pth') == (checkpoint is None)
        init_cfg = cfg.model.backbone.init_cfg
        assert init_cfg == (checkpoint and dict(type='Pretrained', checkpoint=checkpoint))
        assert cfg.model.detector.panoptic_head.num_queries == (100 if 'base' in options else 20)
        tuned = 'tuned' in options
        constructor = cfg.optim_wrapper.get('constructor')
        assert (constructor == 'mmpldc.LayerDecayOptimWrapperConstructor') == tuned
        assert cfg.optim_wrapper.optimizer.lr == (1e-4 if tuned or 'base' in options else 1e-3)
        frozen = cfg.model.backbone.get('frozen', cfg.model.backbone.get('frozen_stages') == 4)
        assert frozen == (not tuned)


@pytest.mark.parametrize(
    ('options', 'line'),
    [
        (('--backbone', 'dinov9'), 'there is no backbone dinov9; there are dinov2_b, '),
        (('--backbone', 'dinov2_s', '--init', 'coco'), 'no Mask2Former of COCO on dinov2_s'),
    ],
)
def test_a_backbone_that_cannot_be(run, data, options, line):
    assert line in run(*options).code and not (data.root / 'mine').exists()


def test_many_objects_get_queries(run, data):
    def crowd(coco):
        first = coco['annotations'][0]
        coco['annotations'] += [
            first
            | dict(id=100 + k, bbox=[k, 40, 9, 9], segmentation=[[k, 40, k + 9, 40, k + 9, 49]])
            for k in range(30)
        ]

    edit(data.labels, crowd)
    assert run('--val-percent', 34).code == 0
    detector = Config.fromfile(data.root / 'mine/pldc.py').model.detector
    assert detector.panoptic_head.num_queries == detector.test_cfg.max_per_image == 40


@pytest.mark.parametrize(
    ('options', 'line'),
    [
        (('--init', 'no.pth'), 'there is no file'),
        (('--time-budget', 'soon'), '--time-budget'),
        (('--steps', '9'), '--steps'),
        (('--steps', '100', '--time-budget', '1h'), '--steps'),
        (('--size', 'huge'), '--size'),
        (('--val-images', '.'), '--val-images is the folder of the images of --val: give both'),
        (('--init-style', 'caffe'), '--init-style caffe is of weights in a file'),
        (('--init', __file__), 'cannot be read as weights'),
        (('--batch-size', '100000'), '--batch-size 100000 is more than the 8 images to train on'),
    ],
)
def test_options_that_cannot_be(run, data, options, line, capsys):
    result = run(*options)
    assert result.code not in (0, None)
    assert line in f'{result.code} {result.err}'
    assert not (data.root / 'mine').exists()


def test_validation_set_of_its_own_in_the_same_folder(run, data):
    val = write_coco(data.root / 'their_val.json', data.names[8:], first_id=50)
    result = run('--val', val, '--batch-size', 4)
    assert result.code == 0, result
    assert names_in(data, 'labeled') == set(data.names[2:8])
    assert names_in(data, 'unlabeled') == set(data.names[:2])
    assert names_in(data, 'val') == set(data.names[8:])
    config = Config.fromfile(data.root / 'mine/pldc.py')
    assert config.train_dataloader.batch_size == config.train_dataloader.sampler.batch_size == 4


def test_unlabelled_images_elsewhere(run, data):
    other = data.root / 'other'
    other.mkdir()
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert cv2.imwrite(str(other / '0.jpg'), image)
    assert run('--unlabeled-images', other).code == 0
    assert names_in(data, 'unlabeled') == {'0.jpg'}
    parts = Config.fromfile(data.root / 'mine/pldc.py').train_dataloader.dataset
    assert parts.unlabeled.data_prefix.img == str(other)
    assert parts.labeled.data_prefix.img == str(data.images)


@pytest.mark.parametrize('is_labelled', [False, True])
def test_an_image_under_another_name_in_the_validation_set(run, data, is_labelled):
    """Of the unlabelled set it is left out; a labelled one is an error."""
    copies = data.root / 'copies'
    copies.mkdir()
    original = data.names[2] if is_labelled else data.names[0]
    (copies / '0099.jpg').write_bytes((data.images / original).read_bytes())
    val = write_coco(data.root / 'their_val.json', ['0099.jpg'])
    result = run('--val', val, '--val-images', copies)
    if is_labelled:
        assert 'nothing was written: the data has 1 error' in result.code
        assert f'{original} = 0099.jpg' in result.out
        assert not (data.root / 'mine').exists()
        return
    assert result.code == 0 and f'image {original}, a copy of' in result.out
    assert original not in names_in(data, 'unlabeled')
    assert original in (data.root / 'mine/left_out.txt').read_text()


def test_copies_that_are_kept(run, data):
    """The config says so to the checks before training; left_out.txt goes with a clean run."""
    image = cv2.imread(str(data.images / data.names[3]))
    cv2.imwrite(str(data.images / 'again.png'), image)
    assert run().code == 0 and (data.root / 'mine/left_out.txt').exists()
    result = run('--keep-all')
    assert result.code == 0 and 'stored anew' in result.out
    assert 'again.png' in names_in(data, 'unlabeled')
    assert not (data.root / 'mine/left_out.txt').exists()
    report = check_run(Config.fromfile(data.root / 'mine/supervised.py'))
    assert not report.errors
    report = check_run(Config.fromfile(data.root / 'mine/pldc.py'))
    assert not report.errors and any('kept' in str(one) for one in report.warnings)


def test_copies_are_held_out_together(run, data):
    """Two names of one annotated image: both to train on, or both to validate on."""
    for name in data.names[4:8]:
        path = data.images / name
        path.write_bytes((data.images / data.names[3]).read_bytes())
    for seed in range(3):
        assert run('--seed', seed).code == 0
        held_out = names_in(data, 'val') & set(data.names[3:8])
        assert len(held_out) in (0, 5)


@pytest.mark.parametrize(
    ('break_it', 'words'),
    [
        (lambda d: d.labels.unlink(), 'labels.json'),
        (lambda d: d.labels.write_text('{'), 'labels.json: line 1, column 2: not valid JSON'),
        (lambda d: write_coco(d.labels, d.names[:1]), 'too few to hold some out'),
        (lambda d: write_coco(d.labels, d.names), '--unlabeled-images'),
        (lambda d: (d.images / 'bad.jpg').write_text('no image'), 'bad.jpg'),
        (lambda d: edit(d.labels, lambda c: c['annotations'][0].pop('image_id')), 'the data has 1'),
        (lambda d: edit(d.labels, lambda c: c.update(annotations=[])), 'the data has 1 error'),
    ],
    ids=['missing', 'not json', 'one image', 'all annotated', 'no image', 'record', 'no masks'],
)
def test_bad_input_ends_with_one_line(run, data, break_it, words):
    break_it(data)
    result = run()
    assert isinstance(result.code, str) and '\n' not in result.code
    assert result.code.startswith('new_config.py: ') and words in result.code
    assert not (data.root / 'mine').exists()


def test_input_is_not_overwritten(run, data):
    (data.root / 'mine').mkdir()
    labels = write_coco(data.root / 'mine/labeled.json', data.names[2:8])
    before = labels.read_text()
    assert 'choose another --out-dir' in run(labels=labels).code
    assert labels.read_text() == before


@pytest.mark.parametrize('name', ['labeled', 'unlabeled', 'val'])
@pytest.mark.parametrize('whose', ['theirs', 'edited'])
def test_files_of_others_are_not_written_over(run, data, name, whose):
    path = data.root / f'mine/{name}.json'
    if whose == 'theirs':
        path.parent.mkdir()
        write_coco(path, data.names[2:4])
    else:
        assert run().code == run().code == 0  # its own files are replaced
        edit(path, lambda coco: coco['images'].pop())
    before = path.read_text()
    assert f'{path} is there already' in run().code
    assert path.read_text() == before


@pytest.mark.parametrize('out', ['', 'photos'])
def test_output_around_the_images(run, data, out):
    assert run('--size', 'tiny', '--out-dir', data.root / out).code == 0
    unlabeled = json.loads((data.root / out / 'unlabeled.json').read_text())
    assert {image['file_name'] for image in unlabeled['images']} == {
        *data.names[:2], *data.names[8:]
    }  # fmt: skip


def test_unlabelled_images_in_a_folder_below(run, data):
    """None of the annotated images is in there: there is nothing to leave out."""
    below = data.images / 'unlabelled'
    below.mkdir()
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert cv2.imwrite(str(below / '0.jpg'), image)
    assert run('--unlabeled-images', below).code == 0
    assert names_in(data, 'unlabeled') == {'0.jpg'}


def test_the_error_names_the_users_file_and_the_record(run, data):
    edit(data.labels, lambda coco: coco['annotations'][2].pop('category_id'))
    result = run()
    assert f'error: {data.labels}: annotation 3: category_id: missing' in result.out
    assert '--drop-invalid' in result.code
    assert run('--drop-invalid').code == 0
    (line,) = (data.root / 'mine/left_out.txt').read_text().splitlines()
    assert line.startswith(f'{data.labels}: annotation 3: category_id: missing')


def test_repairs_are_printed(run, data):
    edit(data.labels, lambda coco: [one.pop('iscrowd') for one in coco['annotations']])
    result = run()
    assert result.code == 0
    line = f'repaired: {data.labels}: 6 annotations (1, 2, 3, ...): iscrowd: missing: 0 written'
    assert line in result.out.splitlines()


def list_all(data):
    def change(coco):
        for number, name in enumerate([*data.names[:2], *data.names[8:]], 100):
            coco['images'].append(dict(id=number, file_name=name, width=96, height=64))

    edit(data.labels, change)


def test_images_listed_without_an_annotation_are_unlabelled(run, data):
    list_all(data)
    result = run()
    assert names_in(data, 'unlabeled') == {*data.names[:2], *data.names[8:]}
    assert '4 images (0.jpg, 1.jpg, more/3.png, ...): listed without an annotation' in result.out
    assert Config.fromfile(data.root / 'mine/pldc.py').negatives is False


def test_negatives_are_trained_on(run, data):
    list_all(data)
    (data.root / 'nothing.txt').write_text('0.jpg\n1.jpg\n')
    result = run('--negatives', data.root / 'nothing.txt')
    assert result.code == 0 and 'images 0.jpg, 1.jpg: negatives' in result.out
    assert {'0.jpg', '1.jpg'} <= names_in(data, 'labeled') | names_in(data, 'val')
    assert names_in(data, 'unlabeled') == set(data.names[8:])
    parts = Config.fromfile(data.root / 'mine/pldc.py').train_dataloader.dataset
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(dict(parts.labeled, metainfo=parts.metainfo))
    assert len(dataset) == len(names_in(data, 'labeled'))


def test_a_test_set(run, data):
    test = write_coco(data.root / 'their_test.json', data.names[8:], first_id=50)
    assert run('--test', test).code == 0
    assert names_in(data, 'test') == set(data.names[8:])
    assert names_in(data, 'unlabeled') == set(data.names[:2])
    config = Config.fromfile(data.root / 'mine/pldc.py')
    assert config.test_evaluator.ann_file == str(data.root / 'mine/test.json')
    assert config.test_dataloader.dataset.ann_file == config.test_evaluator.ann_file
    assert config.val_dataloader.dataset.ann_file == str(data.root / 'mine/val.json')


def test_an_edited_config_is_kept(run, data):
    first, second = data.root / 'mine/pldc.py', data.root / 'mine/pldc_2.py'
    run('--size', 'base')
    run('--size', 'base', '--batch-size', 4)
    assert 'batch_size = 4' in first.read_text() and not second.exists()
    first.write_text(first.read_text().replace('batch_size = 4', 'batch_size = 2'))
    result = run('--size', 'base')
    assert 'batch_size = 2' in first.read_text() and 'batch_size = 8' in second.read_text()
    assert f'{first} was edited: it is kept, the new config is {second}' in result.out
    assert f'{second} --work-dir {data.root}/mine/work_dirs/pldc_2' in result.out


def test_validation_images_stay_where_labels_are_added(run, data):
    whole = data.labels.read_text()
    edit(data.labels, lambda coco: coco.update(
        images=coco['images'][:3], annotations=coco['annotations'][:3]))  # fmt: skip
    run()
    before = names_in(data, 'val')
    data.labels.write_text(whole)
    run()
    assert before <= names_in(data, 'val')
    run('--seed', 1)  # another choice: what was drawn before does not count
    choice = json.loads((data.root / 'mine/val.json').read_text())['held_out']
    assert choice == dict(folder=str(data.images), seed=1)


def test_relative_paths_become_absolute(run, data, monkeypatch):
    monkeypatch.chdir(data.root)
    out = os.path.join('a folder', 'mine')
    result = run('--out-dir', out, labels=Path('labels.json'), images=Path('photos'))
    assert result.code == 0
    config = Config.fromfile(data.root / out / 'pldc.py')
    assert config.val_evaluator.ann_file == str(data.root / out / 'val.json')
    assert config.val_dataloader.dataset.data_prefix.img == str(data.images)
    assert shlex.split(result.out.splitlines()[-1])[4] == str(data.root / out / 'pldc.py')


@pytest.mark.parametrize('seed', range(5))
def test_a_rare_class_is_kept_to_train_on(run, data, seed):
    content = json.loads(data.labels.read_text())
    for annotation in content['annotations']:
        annotation['category_id'] = 4 if annotation['id'] == 2 else 3
    data.labels.write_text(json.dumps(content))
    assert run('--val-percent', 60, '--seed', seed).code == 0
    labeled = json.loads((data.root / 'mine/labeled.json').read_text())
    assert {annotation['category_id'] for annotation in labeled['annotations']} == {3, 4}
