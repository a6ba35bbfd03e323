"""The generated data set on disk, with a labelled and an unlabelled part.

Instances are in COCO format; for semantic segmentation there are label maps and lists of images.

Every image is drawn from its own generator, seeded by (seed, split, index): the
data do not depend on the order or the number of worker processes (another
OpenCV version may round a pixel differently).
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from mmpldc.datasets.label_maps import write_label_map

from .scene import CATEGORIES, CLASSES, PALETTE, ShapesSpec, generate_scene

VERSION = 3  # raise when the same seed no longer gives the same data
SPLITS = {'train': 'train_all', 'tuning': 'tuning', 'test': 'test'}  # images/ -> annotations/
MIN_LABELED_PER_CLASS = 2
SEMANTIC_CLASSES = ('background', *CLASSES)
SEMANTIC_PALETTE = [(0, 0, 0), *PALETTE]


def _write_scene(
    index: int, *, root: Path, split: str, seed: int, spec: ShapesSpec
) -> tuple[dict, list[dict]]:
    """Draw and store image ``index`` and its label map.

    Returns its COCO image record, and annotations without ids.
    """
    rng = np.random.default_rng([seed, list(SPLITS).index(split), index])
    image, labels, masks = generate_scene(rng, spec)
    file_name = f'{index + 1:06d}.jpg'
    path = root / 'images' / split / file_name
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
        raise OSError(f'could not write {path}')
    label_map = np.zeros(image.shape[:2], np.uint8)
    annotations = []
    for label, mask in zip(labels, masks, strict=True):
        label_map[mask] = label + 1  # masks are disjoint
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
    maps = root / 'labels' / split / f'{path.stem}.png'
    write_label_map(maps, label_map, SEMANTIC_PALETTE)
    height, width = image.shape[:2]
    return dict(id=index + 1, file_name=file_name, height=height, width=width), annotations


def parallel_map(draw: Callable, count: int, workers: int | None = None) -> Iterator:
    """``draw(0)``, ``draw(1)``, ... in order, by one process per core or ``workers`` of them."""
    if workers == 1:  # no fork: safe in a process that has threads
        yield from map(draw, range(count))
        return
    # One process per core, so OpenCV must not start threads of its own. Said before the fork: in a
    # child it would wait for ever for the threads that the parent had.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        with Pool(workers) as pool:
            yield from pool.imap(draw, range(count), chunksize=16)
    finally:
        cv2.setNumThreads(threads)


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
    """Write ``images/<split>/``, ``labels/<split>/`` and the annotation file (see SPLITS).

    Returns the COCO dict.

    Masks are compressed RLE (exact, with several parts), for which mmdet's
    ``LoadAnnotations`` needs its default ``poly2mask=True``. ``progress`` is
    called as ``progress(split, done, num_images)``.
    """
    for folder in 'images', 'labels':
        (root / folder / split).mkdir(parents=True, exist_ok=True)
    draw = partial(_write_scene, root=root, split=split, seed=seed, spec=spec)
    images, annotations = [], []
    for image, found in parallel_map(draw, num_images, workers):
        images.append(image)
        annotations += found
        if progress:
            progress(split, len(images), num_images)
    for identity, annotation in enumerate(annotations, start=1):
        annotation['id'] = identity
    return _write_annotations(root / 'annotations' / f'{SPLITS[split]}.json', images, annotations)


def _write_annotations(path: Path, images: list, annotations: list) -> dict:
    categories = [
        dict(id=i, name=category.name, supercategory=category.supercategory)
        for i, category in enumerate(CATEGORIES, start=1)
    ]
    coco = dict(
        info=dict(description='generated shapes'),
        images=images,
        annotations=annotations,
        categories=categories,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco))
    return coco


def _write_list(path: Path, coco: dict, among: set | None = None) -> None:
    """Names of a split's images without suffix, one a line, as mmsegmentation reads them."""
    images = [image for image in coco['images'] if among is None or image['id'] in among]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{Path(image["file_name"]).stem}\n' for image in images))


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
    root: str | Path,
    *,
    seed: int = 0,
    num_labeled: int = 40,
    num_train: int = 3000,
    num_tuning: int = 300,
    num_test: int = 500,
    spec: ShapesSpec | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable | None = None,
) -> None:
    """Write the data set under ``root``, or return at once if it is there.

    ``images/{train,tuning,test}/*.jpg`` and, in ``annotations/``: ``labeled``
    (``num_labeled`` of the train images), ``unlabeled`` (the others, without
    annotations), ``unlabeled_hidden`` (the others with theirs, to measure
    pseudo-labels, never to train), ``train_all``, ``tuning`` and ``test``.

    For semantic segmentation ``labels/{train,tuning,test}/*.png`` (0 is background) and, in
    ``lists/``: ``labeled.txt``, ``unlabeled.txt`` (of the same train images), ``tuning.txt`` and
    ``test.txt``.

    ``spec.json`` is put in place last. Until then it is ``spec.json.partial``,
    and a folder that an interrupted run left so is written anew.

    Raises:
        FileExistsError: ``root`` holds another data set or foreign files.
        ValueError: too few (see ``choose_labeled``) or too many labelled images.
    """
    if num_labeled >= num_train:
        raise ValueError(f'{num_labeled} labelled of {num_train} images leave none unlabelled')
    root = Path(root)
    spec = ShapesSpec() if spec is None else spec
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
    for folder in ('images', 'annotations', 'labels', 'lists'):
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
    lists = root / 'lists'
    _write_list(lists / 'labeled.txt', train, labeled)
    _write_list(lists / 'unlabeled.txt', train, {i['id'] for i in train['images']} - labeled)
    _write_list(lists / 'tuning.txt', write('tuning', num_tuning))
    _write_list(lists / 'test.txt', write('test', num_test))
    os.replace(partial_stamp, stamp)
