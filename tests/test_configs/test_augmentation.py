"""What the paper's pipelines do to images, measured: ranges, shared geometry, empty crops."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

CONFIGS = Path(__file__).parents[2] / 'configs'
DRAWS = 400
COCO = 'pldc/pldc_mask2former_r50_coco_1pct.py'
CITYSCAPES = 'pldc/pldc_mask2former_r50_cityscapes_5pct.py'


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)


def steps_of(name: str, kind: str = 'labeled') -> dict:
    """Steps of a training pipeline by type."""
    return {
        step.type: step
        for step in Config.fromfile(CONFIGS / name).train_dataloader.dataset[kind].pipeline
    }


@pytest.mark.parametrize(
    ('name', 'frame', 'limits', 'crop'),
    [
        (COCO, (640, 480), (0.1, 2.0), (1024, 1024)),
        (COCO, (480, 640), (0.1, 2.0), (1024, 1024)),
        (CITYSCAPES, (2048, 1024), (0.5, 2.0), (1024, 512)),
    ],
)
def test_scale_jitter_and_crop(name, frame, limits, crop):
    """All lengths are a sixteenth, which changes no ratio and saves the time."""
    steps = steps_of(name)
    resize, crop_step = copy.deepcopy(steps['RandomResize']), copy.deepcopy(steps['RandomCrop'])
    target = resize.scale
    resize.scale = tuple(side // 16 for side in target)
    crop_step.crop_size = tuple(side // 16 for side in crop)
    resize, crop_step = Compose([resize]), Compose([crop_step])
    width, height = (side // 16 for side in frame)
    fit = min(target[0] / frame[0], target[1] / frame[1])
    ratios = []
    for _ in range(DRAWS):
        image = np.zeros((height, width, 3), np.uint8)
        results = resize(dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2]))
        resized_height, resized_width = results['img_shape']
        ratios.append(resized_width / width / fit)
        assert abs(resized_height / height - resized_width / width) <= 1 / min(height, width)
        cropped = crop_step(results)['img'].shape
        assert cropped[1] == min(resized_width, crop[0] // 16)
        assert cropped[0] == min(resized_height, crop[1] // 16)
    tolerance = 1 / width
    low, high = limits
    assert low - tolerance <= min(ratios) and max(ratios) <= high + tolerance
    # uniform: the ends are reached, and the mean lies in the middle (five standard errors)
    assert min(ratios) < low + 0.05 * (high - low) and max(ratios) > high - 0.05 * (high - low)
    assert abs(np.mean(ratios) - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * DRAWS)


def test_flip():
    flip = Compose([steps_of(COCO)['RandomFlip']])
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    flipped = [not np.array_equal(flip(dict(img=image.copy()))['img'], image) for _ in range(DRAWS)]
    assert abs(np.mean(flipped) - 0.5) < 5 * 0.5 / np.sqrt(DRAWS)


def strong(name: str) -> list[dict]:
    return steps_of(name)['MultiBranch']['sup_strong'][0]['transforms']


@pytest.mark.parametrize('kind', ['labeled', 'unlabeled'])
def test_both_kinds_of_images_have_the_same_strong_view(kind):
    branch = steps_of(COCO, kind)['MultiBranch']
    views = [value for key, value in branch.items() if key.endswith('_strong')]
    assert [view[0]['transforms'] for view in views] == [strong(COCO)]


def test_colour_jitter_draws_from_the_papers_ranges():
    """Table III: factors from [0.6, 1.4], hue from [-0.1, 0.1], as torchvision resolves them."""
    pipeline = Compose([dict(type='mmpldc.TorchvisionTransforms', transforms=strong(COCO)[:1])])
    (apply,) = pipeline.transforms[0].pipeline.transforms
    (jitter,) = apply.transforms
    assert apply.p == 0.8
    for part in ('brightness', 'contrast', 'saturation'):
        assert tuple(getattr(jitter, part)) == pytest.approx((0.6, 1.4))
    assert tuple(jitter.hue) == pytest.approx((-0.1, 0.1))


def test_blur_reaches_the_papers_sigma():
    """A point becomes a bell of at most sigma 2, which 13 taps hold, at least sigma 0.1."""
    torch.manual_seed(0)
    step = dict(strong(COCO)[2], prob=1.0)
    blur = Compose([dict(type='mmpldc.TorchvisionTransforms', transforms=[step])])
    image = np.zeros((25, 25, 3), np.uint8)
    image[12] = 255  # a line, so that one axis can be looked at
    offsets = np.arange(25) - 12
    sigmas = []
    for _ in range(DRAWS):
        profile = blur(dict(img=image.copy()))['img'][:, 12, 0].astype(float)
        sigmas.append(np.sqrt((profile * offsets**2).sum() / profile.sum()))
    assert max(sigmas) < 2.05 and max(sigmas) > 1.9 and min(sigmas) < 0.15


@pytest.mark.parametrize('index', [3, 4, 5])
def test_erased_rectangles(index):
    """Area and ratio (height / width) of what is erased, with a pixel's rounding."""
    torch.manual_seed(0)
    step = strong(COCO)[index]
    erase = Compose([dict(type='mmpldc.TorchvisionTransforms', transforms=[step])])
    side = 200
    image = np.full((side, side, 3), 77, np.uint8)
    areas, ratios = [], []
    for _ in range(DRAWS):
        changed = (erase(dict(img=image.copy()))['img'] != 77).any(axis=2)
        if changed.any():
            _, _, width, height = cv2.boundingRect(changed.astype(np.uint8))
            areas.append(width * height / side**2)
            ratios.append(height / width)
    p = step['p']
    assert abs(len(areas) / DRAWS - p) < 5 * np.sqrt(p * (1 - p) / DRAWS)
    (low, high), (thin, tall) = step['scale'], step['ratio']
    assert low * 0.93 <= min(areas) < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < max(areas) <= high * 1.03
    assert thin * 0.8 <= min(ratios) and max(ratios) <= tall * 1.25
    assert min(ratios) < 0.7 and max(ratios) > 1.5


