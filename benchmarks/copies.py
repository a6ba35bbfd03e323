"""How far copies of photographs are from each other, and different photographs.

    python benchmarks/copies.py PHOTOS

The limits of mmpldc.datasets.copies come from these numbers. For each kind of copy: bits of 256 in
which the hashes differ, the largest difference of the thumbnails in standard deviations, and the
share that both limits take for copies. Then how far the rough looks of these copies are from each
other, which must be well below their limit: what is not passed is not hashed. Then the nearest
pairs of different files, which are to be looked at: they are copies, or bursts.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from mmpldc.datasets.copies.perceptual_hash import hash_files, perceptual_hash, squeeze
from mmpldc.datasets.copies.rough_look import MAX_DIFFERENCE as MOST_OF_LOOKS
from mmpldc.datasets.copies.rough_look import cells_of
from mmpldc.datasets.copies.same_picture import MAX_DIFFERENCE, MAX_DISTANCE, details_of


def stored(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, 'JPEG', quality=quality)
    return Image.open(file).convert('RGB')


def cut(image: Image.Image, share: float) -> Image.Image:
    """Without ``share`` of both sides."""
    width, height = image.size
    x, y = width * share / 2, height * share / 2
    return image.crop((round(x), round(y), round(width - x), round(height - y)))


def with_patch(image: Image.Image, other: Image.Image, share: float, rng) -> Image.Image:
    """A frame of a fixed camera: noise, and a patch of another image of ``share`` of a side."""
    pixels = np.asarray(image, np.float64) + rng.normal(0, 3, (image.height, image.width, 3))
    frame = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    side = max(4, round(share * min(image.size)))
    x, y = (int(rng.integers(0, length - side)) for length in image.size)
    frame.paste(other.resize((256, 256)).crop((64, 64, 64 + side, 64 + side)), (x, y))
    return stored(frame, 85)


def changes(image: Image.Image, other: Image.Image, rng) -> Iterator[tuple[str, Image.Image]]:
    width, height = image.size
    for quality in (80, 50, 20):
        yield f'JPEG quality {quality}', stored(image, quality)
    yield 'half the size', image.resize((width // 2, height // 2))
    yield 'twice the size, JPEG 75', stored(image.resize((width * 2, height * 2)), 75)
    yield 'thumbnail of 96 pixels, JPEG 75', stored(image.resize((96, 96 * height // width)), 75)
    yield 'squeezed into a square', image.resize((320, 320))
    yield 'grey', image.convert('L').convert('RGB')
    yield 'brightness 1.2', ImageEnhance.Brightness(image).enhance(1.2)
    yield 'contrast 1.2', ImageEnhance.Contrast(image).enhance(1.2)
    yield 'without 2 % of a side', cut(image, 0.02)
    yield 'without 5 % of a side', cut(image, 0.05)
    yield 'bars around it', ImageOps.pad(image, (640, 640))
    for share in (0.05, 0.1, 0.2):
        yield (
            f'fixed camera, new object of {share:.0%} of a side',
            with_patch(image, other, share, rng),
        )


def hash_of(image: Image.Image) -> np.ndarray:
    return perceptual_hash(squeeze(image.convert('L'), 64)[None])[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', type=Path, help='folder of JPEGs, with subfolders')
    parser.add_argument('--every', type=int, default=5, help='change every fifth image')
    args = parser.parse_args()
    paths = sorted(map(str, args.photos.rglob('*.jpg')))
    rng = np.random.default_rng(0)
    images = [Image.open(path).convert('RGB') for path in paths[:: args.every]]
    measured: dict[str, list[tuple[int, float]]] = {}
    of_looks: list[float] = []
    for number, image in enumerate(images):
        other = images[(7 * number + 3) % len(images)]
        own_hash, own_details = hash_of(image), details_of(image.convert('L'))
        for name, changed in changes(image, other, rng):
            details = details_of(changed.convert('L'))
            finest = min(len(details), len(own_details)) - 1
            difference = np.abs(details[finest] - own_details[finest]).max()
            distance = int((hash_of(changed) ^ own_hash).sum())
            measured.setdefault(name, []).append((distance, float(difference)))
            if distance <= MAX_DISTANCE and difference <= MAX_DIFFERENCE:
                looks = [cells_of(one.convert('L')) for one in (image, changed)]
                of_looks.append(float(np.sqrt(np.mean((looks[0] - looks[1]) ** 2))))
    print('| copy | bits, median / 99 % | difference, median / 99 % | found |')
    print('|---|---:|---:|---:|')
    for name, values in measured.items():
        bits, differences = np.array(values).T
        found = np.mean((bits <= MAX_DISTANCE) & (differences <= MAX_DIFFERENCE))
        numbers = [f'{np.median(v):.3g} / {np.percentile(v, 99):.3g}' for v in (bits, differences)]
        print(f'| {name} | {numbers[0]} | {numbers[1]} | {found:.0%} |')
    print(f'\nrough looks of the found: up to {max(of_looks):.3f}, the limit is {MOST_OF_LOOKS}')
    known, bits = hash_files(paths)
    signs = np.where(bits, 1.0, -1.0).reshape(len(known), -1)
    distances = ((256 - signs @ signs.T) / 2)[np.triu_indices(len(known), 1)]
    print(f'\nnearest of {len(distances):,} pairs of files: {np.sort(distances)[:16].astype(int)}')


if __name__ == '__main__':
    main()
