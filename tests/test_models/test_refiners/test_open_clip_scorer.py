"""CLIP as a scorer, against open_clip's own preprocessing and encoders, on small random models."""

import gc
import json
import math
import sys
import weakref
from functools import cache
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from mmpldc.functional import PixelNormalization
from mmpldc.models import OpenCLIPScorer
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress

SIDE = 64  # of the towers' input
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)  # other than open_clip's default
CLASSES = ('cat', 'traffic light', 'dog')
TEXT = dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1)
TIMM = dict(timm_model_pretrained=False, timm_pool='', timm_proj='linear')
TOWERS = dict(
    resnet=dict(layers=[1, 1, 1, 1], width=8),
    vit=dict(layers=2, width=32, head_width=16, patch_size=16),
    convnext=dict(timm_model_name='convnext_atto', **TIMM),
    convnext_mlp=dict(timm_model_name='convnext_atto', **TIMM | dict(timm_proj='mlp')),  # released
    fastvit=dict(timm_model_name='fastvit_t8', **TIMM),
)
towers = pytest.mark.parametrize('tower', ['resnet', 'vit', 'convnext'])
map_towers = pytest.mark.parametrize('tower', ['resnet', 'convnext'])
modes = pytest.mark.parametrize('mode', ['crop', 'mask_pool'])


def smooth_noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A uint8 RGB picture ``(3, H, W)`` with structures at several scales, as photos have them."""
    generator = torch.Generator().manual_seed(seed)
    octaves = [
        0.6**level
        * F.interpolate(
            torch.randn(1, 3, 2**level, 2**level, generator=generator),
            (height, width),
            mode='bicubic',
        )[0]
        for level in range(1, 7)
    ]
    picture = sum(octaves)
    return (110 + 45 * (picture - picture.mean()) / picture.std()).clamp(0, 255).byte()


def normalized(pictures: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (pictures / 255 - mean) / std


@torch.no_grad()
def make_informative(visual: nn.Module) -> None:
    """Random towers give every picture nearly the same embedding: remove what is common."""
    pictures = normalized(torch.stack([smooth_noise(SIDE, SIDE, 100 + i) for i in range(16)]))
    if hasattr(visual, 'attnpool'):
        for module in visual.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                module.momentum = 1.0
        visual.train()(pictures)  # the statistics of these
        visual.eval()
        visual.attnpool.c_proj.bias -= visual(pictures).mean(dim=0)
    elif hasattr(visual, 'ln_post'):
        tokens = []
        handle = visual.ln_post.register_forward_hook(lambda *call: tokens.append(call[2]))
        visual(pictures)
        handle.remove()
        visual.ln_post.bias -= tokens[0][:, 0].mean(dim=0)


@pytest.fixture(scope='module')
def folder_of(tmp_path_factory):
    """Folder with a CLIP model, by the tower's name."""
    root = tmp_path_factory.mktemp('clip')

    @cache
    def folder_of(tower: str) -> Path:
        folder = root / tower
        folder.mkdir()
        model_cfg = dict(
            embed_dim=16, vision_cfg=dict(image_size=SIDE, **TOWERS[tower]), text_cfg=TEXT
        )
        config = dict(model_cfg=model_cfg, preprocess_cfg=dict(mean=MEAN, std=STD))
        (folder / 'open_clip_config.json').write_text(json.dumps(config))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            clip = open_clip.create_model(f'local-dir:{folder}').eval()
        make_informative(clip.visual)
        save_file(
            {name: tensor.contiguous() for name, tensor in clip.state_dict().items()},
            folder / 'open_clip_model.safetensors',
        )
        return folder

    return folder_of


@pytest.fixture(scope='module')
def clip_of(folder_of):
    """open_clip's model, validation transform and tokenizer, the reference."""

    @cache
    def clip_of(tower: str):
        name = f'local-dir:{folder_of(tower)}'
        clip, _, preprocess = open_clip.create_model_and_transforms(name)
        return clip.eval(), preprocess, open_clip.get_tokenizer(name)

    return clip_of


