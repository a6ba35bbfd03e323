"""A segmentor's teacher, by this project and, once published, by mmsegmentation's interfaces."""

import importlib.util
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, save_checkpoint
from PIL import Image

from mmpldc.apis import load_segmentor, plain_segmentor, publish_model, segment_images
from mmpldc.datasets.shapes import SEMANTIC_CLASSES, SEMANTIC_PALETTE
from mmpldc.utils.checkpoints import read_checkpoint

pytest.importorskip('mmseg')
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs/semantic'
WITHOUT_MMPLDC = """
import sys
sys.modules['mmpldc'] = None  # an import of it fails
import numpy as np
from mmseg.apis import MMSegInferencer, inference_model, init_model
config, checkpoint, image, out = sys.argv[1:]
model = init_model(config, checkpoint, device='cpu')
found = inference_model(model, image).pred_sem_seg.data[0].numpy()
inferencer = MMSegInferencer(config, checkpoint, device='cpu')
np.savez(out, model=found, inferencer=inferencer(image)['predictions'])
"""


@pytest.fixture(scope='module')
def scenes(make_scenes) -> Path:
    return make_scenes(96, num_labeled=16, num_train=64, num_tuning=2, num_test=3)


@pytest.fixture(scope='module')
def pair(scenes, tmp_path_factory) -> dict[str, Path]:
    """U2PL's config and a checkpoint whose teacher and student differ; a memory bank is in it."""
    folder = tmp_path_factory.mktemp('pair')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMPLDC_SHAPES', f'{scenes}/')
        cfg = Config.fromfile(CONFIGS / 'shapes/u2pl.py')
    cfg.dump(folder / 'config.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(deepcopy(cfg.model))
    images = np.stack([mmcv.imread(path) for path in (scenes / 'images/train').iterdir()][:8])
    model.teacher.train()  # statistics of norms by which the predicted classes vary
    for module in model.teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    model.teacher((torch.from_numpy(images).permute(0, 3, 1, 2) - 120) / 60)
    head = model.teacher.decode_head
    head.conv_seg.weight.data.normal_()
    head.conv_seg.weight.data -= head.conv_seg.weight.data.mean(dim=1, keepdim=True)
    meta = dict(dataset_meta=dict(classes=SEMANTIC_CLASSES, palette=SEMANTIC_PALETTE))
    path = folder / 'checkpoint.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta=meta), str(path))
    image = min((scenes / 'images/test').iterdir())
    return dict(config=folder / 'config.py', checkpoint=path, image=image)


def segment(config: Path, checkpoint: Path, image: Path) -> np.ndarray:
    model = load_segmentor(Config.fromfile(config), read_checkpoint(checkpoint))
    (labels,) = segment_images(model, [mmcv.imread(image)])
    return labels


def test_published_teacher_predicts_without_mmpldc_what_the_pair_predicts(pair, python, tmp_path):
    cfg = Config.fromfile(pair['config'])
    published = publish_model(pair['checkpoint'], tmp_path / 'model', cfg)
    assert published.own_types == [] and 'mmpldc' not in published.config.read_text()
    assert not any(
        name.startswith(('student', 'contrast')) or 'representation' in name
        for name in torch.load(published.checkpoint)['state_dict']
    )
    subprocess.run(
        [
            *(python, '-c', WITHOUT_MMPLDC, published.config, published.checkpoint),
            *(pair['image'], tmp_path / 'found.npz'),
        ],
        check=True,
        env=os.environ | dict(OMP_NUM_THREADS=str(torch.get_num_threads())),
    )
    expected = segment(pair['config'], pair['checkpoint'], pair['image'])
    assert len(np.unique(expected)) > 2
    found = np.load(tmp_path / 'found.npz')
    for name in 'model', 'inferencer':
        np.testing.assert_array_equal(found[name], expected)
    ours = segment(published.config, published.checkpoint, pair['image'])
    np.testing.assert_array_equal(ours, expected)


def test_published_teacher_has_the_miou_of_the_pair(pair, tmp_path):
    cfg = Config.fromfile(pair['config'])
    published = publish_model(pair['checkpoint'], tmp_path / 'model', deepcopy(cfg))
    results = []
    for number, (config, checkpoint) in enumerate(
        [(cfg, pair['checkpoint']), (Config.fromfile(published.config), published.checkpoint)]
    ):
        config.work_dir, config.load_from = str(tmp_path / 'test'), str(checkpoint)
        config.experiment_name = config.visualizer.name = f'published_{number}'
        results.append(Runner.from_cfg(config).test())
    assert results[0] == results[1] and results[0]['mIoU'] > 0


def test_segment_images_takes_any_sizes_and_the_teacher(pair):
    cfg = Config.fromfile(pair['config'])
    cfg.model.semi_test_cfg = dict(predict_on='student')  # as a run may test it; it is not loaded
    model = load_segmentor(cfg, read_checkpoint(pair['checkpoint']))
    assert model.dataset_meta['classes'] == SEMANTIC_CLASSES
    image = mmcv.imread(pair['image'])
    images = [image, image[::-1].copy(), image[:64, :80].copy(), image]
    found = list(segment_images(model, iter(images), batch_size=3))
    assert [one.shape for one in found] == [one.shape[:2] for one in images]
    np.testing.assert_array_equal(found[0], found[3])
    for labels, one in zip(found, images, strict=True):
        (alone,) = segment_images(model, [one])
        assert (labels != alone).mean() < 1e-3  # a batch may differ in the last digit of a logit
    model.teacher.load_state_dict(model.student.state_dict())
    (student,) = segment_images(model, [image])
    assert (student != found[0]).any()


def test_demo_writes_drawings_and_label_maps(pair, tmp_path, monkeypatch, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    (folder / 'one.jpg').write_bytes(pair['image'].read_bytes())
    arguments = [folder, pair['config'], '--weights', pair['checkpoint'], '--device', 'cpu']
    arguments += ['--out-dir', tmp_path / 'out', '--batch-size', 2]
    monkeypatch.setattr(sys, 'argv', ['image_demo.py', *map(str, arguments)])
    spec = importlib.util.spec_from_file_location('program', ROOT / 'demo/image_demo.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    expected = segment(pair['config'], pair['checkpoint'], pair['image'])
    label_map = Image.open(tmp_path / 'out/preds/one.png')
    assert label_map.getpalette()[3:6] == list(SEMANTIC_PALETTE[1])
    np.testing.assert_array_equal(np.array(label_map), expected)
    drawn = mmcv.imread(tmp_path / 'out/vis/one.jpg')
    assert drawn.shape == mmcv.imread(pair['image']).shape


@pytest.mark.parametrize('dataset', ['voc', 'cityscapes'])
@pytest.mark.parametrize('method', ['mean_teacher', 'u2pl', 'imas', 'unimatch'])
def test_published_configs_become_plain(dataset, method):
    """All parts are mmsegmentation's or those of libraries below it; none is mmdet's."""
    from mmseg.registry import MODELS as OF_MMSEG

    from mmpldc.apis import plain_segmentor_config

    cfg = Config.fromfile(CONFIGS / f'{dataset}/{method}.py')
    segmentor = plain_segmentor(cfg.model)
    plain = plain_segmentor_config(cfg, segmentor, dict(classes=('a',)))
    assert 'mmpldc' not in plain.pretty_text and 'mmdet' not in plain.pretty_text
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = OF_MMSEG.build(plain.model)
    for module in (model, model.backbone, model.decode_head, model.decode_head.loss_decode):
        assert type(module).__module__.startswith('mmseg.')


def test_own_and_mmdets_types_are_found_from_mmsegs_scope(pair, tmp_path):
    cfg = Config.fromfile(pair['config'])
    own = dict(
        type='mmpldc.TorchvisionTransforms', transforms=[dict(type='RandomGrayscale', p=0.0)]
    )
    mmdets = dict(type='RandomShift', prob=0.0)
    cfg.test_dataloader.dataset.pipeline[1:1] = [own, mmdets]
    published = publish_model(pair['checkpoint'], tmp_path / 'model', cfg)
    assert published.own_types == ['mmdet.mmpldc.TorchvisionTransforms']
    kinds = [part.type for part in Config.fromfile(published.config).test_pipeline]
    assert kinds[1:3] == ['mmdet.mmpldc.TorchvisionTransforms', 'mmdet.RandomShift']
    expected = segment(pair['config'], pair['checkpoint'], pair['image'])
    ours = segment(published.config, published.checkpoint, pair['image'])
    np.testing.assert_array_equal(ours, expected)


def test_another_model_is_refused():
    with pytest.raises(ValueError, match=r'is EncoderDecoder, not mmpldc\.SemiSegmentor'):
        plain_segmentor(Config(dict(model=dict(type='EncoderDecoder'))).model)