@pytest.fixture
def scene(tmp_path):
    """An image with an object in its corner, 8 of 128 pixels wide, as a data set gives it."""
    path = str(tmp_path / 'scene.png')
    rng = np.random.default_rng(0)
    assert cv2.imwrite(path, rng.integers(0, 256, (128, 128, 3), np.uint8))
    instance = dict(bbox=[0, 0, 8, 8], bbox_label=0, ignore_flag=0, mask=[[0, 0, 8, 0, 8, 8, 0, 8]])
    return dict(img_path=path, img_id=1, height=128, width=128, instances=[instance])


def test_crops_without_objects_are_kept_and_views_share_their_geometry(scene):
    pipeline = copy.deepcopy(
        Config.fromfile(CONFIGS / COCO).train_dataloader.dataset.labeled.pipeline
    )
    for step in pipeline:
        if step.type == 'RandomResize':
            step.scale = (128, 128)
        if step.type == 'RandomCrop':
            step.crop_size = (64, 64)
    pipeline = Compose(pipeline)
    counts = []
    for _ in range(60):
        results = pipeline(copy.deepcopy(scene))
        weak, strong_view = (
            results['data_samples'][view].gt_instances for view in ('sup_weak', 'sup_strong')
        )
        counts.append(len(weak))
        assert torch.equal(weak.labels, strong_view.labels)
        assert torch.equal(weak.bboxes.tensor, strong_view.bboxes.tensor)
        masks = weak.masks.unpack()
        assert torch.equal(masks, strong_view.masks.unpack())
        assert masks.shape[1:] == results['inputs']['sup_weak'].shape[1:]
        assert all(mask.any() for mask in masks)
    assert set(counts) == {0, 1}
