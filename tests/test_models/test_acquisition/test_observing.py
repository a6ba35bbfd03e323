"""What the teacher sees, against the same looked at step by step."""

import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample

from mmpldc.models.acquisition import ViewDisagreement, observe, pooled_features
from mmpldc.models.refiners import RegionScores


@pytest.fixture
def model(tiny_model_cfg):
    model = MMDET_MODELS.build(tiny_model_cfg).eval()
    model.set_progress(0, 10)
    return model


def samples_of(*widths):
    return [
        DetDataSample(metainfo=dict(img_shape=(64, width), img_path=f'{number}.jpg'))
        for number, width in enumerate(widths)
    ]


def batch(*widths):
    images = torch.randn(len(widths), 3, 64, 64)
    for image, width in zip(images, widths, strict=True):
        image[..., width:] = 0
    return images


def test_predictions_are_the_candidates_without_duplicates(model):
    images, samples = batch(64, 40), samples_of(64, 40)
    seen = observe(model, images, samples)
    candidates = model.get_candidates(images, samples, min_class_quality=0.05)
    assert [one.name for one in seen] == ['0.jpg', '1.jpg']
    for one, all_of_them in zip(seen, candidates, strict=True):
        assert one.mirrored is None and one.refined is None
        kept = one.predictions
        assert 0 < len(kept) <= len(all_of_them)
        assert kept.scores.tolist() == sorted(kept.scores.tolist(), reverse=True)
        masks = (kept.mask_logits > 0).flatten(1).float()
        common = masks @ masks.T
        union = masks.sum(1)[:, None] + masks.sum(1) - common
        assert ((common / union.clamp(min=1)).triu(1) <= 0.6).all()


@pytest.mark.parametrize('width', [64, 48])
def test_the_mirrored_view_comes_back_into_the_frame(model, width):
    images, samples = batch(width), samples_of(width)
    (seen,) = observe(model, images, samples, mirror=True)
    flipped = torch.zeros_like(images)
    flipped[..., :width] = images[..., :width].flip(-1)
    (naive,) = observe(model, flipped, samples)
    cells = width // 4
    # the second pass sees the flipped image but for rounding
    assert torch.allclose(seen.mirrored.scores, naive.predictions.scores, atol=1e-3)
    back = naive.predictions.mask_logits[..., :cells].flip(-1)
    assert torch.allclose(seen.mirrored.mask_logits[..., :cells], back, atol=1e-2)
    assert ViewDisagreement()(seen).isfinite()


class Scorer:
    def score(self, images, sizes, mask_logits, image_index):
        assert images.min() > -10 and sizes == [(64, 64), (64, 40)]
        assert len(mask_logits) == len(image_index) == len(image_index.sort().values)
        self.image_index = image_index
        return RegionScores(torch.eye(3)[image_index], image_index > 0)


def test_the_refiner_sees_all_masks_at_once(model):
    model.refiner = type('Refiner', (), dict(scorer=Scorer()))()
    first, second = observe(model, batch(64, 40), samples_of(64, 40), refine=True)
    for number, one in enumerate((first, second)):
        assert len(one.refined.probabilities) == len(one.predictions)
        assert (one.refined.probabilities == torch.eye(3)[number]).all()
        assert (one.refined.valid == bool(number)).all()
    model.refiner = None
    with pytest.raises(ValueError, match=r'set model\.refiner to one with a scorer'):
        observe(model, batch(64), samples_of(64), refine=True)


def test_nan_is_refused(model):
    images = batch(64)
    images[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r'0\.jpg contain NaN'):
        observe(model, images, samples_of(64))


def test_features_of_the_content_alone(model, monkeypatch):
    maps = torch.arange(24.0).view(2, 3, 2, 2)
    monkeypatch.setattr(model.teacher, 'extract_feat', lambda images: [None, maps])
    features = pooled_features(model, batch(64, 32), samples_of(64, 32))
    assert torch.equal(features[0], maps[0].mean(dim=(1, 2)))
    assert torch.equal(features[1], maps[1, :, :, 0].mean(dim=1))  # the right half is padding
    narrow = pooled_features(model, batch(64, 3), samples_of(64, 3))  # no cell's centre
    assert torch.equal(narrow[1], maps[1].mean(dim=(1, 2)))
