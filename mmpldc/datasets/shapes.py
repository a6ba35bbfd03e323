"""A generated COCO-format data set: textured scenes of overlapping shapes.

Eight categories in four pairs. The members of a pair (disc/gear, square/cross,
pentagram/hexagram, triangle/trefoil) share colours and textures and differ in
a detail that runs around the whole contour, so that a partly hidden object can
still be told apart. The first member of each pair is frequent, the second rare.

Every image is drawn from its own generator, seeded by (seed, split, index):
the data do not depend on the order or the number of worker processes (another
OpenCV version may round a pixel differently).
"""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pycocotools import mask as mask_utils

VERSION = 1  # raise when the same seed no longer gives the same data
SPLITS = {'train': 'train_all', 'tuning': 'tuning', 'test': 'test'}  # images/ -> annotations/
MIN_LABELED_PER_CLASS = 2
MIN_VISIBLE_SHARE = 0.4  # of an object's own area; the rest is hidden or outside the image
MIN_VISIBLE_AREA = 40  # pixels
PLACEMENT_TRIES = 20


class Category(NamedTuple):
    """A polygon of ``points`` equal teeth, its colours and its textures."""

    name: str
    color: tuple[int, int, int]  # RGB, for drawing
    points: int
    inner: float  # inner radius over outer radius
    tip: float  # half-width of a tooth's flat top, as a share of the pitch; 0 is a spike
    hue: float  # mean, degrees
    textures: tuple[str, str]  # the usual one and the other


CATEGORIES = (
    Category('disc', (220, 60, 60), 30, 0.99, 0.0, 15, ('rings', 'spokes')),
    Category('gear', (250, 150, 60), 9, 0.78, 0.19, 45, ('spokes', 'rings')),
    Category('square', (60, 160, 60), 4, 0.707, 0.0, 105, ('stripes', 'checks')),
    Category('cross', (150, 220, 60), 4, 0.60, 0.125, 135, ('checks', 'stripes')),
    Category('pentagram', (50, 110, 220), 5, 0.50, 0.0, 195, ('dots', 'marble')),
    Category('hexagram', (60, 210, 220), 6, 0.58, 0.0, 225, ('marble', 'dots')),
    Category('triangle', (150, 60, 200), 3, 0.50, 0.0, 285, ('marble', 'stripes')),
    Category('trefoil', (240, 110, 200), 3, 0.34, 0.10, 315, ('stripes', 'marble')),
)
CLASSES = tuple(category.name for category in CATEGORIES)
PALETTE = [category.color for category in CATEGORIES]


@dataclass(frozen=True)
class ShapesSpec:
    """What the scenes look like; every field moves the difficulty."""

    image_size: int = 128  # side, pixels
    objects_per_image: tuple[int, int] = (1, 5)  # inclusive
    object_size: tuple[float, float] = (0.14, 0.47)  # long side over the image's side
    class_frequencies: tuple[float, ...] = (0.24, 0.08, 0.20, 0.05, 0.17, 0.06, 0.16, 0.04)
    hue_spread: float = 30.0  # standard deviation, degrees; class means are 30 apart in a pair
    texture_contrast: float = 0.6  # 0 (plain) .. 1
    background_clutter: float = 1.0  # strokes and speckles; 1 is about 20 in an image
    noise: float = 8.0  # largest standard deviation of the sensor noise, grey levels

    def __post_init__(self):
        if len(self.class_frequencies) != len(CLASSES) or not math.isclose(
            sum(self.class_frequencies), 1.0
        ):
            raise ValueError(
                f'class_frequencies: {len(CLASSES)} shares that sum to 1, '
                f'got {self.class_frequencies}'
            )


def _smooth_noise(rng, size: int, cells: int) -> np.ndarray:
    """(size, size) float32 in about -1..1, with ``cells`` random values a side."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)


def _color(hue: float, saturation: float, value: float) -> np.ndarray:
    """(3,) float32 BGR in 0..1 from degrees and two shares in 0..1."""
    hsv = np.float32([[[hue % 360, np.clip(saturation, 0, 1), np.clip(value, 0, 1)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0]


def _random_color(rng) -> np.ndarray:
    return _color(rng.uniform(0, 360), rng.uniform(0, 0.7), rng.uniform(0.15, 0.95))


def _blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Two images or colours, (…, 3); ``share`` (H, W) in 0..1 is the second's."""
    return first + share[..., None] * (second - first)


