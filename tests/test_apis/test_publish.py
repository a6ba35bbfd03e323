"""A published model is mmdet's own Mask2Former with the teacher's weights."""

import hashlib
import os
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.models.losses import CrossEntropyLoss
from mmdet.registry import METRICS, MODELS
from mmengine.config import Config

from mmpldc.apis import plain_config, plain_detector, publish_model, to_half
from mmpldc.apis.plain_detector import WITH_PLAIN_TWIN, own_options

CLASSES = ('cat', 'dog', 'owl')
WITHOUT_MMPLDC = """
import sys
sys.modules['mmpldc'] = None  # an import of it fails
import torch
from mmdet.apis import inference_detector, init_detector
config, checkpoint, image, out = sys.argv[1:]
model = init_detector(config, checkpoint, device='cpu')
try:
    import mmpldc
except ImportError:
    prediction = inference_detector(model, image).pred_instances
    meta = {key: model.dataset_meta[key] for key in ('classes', 'palette')}
    torch.save(dict(prediction.all_items(), meta=meta), out)
"""


@pytest.fixture
def publish(cfg, checkpoint, tmp_path):
    """Publish the checkpoint of the fixtures, or what a test made of it."""

    def publish(content=checkpoint, out: str = 'published/model', **options):
        torch.save(content, tmp_path / 'trained.pth')
        return publish_model(tmp_path / 'trained.pth', tmp_path / out, deepcopy(cfg), **options)

    return publish