@pytest.fixture(scope='module')
def make_new_scorer(folder_of, tmp_path_factory):
    """A prepared scorer."""
    text_cache = tmp_path_factory.mktemp('texts')

    def make_new_scorer(tower: str, *, classes=CLASSES, **options) -> OpenCLIPScorer:
        config = dict(
            type='mmpldc.OpenCLIPScorer',
            model=f'local-dir:{folder_of(tower)}',
            text_cache=str(text_cache),
        )
        scorer = MODELS.build(config | options)
        scorer.prepare(classes, torch.device('cpu'))
        return scorer

    return make_new_scorer


@pytest.fixture(scope='module')
def make_scorer(make_new_scorer):
    """The same, for tests of what it computes: made once for each tower and options."""
    return cache(make_new_scorer)


def box_logits(height: int, width: int, *boxes) -> torch.Tensor:
    """Mask logits ``(K, H / 4, W / 4)`` of filled boxes x1, y1, x2, y2, multiples of 4 pixels."""
    logits = torch.full((len(boxes), height // 4, width // 4), -8.0)
    for own, (x1, y1, x2, y2) in zip(logits, boxes, strict=True):
        own[y1 // 4 : y2 // 4, x1 // 4 : x2 // 4] = 8.0
    return logits


def tower_inputs(scorer: OpenCLIPScorer, monkeypatch) -> list[torch.Tensor]:
    """What reaches the tower, batch by batch."""
    inputs = []
    for name in ('forward', 'forward_intermediates'):
        method = getattr(scorer.visual, name)

        def recorded(images, *args, method=method, **kwargs):
            inputs.append(images)
            return method(images, *args, **kwargs)

        monkeypatch.setattr(scorer.visual, name, recorded)
    return inputs


@torch.no_grad()
def embeddings_of(scorer: OpenCLIPScorer, images, sizes, mask_logits, image_index):
    """Of the regions, before they are compared with texts."""
    regions = scorer._crop if scorer.mode == 'crop' else scorer._mask_pool
    return regions(images, sizes, mask_logits, image_index)


@torch.no_grad()
def score(scorer: OpenCLIPScorer, *args):
    return scorer.score(*args)


# ---------------------------------------------------------------- crops

# Smaller than the input, of its size, and larger; inside of the image and all of it.
BOXES = [
    (0, (16, 16, 48, 48)),
    (0, (100, 60, 140, 100)),
    (1, (200, 200, 224, 224)),
    (1, (8, 8, 16, 16)),
    (0, (96, 96, 160, 160)),
    (0, (20, 40, 220, 240)),
    (1, (64, 32, 192, 160)),
    (1, (0, 0, 256, 256)),
]


@pytest.fixture(scope='module')
def pictures():
    return torch.stack([smooth_noise(256, 256, seed) for seed in (1, 2)])


@torch.no_grad()
def pil_embeddings(clip, preprocess, pictures, boxes):
    """open_clip's way: a PIL crop, its transform, its encoder."""
    crops = [
        Image.fromarray(pictures[index].permute(1, 2, 0).numpy()).crop(box) for index, box in boxes
    ]
    return clip.encode_image(torch.stack([preprocess(crop) for crop in crops]))


@towers
def test_crops_equal_open_clips_own(tower, make_scorer, clip_of, pictures):
    clip, preprocess, _ = clip_of(tower)
    expected = pil_embeddings(clip, preprocess, pictures, BOXES)
    index = torch.tensor([image for image, _ in BOXES])
    logits = box_logits(256, 256, *[box for _, box in BOXES])
    images, sizes = pictures / 255, [(256, 256)] * 2
    result, valid = embeddings_of(make_scorer(tower), images, sizes, logits, index)
    assert valid.all()
    distances = 1 - F.cosine_similarity(result, expected)
    assert (distances < 0.02).all(), distances
    # and the distance would tell, had the pixels or the regions been others
    for wrong in (
        embeddings_of(make_scorer(tower), images.flip(1), sizes, logits, index)[0],
        embeddings_of(make_scorer(tower), images.flip(0), sizes, logits, index)[0],
        embeddings_of(make_scorer(tower), images * 255, sizes, logits, index)[0],
    ):
        assert (1 - F.cosine_similarity(wrong, expected) > 0.02).sum() >= 6


@towers
@pytest.mark.parametrize('pad', [0, 32])
def test_objects_at_the_edge_of_the_content(tower, make_scorer, clip_of, pad):
    """PIL crops from the image without its padding."""
    clip, preprocess, _ = clip_of(tower)
    boxes = [(64, 64, 128, 128), (96, 32, 128, 64), (112, 112, 128, 128), (0, 0, 128, 128)]
    picture = smooth_noise(128, 128, 3)[None]
    expected = pil_embeddings(clip, preprocess, picture, [(0, box) for box in boxes])
    images = F.pad(picture / 255, (0, pad, 0, pad))
    logits = box_logits(128 + pad, 128 + pad, *boxes)
    index = torch.zeros(4, dtype=torch.int64)
    result, _ = embeddings_of(make_scorer(tower), images, [(128, 128)], logits, index)
    assert (1 - F.cosine_similarity(result, expected) < 0.02).all()


def test_squeezed_crops_equal_open_clips_squash(make_scorer, clip_of, pictures):
    clip, _, _ = clip_of('convnext')
    squash = open_clip.image_transform(
        SIDE, is_train=False, mean=MEAN, std=STD, resize_mode='squash'
    )
    boxes = [(0, (16, 60, 216, 100)), (1, (40, 8, 52, 200))]
    expected = pil_embeddings(clip, squash, pictures, boxes)
    scorer = make_scorer('convnext', square=False)
    logits = box_logits(256, 256, *[box for _, box in boxes])
    result, _ = embeddings_of(
        scorer, pictures / 255, [(256, 256)] * 2, logits, torch.tensor([0, 1])
    )
    assert (1 - F.cosine_similarity(result, expected) < 0.02).all()


@pytest.mark.parametrize(
    ('options', 'seen'),
    [
        (dict(), (40, 20, 160, 140)),  # 120 x 40 around (100, 80), squared
        (dict(context=1.5), (10, -10, 190, 170)),
        (dict(square=False), (40, 60, 160, 100)),
        (dict(square=False, context=1.2), (28, 56, 172, 104)),
    ],
    ids=str,
)
def test_square_and_context(make_scorer, clip_of, pictures, options, seen):
    clip, _, _ = clip_of('convnext')
    x1, y1, x2, y2 = seen
    padded = F.pad(normalized(pictures[:1]), (16, 16, 16, 16))  # 0: the mean colour
    crop = padded[:, :, y1 + 16 : y2 + 16, x1 + 16 : x2 + 16]
    crop = F.interpolate(crop, (SIDE, SIDE), mode='bicubic', antialias=True)
    with torch.no_grad():
        expected = clip.encode_image(crop)
    logits = box_logits(256, 256, (40, 60, 160, 100))
    result, _ = embeddings_of(
        make_scorer('convnext', **options),
        pictures[:1] / 255,
        [(256, 256)],
        logits,
        torch.tensor([0]),
    )
    assert 1 - F.cosine_similarity(result, expected) < 0.02


def test_crop_size(make_scorer, monkeypatch, pictures):
    scorer = make_scorer('convnext', crop_size=96)
    inputs = tower_inputs(scorer, monkeypatch)
    logits = box_logits(256, 256, (40, 60, 160, 100))
    score(scorer, pictures / 255, [(256, 256)] * 2, logits, torch.tensor([1]))
    assert [tuple(images.shape) for images in inputs] == [(1, 3, 96, 96)]


@modes
def test_empty_masks_are_not_valid(make_scorer, pictures, mode):
    logits = box_logits(256, 256, (0, 0, 64, 64), (0, 0, 0, 0), (32, 64, 128, 192))
    scores = score(
        make_scorer('resnet', mode=mode),
        pictures / 255,
        [(256, 256)] * 2,
        logits,
        torch.tensor([0, 0, 1]),
    )
    assert scores.valid.tolist() == [True, False, True]
    assert scores.probabilities.isfinite().all()


# ---------------------------------------------------------------- input statistics

COLORS = torch.tensor([[200, 30, 90], [0, 255, 128]], dtype=torch.uint8)  # RGB


@pytest.mark.parametrize('is_rgb', [True, False])
@modes
def test_known_pixels_reach_the_tower_as_open_clip_normalises_them(
    make_scorer, clip_of, monkeypatch, is_rgb, mode
):
    """From uint8 BGR through the detector's normalisation, the refiner and the scorer."""
    _, preprocess, _ = clip_of('resnet')
    pictures = [color.flip(0).view(3, 1, 1).expand(3, 96, 96).contiguous() for color in COLORS]
    preprocessor = DetDataPreprocessor(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=is_rgb
    )
    samples = [DetDataSample(metainfo=dict(img_shape=(96, 96))) for _ in COLORS]
    data = preprocessor(dict(inputs=pictures, data_samples=samples))
    labels = [
        InstanceData(
            labels=torch.tensor([0]),
            class_quality=torch.ones(1),
            mask_quality=torch.ones(1),
            scores=torch.ones(1),
            mask_logits=box_logits(96, 96, (24, 24, 56, 56)),
            cls_logits=torch.zeros(1, len(CLASSES) + 1),
        )
        for _ in COLORS
    ]
    refiner = MODELS.build(
        dict(type='mmpldc.CLIPRefiner', scorer=dict(type='mmpldc.OpenCLIPScorer', model='unused'))
    )
    refiner.scorer = make_scorer('resnet', mode=mode)
    inputs = tower_inputs(refiner.scorer, monkeypatch)
    refiner(
        labels,
        data['inputs'],
        data['data_samples'],
        Progress(step=0, pseudo_label_start=0, max_steps=10),
        PixelNormalization(preprocessor.mean, preprocessor.std, is_rgb),
    )
    (seen,) = inputs
    assert seen.shape == (2, 3, *([SIDE] * 2 if mode == 'crop' else [96] * 2))
    for own, color in zip(seen, COLORS, strict=True):
        expected = preprocess(Image.new('RGB', (SIDE, SIDE), tuple(color.tolist())))[:, :1, :1]
        torch.testing.assert_close(own, expected.expand_as(own), rtol=0, atol=1e-5)


def test_mask_pool_sees_the_whole_image_once(make_scorer, monkeypatch, pictures):
    scorer = make_scorer('convnext', mode='mask_pool')
    inputs = tower_inputs(scorer, monkeypatch)
    logits = box_logits(256, 256, *[box for _, box in BOXES])
    index = torch.tensor([image for image, _ in BOXES])
    score(scorer, pictures / 255, [(256, 256)] * 2, logits, index)
    (seen,) = inputs
    torch.testing.assert_close(seen, normalized(pictures), rtol=0, atol=1e-5)


# ---------------------------------------------------------------- pooled features


def naive_embedding(visual, pooled):
    """From averages of a tower's last map ``(K, C)`` to CLIP's space."""
    if hasattr(visual, 'attnpool'):  # its values, without the attention
        values = pooled @ visual.attnpool.v_proj.weight.T + visual.attnpool.v_proj.bias
        return values @ visual.attnpool.c_proj.weight.T + visual.attnpool.c_proj.bias
    norm = visual.trunk.head.norm
    rows = (pooled - pooled.mean(dim=1, keepdim=True)) / (
        pooled.var(dim=1, correction=0, keepdim=True) + norm.eps
    ).sqrt()
    return (rows * norm.weight + norm.bias) @ visual.head.proj.weight.T


@map_towers
@torch.no_grad()
def test_a_mask_of_cells_equals_a_loop(tower, make_scorer, clip_of, pictures):
    visual = clip_of(tower)[0].visual
    cells = torch.rand(4, 8, 8) < 0.3  # of the map at stride 32
    index = torch.tensor([0, 1, 0, 1])
    images = normalized(pictures)
    if tower == 'resnet':
        maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(images)))))
    else:
        maps = visual.trunk.forward_features(images)
    pooled = [maps[image][:, mask].mean(dim=1) for mask, image in zip(cells, index, strict=True)]
    expected = naive_embedding(visual, torch.stack(pooled))
    logits = (16.0 * cells - 8).repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    scorer = make_scorer(tower, mode='mask_pool')
    result, valid = embeddings_of(scorer, pictures / 255, [(256, 256)] * 2, logits, index)
    assert valid.all()
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('tower', ['convnext', 'convnext_mlp'])
@torch.no_grad()
def test_a_mask_over_everything_equals_the_towers_own_pooling(
    tower, make_scorer, clip_of, pictures
):
    """ConvNeXt's head pools over the map, so this is CLIP's embedding of the image."""
    expected = clip_of(tower)[0].encode_image(normalized(pictures))
    result, valid = embeddings_of(
        make_scorer(tower, mode='mask_pool'),
        pictures / 255,
        [(256, 256)] * 2,
        torch.full((3, 64, 64), 5.0),
        torch.tensor([1, 0, 1]),
    )
    assert valid.all()
    torch.testing.assert_close(result, expected[[1, 0, 1]], rtol=1e-4, atol=1e-5)


