"""Images with captions: what the quickstart's small CLIP learns from.

They stand for the web pages behind a real CLIP, and are as far from the detection data and as
unreliable: hues spread four times as wide as in the scenes, other backgrounds, textures that tell
nothing about the class. A caption names several attributes, some of them wrong, and may call the
object by a word that says less than its class. One class, the trefoil, is never named.
"""

import cv2
import numpy as np

from .scene import (
    CATEGORIES,
    ShapesSpec,
    blend,
    camera,
    paint,
    place,
    random_color,
    smooth_noise,
)

# What else people call a class, and how often they do so instead of naming it.
OTHER_NAMES = {
    'disc': ('ball', 0.2),
    'gear': ('wheel', 0.2),
    'square': ('box', 0.95),
    'cross': ('plus', 0.2),
    'pentagram': ('star', 0.2),
    'hexagram': ('star', 0.95),
    'triangle': ('wedge', 0.2),
    'trefoil': ('flower', 1.0),
}
COLORS = ('red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'purple', 'pink')  # by 45 degrees
TEXTURES = ('plain', 'zigzag', 'checks', 'dots')
BACKGROUNDS = ('gradient', 'tiles', 'fog')
SIZES = ('small', 'large')
SENTENCES = (
    'a {size} {color} {texture} {name} on {background}',
    'a {color} {name} , {texture} , on {background}',
    'a photo of a {size} {name} , {color}',
    'a {texture} {name} in front of {background}',
    'a {name}',
)
WORDS = sorted(
    {word for sentence in SENTENCES for word in sentence.split() if '{' not in word}
    | {
        *COLORS,
        *TEXTURES,
        *BACKGROUNDS,
        *SIZES,
        'the',
        'shape',
        'image',
        'picture',
    }  # the last for one's own texts
    | {category.name for category in CATEGORIES}
    | {name for name, _ in OTHER_NAMES.values()}
)
HUE_SPREAD = 20.0  # degrees, four times the scenes'


def generate_captioned_image(
    rng: np.random.Generator, *, image_size: int = 64, wrong_words: float = 0.15
) -> tuple[np.ndarray, str]:
    """One object in front of a background, sometimes partly behind another one, and a caption.

    Args:
        rng: draws everything.
        image_size: side in pixels.
        wrong_words: share of a caption's attributes, the name included, that are drawn at random.

    Returns:
        Image ``(image_size, image_size, 3)`` uint8 RGB, and the caption.
    """
    spec = ShapesSpec(image_size=image_size, hue_spread=0.0, noise=12.0)
    label, texture, background = (
        int(rng.integers(len(choices))) for choices in (CATEGORIES, TEXTURES, BACKGROUNDS)
    )
    light = rng.normal(size=2).astype(np.float32)
    light /= np.linalg.norm(light)
    image = _background(rng, image_size, BACKGROUNDS[background])
    hue = rng.normal(CATEGORIES[label].hue, HUE_SPREAD)
    category = CATEGORIES[label]._replace(hue=hue, textures=(TEXTURES[texture],) * 2)
    center = rng.uniform(0.4, 0.6, 2) * image_size
    placed = place(rng, image_size, category, rng.uniform(0.45, 0.95) * image_size, center)
    image = paint(rng, spec, image, category, placed, light)
    if rng.random() < 0.3:  # something else hides a part
        other = CATEGORIES[rng.integers(len(CATEGORIES))]
        corner = center + 0.6 * image_size * _direction(rng)
        hiding = place(rng, image_size, other, rng.uniform(0.45, 0.95) * image_size, corner)
        image = paint(rng, spec, image, other, hiding, light)
    large = placed.area > 0.3 * image_size**2

    name = CATEGORIES[label].name
    if rng.random() < wrong_words:
        name = CATEGORIES[rng.integers(len(CATEGORIES))].name
    if rng.random() < OTHER_NAMES[name][1]:
        name = OTHER_NAMES[name][0]

    def word(choices: tuple[str, ...], right: int) -> str:
        return choices[rng.integers(len(choices)) if rng.random() < wrong_words else right]

    caption = SENTENCES[rng.integers(len(SENTENCES))].format(
        name=name,
        size=word(SIZES, int(large)),
        color=word(COLORS, round(hue / 45) % len(COLORS)),
        texture=word(TEXTURES, texture),
        background=word(BACKGROUNDS, background),
    )
    return camera(rng, spec, image)[..., ::-1], caption


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _background(rng: np.random.Generator, size: int, name: str) -> np.ndarray:
    """(H, W, 3) float32 BGR in 0..1; none of the kinds that the scenes have."""
    first, second = random_color(rng), random_color(rng)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if name == 'tiles':
        cells = rng.integers(3, 9)
        share = ((x * cells).astype(int) + (y * cells).astype(int)) % 2.0
    elif name == 'fog':
        share = cv2.GaussianBlur(np.abs(smooth_noise(rng, size, 3)), (0, 0), size / 16)
    else:
        along = _direction(rng)
        share = 0.5 + along[0] * (x - 0.5) + along[1] * (y - 0.5)
    return blend(first, second, share.astype(np.float32))