def load(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def test_files(publish, checkpoint, tmp_path):
    published = publish()
    digest = hashlib.sha256(published.checkpoint.read_bytes()).hexdigest()[:8]
    assert published.checkpoint == tmp_path / f'published/model-{digest}.pth'
    assert published.config == tmp_path / 'published/model.py' and published.own_types == []
    assert published.kept_float32 == []
    assert sorted(published.config.parent.iterdir()) == sorted(published[:2])

    content = load(published.checkpoint)
    assert set(content) == {'meta', 'state_dict'}
    assert content['meta']['dataset_meta'] == dict(
        classes=CLASSES, palette=[(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    )
    assert content['meta']['cfg'] == published.config.read_text()
    teacher = {k: v for k, v in checkpoint['state_dict'].items() if k.startswith('teacher.')}
    assert {f'teacher.{name}' for name in content['state_dict']} == set(teacher)
    for name, value in content['state_dict'].items():
        assert value.dtype == teacher[f'teacher.{name}'].dtype
        assert torch.equal(value, teacher[f'teacher.{name}'])
    half_the_pair = (tmp_path / 'trained.pth').stat().st_size / 2
    assert published.checkpoint.stat().st_size < 1.1 * half_the_pair


def test_names(publish):
    first, second = publish(out='a.pth'), publish(out='b.v1')
    assert second.config.name == 'b.v1.py'
    # the hash is that of the content, whatever the name
    assert first.checkpoint.name.replace('a-', 'b.v1-') == second.checkpoint.name


def test_config_is_plain(publish, cfg):
    path = publish().config
    assert 'mmpldc' not in path.read_text() and '_base_' not in path.read_text()
    plain = Config.fromfile(path)
    model, head = plain.model, plain.model.panoptic_head
    assert (model.type, head.type) == ('Mask2Former', 'Mask2FormerHead')
    assert model.data_preprocessor.type == 'DetDataPreprocessor'
    assert model.backbone.type == 'ResNet' and model.backbone.init_cfg is None
    assert (head.num_things_classes, head.num_stuff_classes) == (3, 0)
    assert model.panoptic_fusion_head.type == 'MaskFormerFusionHead'
    assert head.loss_mask == dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0)
    assert plain.default_scope == 'mmdet' and 'custom_imports' not in plain
    assert plain.visualizer.vis_backends == [dict(type='LocalVisBackend')]
    assert plain.test_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
    assert tuple(plain.test_dataloader.dataset.metainfo.classes) == CLASSES
    assert plain.test_evaluator == cfg.test_evaluator
    assert 'train_dataloader' not in plain


def test_every_weight_is_loaded(publish, capfd):
    published = publish()
    model = init_detector(str(published.config), str(published.checkpoint), device='cpu')
    assert type(model.panoptic_head) is Mask2FormerHead
    assert type(model.panoptic_head.loss_mask) is CrossEntropyLoss
    assert model.load_state_dict(load(published.checkpoint)['state_dict'], strict=True)
    printed = ''.join(capfd.readouterr())
    assert (
        'missing' not in printed and 'unexpected' not in printed and 'size mismatch' not in printed
    )


def predict(config, checkpoint: Path, image: Path):
    model = init_detector(config, str(checkpoint), device='cpu')
    return inference_detector(model, str(image)).pred_instances


@pytest.mark.slow
def test_predictions_without_mmpldc_are_the_teachers(publish, cfg, folder, python, tmp_path):
    published = publish()
    expected = predict(cfg, tmp_path / 'trained.pth', folder / 'a.png')
    subprocess.run(
        [
            *(python, '-c', WITHOUT_MMPLDC, published.config, published.checkpoint),
            *(folder / 'a.png', tmp_path / 'prediction.pth'),
        ],
        check=True,
        env=os.environ | dict(OMP_NUM_THREADS=str(torch.get_num_threads())),
    )
    found = load(tmp_path / 'prediction.pth')
    assert len(expected) == 8
    # Two processes may differ in the last digit of a float.
    torch.testing.assert_close(found['scores'], expected.scores, rtol=0, atol=1e-6)
    assert torch.equal(found['labels'], expected.labels)
    assert (found['masks'] != expected.masks).float().mean() < 1e-4
    meta = found['meta']
    assert tuple(meta['classes']) == CLASSES and meta['palette'] == [
        (1, 2, 3),
        (4, 5, 6),
        (7, 8, 9),
    ]


def test_half_precision_is_half_the_size_and_close(publish, cfg, folder, tmp_path):
    full, half = publish(), publish(half=True)
    sizes = [
        sum(
            value.numel() * value.element_size()
            for value in load(p.checkpoint)['state_dict'].values()
        )
        for p in (full, half)
    ]
    assert sizes[1] < 0.51 * sizes[0] and full.checkpoint != half.checkpoint
    values = load(half.checkpoint)['state_dict']
    assert {value.dtype for value in values.values()} == {torch.float16, torch.int64}
    expected = predict(cfg, tmp_path / 'trained.pth', folder / 'a.png')
    found = predict(str(half.config), half.checkpoint, folder / 'a.png')
    assert found.scores.dtype == torch.float32
    torch.testing.assert_close(found.scores, expected.scores, atol=0.01, rtol=0)


def test_a_value_beyond_half_stays_float32_and_is_named(publish, checkpoint):
    """As variances of a Caffe-style ResNet do."""
    name = 'backbone.bn1.running_var'
    checkpoint['state_dict'][f'teacher.{name}'][0] = 70000.0
    published = publish(half=True)
    assert published.kept_float32 == [name]
    weights = load(published.checkpoint)['state_dict']
    assert weights[name].dtype == torch.float32 and weights[name][0] == 70000.0
    assert weights['backbone.conv1.weight'].dtype == torch.float16
    init_detector(str(published.config), str(published.checkpoint), device='cpu')


def test_a_resnet_of_large_numbers_predicts_alike(publish, cfg, checkpoint, folder, tmp_path):
    """In a Caffe-style ResNet-50 the first batch norm's variances are beyond float16."""
    expected = predict(cfg, publish().checkpoint, folder / 'a.png')
    for network in 'student', 'teacher':
        bn = f'{network}.backbone.bn1'
        checkpoint['state_dict'][f'{network}.backbone.conv1.weight'] *= 300
        checkpoint['state_dict'][f'{bn}.running_mean'] *= 300
        checkpoint['state_dict'][f'{bn}.running_var'] *= 300**2
    published = publish(half=True, out='large/model')
    assert published.kept_float32 == ['backbone.bn1.running_var']
    found = predict(str(published.config), published.checkpoint, folder / 'a.png')
    torch.testing.assert_close(found.scores, expected.scores, atol=0.01, rtol=0)


def test_to_half_at_the_border():
    most = torch.finfo(torch.float16).max
    weights = dict(
        a=torch.tensor([most, -most]), b=torch.tensor([most + 1]), c=torch.tensor([2**40])
    )
    rounded = to_half(weights)
    assert rounded['a'].tolist() == [most, -most] and rounded['a'].dtype == torch.float16
    assert rounded['b'].dtype == torch.float32 and rounded['c'].dtype == torch.int64


@pytest.mark.parametrize('half', [False, True])
def test_weights_that_are_not_finite_are_refused(publish, checkpoint, half, tmp_path):
    checkpoint['state_dict']['teacher.backbone.conv1.weight'][0, 0, 0, 0] = float('nan')
    with pytest.raises(ValueError, match=r'backbone\.conv1\.weight has NaN or infinite values'):
        publish(half=half)
    assert not (tmp_path / 'published').exists()


def test_a_checkpoint_without_a_teacher_is_refused(publish, checkpoint, tmp_path):
    plain = load(publish().checkpoint)
    with pytest.raises(ValueError, match='no teacher: its weights are those of backbone, panoptic'):
        publish(plain, out='again/model')
    assert not (tmp_path / 'again').exists()


def test_a_checkpoint_of_another_config_is_refused(publish, checkpoint):
    name = next(name for name in checkpoint['state_dict'] if name.startswith('teacher.backbone'))
    value = checkpoint['state_dict'].pop(name)
    short = name.removeprefix('teacher.')
    with pytest.raises(
        ValueError, match=rf'not of this config: of \d+ weights 1 missing \({short}\)'
    ):
        publish()
    checkpoint['state_dict'] |= {name: value, 'teacher.extra': value}
    with pytest.raises(ValueError, match=r'1 not of the model \(extra\)'):
        publish()


def test_other_configs_are_refused(cfg):
    with pytest.raises(ValueError, match=r"config's model is Mask2Former, not mmpldc\.Semi"):
        plain_detector(plain_detector(cfg.model))


@pytest.mark.parametrize('ours', [False, True])
def test_modules_that_are_only_faster_become_mmdets(
    publish, cfg, checkpoint, folder, tmp_path, ours
):
    """With either kind in the config, for the weights are the same."""
    head = cfg.model.detector.panoptic_head
    fusion_head = cfg.model.detector.panoptic_fusion_head
    scope = 'mmpldc.' if ours else ''
    head.pixel_decoder.type = scope + 'MSDeformAttnPixelDecoder'
    head.upsample_masks = not ours
    fusion_head.type = 'mmpldc.TopKMaskFormerFusionHead' if ours else 'MaskFormerFusionHead'
    published = publish()
    assert published.own_types == [] and 'upsample_masks' not in published.config.read_text()
    expected = predict(cfg, tmp_path / 'trained.pth', folder / 'a.png')
    found = predict(str(published.config), published.checkpoint, folder / 'a.png')
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)
    assert (found.masks != expected.masks).float().mean() < 1e-3


def test_what_only_training_needs_is_left_behind(cfg, tmp_path, folder):
    head = cfg.model.detector.panoptic_head
    head.iou_head = dict(type='mmpldc.MaskIoUHead')
    cfg.model.pseudo_label_weights = dict(type='mmpldc.DynamicAligningWeights')
    head.loss_mask.pixel_weights = [dict(type='mmpldc.BoundaryPreservingMap')]
    model = MODELS.build(deepcopy(cfg.model))
    path = tmp_path / 'trained.pth'
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), path
    )
    published = publish_model(path, tmp_path / 'plain', deepcopy(cfg))
    assert published.own_types == []
    weights = load(published.checkpoint)['state_dict']
    assert weights and not any('iou_head' in name for name in weights)
    expected = predict(cfg, path, folder / 'a.png')
    found = predict(str(published.config), published.checkpoint, folder / 'a.png')
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)