@map_towers
def test_a_mask_that_vanishes_at_the_towers_stride_is_not_valid(tower, make_scorer, pictures):
    logits = box_logits(256, 256, (32, 32, 96, 96), (32, 32, 36, 200), (64, 64, 68, 68))
    scores = score(
        make_scorer(tower, mode='mask_pool'),
        pictures / 255,
        [(256, 256)] * 2,
        logits,
        torch.tensor([0, 1, 0]),
    )
    assert scores.valid.tolist() == [True, False, False]
    assert scores.probabilities.isfinite().all()
    crops = score(
        make_scorer(tower), pictures / 255, [(256, 256)] * 2, logits, torch.tensor([0, 1, 0])
    )
    assert crops.valid.all()


@pytest.mark.parametrize('tower', ['vit', 'fastvit'])
def test_towers_without_a_suitable_map_are_refused_when_prepared(tower, make_new_scorer):
    """Not at the first pseudo-label, after 20,000 iterations of burn-in.

    fastvit has ``trunk.stages`` as ConvNeXt does, and a convolution behind them.
    """
    with pytest.raises(ValueError, match=r"mode='mask_pool' needs .* use mode='crop'"):
        make_new_scorer(tower, mode='mask_pool')


# ---------------------------------------------------------------- padding, chunks, precision


