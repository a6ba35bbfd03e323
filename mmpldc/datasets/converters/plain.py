"""Copies of images that training reads as they are meant: 8 bits, a file for each page."""

import os
import shutil
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ..image_header import open_image, read_header
from .image_files import find_images


def write_plain_images(
    images: str | Path, out_dir: str | Path, *, white: float | None = None
) -> dict[str, int]:
    """Copy the images of a folder; names stay, so that annotation files stay right.

    Images of 16 bits, or of floats, become 8 bits. Pages of a TIFF but the first, which keeps the
    name, become files of their own, ``NAME_page2.png``. Other images are copied as they are.

    Args:
        images: folder of the images, which may have subfolders.
        out_dir: folder of the copies.
        white: the value that becomes 255, the same for all images; None: 65,535, and an error for
            floats.

    Returns:
        Number of images that were copied, scaled, and pages that were added: 'copied', 'scaled'
        and 'pages'.

    Raises:
        FileNotFoundError: if there is no image.
        ValueError: if an image cannot be read, the folders are the same, or ``white`` is needed.
    """
    root, target = Path(images), Path(out_dir)
    if target.resolve() == root.resolve():
        raise ValueError(f'{target} has the images: choose another --out-dir')
    if white is not None and not white > 0:
        raise ValueError(f'--white must be above 0, got {white:g}')
    inside = os.path.join(target.resolve(), '')
    names = [n for n in find_images(root) if not str((root / n).resolve()).startswith(inside)]
    written = {target / name: root / name for name in names}
    counts = dict(copied=0, scaled=0, pages=0)
    for name in names:
        source, copy = root / name, target / name
        header = read_header(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not header.is_deep and header.pages == 1:
            shutil.copy2(source, copy)
            counts['copied'] += 1
            continue
        with open_image(source) as image:
            for page in range(header.pages):
                _seek(image, page, source)
                stem = str(PurePosixPath(name).with_suffix(''))
                path = copy if page == 0 else target / f'{stem}_page{page + 1}.png'
                if page and written.setdefault(path, source) != source:
                    raise ValueError(
                        f'{source} and {written[path]} would both become {path}: rename one of them'
                    )
                _to_8_bits(image, source, white).save(path)
                counts['pages' if page else 'scaled'] += 1
    return counts


def _seek(image: Image.Image, page: int, path: Path) -> None:
    """Decode a page."""
    try:
        image.seek(page)
        image.load()
    except Exception as error:  # decoders raise many types
        raise ValueError(f'{path}, page {page + 1}, cannot be read: {error}') from error


def _to_8_bits(image: Image.Image, path: Path, white: float | None) -> Image.Image:
    if image.mode[0] not in 'IF':
        return image.copy()
    if white is None and image.mode == 'F':
        raise ValueError(f'{path} has values that are no whole numbers: give --white')
    values = np.nan_to_num(np.asarray(image, np.float64))
    scaled = np.rint(values * (255 / (65535 if white is None else white)))
    return Image.fromarray(scaled.clip(0, 255).astype(np.uint8))