# Of each class with a plain twin every option that the twin does not take, and a value for it.
OPTIONS = {
    'SemiMask2FormerHead': dict(
        upsample_masks=True,
        score_by_iou=False,
        iou_head=dict(type='mmpldc.MaskIoUHead'),
    ),
    'MSDeformAttnPixelDecoder': dict(with_cp=True),
    'TopKMaskFormerFusionHead': {},
    'SwinTransformer': {},
    'MaskCrossEntropyCost': {},
    'CocoMetric': dict(backend='faster_coco_eval'),
    'LoadAnnotations': dict(max_instances=3, check=False),
}


def test_each_option_of_a_class_with_a_plain_twin_is_tested():
    derived = {ours.__name__: own_options(ours) for ours in WITH_PLAIN_TWIN}
    assert derived == {name: set(options) for name, options in OPTIONS.items()}


@pytest.mark.parametrize(
    ('kind', 'option'), [(kind, name) for kind in OPTIONS for name in OPTIONS[kind]]
)
def test_an_option_that_mmdet_does_not_take_is_left_out(cfg, kind, option):
    head = cfg.model.detector.panoptic_head
    annotations = dict(with_bbox=True, with_mask=True)
    if kind == 'LoadAnnotations':
        cfg.test_dataloader.dataset.pipeline.insert(1, annotations)
        annotations = cfg.test_dataloader.dataset.pipeline[1]
    module = {
        'SemiMask2FormerHead': head,
        'MSDeformAttnPixelDecoder': head.pixel_decoder,
        'CocoMetric': cfg.test_evaluator,
        'LoadAnnotations': annotations,
    }[kind]
    module.update({'type': f'mmpldc.{kind}', option: OPTIONS[kind][option]})
    plain = plain_config(cfg, plain_detector(cfg.model), dict(classes=CLASSES))
    assert f'{option}=' not in plain.pretty_text and 'mmpldc' not in plain.pretty_text
    MODELS.build(plain.model)
    METRICS.build(dict(plain.test_evaluator, ann_file=None))