def padded_pictures(pad: int, fill: float = 0.0):
    """Pictures of 160 x 192 and 128 x 256 with padding, sizes, masks and their images."""
    sizes = [(160, 192), (128, 256)]
    height, width = 160 + pad, 256 + pad
    images = torch.full((2, 3, height, width), fill)
    for index, (own_height, own_width) in enumerate(sizes):
        picture = smooth_noise(own_height, own_width, index) / 255
        images[index, :, :own_height, :own_width] = picture
    boxes = [(0, 0, 192, 160), (32, 32, 96, 128), (64, 0, 256, 128), (96, 96, 160, 128)]
    return images, sizes, box_logits(height, width, *boxes), torch.tensor([0, 0, 1, 1])


@modes
def test_padding_has_the_mean_colour(make_scorer, monkeypatch, mode):
    """Zero behind the normalisation, in a crop that reaches into it as well."""
    scorer = make_scorer('resnet', mode=mode)
    inputs = tower_inputs(scorer, monkeypatch)
    images = torch.full((1, 3, 128, 128), 0.9)
    logits = box_logits(128, 128, (0, 32, 128, 96))  # squared, it is the whole frame
    score(scorer, images, [(96, 128)], logits, torch.tensor([0]))
    (seen,) = inputs
    content = seen.shape[2] * 96 // 128
    assert not seen[:, :, content:].any()
    assert (seen[:, :, : content - 1] > 1).all()