def _background(rng, spec: ShapesSpec) -> np.ndarray:
    """(H, W, 3) float32 BGR in 0..1: noise at three scales, stripes, strokes, speckles."""
    size = spec.image_size
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, frequency = rng.uniform(0, math.tau), rng.uniform(2, 12)
    ramp = x * math.cos(angle) + y * math.sin(angle)
    field = ramp + sum(
        rng.uniform(0.2, 1) * _smooth_noise(rng, size, cells) for cells in (4, 9, 28)
    )
    field += rng.uniform(0, 0.7) * np.sin(math.tau * (frequency * ramp + rng.uniform()))
    image = _blend(_random_color(rng), _random_color(rng), 0.5 + 0.5 * np.tanh(field))
    for _ in range(rng.poisson(20 * spec.background_clutter)):
        start = rng.uniform(0, size, 2)
        end = start + rng.normal(0, 0.12 * size, 2) * (rng.random() < 0.5)  # else a speckle
        cv2.line(
            image,
            start.astype(int).tolist(),
            end.astype(int).tolist(),
            _random_color(rng).tolist(),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
    return image


def _outline(rng, category: Category) -> np.ndarray:
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
    return sum(np.roll(contour, shift, axis=0) for shift in range(-window, window + 1)) / (
        2 * window + 1
    )


def _coverage(contour: np.ndarray, size: int, fine: int = 4) -> np.ndarray:
    """(size, size) float32 in 0..1: each pixel's share inside, counted on ``fine``² points."""
    inside = np.zeros((size * fine, size * fine), np.uint8)
    corners = (contour + 0.5) * fine - 0.5  # pixel centres are at whole numbers in both
    cv2.fillPoly(inside, [np.round(corners * 16).astype(np.int32)], 255, shift=4)
    return cv2.resize(inside, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


class _Placed(NamedTuple):
    """A shape in the image frame."""

    alpha: np.ndarray  # (H, W) float32 coverage in 0..1
    to_unit: np.ndarray  # (2, 2) pixels from the centre -> unit shape
    center: np.ndarray  # (2,) x, y in pixels
    area: float  # pixels, with what lies outside the image


def _pose(rng, spec: ShapesSpec, category: Category, centers: list) -> _Placed:
    """One random pose; half of the time next to an object that is already there."""
    size = spec.image_size
    long_side = rng.uniform(*spec.object_size) * size
    center = rng.uniform(0.05, 0.95, 2) * size
    if centers and rng.random() < 0.5:
        center = centers[rng.integers(len(centers))] + rng.normal(0, 0.5 * long_side, 2)
    turn, skew = rng.uniform(0, math.tau, 2)
    rotation, lean = (
        np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]) for a in (turn, skew)
    )
    to_image = lean.T @ np.diag([1.0, rng.uniform(0.72, 1.0)]) @ lean @ rotation
    contour = _outline(rng, category) @ to_image.T
    scale = long_side / np.ptp(contour, axis=0).max()
    contour, to_image = contour * scale + center, to_image * scale
    return _Placed(
        _coverage(contour, size),
        np.linalg.inv(to_image),
        center,
        cv2.contourArea(contour.astype(np.float32)),
    )


