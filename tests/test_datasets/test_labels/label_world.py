"""Photos of 64 x 48 pixels, and a file in which four of them have a square and a disc each."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as mask_utils

from mmpldc.datasets.labels import Labels, Options, prepare

WIDTH, HEIGHT = 64, 48
SQUARE = [10, 8, 30, 8, 30, 28, 10, 28]
TRIANGLE = [40, 10, 60, 10, 50, 30]


def rle_of(polygon: list[float], *, by_rows: bool = False) -> dict:
    """Uncompressed run lengths of a polygon."""
    (encoded,) = mask_utils.frPyObjects([polygon], HEIGHT, WIDTH)
    flat = mask_utils.decode(encoded).ravel('C' if by_rows else 'F')
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    return dict(size=[HEIGHT, WIDTH], counts=np.diff(edges, prepend=0).tolist())


def area_of(segmentation: list | dict) -> int:
    """Pixels that a sound segmentation covers."""
    if isinstance(segmentation, list):
        encoded = mask_utils.merge(mask_utils.frPyObjects(segmentation, HEIGHT, WIDTH))
    else:
        encoded = mask_utils.frPyObjects(segmentation, HEIGHT, WIDTH)
    return int(mask_utils.area(encoded))


class World:
    """A folder of photos and a file of labels, which a test spoils.

    Attributes:
        coco: content of the file, without a fault until a test changes it.
    """

    def __init__(self, root: Path, photos: int = 6, annotated: int = 4) -> None:
        self.root, self.photos, self.labels = root, root / 'photos', root / 'labels.json'
        self.photos.mkdir()
        rng = np.random.default_rng(0)
        for number in range(1, photos + 1):
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            Image.fromarray(pixels).save(self.photos / f'{number}.png')
        self.coco = dict(
            images=[
                dict(id=number, file_name=f'{number}.png', width=WIDTH, height=HEIGHT)
                for number in range(1, annotated + 1)
            ],
            annotations=[],
            categories=[dict(id=1, name='square'), dict(id=2, name='triangle')],
        )
        for image in self.coco['images']:
            for category, polygon, box, area in (
                (1, SQUARE, [10, 8, 20, 20], 400),
                (2, TRIANGLE, [40, 10, 20, 20], 200),
            ):
                self.annotations.append(
                    dict(
                        id=len(self.annotations) + 1,
                        image_id=image['id'],
                        category_id=category,
                        segmentation=[list(polygon)],
                        bbox=box,
                        area=area,
                        iscrowd=0,
                    )
                )

    @property
    def images(self) -> list[dict]:
        return self.coco['images']

    @property
    def annotations(self) -> list[dict]:
        return self.coco['annotations']

    @property
    def categories(self) -> list[dict]:
        return self.coco['categories']

    def prepare(self, role: str = 'labeled', **options) -> Labels:
        """What is made of the file as it is now."""
        self.labels.write_text(json.dumps(self.coco))
        return prepare(self.labels, self.photos, role=role, options=Options(**options))