@modes
def test_what_stands_in_the_padding_has_no_influence(make_scorer, mode):
    scorer = make_scorer('resnet', mode=mode)
    expected = score(scorer, *padded_pictures(32))
    for fill in (0.5, 1.0):
        result = score(scorer, *padded_pictures(32, fill))
        torch.testing.assert_close(result.probabilities, expected.probabilities, rtol=0, atol=1e-6)


@towers
@pytest.mark.parametrize('pad', [64, 128])
def test_more_padding_does_not_change_crops(tower, make_scorer, pad):
    scorer = make_scorer(tower)
    expected, result = (score(scorer, *padded_pictures(more)) for more in (32, pad))
    torch.testing.assert_close(result.probabilities, expected.probabilities, rtol=0, atol=1e-4)


@map_towers
def test_more_padding_hardly_changes_pooled_features(tower, make_scorer):
    """Features near the border see it: as a convolution's own padding, or as zeros further out."""
    scorer = make_scorer(tower, mode='mask_pool')
    expected, result = (embeddings_of(scorer, *padded_pictures(more))[0] for more in (64, 128))
    assert (F.cosine_similarity(expected, result) > 0.99).all()


@modes
def test_masks_in_the_padding_do_not_count(make_scorer, mode):
    """What spills over is cut off, and a mask that has nothing else is not valid."""
    scorer = make_scorer('resnet', mode=mode)
    images, sizes = torch.rand(1, 3, 128, 256), [(128, 128)]
    boxes = (0, 0, 128, 128), (0, 0, 256, 128), (160, 32, 256, 96)
    result = score(scorer, images, sizes, box_logits(128, 256, *boxes), torch.zeros(3).long())
    assert result.valid.tolist() == [True, True, False]
    torch.testing.assert_close(result.probabilities[1], result.probabilities[0])