def test_scores_by_predicted_iou_are_refused(cfg):
    cfg.model.detector.panoptic_head.update(
        iou_head=dict(type='mmpldc.MaskIoUHead'), score_by_iou=True
    )
    with pytest.raises(ValueError, match='score_by_iou=False'):
        plain_detector(cfg.model)


# ---------------------------------------------------------------- what mmdet does not have


def test_own_modules_are_imported_and_named(publish, cfg):
    cfg.test_dataloader.dataset.pipeline.insert(
        1,
        dict(type='mmpldc.TorchvisionTransforms', transforms=[dict(type='RandomGrayscale', p=0.0)]),
    )
    cfg.custom_imports = dict(imports=['math'], allow_failed_imports=False)
    published = publish()
    assert published.own_types == ['mmpldc.TorchvisionTransforms']
    imports = Config.fromfile(published.config).custom_imports
    assert imports.imports == ['math', 'mmpldc.models', 'mmpldc.datasets']


def test_imports_of_the_config_are_kept(cfg):
    meta = dict(classes=CLASSES)
    assert 'custom_imports' not in plain_config(cfg, plain_detector(cfg.model), meta)
    cfg.custom_imports = dict(imports=['math'], allow_failed_imports=False)
    plain = plain_config(cfg, plain_detector(cfg.model), meta)
    assert plain.custom_imports == cfg.custom_imports


def test_the_given_config_is_not_modified(publish, cfg):
    before = deepcopy(cfg.to_dict())
    plain_config(cfg, plain_detector(cfg.model), dict(classes=CLASSES))
    assert cfg.to_dict() == before


@pytest.mark.parametrize('data', ['coco_10pct', 'cityscapes_5pct'])
def test_configs_of_the_paper_become_plain(data):
    root = Path(__file__).parents[2] / 'configs/pldc'
    cfg = Config.fromfile(root / f'pldc_mask2former_r50_{data}.py')
    cfg.test_evaluator.backend = 'faster_coco_eval'
    plain = plain_config(cfg, plain_detector(cfg.model), dict(classes=('a',)))
    assert 'mmpldc' not in plain.pretty_text
    assert plain.test_evaluator.type == 'CocoMetric' and 'backend' not in plain.test_evaluator
