"""The images with captions behind the quickstart's small CLIP."""

import numpy as np
import pytest

from mmpldc.datasets.shapes import CLASSES
from mmpldc.datasets.shapes.captions import (
    COLORS,
    OTHER_NAMES,
    TEXTURES,
    WORDS,
    generate_captioned_image,
)
from mmpldc.datasets.shapes.scene import CATEGORIES

NAMES = {*CLASSES, *(name for name, _ in OTHER_NAMES.values())}


def caption(seed: int, **options) -> str:
    return generate_captioned_image(np.random.default_rng(seed), image_size=32, **options)[1]


def test_image_and_caption():
    image, text = generate_captioned_image(np.random.default_rng(0), image_size=48)
    assert image.shape == (48, 48, 3) and image.dtype == np.uint8
    assert image.std() > 5
    assert set(text.split()) <= set(WORDS)
    assert len(NAMES & set(text.split())) == 1


def test_same_seed_same_pair():
    first, second = (generate_captioned_image(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and first[1] == second[1]


def test_captions_name_several_attributes():
    words = {word for seed in range(200) for word in caption(seed).split()}
    assert set(COLORS) <= words and set(TEXTURES) <= words


def test_some_class_is_never_named():
    """CLIP cannot know it, as the paper's CLIP does not know knife, bottle and mouse."""
    unknown = {name for name, (_, share) in OTHER_NAMES.items() if share == 1}
    assert unknown
    words = {word for seed in range(600) for word in caption(seed).split()}
    assert not unknown & words
    assert {name for name, (_, share) in OTHER_NAMES.items() if share < 0.5} <= words


@pytest.mark.parametrize(('wrong_words', 'low', 'high'), [(0.0, 0, 0), (0.5, 0.2, 0.6)])
def test_share_of_wrong_names(monkeypatch, wrong_words, low, high):
    """Against the class that was drawn, seen by way of the category that is painted first."""
    from mmpldc.datasets.shapes import captions

    painted, paint = [], captions.paint
    monkeypatch.setattr(
        captions, 'paint', lambda *args: painted.append(args[3].name) or paint(*args)
    )
    wrong = 0
    for seed in range(150):
        painted.clear()
        text = caption(seed, wrong_words=wrong_words)
        right = {painted[0], OTHER_NAMES[painted[0]][0]}
        wrong += not right & set(text.split())
    assert low <= wrong / 150 <= high


def test_textures_and_hues_are_not_those_of_the_scenes(monkeypatch):
    from mmpldc.datasets.shapes import captions

    painted, paint = [], captions.paint
    monkeypatch.setattr(captions, 'paint', lambda *args: painted.append(args[3]) or paint(*args))
    usual = {category.name: category for category in CATEGORIES}
    own_texture = 0
    for seed in range(150):
        painted.clear()
        caption(seed)
        own_texture += painted[0].textures[0] == usual[painted[0].name].textures[0]
    assert own_texture < 150 / 3  # of four textures one, for the classes that have one of these