@modes
@pytest.mark.parametrize('max_pixels', [1, 3 * SIDE**2 + 5])
def test_chunks_make_no_difference(make_scorer, monkeypatch, pictures, mode, max_pixels):
    logits = box_logits(256, 256, *[box for _, box in BOXES])
    index = torch.tensor([image for image, _ in BOXES])
    scene = pictures / 255, [(256, 256)] * 2, logits, index
    expected = score(make_scorer('convnext', mode=mode), *scene)
    scorer = make_scorer('convnext', mode=mode, max_pixels=max_pixels)
    inputs = tower_inputs(scorer, monkeypatch)
    result = score(scorer, *scene)
    counts = {('crop', 1): [1] * 8, ('crop', 3 * SIDE**2 + 5): [3, 3, 2]}
    assert [len(images) for images in inputs] == counts.get((mode, max_pixels), [1, 1])
    assert result.valid.equal(expected.valid)
    torch.testing.assert_close(result.probabilities, expected.probabilities, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ('tower', 'mode'),
    [
        ('resnet', 'crop'),
        ('vit', 'crop'),
        ('convnext', 'crop'),
        ('resnet', 'mask_pool'),
        ('convnext', 'mask_pool'),
    ],
)
def test_under_autocast(make_scorer, pictures, tower, mode):
    scorer = make_scorer(tower, mode=mode)
    logits = box_logits(256, 256, *[box for _, box in BOXES])
    index = torch.tensor([image for image, _ in BOXES])
    scene = pictures / 255, [(256, 256)] * 2, logits, index
    expected = score(scorer, *scene)
    with torch.autocast('cpu', torch.bfloat16):
        result = score(scorer, *scene)
    assert result.probabilities.dtype == torch.float32
    assert result.valid.equal(expected.valid)
    kept = expected.valid
    torch.testing.assert_close(
        result.probabilities[kept], expected.probabilities[kept], rtol=0, atol=0.05
    )


# ---------------------------------------------------------------- texts and probabilities


def naive_probabilities(feature, texts_of_class, scale, ensemble):
    """One region's distribution, from lists of numbers."""

    def unit(vector):
        length = math.sqrt(sum(value**2 for value in vector))
        return [value / length for value in vector]

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    def softmax(values):
        exponentials = [math.exp(value - max(values)) for value in values]
        return [e / sum(exponentials) for e in exponentials]

    feature, logits = unit(feature), []
    for texts in texts_of_class:
        texts = [unit(text) for text in texts]
        if ensemble == 'mean':
            mean = unit([sum(column) / len(texts) for column in zip(*texts, strict=True)])
            logits.append(scale * dot(feature, mean))
        else:
            own = [scale * dot(feature, text) for text in texts]
            logits.append(dot(own, softmax(own)))
    return softmax(logits)


@pytest.fixture
def descriptions(tmp_path):
    """Texts of the classes, a different number for each, and of one that is not asked for."""
    path = tmp_path / 'descriptions.json'
    texts = {'dog': ['a dog', 'it barks', 'on a leash'], 'bus': ['a bus'], 'cat': ['it purrs']}
    path.write_text(json.dumps(texts | {'traffic light': ['red', 'a green light']}))
    return path


