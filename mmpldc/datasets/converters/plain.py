"""Copies of images that training reads as they are meant: 8 bits, a file for each page."""

import io
import math
import os
import re
import shutil
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image, ImageFile

from mmpldc.utils.files import atomic_write

from ..image_header import open_image, read_header
from .image_files import find_images


def write_plain_images(
    images: str | Path, out_dir: str | Path, *, white: float | None = None
) -> dict[str, int]:
    """Copy the images of a folder; names stay, so that annotation files stay right.

    Images of 16 bits, grey or in colours, or of floats, become 8 bits. Pages of a TIFF but the
    first, which keeps the name, become files of their own, ``NAME_page2.png``. Other images are
    copied as they are.

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
        ValueError: if an image cannot be read, the folders are the same, ``white`` is needed, or a
            file of another content has the name of a copy.
    """
    root, target = Path(images), Path(out_dir)
    if target.resolve() == root.resolve():
        raise ValueError(f'{target} has the images: choose another --out-dir')
    if white is not None and not 0 < white < math.inf:
        raise ValueError(f'--white must be a number above 0, got {white:g}')
    inside = os.path.join(target.resolve(), '')
    names = [n for n in find_images(root) if not str((root / n).resolve()).startswith(inside)]
    headers = {name: read_header(root / name) for name in names}  # before anything is written
    written = {target / name: root / name for name in names}
    counts = dict(copied=0, scaled=0, pages=0)
    for name, header in headers.items():
        source, copy = root / name, target / name
        if not header.is_deep and header.pages == 1:
            _write(copy, source.read_bytes())
            shutil.copystat(source, copy)
            counts['copied'] += 1
            continue
        with open_image(source) as image:
            for page in range(header.pages):
                stem = str(PurePosixPath(name).with_suffix(''))
                path = copy if page == 0 else target / f'{stem}_page{page + 1}.png'
                if page and written.setdefault(path, source) != source:
                    raise ValueError(
                        f'{source} and {written[path]} would both become {path}: rename one of them'
                    )
                content = io.BytesIO()
                kind = Image.registered_extensions().get(path.suffix.lower(), 'PNG')
                _read_page(image, page, source, white).save(content, kind)
                _write(path, content.getvalue())
                counts['pages' if page else 'scaled'] += 1
    return counts


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; raise ValueError if another one is there."""
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return
        raise ValueError(
            f'{path} is there already, with other content: remove it, or choose another --out-dir'
        )
    with atomic_write(path, 'wb') as file:
        file.write(content)


def _read_page(
    image: ImageFile.ImageFile, page: int, path: Path, white: float | None
) -> Image.Image:
    """A page in 8 bits."""
    try:
        image.seek(page)
        is_16_bits = any(re.search(r';16(?!\w*S)', str(tile)) for tile in image.tile)
        image.load()
    except Exception as error:  # decoders raise many types
        raise ValueError(f'{path}, page {page + 1}, cannot be read: {error}') from error
    if not is_16_bits and image.mode[0] not in 'IF':
        return image.copy()
    if white is None and image.mode == 'F':
        raise ValueError(f'{path} has values that are no whole numbers: give --white')
    values = _read_16_bits(path, page) if is_16_bits else np.asarray(image)
    scaled = np.nan_to_num(values.astype(np.float64)) * (255 / (65535 if white is None else white))
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))


def _read_16_bits(path: Path, page: int) -> np.ndarray:
    """``(H, W)`` or ``(H, W, 3)`` uint16 RGB, turned as EXIF says.

    Of colours of 16 bits Pillow reads the upper 8 alone.
    """
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    read, pages = cv2.imreadmulti(str(path), start=page, count=1, flags=flags)
    if not read or pages[0].dtype != np.uint16:
        raise ValueError(f'{path}, page {page + 1}, has 16 bits that cannot be read: save 8 bits')
    return pages[0][:, :, ::-1] if pages[0].ndim == 3 else pages[0]
