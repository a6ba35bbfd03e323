"""An ONNX file finds what mmdet's model finds, and an image needs numpy and Pillow only."""

import importlib.util
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image

from mmpldc.apis import export_onnx, plain_config, plain_detector, publish_model
from mmpldc.apis.onnx_check import (
    Found,
    _padded,
    check_onnx,
    compare,
    open_session,
    pairwise_iou,
    run_onnx,
)
from mmpldc.apis.onnx_export import ExportedModel, load_exportable, preparation

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / 'demo/onnx_demo.py'
CLASSES = ('cat', 'dog', 'owl')
# Runs the demo, and lists what it has imported beside the standard library.
ALONE = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
print(sorted({'torch', 'cv2', 'mmcv', 'mmdet', 'mmengine', 'mmpldc', 'onnx'} & set(sys.modules)))
"""


@pytest.fixture
def published(cfg, checkpoint, tmp_path):
    torch.save(checkpoint, tmp_path / 'trained.pth')
    return publish_model(tmp_path / 'trained.pth', tmp_path / 'published/model', deepcopy(cfg))


@pytest.fixture
def plain(cfg) -> Config:
    return plain_config(cfg, plain_detector(cfg.model), dict(classes=CLASSES))


@pytest.fixture
def prepare():
    pytest.importorskip('onnxruntime')
    spec = importlib.util.spec_from_file_location('onnx_demo', DEMO)
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    return demo.prepare


def found(scores, labels, masks) -> Found:
    return Found(np.array(scores), np.array(labels), np.array(masks, bool).reshape(-1, 1, 4))


@pytest.mark.slow(longest=True)
def test_the_file_finds_what_mmdet_finds(published, folder, run_tool, tmp_path):
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(name)
    out = tmp_path / 'model.onnx'
    printed = run_tool(
        *('export_onnx.py', published.config, published.checkpoint, out, '--images', folder),
        cwd=tmp_path,
    )
    assert 'opset 18, 3 classes, any number of images of any size' in printed
    assert 'instances on 3 images: lowest mask IoU' in printed and 'PyTorch' in printed
    results = check_onnx(published.config, published.checkpoint, out, [folder / 'a.png'])
    assert results[0].holds and results[0].instances > 4

    # a batch of three is what its images are one by one, in any frame
    session = open_session(out)
    images = torch.randn(3, 3, 96, 160, generator=torch.Generator().manual_seed(0)).numpy()
    sizes = [(96, 160), (70, 129), (65, 160)]
    together = run_onnx(session, images, sizes)
    for image, size, of_batch in zip(images, sizes, together, strict=True):
        (alone,) = run_onnx(session, image[None], [size])
        assert of_batch.masks.shape == (8, *size)
        assert compare(alone, of_batch)[1:] == pytest.approx((1, 0), abs=1e-4)

    command = [sys.executable, '-c', ALONE, str(DEMO), str(out), str(folder / 'a.png'), 'drawn.png']
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == '[]'  # nothing but numpy, Pillow and onnxruntime
    assert Image.open(tmp_path / 'drawn.png').size == Image.open(folder / 'a.png').size

    # a file of other weights is noticed
    other = torch.load(published.checkpoint, weights_only=True)
    name = 'panoptic_head.mask_embed.4.weight'
    other['state_dict'][name] = -other['state_dict'][name]
    torch.save(other, tmp_path / 'other.pth')
    (result,) = check_onnx(published.config, tmp_path / 'other.pth', out, [folder / 'a.png'])
    assert not result.holds


@pytest.mark.long
def test_resnet_50_and_the_small_head(folder, run_tool, tmp_path):
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(name)
    text = (ROOT / 'configs/custom/pldc_mask2former_r50_custom.py').read_text()
    text = text.replace('mask2former_r50.py', 'mask2former_r50_tiny.py')
    text = text.replace('../_base_', str(ROOT / 'configs/_base_')).replace('= 100\n', '= 20\n')
    cfg = Config.fromstring(text, '.py')
    cfg.model.backbone.init_cfg = None
    meta = dict(dataset_meta=dict(classes=cfg.classes))
    torch.save(
        dict(state_dict=MODELS.build(deepcopy(cfg.model)).state_dict(), meta=meta),
        tmp_path / 'trained.pth',
    )
    published = publish_model(tmp_path / 'trained.pth', tmp_path / 'model', cfg)
    printed = run_tool(
        *('export_onnx.py', published.config, published.checkpoint, tmp_path / 'r50.onnx'),
        *('--images', folder),
        cwd=tmp_path,
    )
    assert 'on 3 images' in printed


def test_the_network_to_export_is_mmdets(published, folder):
    """The same weights give the same instances before anything is exported."""
    cfg = Config.fromfile(published.config)
    weights = torch.load(published.checkpoint, weights_only=True)
    exportable = load_exportable(cfg, weights)
    assert exportable.num_pairs == 8
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(weights['state_dict'])
    for path in folder.rglob('*.*'):
        data = pseudo_collate(
            [Compose(get_test_pipeline_cfg(cfg))(dict(img_path=str(path), img_id=0))]
        )
        data = model.data_preprocessor(data, False)
        with torch.no_grad():
            (expected,) = model.predict(data['inputs'], data['data_samples'], rescale=False)
            size = expected.img_shape[:2]
            scores, labels, masks = exportable(data['inputs'], torch.tensor([size]))
        instances = expected.pred_instances
        assert masks.shape[-2:] == data['inputs'].shape[-2:]
        assert not masks[:, :, size[0] :].any() and not masks[..., size[1] :].any()
        ours = found_in(scores[0], labels[0], masks[0, :, : size[0], : size[1]])
        theirs = found_in(instances.scores, instances.labels, instances.masks)
        number, iou, difference = compare(theirs, ours)
        assert number > 4 and iou > 0.99 and difference < 1e-4


def found_in(*tensors) -> Found:
    return Found(*(tensor.numpy() for tensor in tensors))


@pytest.mark.parametrize('sides', [('rows', 'columns'), (64, 96), (32, 64)])
def test_images_are_padded_to_a_fixed_size(sides):
    session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(shape=['batch', 3, *sides])])
    images = torch.ones(1, 3, 64, 64)
    if sides == (32, 64):
        with pytest.raises(ValueError, match=r'a\.png is 64 x 64 pixels .* fixed size, 32 x 64'):
            _padded(images, session, 'a.png')
        return
    padded = _padded(images, session, 'a.png')
    assert padded.shape[-2:] == ((64, 64) if sides[0] == 'rows' else sides)
    assert padded[..., :64].all() and not padded[..., 64:].any()


def test_the_best_pairs_are_at_most_all(cfg, checkpoint, published):
    plain = Config.fromfile(published.config)
    model = load_exportable(plain, torch.load(published.checkpoint, weights_only=True))
    assert ExportedModel(model.detector, 1000).num_pairs == 8 * 3


# ---------------------------------------------------------------- what an image needs


def test_what_is_done_to_an_image(plain):
    pixels = plain.model.data_preprocessor
    assert preparation(plain, CLASSES)._asdict() == dict(
        classes=CLASSES,
        scale=(64, 64),
        mean=tuple(pixels.mean),
        std=tuple(pixels.std),
        channels='RGB',
        divisor=32,
    )


@pytest.mark.parametrize('name', ['a.png', 'deep/c.PNG'])
@pytest.mark.parametrize('channels', ['RGB', 'BGR'])
def test_the_demo_prepares_an_image_as_the_pipeline_does(plain, folder, prepare, name, channels):
    plain.model.data_preprocessor.bgr_to_rgb = channels == 'RGB'
    about = json.loads(json.dumps(preparation(plain, CLASSES)._asdict()))
    pixels, (height, width) = prepare(Image.open(folder / name).convert('RGB'), about)
    packed = Compose(get_test_pipeline_cfg(plain))(dict(img_path=str(folder / name), img_id=0))
    data = MODELS.build(plain.model.data_preprocessor)(pseudo_collate([packed]), False)
    assert data['data_samples'][0].img_shape[:2] == (height, width)
    expected = data['inputs'].numpy()
    assert pixels.shape == expected.shape and pixels.dtype == np.float32
    assert np.abs(pixels - expected).max() * max(about['std']) < 1.6  # of 255: both round
    larger, _ = prepare(Image.open(folder / name).convert('RGB'), about, [96, 128])
    assert larger.shape == (1, 3, 96, 128)
    assert not pixels[..., height:, :].any() and not pixels[..., width:].any()


def test_a_pipeline_that_does_more_is_refused(plain):
    plain.test_dataloader.dataset.pipeline.insert(1, dict(type='RandomFlip', prob=0.5))
    with pytest.raises(ValueError, match="test pipeline has 'RandomFlip'"):
        preparation(plain, CLASSES)


def test_other_models_are_refused(cfg, plain, checkpoint):
    with pytest.raises(ValueError, match=r'this is a mmpldc\.SemiMask2Former; tools/publish_model'):
        load_exportable(cfg, checkpoint)
    plain.model.panoptic_head.num_stuff_classes = 1
    with pytest.raises(ValueError, match='classes of stuff'):
        load_exportable(plain, checkpoint)


def test_a_fixed_size_is_padded(published, tmp_path):
    pytest.importorskip('onnxscript')
    with pytest.raises(ValueError, match=r'multiples of 32, got \(64, 70\)'):
        export_onnx(published.config, published.checkpoint, tmp_path / 'a.onnx', size=(64, 70))
    assert not (tmp_path / 'a.onnx').exists()


def test_without_the_packages_one_line_names_the_extra(published, tmp_path, monkeypatch):
    monkeypatch.setattr('mmpldc.apis.onnx_export.is_installed', lambda name: name != 'onnxscript')
    with pytest.raises(SystemExit) as error:
        export_onnx(published.config, published.checkpoint, tmp_path / 'a.onnx')
    assert "needs onnxscript: pip install 'mmpldc[export]'" in str(error.value)
    assert '\n' not in str(error.value)


# ---------------------------------------------------------------- the comparison


def test_iou_of_pairs():
    generator = np.random.default_rng(0)
    first, second = generator.random((3, 5, 6)) > 0.5, generator.random((2, 5, 6)) > 0.3
    first[0] = second[0] = False
    for i, own in enumerate(first):
        for j, other in enumerate(second):
            union = (own | other).sum()
            expected = (own & other).sum() / union if union else 1
            assert pairwise_iou(first, second)[i, j] == pytest.approx(expected)


def test_order_does_not_matter_and_faint_instances_do_not_count():
    own = found([0.9, 0.4, 0.01], [1, 1, 0], [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]])
    other = found([0.4005, 0.9, 0.02], [1, 1, 2], [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]])
    assert compare(own, other) == (2, 1, pytest.approx(5e-4))


@pytest.mark.parametrize('swapped', [False, True])
def test_an_instance_without_a_partner_is_an_iou_of_0(swapped):
    own = found([0.9], [1], [[1, 1, 0, 0]])
    other = found([0.9, 0.5], [1, 0], [[1, 1, 0, 0], [0, 0, 1, 1]])
    pair = (other, own) if swapped else (own, other)
    assert compare(*pair)[1:] == (0, 1)


def test_the_worst_pair_counts():
    own = found([0.9, 0.8], [0, 0], [[1, 1, 0, 0], [0, 0, 1, 1]])
    other = found([0.9, 0.7], [0, 0], [[1, 1, 0, 0], [0, 1, 1, 1]])
    assert compare(own, other) == (2, pytest.approx(2 / 3), pytest.approx(0.1))


def test_without_an_image_nothing_is_compared(tmp_path):
    pytest.importorskip('onnxruntime')
    with pytest.raises(ValueError, match='no image'):
        check_onnx('a.py', 'a.pth', tmp_path / 'a.onnx', [])