@pytest.mark.parametrize('ensemble', ['softmax', 'mean'])
@pytest.mark.parametrize('scale', [None, 25.0])
@pytest.mark.parametrize('templates', [None, 'templates'])
def test_probabilities_equal_the_loop(
    make_scorer, clip_of, pictures, descriptions, ensemble, scale, templates
):
    clip, _, tokenizer = clip_of('convnext')
    scorer = make_scorer(
        'convnext',
        descriptions=str(descriptions),
        templates=templates,
        ensemble=ensemble,
        logit_scale=scale,
    )
    own = json.loads(descriptions.read_text())
    forms = [] if templates is None else [
        'a photo of a {}.',
        'a close-up photo of a {} in a natural scene.',
        'a cropped photo of a {} partly hidden behind other things.',
        'a small photo of a {} far away in the background.',
        'a blurry, low resolution photo of a {}.',
    ]  # fmt: skip
    with torch.no_grad():
        texts = [
            clip.encode_text(tokenizer([form.format(name) for form in forms] + own[name])).tolist()
            for name in CLASSES
        ]
    logits = box_logits(256, 256, *[box for _, box in BOXES])
    index = torch.tensor([image for image, _ in BOXES])
    scene = pictures / 255, [(256, 256)] * 2, logits, index
    features, _ = embeddings_of(scorer, *scene)
    probabilities = score(scorer, *scene).probabilities
    assert probabilities.shape == (len(BOXES), len(CLASSES))
    factor = scale or clip.logit_scale.exp().item()
    for feature, row in zip(features.tolist(), probabilities.tolist(), strict=True):
        expected = naive_probabilities(feature, texts, factor, ensemble)
        assert row == pytest.approx(expected, abs=1e-5)
        assert sum(row) == pytest.approx(1, abs=1e-5)


def test_one_class(make_scorer, pictures):
    scorer = make_scorer('vit', classes=('cat',))
    logits = box_logits(256, 256, (0, 0, 64, 64))
    scores = score(scorer, pictures / 255, [(256, 256)] * 2, logits, torch.tensor([1]))
    assert scores.probabilities.tolist() == [[1.0]]


@pytest.mark.parametrize(('stored', 'used'), [(14.0, 14.0), (100.0, 100.0), (250.0, 100.0)])
def test_scale_is_the_models_own_and_bounded(make_new_scorer, monkeypatch, stored, used):
    create_model = open_clip.create_model

    def create(*args, **kwargs):
        clip = create_model(*args, **kwargs)
        nn.init.constant_(clip.logit_scale, math.log(stored))
        return clip

    monkeypatch.setattr(open_clip, 'create_model', create)
    assert make_new_scorer('vit').scale == pytest.approx(used, rel=1e-5)


def test_texts_are_encoded_once(make_new_scorer, monkeypatch, tmp_path):
    options = dict(text_cache=str(tmp_path / 'new'))
    first = make_new_scorer('vit', **options)
    monkeypatch.setattr(open_clip.CLIP, 'encode_text', lambda *_: pytest.fail('encoded again'))
    second = make_new_scorer('vit', classes=CLASSES[::-1], **options)
    assert second.texts.flip(0).equal(first.texts)


def test_many_texts_are_encoded_in_parts(make_new_scorer, monkeypatch, tmp_path):
    sizes, encode_text = [], open_clip.CLIP.encode_text
    monkeypatch.setattr(
        open_clip.CLIP,
        'encode_text',
        lambda self, text: sizes.append(len(text)) or encode_text(self, text),
    )
    (tmp_path / 'one.json').write_text(json.dumps(['{}']))
    names = [f'class {index}' for index in range(300)]
    scorer = make_new_scorer(
        'vit', classes=names, templates=str(tmp_path / 'one.json'), text_cache=str(tmp_path)
    )
    assert scorer.texts.shape == (300, 1, 16)
    assert sum(sizes) == 300 and max(sizes) <= 256


def test_default_text_cache_is_an_environment_variable(monkeypatch, tmp_path):
    monkeypatch.setenv('MMPLDC_CACHE', str(tmp_path))
    assert OpenCLIPScorer(model='RN50').text_cache == tmp_path / 'text_embeddings'


# ---------------------------------------------------------------- the model


@towers
def test_tower_is_frozen_and_in_eval_mode(tower, make_scorer):
    visual = make_scorer(tower).visual
    assert not any(module.training for module in visual.modules())
    assert not any(parameter.requires_grad for parameter in visual.parameters())


@modes
def test_text_tower_is_not_kept(make_new_scorer, folder_of, monkeypatch, mode):
    folder_of('resnet')  # made by now: it takes a model, too
    models, create_model = [], open_clip.create_model

    def create(*args, **kwargs):
        clip = create_model(*args, **kwargs)
        models.extend(weakref.ref(part) for part in (clip, clip.transformer, clip.token_embedding))
        return clip

    monkeypatch.setattr(open_clip, 'create_model', create)
    scorer = make_new_scorer('resnet', mode=mode)
    gc.collect()
    assert scorer.visual is not None and len(models) == 3
    assert [part() for part in models] == [None] * 3