def _texture(rng, name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
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
    return 1.5 * _smooth_noise(rng, len(u), int(rng.integers(12, 24)))  # marble


def _paint(
    rng, spec: ShapesSpec, image: np.ndarray, category: Category, placed: _Placed, light: np.ndarray
) -> np.ndarray:
    """The image with one more object on it: its shadow, texture and shading."""
    y, x = np.mgrid[: spec.image_size, : spec.image_size].astype(np.float32)
    pixels = np.stack([x - placed.center[0], y - placed.center[1]])
    u, v = np.tensordot(placed.to_unit.astype(np.float32), pixels, 1)
    texture = _texture(rng, category.textures[int(rng.random() < 0.3)], u, v)

    hue, saturation = rng.normal(category.hue, spec.hue_spread), rng.uniform(0.3, 0.95)
    value, contrast = rng.uniform(0.4, 0.95), spec.texture_contrast * rng.uniform(0.3, 1)
    other = value + contrast * (1 if value < 0.6 else -1)
    surface = _blend(
        _color(hue, saturation, value),
        _color(hue + rng.normal(0, 15), saturation * rng.uniform(0.5, 1), other),
        np.clip(0.5 + 0.5 * texture, 0, 1),
    )
    towards_light = np.tensordot(light, pixels, 1) / math.sqrt(placed.area)
    surface = surface * (1 + rng.uniform(0, 0.4) * towards_light)[..., None]

    reach = rng.uniform(0.01, 0.03) * spec.image_size
    shift = np.float32([[1, 0, -reach * light[0]], [0, 1, -reach * light[1]]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(placed.alpha, shift, placed.alpha.shape), (0, 0), 1.5)
    image = image * (1 - rng.uniform(0.1, 0.5) * shadow)[..., None]
    return _blend(image, surface, placed.alpha)


def _sensor(rng, spec: ShapesSpec, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: exposure, blur and noise on a float image in 0..1."""
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9)) * rng.uniform(0.75, 1.15)
    noise = rng.standard_normal(image.shape, np.float32) * spec.noise * rng.uniform(0.2, 1)
    return np.clip(np.round(255 * image + noise), 0, 255).astype(np.uint8)


def generate_scene(rng: np.random.Generator, spec: ShapesSpec):
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
    owner = np.full((size, size), -1)  # index of the object seen at each pixel
    labels, centers, areas = [], [], []
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
                image = _paint(rng, spec, image, CATEGORIES[label], placed, light)
                owner = owner_after
                labels.append(label)
                centers.append(placed.center)
                areas.append(placed.area)
                break
    masks = owner == np.arange(len(labels))[:, None, None]
    return _sensor(rng, spec, image), np.array(labels, np.int64), masks


def _write_scene(index: int, *, root: Path, split: str, seed: int, spec: ShapesSpec):
    """Draw and store image ``index``; its COCO image record and annotations without ids."""
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index])
    image, labels, masks = generate_scene(rng, spec)
    file_name = f'{index + 1:06d}.jpg'
    path = root / 'images' / split / file_name
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f'could not write {path}')
    annotations = []
    for label, mask in zip(labels, masks):
        rle = mask_utils.encode(np.asfortranarray(mask, np.uint8))
        annotations.append(
            dict(
                image_id=index + 1,
                category_id=int(label) + 1,
                iscrowd=0,
                area=int(mask.sum()),
                bbox=mask_utils.toBbox(rle).tolist(),
                segmentation=dict(size=list(mask.shape), counts=rle['counts'].decode()),
            )
        )
    height, width = image.shape[:2]
    return dict(id=index + 1, file_name=file_name, height=height, width=width), annotations


def write_coco_split(
    root: Path,
    split: str,
    num_images: int,
    *,
    seed: int,
    spec: ShapesSpec,
    workers: int | None = None,
    progress: Callable | None = None,
) -> dict:
    """Write ``images/<split>/`` and its annotation file (see SPLITS); return the COCO dict.

    Masks are compressed RLE (exact, with several parts), for which mmdet's
    ``LoadAnnotations`` needs its default ``poly2mask=True``. ``progress`` is
    called as ``progress(split, done, num_images)``.
    """
    (root / 'images' / split).mkdir(parents=True, exist_ok=True)
    draw = partial(_write_scene, root=root, split=split, seed=seed, spec=spec)
    images, annotations = [], []
    # One process per core, so OpenCV must not start threads of its own.
    with Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for image, found in pool.imap(draw, range(num_images), chunksize=16):
            images.append(image)
            annotations += found
            if progress:
                progress(split, len(images), num_images)
    for identity, annotation in enumerate(annotations, start=1):
        annotation['id'] = identity
    return _write_annotations(root / 'annotations' / f'{SPLITS[split]}.json', images, annotations)


def _write_annotations(path: Path, images: list, annotations: list) -> dict:
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES, start=1)]
    coco = dict(
        info=dict(description='generated shapes'),
        images=images,
        annotations=annotations,
        categories=categories,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco))
    return coco


def choose_labeled(coco: dict, num_labeled: int, seed: int) -> set:
    """Image ids of a random subset, drawn again until it has every class.

    Raises:
        ValueError: 1000 draws gave no subset with MIN_LABELED_PER_CLASS
            instances of each class.
    """
    image_ids = [image['id'] for image in coco['images']]
    rng = np.random.default_rng([seed, len(SPLITS)])  # a stream that no image uses
    for _ in range(1000):
        chosen = set(rng.choice(image_ids, num_labeled, replace=False).tolist())
        counts = np.bincount(
            [a['category_id'] - 1 for a in coco['annotations'] if a['image_id'] in chosen],
            minlength=len(CLASSES),
        )
        if counts.min() >= MIN_LABELED_PER_CLASS:
            return chosen
    raise ValueError(
        f'no {num_labeled} images hold {MIN_LABELED_PER_CLASS} instances of every '
        'class: label more of them'
    )


def make_dataset(
    root,
    *,
    seed: int = 0,
    num_labeled: int = 60,
    num_train: int = 3000,
    num_tuning: int = 300,
    num_test: int = 500,
    spec: ShapesSpec = ShapesSpec(),
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable | None = None,
) -> None:
    """Write the data set under ``root``, or return at once if it is there.

    ``images/{train,tuning,test}/*.jpg`` and, in ``annotations/``: ``labeled``
    (``num_labeled`` of the train images), ``unlabeled`` (the others, without
    annotations), ``unlabeled_hidden`` (the others with theirs, to measure
    pseudo-labels, never to train), ``train_all``, ``tuning`` and ``test``.

    ``spec.json`` is put in place last. Until then it is ``spec.json.partial``,
    and a folder that an interrupted run left so is written anew.

    Raises:
        FileExistsError: ``root`` holds another data set or foreign files.
        ValueError: too few (see ``choose_labeled``) or too many labelled images.
    """
    if num_labeled >= num_train:
        raise ValueError(f'{num_labeled} labelled of {num_train} images leave none unlabelled')
    root = Path(root)
    stamp, partial_stamp = root / 'spec.json', root / 'spec.json.partial'
    content = json.loads(
        json.dumps(
            dict(
                version=VERSION,
                seed=seed,
                num_labeled=num_labeled,
                num_train=num_train,
                num_tuning=num_tuning,
                num_test=num_test,
                spec=asdict(spec),
            )
        )
    )
    if stamp.exists():
        if json.loads(stamp.read_text()) == content:
            return
        if not overwrite:
            raise FileExistsError(
                f'{root} holds a data set made with other settings ({stamp}): '
                'delete it, choose another folder, or overwrite it'
            )
        os.replace(stamp, partial_stamp)
    elif root.exists() and any(root.iterdir()) and not partial_stamp.exists():
        raise FileExistsError(f'{root} is not empty and not a data set of shapes')
    for folder in ('images', 'annotations'):
        shutil.rmtree(root / folder, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    partial_stamp.write_text(json.dumps(content, indent=2))

    write = partial(
        write_coco_split, root, seed=seed, spec=spec, workers=workers, progress=progress
    )
    train = write('train', num_train)
    labeled = choose_labeled(train, num_labeled, seed)
    for name, in_labeled in ('labeled', True), ('unlabeled_hidden', False):
        images = [i for i in train['images'] if (i['id'] in labeled) == in_labeled]
        annotations = [a for a in train['annotations'] if (a['image_id'] in labeled) == in_labeled]
        _write_annotations(root / 'annotations' / f'{name}.json', images, annotations)
    _write_annotations(root / 'annotations' / 'unlabeled.json', images, [])
    write('tuning', num_tuning)
    write('test', num_test)
    os.replace(partial_stamp, stamp)
