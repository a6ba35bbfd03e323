"""Pseudo-labels in the images' own frame, against an image-by-image, mask-by-mask computation."""

from copy import deepcopy
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.structures import InstanceData

from mmpldc.apis import (
    UnreadableImage,
    decode_mask,
    folder_images,
    label_images,
    load_labeler,
    plain_detector,
)
from mmpldc.models import GrabCutRefiner
from mmpldc.models.refiners import RegionScorer
from mmpldc.registry import MODELS

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SIDE = 64


@MODELS.register_module(force=True)
class AlwaysOwl(RegionScorer):
    """Is certain that everything is of the last class."""

    def prepare(self, classes, device):
        self.num_classes = len(classes)

    def score(self, images, sizes, mask_logits, image_index):
        scores = torch.zeros(len(mask_logits), self.num_classes)
        scores[:, -1] = 1
        return scores, torch.ones(len(mask_logits), dtype=torch.bool)


def labels_of(model, cfg, folder, **options) -> dict:
    """Labels by file name."""
    items = list(label_images(model, cfg, folder_images(folder), folder, **options))
    return {item.image['file_name']: item for item in items}


# ---------------------------------------------------------------- frames


def naive_labels(model, path) -> list[tuple[int, float, float, np.ndarray]]:
    """Class, class quality, mask quality and mask of each query, by numpy and OpenCV."""
    picture = cv2.imread(str(path))
    height, width = picture.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    content = (int(height * scale + 0.5), int(width * scale + 0.5))
    resized = cv2.resize(picture, content[::-1], interpolation=cv2.INTER_LINEAR)
    normalised = (resized[..., ::-1].astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    padded = np.zeros((*(-(-side // 32) * 32 for side in content), 3), np.float32)
    padded[: content[0], : content[1]] = normalised
    images = torch.from_numpy(padded.transpose(2, 0, 1).copy())[None]
    sample = SimpleNamespace(
        metainfo=dict(batch_input_shape=padded.shape[:2], img_shape=content, ori_shape=(1, 1))
    )
    with torch.no_grad():
        features = model.teacher.extract_feat(images)
        all_cls, all_masks, _ = model.teacher.panoptic_head(features, [sample])
    found = []
    for cls, mask in zip(all_cls[-1][0].numpy(), all_masks[-1][0].numpy(), strict=True):
        probabilities = np.exp(cls - cls.max())
        probabilities = (probabilities / probabilities.sum())[:-1]
        # OpenCV's bilinear interpolation looks at pixel centres, as torch's does
        full = cv2.resize(mask, padded.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        sure = 1 / (1 + np.exp(-full[full > 0]))
        cropped = full[: content[0], : content[1]]
        original = cv2.resize(cropped, (width, height), interpolation=cv2.INTER_LINEAR)
        quality = sure.mean() if len(sure) else 0.0
        found.append((probabilities.argmax(), probabilities.max(), quality, original > 0))
    return sorted(found, key=lambda label: -label[1] * label[2])


def test_labels_are_those_of_a_naive_computation(cfg, checkpoint, folder):
    cfg.model.pseudo_label_filter.min_area = -1  # every query passes
    model = load_labeler(cfg, checkpoint)
    labeled = labels_of(model, cfg, folder)
    assert len(labeled) == 3
    count = 0
    for name, item in labeled.items():
        naive = naive_labels(model, folder / name)
        height, width = naive[0][3].shape
        assert (item.image['height'], item.image['width']) == (height, width)
        expected = [label for label in naive if label[3].any()]
        assert len(item.labels) == len(expected)
        for label, (index, class_quality, mask_quality, mask) in zip(
            item.labels, expected, strict=True
        ):
            assert label.label == index
            assert label.class_quality == pytest.approx(class_quality, abs=1e-4)
            assert label.mask_quality == pytest.approx(mask_quality, abs=1e-3)
            assert label.score == pytest.approx(class_quality * mask_quality, abs=1e-3)
            decoded = decode_mask(label.rle)
            assert decoded.shape == mask.shape
            # a logit close to 0 may fall on either side
            assert (decoded != mask).mean() < 0.01
            count += 1
    assert count > 6


def test_a_known_mask_goes_through_padding_and_resizing(cfg, tmp_path):
    """A 40 x 80 picture is 32 x 64 to the network, in a batch of 64 x 64.

    At stride 4 its content are the first 8 of 16 rows. The logits are positive in the left half and
    all over the padding (but for what touches the content), so that the mask must be the left half
    of the picture and the padding must not be seen.
    """
    cv2.imwrite(str(tmp_path / 'wide.png'), np.zeros((40, 80, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'tall.png'), np.zeros((80, 80, 3), np.uint8))  # pads the batch
    logits = torch.ones(1, 16, 16)
    logits[:, :10, 8:] = -1

    def get_pseudo_instances(inputs, samples):
        assert inputs.shape == (2, 3, 64, 64)
        value = torch.tensor([0.5])
        instances = InstanceData(
            labels=torch.tensor([1]),
            class_quality=value,
            mask_quality=value,
            scores=value,
            mask_logits=logits,
        )
        return [instances[:0], instances]

    preprocessor = MMDET_MODELS.build(cfg.model.data_preprocessor)
    model = SimpleNamespace(
        data_preprocessor=preprocessor, get_pseudo_instances=get_pseudo_instances, eval=lambda: None
    )
    labeled = labels_of(model, cfg, tmp_path, batch_size=2)
    assert labeled['tall.png'].labels == []
    (label,) = labeled['wide.png'].labels
    expected = np.zeros((40, 80), bool)
    expected[:, :40] = True
    assert (decode_mask(label.rle) == expected).all()
    assert (label.label, label.score) == (1, 0.5)


def test_a_mask_that_shrinking_left_empty_is_dropped(cfg, tmp_path):
    cv2.imwrite(str(tmp_path / 'small.png'), np.zeros((2, 2, 3), np.uint8))
    logits = torch.full((1, 16, 16), -60.0)
    logits[0, 5, 5] = 1
    value = torch.tensor([0.5])
    instances = InstanceData(
        labels=torch.tensor([1]),
        class_quality=value,
        mask_quality=value,
        scores=value,
        mask_logits=logits,
    )
    model = SimpleNamespace(
        data_preprocessor=MMDET_MODELS.build(cfg.model.data_preprocessor),
        get_pseudo_instances=lambda *_: [instances],
        eval=lambda: None,
    )
    assert labels_of(model, cfg, tmp_path)['small.png'].labels == []


# ---------------------------------------------------------------- reading images


def test_workers_and_order(cfg, checkpoint, folder):
    model = load_labeler(cfg, checkpoint)
    images = folder_images(folder)
    alone = list(label_images(model, cfg, images, folder))
    assert [item.image['id'] for item in alone] == [1, 2, 3]
    assert list(label_images(model, cfg, images, folder, num_workers=2)) == alone


@pytest.mark.parametrize('content', [b'', b'no picture'])
def test_an_unreadable_image_is_named(cfg, checkpoint, folder, content):
    (folder / 'broken.jpg').write_bytes(content)
    images = [*folder_images(folder), dict(id=9, file_name='missing.jpg')]
    model = load_labeler(cfg, checkpoint)
    items = list(label_images(model, cfg, images, folder, batch_size=3))
    unreadable = [item for item in items if isinstance(item, UnreadableImage)]
    assert [item.path for item in unreadable] == [folder / 'broken.jpg', folder / 'missing.jpg']
    assert 'missing.jpg' in unreadable[1].reason
    assert len(items) == 5


# ---------------------------------------------------------------- the model


def test_the_teacher_labels(cfg, checkpoint):
    model = load_labeler(cfg, checkpoint)
    assert not model.training and model.refiner is None
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, checkpoint['state_dict'][f'teacher.{name}'])


def test_masks_are_refined_as_at_the_checkpoints_iteration_alone(cfg, checkpoint):
    cfg.train_cfg = dict(max_iters=10)
    cfg.model.mask_refiner = dict(type='mmpldc.GrabCutRefiner')
    assert load_labeler(deepcopy(cfg), checkpoint).mask_refiner is None
    model = load_labeler(deepcopy(cfg), checkpoint, refiner_weight='scheduled')
    assert isinstance(model.mask_refiner, GrabCutRefiner)
    assert model.progress.step == 10


def test_a_plain_checkpoint_becomes_the_teacher(cfg, checkpoint):
    plain = {
        name.removeprefix('student.'): value
        for name, value in checkpoint['state_dict'].items()
        if name.startswith('student.')
    }
    model = load_labeler(cfg, dict(state_dict=plain))
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, plain[name])


def test_checkpoints_of_another_config_are_refused(cfg, checkpoint):
    other = deepcopy(cfg)
    other.model.detector.panoptic_head.num_queries = 9
    with pytest.raises(ValueError, match=r'2 of another shape \(panoptic_head\.query_embed'):
        load_labeler(other, checkpoint)
    name = next(name for name in checkpoint['state_dict'] if name.startswith('teacher.'))
    del checkpoint['state_dict'][name]
    with pytest.raises(ValueError, match=rf'1 missing \({name.removeprefix("teacher.")}\)'):
        load_labeler(cfg, checkpoint)


def test_other_models_are_refused(cfg, checkpoint):
    cfg.model = plain_detector(cfg.model)
    with pytest.raises(ValueError, match=r"need mmpldc\.SemiMask2Former, not 'Mask2Former'"):
        load_labeler(cfg, checkpoint)


# ---------------------------------------------------------------- thresholds and refiner


def qualities(model, cfg, folder) -> np.ndarray:
    """Class and mask quality of all labels."""
    items = labels_of(model, cfg, folder).values()
    labels = [label for item in items for label in item.labels]
    return np.array([(label.class_quality, label.mask_quality) for label in labels]).reshape(-1, 2)


def test_thresholds_of_the_filter(cfg, checkpoint, folder):
    model = load_labeler(cfg, checkpoint)
    every = qualities(model, cfg, folder)
    class_thr, mask_thr = map(float, np.median(every, axis=0))
    model.set_thresholds()
    assert len(qualities(model, cfg, folder)) == len(every)
    model.set_thresholds(class_thr=class_thr)
    assert len(qualities(model, cfg, folder)) == (every[:, 0] >= class_thr).sum() < len(every)
    model.set_thresholds(mask_thr=mask_thr)
    both = (every >= (class_thr, mask_thr)).all(axis=1)
    assert len(qualities(model, cfg, folder)) == both.sum()


def test_thresholds_of_the_checkpoint(cfg, checkpoint, folder):
    every = qualities(load_labeler(cfg, checkpoint), cfg, folder)
    class_thr, mask_thr = map(float, np.median(every, axis=0))
    cfg.model.class_thresholds = dict(
        type='mmpldc.ClassAwareThresholds', class_range=(0.0, 1.0), mask_range=(0.0, 1.0)
    )
    untrained = load_labeler(cfg, checkpoint)
    for given in (dict(), dict(class_thr=0.5), dict(mask_thr=0.5)):
        with pytest.raises(ValueError, match='the checkpoint has no trained ones: give both'):
            untrained.set_thresholds(**given)
    untrained.set_thresholds(class_thr=class_thr, mask_thr=0)
    assert len(qualities(untrained, cfg, folder)) == (every[:, 0] >= class_thr).sum()

    checkpoint['state_dict'] |= {
        'class_thresholds.class_thr': torch.full((3,), class_thr),
        'class_thresholds.mask_thr': torch.full((3,), mask_thr),
        'class_thresholds.is_started': torch.tensor(True),
    }
    model = load_labeler(cfg, checkpoint)
    model.set_thresholds()
    both = (every >= (class_thr, mask_thr)).all(axis=1)
    assert len(qualities(model, cfg, folder)) == both.sum() < len(every)
    model.set_thresholds(class_thr=0)
    assert len(qualities(model, cfg, folder)) == (every[:, 1] >= mask_thr).sum()
    # labelling must not move them
    assert model.class_thresholds.mask_thr.tolist() == [pytest.approx(mask_thr)] * 3


def test_a_coupled_filter_has_neither_threshold(cfg, checkpoint):
    cfg.model.pseudo_label_filter.update(class_thr=None, mask_thr=None, score_thr=0.5)
    model = load_labeler(cfg, checkpoint)
    model.set_thresholds()
    with pytest.raises(ValueError, match=r'give both .* or set .*\.score_thr'):
        model.set_thresholds(class_thr=0.5)


@pytest.mark.parametrize('part', [None, dict(type='mmpldc.ExpectedCountThreshold')])
def test_both_thresholds_replace_that_on_the_score(cfg, checkpoint, folder, part):
    every = qualities(load_labeler(cfg, checkpoint), cfg, folder)
    class_thr, mask_thr = map(float, np.median(every, axis=0))
    cfg.model.pseudo_label_filter.update(class_thr=None, mask_thr=None, score_thr=0.9)
    cfg.model.class_thresholds = part
    model = load_labeler(cfg, checkpoint)
    model.set_thresholds(class_thr=class_thr, mask_thr=mask_thr)
    both = (every >= (class_thr, mask_thr)).all(axis=1)
    assert len(qualities(model, cfg, folder)) == both.sum()


def test_a_threshold_by_count_that_saw_no_image_gives_way_to_the_filters(cfg, checkpoint, folder):
    cfg.model.pseudo_label_filter.update(
        class_thr=None, mask_thr=None, score_thr=-1.0, score='certain', min_area=-1
    )
    cfg.model.class_thresholds = dict(type='mmpldc.ExpectedCountThreshold', window=10)
    model = load_labeler(deepcopy(cfg), checkpoint)  # as after a supervised run
    assert model.class_thresholds is None
    assert all(item.labels for item in labels_of(model, cfg, folder).values())
    state = checkpoint['state_dict']
    state['class_thresholds.images'] = torch.tensor(10.0)
    model = load_labeler(deepcopy(cfg), checkpoint)
    assert model.class_thresholds.threshold == pytest.approx(
        0.3
    )  # of an empty histogram: the floor


def test_the_refiner_weighs_what_it_is_told(cfg, checkpoint, folder):
    bias = checkpoint['state_dict']['teacher.panoptic_head.cls_embed.bias']
    bias[0] += 5  # its classes are not all owls
    teacher = labels_of(load_labeler(deepcopy(cfg), checkpoint), cfg, folder)
    cfg.model.refiner = dict(
        type='mmpldc.CLIPRefiner', begin=5, scorer=dict(type='mmpldc.AlwaysOwl')
    )
    for weight in (0.0, 1.0):
        model = load_labeler(deepcopy(cfg), checkpoint, refiner_weight=weight)
        refined = labels_of(model, cfg, folder)
        for name, item in refined.items():
            classes = [label.label for label in item.labels]
            expected = [label.label for label in teacher[name].labels]
            assert classes == ([2] * len(expected) if weight else expected)
    assert any(label.label != 2 for item in teacher.values() for label in item.labels)


@pytest.mark.parametrize(('meta', 'step'), [(dict(iter=30), 30), ({}, 100)])
def test_a_scheduled_refiner_weighs_what_it_did_at_the_checkpoint(cfg, checkpoint, meta, step):
    cfg.train_cfg = dict(max_iters=100)
    cfg.model.refiner = dict(type='mmpldc.CLIPRefiner', scorer=dict(type='mmpldc.AlwaysOwl'))
    checkpoint['meta'] |= meta
    model = load_labeler(cfg, checkpoint, refiner_weight='scheduled')
    assert (model.progress.step, model.progress.max_steps) == (step, 100)
    assert model.dataset_meta['classes'] == ('cat', 'dog', 'owl')
    assert model.refiner.scorer.num_classes == 3


def test_without_a_refiner_there_is_no_schedule(cfg, checkpoint):
    """Nor need the config say for how long it trains."""
    assert load_labeler(cfg, checkpoint, refiner_weight='scheduled').refiner is None


def test_a_refiner_needs_a_config_and_a_sensible_weight(cfg, checkpoint):
    with pytest.raises(ValueError, match=r'no model\.refiner'):
        load_labeler(deepcopy(cfg), checkpoint, refiner_weight=0.5)
    cfg.model.refiner = dict(type='mmpldc.CLIPRefiner', scorer=dict(type='mmpldc.AlwaysOwl'))
    with pytest.raises(ValueError, match=r'must lie in \[0, 1\], got 2'):
        load_labeler(cfg, checkpoint, refiner_weight=2)
