"""Images and annotations that cannot be used, or look as if, and configs that train on them."""

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from PIL import Image

CUSTOM = Path(__file__).parents[2] / 'configs/custom/pldc_mask2former_r50_custom.py'
HEIGHT, WIDTH = 48, 64
SHRINK = 6  # sizes in pixels of the template are divided by it
LENGTHS = dict(
    RandomResize='scale', Resize='scale', RandomCrop='crop_size', BatchFixedSizePad='size'
)
NAN = float('nan')


def pixels(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Red on the left, blue on the right, in RGB; ``(height, width, 3)`` uint8."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, : width // 2, 0] = 200
    image[:, width // 2 :, 2] = 200
    return image


def encode(suffix: str, image: np.ndarray | None = None) -> bytes:
    return cv2.imencode(suffix, (pixels() if image is None else image)[..., ::-1])[1].tobytes()


def save(mode: str, **settings) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(pixels()).convert(mode).save(path, **settings)


def content(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def square(x: float = 8, y: float = 8, side: float = 16) -> list[float]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def grey() -> np.ndarray:
    return np.asarray(Image.fromarray(pixels()).convert('L'))[..., None]


def sixteen_bits(image: np.ndarray) -> np.ndarray:
    return image.astype(np.uint16) * 257


# name of the file: how to write it, words of the message
FAULTY_IMAGES = {
    'cut_off.jpg': (content(encode('.jpg')[:-200]), 'is cut off or damaged'),
    'cut_off.png': (content(encode('.png')[:-60]), 'is cut off or damaged'),
    'empty.jpg': (content(b''), 'is empty (0 bytes)'),
    'text.jpg': (content(b'no image'), 'is no image that OpenCV can decode'),
    'web_page.jpg': (content(b'<html>404</html>'), 'is a web page'),
    'missing.jpg': (lambda path: None, 'cannot be read (No such file or directory)'),
    'folder.jpg': (Path.mkdir, 'cannot be read (Is a directory)'),
    'float.tiff': (
        lambda path: Image.fromarray(np.zeros((HEIGHT, WIDTH), np.float32)).save(path),
        'is no image that OpenCV can decode',
    ),
}
# These cannot be used with labels.
FAULTY_SIZES = {
    'exif.jpg': (save('RGB', exif=turned()), 'the EXIF orientation turns the image'),
    'other_size.png': (content(encode('.png', pixels(20, 30))), 'another size than annotated'),
}
# name of the file: segmentation, words of the message
FAULTY_MASKS = {
    'nan': ([[NAN, *square()[1:]]], 'not a finite number'),
    'far': ([[0, 0, 1e12, 0, 1e12, 9]], 'millions of pixels out of the image'),
    'flat': (square(), 'is a list of numbers'),
    'text': ([['a', 'b', 'c', 'd', 'e', 'f']], 'not a list of numbers'),
    'none': (None, 'segmentation: missing'),
    'no_counts': (dict(size=[HEIGHT, WIDTH]), 'is not a run-length encoding'),
    'rle_size': (dict(size=[9, 9], counts=[81]), 'is not [height, width] of its image'),
    'rle_sum': (dict(size=[HEIGHT, WIDTH], counts=[3, 5]), 'do not add up'),
    'rle_beyond': (dict(size=[HEIGHT, WIDTH], counts=[3, 10**9]), 'do not add up'),
    'rle_huge': (dict(size=[HEIGHT, WIDTH], counts=[3, 10**30]), 'do not add up'),
    'rle_damaged': (dict(size=[HEIGHT, WIDTH], counts='P'), 'cannot be decoded'),
    'rle_overlong': (dict(size=[HEIGHT, WIDTH], counts='o' * 40 + '0'), 'do not add up'),
}
# name of the file: how to write it; height and width if they are others
UNUSUAL_IMAGES = {
    'grey.jpg': (save('L'), None),
    'grey_16_bit.png': (content(encode('.png', sixteen_bits(grey()))), None),
    'grey_alpha.png': (save('LA'), None),
    'colour_16_bit.tiff': (content(encode('.tiff', sixteen_bits(pixels()))), None),
    'cmyk.jpg': (save('CMYK'), None),
    'alpha.png': (save('RGBA'), None),
    'palette.png': (save('P'), None),
    'progressive.jpg': (save('RGB', progressive=True), None),
    'dot.png': (content(encode('.png', pixels(1, 1))), (1, 1)),
    'long.png': (content(encode('.png', pixels(10, 20000))), (10, 20000)),
}
# name of the file: annotations, segmentation and box each
UNUSUAL_ANNOTATIONS = {
    'no_area': [([[8, 8, 24, 8, 40, 8]], [8, 8, 32, 1])],
    'one_point': [([[8, 8, 8, 8, 8, 8]], [8, 8, 1, 1])],
    'two_points': [([[8, 8, 24, 24]], [8, 8, 16, 16])],
    'odd': [([square()[:7]], [8, 8, 16, 16])],
    'empty_rle': [(dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH]), [8, 8, 16, 16])],
    'outside': [([square(500, 500)], [500, 500, 16, 16])],
    'mask_outside': [([square(500, 500)], [8, 8, 16, 16])],
    'partly_outside': [([square(-8, -8)], [-8, -8, 16, 16])],
    'no_number_in_a_box': [([square()], [8, 8, NAN, 16])],
    'many': [([square(i % 40, i // 64, 12)], [i % 40, i // 64, 12, 12]) for i in range(2000)],
}


def write_coco(path: Path, images: list[dict], annotations: list[dict]) -> None:
    categories = [dict(id=1, name='thing'), dict(id=2, name='other')]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


class FaultyData:
    """A folder with images and annotation files.

    Attributes:
        root: the folder.
        faults: file name -> words of the message, of labelled images.
        unlabeled_faults: the same of unlabelled ones.
        unusual: names of labelled files that can be used.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / 'images').mkdir(parents=True)
        self.faults = {}
        self.unlabeled_faults = {}
        self.unusual = []
        self.labeled, self.unlabeled, self.annotations = [], [], []
        for name, (write, words) in (FAULTY_IMAGES | FAULTY_SIZES).items():
            write(root / 'images' / name)
            self._add(name, [([square()], [8, 8, 16, 16])])
            self.faults[name] = words
            self.unlabeled.append(self.labeled[-1])
            if name in FAULTY_IMAGES:
                self.unlabeled_faults[name] = words
        for name, (segmentation, words) in FAULTY_MASKS.items():
            self.faults[f'{name}.png'] = words
            self._add(self._sound(name), [(segmentation, [8, 8, 16, 16])])
        self._add(self._sound('infinite_box'), [([square()], [8, 8, float('inf'), 16])])
        self.faults['infinite_box.png'] = 'bbox: not four finite numbers'
        for name, (write, size) in UNUSUAL_IMAGES.items():
            write(root / 'images' / name)
            height, width = size or (HEIGHT, WIDTH)
            box = [0, 0, width // 2 or 1, height]
            self._add(name, [([square(0, 0, box[2])], box)], size or (HEIGHT, WIDTH))
            self.unusual.append(name)
            self.unlabeled.append(self.labeled[-1])
        for name, annotations in UNUSUAL_ANNOTATIONS.items():
            self._add(self._sound(name), annotations)
            self.unusual.append(f'{name}.png')
        val = []
        for index in range(2):
            self._add(self._sound(f'sound_{index}'), [([square()], [8, 8, 16, 16])])
            self.unlabeled.append(self.labeled[-1])
            val.append(self.labeled[-1])
        write_coco(root / 'labeled.json', self.labeled, self.annotations)
        write_coco(root / 'unlabeled.json', self.unlabeled, [])
        own = [a for a in self.annotations if a['image_id'] in {image['id'] for image in val}]
        write_coco(root / 'val.json', val, own)

    def _sound(self, name: str) -> str:
        (self.root / f'images/{name}.png').write_bytes(encode('.png'))
        return f'{name}.png'

    def _add(self, name: str, annotations: list, size: tuple = (HEIGHT, WIDTH)) -> None:
        identity = len(self.labeled) + 1
        self.labeled.append(dict(id=identity, file_name=name, height=size[0], width=size[1]))
        for segmentation, box in annotations:
            self.annotations.append(
                dict(
                    id=len(self.annotations) + 1,
                    image_id=identity,
                    category_id=1 + identity % 2,
                    bbox=box,
                    area=max(box[2] * box[3], 1),
                    iscrowd=0,
                    segmentation=segmentation,
                )
            )

    def index(self, name: str, part: str = 'labeled') -> int:
        """Place of an image in its annotation file."""
        return [image['file_name'] for image in getattr(self, part)].index(name)

    def config(self, **settings) -> Config:
        """The custom template for this data, in small."""
        cfg = copy.deepcopy(template())
        metainfo = dict(classes=('thing', 'other'))
        parts = cfg.train_dataloader.dataset
        parts.metainfo = metainfo
        parts.labeled.filter_cfg.filter_empty_gt = False
        for part, name in (
            (parts.labeled, 'labeled'),
            (parts.unlabeled, 'unlabeled'),
            (cfg.val_dataloader.dataset, 'val'),
            (cfg.test_dataloader.dataset, 'val'),
        ):
            part.ann_file = str(self.root / f'{name}.json')
            part.data_prefix.img = str(self.root / 'images')
        cfg.val_dataloader.dataset.metainfo = cfg.test_dataloader.dataset.metainfo = metainfo
        cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(self.root / 'val.json')
        cfg.model.num_classes = 2
        cfg.merge_from_dict(settings)
        return cfg


@functools.cache
def template() -> Config:
    """The custom template with small images."""
    cfg = Config.fromfile(CUSTOM)
    shrink_lengths([cfg.train_dataloader, cfg.val_dataloader, cfg.model.data_preprocessor])
    return cfg


def shrink_lengths(cfg: object) -> None:
    """Divide sizes of images, crops and pads, in place."""
    for item in cfg.values() if isinstance(cfg, dict) else cfg:
        if isinstance(item, dict | list):
            shrink_lengths(item)
    if isinstance(cfg, dict) and cfg.get('type') in LENGTHS:
        key = LENGTHS[cfg['type']]
        cfg[key] = tuple(length // SHRINK for length in cfg[key])
