"""A scorer that is not CLIP: classifiers of a few thousand random weights against plain code."""

import copy
import sys

import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from mmpldc.functional import PixelNormalization
from mmpldc.models import CLIPRefiner, ImageClassifierScorer
from mmpldc.schedules import Progress

mmpretrain_models = pytest.importorskip('mmpretrain.models')

CPU = torch.device('cpu')
OUTPUTS = 6
CLASSES = ('tiger', 'deer', 'sea turtle')
CLASS_INDICES = {'deer': [1, 4], 'tiger': [5], 'sea turtle': [0]}
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)
TIMM = dict(
    type='mmpretrain.TimmClassifier',
    model_name='resnet10t',
    num_classes=OUTPUTS,
    channels=(8, 8, 8, 8),
    stem_width=8,
)
MMPRETRAIN = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=OUTPUTS, in_channels=64),
)
SIZE = 32  # of the crops; half of the boxes' sides, so that resizing is an average of 2 x 2
BOXES = [(0, 64, 0, 64), (32, 96, 16, 80), (16, 80, 32, 96)]  # top, bottom, left, right
IMAGE_INDEX = torch.tensor([1, 0, 1])


def make_network(classifier: dict) -> nn.Module:
    """A random classifier whose opinion depends on the picture."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        network = mmpretrain_models.build_classifier(copy.deepcopy(classifier)).eval()
    last = network.head.fc if hasattr(network, 'head') else network.model.fc
    last.weight.data.normal_(std=2)
    return network


@pytest.fixture(params=[TIMM, MMPRETRAIN], ids=['timm', 'mmpretrain'])
def classifier(request) -> dict:
    return request.param


@pytest.fixture
def make_scorer(tmp_path):
    """A scorer and the network that its checkpoint comes from, prepared on demand."""

    def make(classifier=MMPRETRAIN, prepare=True, **options):
        network = make_network(classifier)
        path = tmp_path / 'classifier.pth'
        torch.save(dict(state_dict=network.state_dict()), path)
        options = (
            dict(
                checkpoint=str(path),
                class_indices=CLASS_INDICES,
                crop_size=SIZE,
                mean=MEAN,
                std=STD,
            )
            | options
        )
        scorer = ImageClassifierScorer(classifier=classifier, **options)
        if prepare:
            scorer.prepare(CLASSES, CPU)
        return scorer, network

    return make


def make_regions() -> tuple:
    """The arguments of ``score``: two images of 96 x 96 and the square masks ``BOXES``."""
    mask_logits = torch.full((len(BOXES), 96, 96), -5.0)
    for mask, (top, bottom, left, right) in zip(mask_logits, BOXES, strict=True):
        mask[top:bottom, left:right] = 5
    images = F.interpolate(torch.rand(2, 3, 12, 12), scale_factor=8)  # no two crops look alike
    return images, [(96, 96)] * 2, mask_logits, IMAGE_INDEX


def fixed_logits(scorer: ImageClassifierScorer, logits: torch.Tensor) -> None:
    """Let the classifier say this of any crops."""
    scorer.network = lambda crops, mode: logits


@pytest.mark.parametrize('bgr', [False, True], ids=['rgb', 'bgr'])
def test_probabilities_match_a_naive_reference(make_scorer, classifier, bgr):
    scorer, network = make_scorer(classifier, bgr=bgr, temperature=2.0)
    images, sizes, mask_logits, image_index = make_regions()
    scores = scorer.score(images, sizes, mask_logits, image_index)
    assert scores.valid.tolist() == [True] * 3
    for row, (top, bottom, left, right), index in zip(
        scores.probabilities, BOXES, image_index, strict=True
    ):
        pixels = F.avg_pool2d(images[index, :, top:bottom, left:right] * 255, 2)
        if bgr:
            pixels = pixels[[2, 1, 0]]
        inputs = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        logits = network(inputs[None], mode='tensor')[0].double() / 2
        odds = {name: sum(logits[i].exp() for i in CLASS_INDICES[name]) for name in CLASSES}
        expected = [(odds[name] / sum(odds.values())).item() for name in CLASSES]
        assert row.tolist() == pytest.approx(expected, abs=1e-5)
    assert scores.probabilities.std(dim=0).max() > 0.01  # the pictures matter


@pytest.mark.parametrize('bgr', [False, True], ids=['rgb', 'bgr'])
def test_known_pixels_reach_the_classifier_normalised(make_scorer, bgr):
    scorer, _ = make_scorer(bgr=bgr)
    seen = []
    scorer.network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    _, sizes, mask_logits, image_index = make_regions()
    red, green, blue = 51.0, 102.0, 204.0
    images = (torch.tensor([red, green, blue]) / 255).view(1, 3, 1, 1).expand(2, 3, 96, 96)
    scorer.score(images, sizes, mask_logits, image_index)
    channels = (blue, green, red) if bgr else (red, green, blue)
    expected = [(value - m) / s for value, m, s in zip(channels, MEAN, STD, strict=True)]
    (inputs,) = seen
    assert inputs.shape == (3, 3, SIZE, SIZE)
    torch.testing.assert_close(
        inputs, torch.tensor(expected).view(1, 3, 1, 1).expand_as(inputs), atol=1e-5, rtol=1e-5
    )


def test_scores_do_not_depend_on_the_memory_bound(make_scorer):
    regions = make_regions()
    scorer, _ = make_scorer()
    all_at_once = scorer.score(*regions)
    scorer.crops.max_pixels = 1
    one_by_one = scorer.score(*regions)
    torch.testing.assert_close(one_by_one.probabilities, all_at_once.probabilities)


def test_unknown_class_has_probability_0(make_scorer):
    scorer, _ = make_scorer(class_indices=CLASS_INDICES | {'deer': []})
    probabilities, valid = scorer.score(*make_regions())
    assert valid.all() and (probabilities[:, 1] == 0).all()
    assert probabilities.sum(dim=1).tolist() == pytest.approx([1, 1, 1])


def test_shared_output_is_divided_between_its_classes(make_scorer):
    scorer, _ = make_scorer(class_indices={'tiger': [0], 'deer': [1, 2], 'sea turtle': [2]})
    fixed_logits(scorer, torch.tensor([[0.3, 0.2, 0.4, 0.04, 0.03, 0.03]]).log())
    images, sizes, mask_logits, _ = make_regions()
    probabilities, _ = scorer.score(images, sizes, mask_logits[:1], torch.tensor([0]))
    assert probabilities[0].tolist() == pytest.approx([0.3 / 0.9, 0.4 / 0.9, 0.2 / 0.9])


def test_row_is_invalid_where_the_classifier_sees_something_else(make_scorer):
    scorer, _ = make_scorer(min_mass=0.2)  # classes have outputs 0, 1, 4 and 5
    logits = torch.tensor(
        [
            [0.05, 0.05, 0.4, 0.39, 0.05, 0.06],
            [0.05, 0.05, 0.4, 0.41, 0.05, 0.04],
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        ]
    ).log()
    fixed_logits(scorer, logits)
    probabilities, valid = scorer.score(*make_regions())
    assert valid.tolist() == [True, False, False]
    assert probabilities[0].tolist() == pytest.approx([0.06 / 0.21, 0.1 / 0.21, 0.05 / 0.21])
    assert probabilities.isfinite().all()


def test_empty_mask_is_invalid(make_scorer):
    scorer, _ = make_scorer()
    images, sizes, mask_logits, image_index = make_regions()
    mask_logits[1] = -5
    _, valid = scorer.score(images, sizes, mask_logits, image_index)
    assert valid.tolist() == [True, False, True]


def test_probabilities_are_fp32_under_autocast(make_scorer):
    scorer, _ = make_scorer()
    regions = make_regions()
    expected = scorer.score(*regions).probabilities
    with torch.autocast('cpu', torch.bfloat16):
        probabilities, _ = scorer.score(*regions)
    assert probabilities.dtype == torch.float32
    assert probabilities.sum(dim=1).tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert (probabilities - expected).abs().max() < 0.05


def test_network_is_frozen_and_of_mmpretrain(make_scorer):
    """The default scope is mmdet here, whose registry has a ResNet too."""
    scorer, _ = make_scorer(prepare=False)
    assert scorer.network is None, 'building a scorer is cheap'
    scorer.prepare(CLASSES, CPU)
    assert isinstance(scorer.network.backbone, mmpretrain_models.ResNet)
    assert not scorer.network.training
    assert not any(parameter.requires_grad for parameter in scorer.network.parameters())
    assert not isinstance(scorer, nn.Module)


def test_weights_are_timms_own_file(make_scorer, tmp_path):
    """What a machine without a network is told to fetch."""
    save_file = pytest.importorskip('safetensors.torch').save_file
    network = make_network(TIMM)
    save_file(network.model.state_dict(), tmp_path / 'model.safetensors')
    scorer, _ = make_scorer(TIMM, checkpoint=str(tmp_path / 'model.safetensors'))
    images = torch.rand(1, 3, SIZE, SIZE)
    assert scorer.network(images).equal(network(images))


def test_weights_come_from_a_url(make_scorer, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    path = tmp_path / 'classifier.pth'
    scorer, network = make_scorer(checkpoint=path.as_uri())
    images = torch.rand(1, 3, SIZE, SIZE)
    assert scorer.network(images).equal(network(images))
    assert (tmp_path / 'torch/hub/checkpoints/classifier.pth').exists()


@pytest.mark.parametrize(
    ('class_indices', 'message'),
    [
        ({'deer': [1]}, r"lacks \['tiger', 'sea turtle'\]"),
        (CLASS_INDICES | {'deer': [1, 6, 9]}, r"'deer'\] has \[6, 9\], .* has 6 outputs"),
        (CLASS_INDICES | {'deer': 1}, r"correct \['deer'\]"),
        (CLASS_INDICES | {'deer': [-1], 'tiger': ['n02129604']}, r"correct \['deer', 'tiger'\]"),
    ],
    ids=['missing', 'too large', 'no list', 'no index'],
)
def test_wrong_mapping_is_an_error(make_scorer, class_indices, message):
    with pytest.raises(ValueError, match=message):
        make_scorer(class_indices=class_indices)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(min_mass=0.0), 'min_mass must be'),
        (dict(temperature=0.0), 'temperature must be'),
        (dict(checkpoint=None), 'give the weights as checkpoint'),
    ],
    ids=['min_mass', 'temperature', 'checkpoint'],
)
def test_wrong_option_is_an_error(make_scorer, options, message):
    with pytest.raises(ValueError, match=message):
        make_scorer(prepare=False, **options)


def test_classifier_without_a_head_is_an_error(make_scorer):
    scorer, network = make_scorer(prepare=False)
    network.head = None
    torch.save(network.state_dict(), scorer.checkpoint)
    scorer.classifier = {key: value for key, value in MMPRETRAIN.items() if key != 'head'}
    with pytest.raises(ValueError, match='does not return logits'):
        scorer.prepare(CLASSES, CPU)


def test_weights_that_do_not_fit_are_an_error(make_scorer):
    scorer, _ = make_scorer(prepare=False)
    scorer.classifier = dict(MMPRETRAIN, backbone=dict(MMPRETRAIN['backbone'], depth=34))
    with pytest.raises(RuntimeError, match=r'(?s)classifier\.pth does not fit .*Missing key'):
        scorer.prepare(CLASSES, CPU)


def test_missing_weights_say_how_to_get_them(make_scorer, tmp_path):
    scorer, _ = make_scorer(prepare=False, checkpoint=str(tmp_path / 'nowhere.pth'))
    with pytest.raises(RuntimeError, match=r'(?s)nowhere\.pth.*in advance.*refiner=None'):
        scorer.prepare(CLASSES, CPU)


def test_missing_mmpretrain_says_what_to_install(make_scorer, monkeypatch):
    scorer, _ = make_scorer(prepare=False)
    monkeypatch.setitem(sys.modules, 'mmpretrain.models', None)
    with pytest.raises(ImportError, match='pip install onedl-mmpretrain'):
        scorer.prepare(CLASSES, CPU)


def test_refiner_takes_its_classes(tmp_path):
    """A teacher that cannot decide: the classifier does, except about a mask that is empty."""
    labels, second, scores = refine_undecided_labels(tmp_path, CLASS_INDICES)
    assert second.labels[:2].equal(scores.argmax(dim=1))
    torch.testing.assert_close(second.class_quality[:2], (scores.amax(dim=1) + 1 / 3) / 2)
    assert second.labels[2] == 2 and second.class_quality[2] == labels.class_quality[2]


def test_labels_of_unknown_classes_stay(tmp_path):
    """Labels are tiger and deer; if the classifier knows no deer, only the tiger may change."""
    no_deer = {'deer': [], 'tiger': [1, 4, 5], 'sea turtle': [0, 2, 3]}
    labels, second, scores = refine_undecided_labels(tmp_path, no_deer)
    assert second.labels[0] == scores[0].argmax() and second.class_quality[0] > 0.3
    assert second.labels[1] == 1 and second.class_quality[1] == labels.class_quality[1]


def refine_undecided_labels(tmp_path, class_indices):
    """Three labels before and after, and the scores of those whose mask is not empty."""
    path = tmp_path / 'classifier.pth'
    torch.save(make_network(TIMM).state_dict(), path)
    refiner = CLIPRefiner(
        scorer=dict(
            type='mmpldc.ImageClassifierScorer',
            classifier=TIMM,
            checkpoint=str(path),
            class_indices=class_indices,
            crop_size=SIZE,
        )
    )
    refiner.prepare(CLASSES, CPU)
    images, sizes, mask_logits, _ = make_regions()
    mask_logits[2] = -5
    samples = [DetDataSample(metainfo=dict(img_shape=size)) for size in sizes]
    labels = InstanceData(
        cls_logits=torch.zeros(3, len(CLASSES) + 1),
        labels=torch.tensor([0, 1, 2]),
        class_quality=torch.full((3,), 0.3),
        mask_quality=torch.full((3,), 0.9),
        scores=torch.full((3,), 0.27),
        mask_logits=mask_logits,
    )
    normalization = PixelNormalization(0.0, 255.0, True)  # images are in [0, 1] already
    first, second = refiner(
        [labels[:0], labels], images, samples, Progress(0, 10, 20), normalization
    )
    assert len(first) == 0
    scores = refiner.scorer.score(images, sizes, mask_logits, torch.tensor([1, 1, 1]))
    return labels, second, scores.probabilities[:2]
