"""Pictures of annotated images, to look at."""

from pathlib import Path

import mmcv
import numpy as np
from mmdet.visualization import get_palette
from pycocotools.coco import COCO

from mmpldc.utils.pictures import save_picture
from mmpldc.visualization import draw_instances

from .annotations import Contents
from .config import DataSet
from .records import load_coco
from .report import Report

LONGEST_SIDE = 2048  # pixels of a picture; a JPEG could have 65,535


def draw_samples(report: Report, out_dir: Path, *, count: int = 4) -> list[str]:
    """Draw the instances of a few images of each annotated set.

    Args:
        report: of the checks. Sets with errors, or whose images were not looked for, are left out.
        out_dir: gets a folder for each set.
        count: images of each set, spread evenly over those with instances.

    Returns:
        Paths of the pictures below ``out_dir``.
    """
    faulty = {file for finding in report.errors for file in finding.file.split(', ')}
    drawn = []
    for data, contents in report.sets:
        usable = data.img_prefix is not None and data.ann_file not in faulty
        if usable and contents is not None and contents.annotated.any():
            drawn += _draw(data, contents, out_dir, count)
    return drawn


def _draw(data: DataSet, contents: Contents, out_dir: Path, count: int) -> list[str]:
    coco, _ = load_coco(data.ann_file)
    if coco is None or contents.categories is None or data.img_prefix is None:
        return []
    rows = np.flatnonzero(contents.annotated)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
    images = {coco['images'][row]['id']: coco['images'][row] for row in rows}
    masks_of = COCO()
    masks_of.imgs = images
    classes = list(contents.categories)
    labels_of = {identity: label for label, identity in enumerate(contents.categories.values())}
    style = dict(classes=classes, palette=get_palette('random', len(classes)))
    drawn = []
    for identity, image in images.items():
        own = [
            annotation
            for annotation in coco['annotations']
            if annotation['image_id'] == identity and not annotation.get('iscrowd')
        ]
        masks = np.stack([masks_of.annToMask(annotation) > 0 for annotation in own])
        labels = np.array([labels_of[annotation['category_id']] for annotation in own])
        pixels = mmcv.imread(str(Path(data.img_prefix, image['file_name'])), channel_order='rgb')
        path = Path('samples', data.name, f'{identity}.jpg')
        pixels, masks = _shrunk(pixels, masks)
        save_picture(out_dir / path, draw_instances(pixels, masks, labels, **style))
        drawn.append(str(path))
    return drawn


def _shrunk(pixels: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image ``(H, W, 3)`` and its masks ``(N, H, W)``, small enough to look at."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale == 1:
        return pixels, masks
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rows = np.linspace(0, height - 1, size[1]).astype(int)
    columns = np.linspace(0, width - 1, size[0]).astype(int)
    return mmcv.imresize(pixels, size, interpolation='area'), masks[:, rows][:, :, columns]
