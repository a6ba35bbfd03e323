"""Drawing a scene: a textured background and overlapping shapes.

Eight categories in four pairs. The members of a pair (disc/gear, square/cross,
pentagram/hexagram, triangle/trefoil) share colours and textures and differ in a
detail that runs around the whole contour, so that a partly hidden object can
still be told apart. The first member of each pair is frequent, the second rare.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

MIN_VISIBLE_SHARE = 0.4  # of an object's own area; the rest is hidden or outside the image
MIN_VISIBLE_AREA = 40  # pixels
PLACEMENT_TRIES = 20


class Category(NamedTuple):
    """A polygon of ``points`` equal teeth, its colours and its textures."""

    name: str
    supercategory: str  # shared by a pair
    color: tuple[int, int, int]  # RGB, for drawing
    points: int
    inner: float  # inner radius over outer radius
    tip: float  # half-width of a tooth's flat top, as a share of the pitch; 0 is a spike
    hue: float  # mean, degrees
    textures: tuple[str, str]  # the usual one and the other


CATEGORIES = (
    Category('disc', 'round', (220, 60, 60), 30, 0.99, 0.0, 15, ('rings', 'spokes')),
    Category('gear', 'round', (250, 150, 60), 9, 0.78, 0.19, 45, ('spokes', 'rings')),
    Category('square', 'four-sided', (60, 160, 60), 4, 0.707, 0.0, 105, ('stripes', 'checks')),
    Category('cross', 'four-sided', (150, 220, 60), 4, 0.60, 0.125, 135, ('checks', 'stripes')),
    Category('pentagram', 'star', (50, 110, 220), 5, 0.50, 0.0, 195, ('dots', 'marble')),
    Category('hexagram', 'star', (60, 210, 220), 6, 0.58, 0.0, 225, ('marble', 'dots')),
    Category('triangle', 'three-sided', (150, 60, 200), 3, 0.50, 0.0, 285, ('marble', 'stripes')),
    Category('trefoil', 'three-sided', (240, 110, 200), 3, 0.34, 0.10, 315, ('stripes', 'marble')),
)
CLASSES = tuple(category.name for category in CATEGORIES)
PALETTE = [category.color for category in CATEGORIES]


@dataclass(frozen=True)
class ShapesSpec:
    """What the scenes look like; every field moves the difficulty."""

    image_size: int = 96  # side, pixels
    objects_per_image: tuple[int, int] = (1, 3)  # inclusive
    object_size: tuple[float, float] = (0.3, 0.6)  # long side over the image's side
    class_frequencies: tuple[float, ...] = (0.18, 0.11, 0.16, 0.09, 0.15, 0.09, 0.14, 0.08)
    hue_spread: float = 5.0  # standard deviation, degrees; class means are 30 apart in a pair
    texture_contrast: float = 0.6  # 0 (plain) .. 1
    background_clutter: float = 1.0  # strokes and speckles; 1 is about 20 in an image
    noise: float = 8.0  # largest standard deviation of the sensor noise, grey levels

    def __post_init__(self) -> None:
        if len(self.class_frequencies) != len(CLASSES) or not math.isclose(
            sum(self.class_frequencies), 1.0
        ):
            raise ValueError(
                f'class_frequencies: {len(CLASSES)} shares that sum to 1, '
                f'got {self.class_frequencies}'
            )


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """(size, size) float32 in about -1..1, with ``cells`` random values a side."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def hsv_color(hue: float, saturation: float, value: float) -> np.ndarray:
    """(3,) float32 BGR in 0..1 from degrees and two shares in 0..1."""
    hsv = np.array([[[hue % 360, np.clip(saturation, 0, 1), np.clip(value, 0, 1)]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0]


def random_color(rng: np.random.Generator) -> np.ndarray:
    return hsv_color(rng.uniform(0, 360), rng.uniform(0, 0.7), rng.uniform(0.15, 0.95))


def blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Two images or colours, (…, 3); ``share`` (H, W) in 0..1 is the second's."""
    return first + share[..., None] * (second - first)


def _background(rng: np.random.Generator, spec: ShapesSpec) -> np.ndarray:
    """(H, W, 3) float32 BGR in 0..1: noise at three scales, stripes, strokes, speckles."""
    size = spec.image_size
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, frequency = rng.uniform(0, math.tau), rng.uniform(2, 12)
    ramp = x * math.cos(angle) + y * math.sin(angle)
    field = ramp + sum(rng.uniform(0.2, 1) * smooth_noise(rng, size, cells) for cells in (4, 9, 28))
    field += rng.uniform(0, 0.7) * np.sin(math.tau * (frequency * ramp + rng.uniform()))
    image = blend(random_color(rng), random_color(rng), 0.5 + 0.5 * np.tanh(field))
    for _ in range(rng.poisson(20 * spec.background_clutter)):
        start = rng.uniform(0, size, 2)
        end = start + rng.normal(0, 0.12 * size, 2) * (rng.random() < 0.5)  # else a speckle
        cv2.line(
            image,
            start.astype(int).tolist(),
            end.astype(int).tolist(),
            random_color(rng).tolist(),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
    return image


def _outline(rng: np.random.Generator, category: Category) -> np.ndarray:
    """(240, 2) float64 contour, about unit radius, upright, with jittered and rounded corners."""
    inner = 1 - (1 - category.inner) * rng.uniform(0.9, 1.1)
    offsets = np.array([-category.tip, category.tip, 0.5 - category.tip, 0.5 + category.tip])
    angles = math.tau / category.points * (np.arange(category.points)[:, None] + offsets).ravel()
    radii = np.tile([1.0, 1.0, inner, inner], category.points)
    corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    corners = np.vstack([corners, corners[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, length[-1], 240, endpoint=False)
    contour = np.stack([np.interp(at, length, corners[:, axis]) for axis in (0, 1)], axis=1)
    window = int(rng.integers(0, 4))  # neighbours a side that round the corners
    turned = (np.roll(contour, shift, axis=0) for shift in range(-window, window + 1))
    return sum(turned, np.zeros_like(contour)) / (2 * window + 1)


def _coverage(contour: np.ndarray, size: int, fine: int = 4) -> np.ndarray:
    """(size, size) float32 in 0..1: each pixel's share inside, counted on ``fine``² points."""
    inside = np.zeros((size * fine, size * fine), np.uint8)
    corners = (contour + 0.5) * fine - 0.5  # pixel centres are at whole numbers in both
    cv2.fillPoly(inside, [np.round(corners * 16).astype(np.int32)], 255, shift=4)
    return cv2.resize(inside, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


class Placed(NamedTuple):
    """A shape in the image frame."""

    alpha: np.ndarray  # (H, W) float32 coverage in 0..1
    to_unit: np.ndarray  # (2, 2) pixels from the centre -> unit shape
    center: np.ndarray  # (2,) x, y in pixels
    area: float  # pixels, with what lies outside the image


def _pose(rng: np.random.Generator, spec: ShapesSpec, category: Category, centers: list) -> Placed:
    """One random pose; half of the time next to an object that is already there."""
    size = spec.image_size
    long_side = rng.uniform(*spec.object_size) * size
    center = rng.uniform(0.05, 0.95, 2) * size
    if centers and rng.random() < 0.5:
        center = centers[rng.integers(len(centers))] + rng.normal(0, 0.5 * long_side, 2)
    return place(rng, size, category, long_side, center)


def place(
    rng: np.random.Generator, size: int, category: Category, long_side: float, center: np.ndarray
) -> Placed:
    """An object of ``category``, turned and leaning at random; lengths in pixels."""
    turn, skew = rng.uniform(0, math.tau, 2)
    rotation, lean = (
        np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]) for a in (turn, skew)
    )
    to_image = lean.T @ np.diag([1.0, rng.uniform(0.72, 1.0)]) @ lean @ rotation
    contour = _outline(rng, category) @ to_image.T
    scale = long_side / np.ptp(contour, axis=0).max()
    contour, to_image = contour * scale + center, to_image * scale
    return Placed(
        _coverage(contour, size),
        np.linalg.inv(to_image),
        center,
        cv2.contourArea(contour.astype(np.float32)),
    )


def _texture(rng: np.random.Generator, name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(H, W) float32 in about -1..1 on the unit shape's coordinates ``u``, ``v``."""
    frequency, phase = rng.uniform(1.0, 2.5), rng.uniform(0, math.tau)
    across, along = (np.sin(math.tau * frequency * axis + phase) for axis in (u, v))
    if name == 'stripes':
        return np.tanh(3 * across)
    if name == 'checks':
        return np.tanh(4 * across * along)
    if name == 'dots':
        return np.tanh(4 * (across + along - 0.8))
    if name == 'rings':
        return np.tanh(3 * np.sin(math.tau * frequency * np.hypot(u, v) + phase))
    if name == 'spokes':
        return np.tanh(3 * np.sin(rng.integers(3, 8) * np.arctan2(v, u) + phase))
    if name == 'zigzag':
        return np.tanh(3 * np.sin(math.tau * frequency * (u + 0.25 * np.abs(across)) + phase))
    if name == 'plain':
        return np.zeros_like(u)
    return 1.5 * smooth_noise(rng, len(u), int(rng.integers(12, 24)))  # marble


def paint(
    rng: np.random.Generator,
    spec: ShapesSpec,
    image: np.ndarray,
    category: Category,
    placed: Placed,
    light: np.ndarray,
) -> np.ndarray:
    """The image with one more object on it: its shadow, texture and shading."""
    y, x = np.mgrid[: spec.image_size, : spec.image_size].astype(np.float32)
    pixels = np.stack([x - placed.center[0], y - placed.center[1]])
    u, v = np.tensordot(placed.to_unit.astype(np.float32), pixels, 1)
    texture = _texture(rng, category.textures[int(rng.random() < 0.3)], u, v)

    hue, saturation = rng.normal(category.hue, spec.hue_spread), rng.uniform(0.3, 0.95)
    value, contrast = rng.uniform(0.4, 0.95), spec.texture_contrast * rng.uniform(0.3, 1)
    other = value + contrast * (1 if value < 0.6 else -1)
    surface = blend(
        hsv_color(hue, saturation, value),
        hsv_color(hue + rng.normal(0, 15), saturation * rng.uniform(0.5, 1), other),
        np.clip(0.5 + 0.5 * texture, 0, 1),
    )
    towards_light = np.tensordot(light, pixels, 1) / math.sqrt(placed.area)
    surface = surface * (1 + rng.uniform(0, 0.4) * towards_light)[..., None]

    reach = rng.uniform(0.01, 0.03) * spec.image_size
    shift = np.array([[1, 0, -reach * light[0]], [0, 1, -reach * light[1]]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(placed.alpha, shift, placed.alpha.shape), (0, 0), 1.5)
    image = image * (1 - rng.uniform(0.1, 0.5) * shadow)[..., None]
    return blend(image, surface, placed.alpha)


def camera(rng: np.random.Generator, spec: ShapesSpec, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: exposure, blur and noise on a float image in 0..1."""
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9)) * rng.uniform(0.75, 1.15)
    noise = rng.standard_normal(image.shape, np.float32) * spec.noise * rng.uniform(0.2, 1)
    return np.clip(np.round(255 * image + noise), 0, 255).astype(np.uint8)


def generate_scene(
    rng: np.random.Generator, spec: ShapesSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one scene, back to front.

    A pose that would leave an object, itself or one below, with too little in
    sight (MIN_VISIBLE_SHARE, MIN_VISIBLE_AREA) is drawn again, and the object
    left out when no pose fits: no image shows an object without annotation.

    Returns:
        image (H, W, 3) uint8 BGR; labels (K,) int64 in 0..7; masks (K, H, W)
        bool, the visible part of each object, disjoint.
    """
    size, light = spec.image_size, rng.normal(size=2).astype(np.float32)
    light /= np.linalg.norm(light)
    image = _background(rng, spec)
    owner: np.ndarray = np.full((size, size), -1)  # index of the object seen at each pixel
    labels: list[int] = []
    centers: list[np.ndarray] = []
    areas: list[float] = []
    for _ in range(rng.integers(*spec.objects_per_image, endpoint=True)):
        label = rng.choice(len(CLASSES), p=spec.class_frequencies)
        for _ in range(PLACEMENT_TRIES):
            placed = _pose(rng, spec, CATEGORIES[label], centers)
            owner_after = np.where(placed.alpha >= 0.5, len(labels), owner)
            visible = np.bincount(owner_after.ravel() + 1, minlength=len(labels) + 2)[1:]
            needed = np.maximum(
                MIN_VISIBLE_SHARE * np.array([*areas, placed.area]), MIN_VISIBLE_AREA
            )
            if (visible >= needed).all():
                image = paint(rng, spec, image, CATEGORIES[label], placed, light)
                owner = owner_after
                labels.append(label)
                centers.append(placed.center)
                areas.append(placed.area)
                break
    masks = owner == np.arange(len(labels))[:, None, None]
    return camera(rng, spec, image), np.array(labels, np.int64), masks