def test_scoring_before_it_is_prepared_is_named():
    scorer = OpenCLIPScorer(model='RN50', pretrained='openai')
    with pytest.raises(RuntimeError, match=r'call prepare\(classes, device\) first'):
        score(scorer, *padded_pictures(0))


def test_building_loads_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'open_clip', None)  # an import fails
    scorer = MODELS.build(dict(type='mmpldc.OpenCLIPScorer', model='RN50', pretrained='openai'))
    assert scorer.visual is None
    with pytest.raises(ImportError, match='pip install open_clip_torch'):
        scorer.prepare(CLASSES, torch.device('cpu'))


def test_weights_from_a_checkpoint_file(make_new_scorer, folder_of, monkeypatch):
    """A model that open_clip knows by name, and a path instead of a tag."""
    folder = folder_of('vit')
    model_cfg = json.loads((folder / 'open_clip_config.json').read_text())['model_cfg']
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, 'tiny', model_cfg)
    path = folder / 'open_clip_model.safetensors'
    named = make_new_scorer('vit', model='tiny', pretrained=str(path))
    local = make_new_scorer('vit')
    for name, tensor in local.visual.state_dict().items():
        assert named.visual.state_dict()[name].equal(tensor), name
    torch.testing.assert_close(named.texts, local.texts)


def assert_names_the_ways_out(error, *parts):
    for part in (
        *parts,
        'tools/cache_text_embeddings.py',
        'cache_dir=',
        'pretrained=',
        'refiner=None',
        'without DICC',
    ):
        assert part in str(error.value), part


def test_missing_folder(make_new_scorer, tmp_path):
    with pytest.raises(RuntimeError) as error:
        make_new_scorer('vit', model=f'local-dir:{tmp_path / "nowhere"}')
    assert_names_the_ways_out(error, 'nowhere')


def test_folder_without_weights(make_new_scorer, folder_of, tmp_path):
    """open_clip alone would go on with random weights."""
    config = (folder_of('vit') / 'open_clip_config.json').read_text()
    (tmp_path / 'open_clip_config.json').write_text(config)
    with pytest.raises(RuntimeError) as error:
        make_new_scorer('vit', model=f'local-dir:{tmp_path}')
    assert_names_the_ways_out(error, str(tmp_path))


def test_unknown_tag(make_new_scorer):
    with pytest.raises(RuntimeError) as error:
        make_new_scorer('vit', model='RN50', pretrained='no_such_tag')
    assert_names_the_ways_out(error, "'RN50'", 'no_such_tag')


@pytest.mark.parametrize('kind', [OSError, RuntimeError, ValueError])
def test_no_network(make_new_scorer, monkeypatch, kind):
    def create_model(*args, **kwargs):
        raise kind('cannot reach huggingface.co')

    monkeypatch.setattr(open_clip, 'create_model', create_model)
    with pytest.raises(RuntimeError) as error:
        make_new_scorer('vit', model='RN50', pretrained='openai')
    assert_names_the_ways_out(error, "'RN50'", "'openai'", 'cannot reach huggingface.co')
    assert isinstance(error.value.__cause__, kind)


def test_the_tool_that_the_error_names_exists():
    assert (Path(__file__).parents[3] / 'tools/cache_text_embeddings.py').is_file()


def test_class_without_a_description_is_told_before_anything_is_loaded(
    make_new_scorer, descriptions, monkeypatch
):
    monkeypatch.setattr(open_clip, 'create_model', lambda *_, **__: pytest.fail('loaded'))
    with pytest.raises(ValueError, match=r"\['zebra', 'cow'\]"):
        make_new_scorer('vit', classes=['cat', 'zebra', 'cow'], descriptions=str(descriptions))


@pytest.mark.parametrize(('option', 'value'), [('mode', 'dense'), ('ensemble', 'max')])
def test_wrong_options(option, value):
    with pytest.raises(ValueError, match=f"{option} must be one of .*, got '{value}'"):
        OpenCLIPScorer(model='RN50', **{option: value})
