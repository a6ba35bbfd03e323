"""Instances of each class in the annotations, against counting them by hand."""

import json

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from mmpldc.datasets.class_counts import class_counts
from mmpldc.datasets.label_maps import write_label_map

CLASSES = ('cat', 'dog', 'bus', 'kite')


class Annotated(BaseDataset):
    """One image for each list of (label, ignore flag)."""

    METAINFO = dict(classes=CLASSES)

    def __init__(self, *images, **options):
        self.images = images
        super().__init__(**options)

    def load_data_list(self):
        return [
            dict(
                img_id=index,
                instances=[
                    dict(bbox_label=label, ignore_flag=flag, bbox=[0, 0, 9, 9])
                    for label, flag in image
                ],
            )
            for index, image in enumerate(self.images)
        ]


LABELED = ([(0, 0), (2, 0), (0, 0)], [], [(2, 0), (0, 0), (3, 1)], [(1, 1)])


@pytest.mark.parametrize('serialize_data', [True, False])
@pytest.mark.parametrize('lazy_init', [True, False])
def test_plain(serialize_data, lazy_init):
    dataset = Annotated(*LABELED, serialize_data=serialize_data, lazy_init=lazy_init)
    counts = class_counts(dataset)
    assert counts.tolist() == [3, 0, 2, 0] and counts.dtype == torch.int64


@pytest.mark.parametrize('unlabeled', [(), ([(1, 0)] * 5, [(3, 0)])], ids=['without', 'with'])
def test_the_first_of_concatenated_ones_is_labelled(unlabeled):
    """Annotations of images that are used without are not looked at."""
    dataset = ConcatDataset([Annotated(*LABELED), Annotated([], *unlabeled), Annotated([(1, 0)])])
    assert class_counts(dataset).tolist() == [3, 0, 2, 0]


def test_repetitions_count():
    """Frequencies are what matters; a repeated set has the same."""
    assert class_counts(RepeatDataset(Annotated(*LABELED), 2)).tolist() == [6, 0, 4, 0]


@pytest.mark.parametrize('images', [([],), ([(1, 1)],)], ids=['empty', 'crowd'])
def test_without_any_instance(images):
    counts = class_counts(Annotated(*images))
    assert counts.tolist() == [0] * len(CLASSES) and counts.dtype == torch.int64


def test_coco_file_as_mmdet_reads_it(tmp_path):
    """Category ids with gaps, a crowd, a small image that the data set drops; no image file."""
    annotations = [(1, 11, 0), (1, 5, 0), (1, 5, 1), (2, 5, 0), (3, 11, 0), (2, 7, 0), (2, 11, 0)]
    content = dict(
        images=[
            dict(id=index, file_name=f'{index}.jpg', height=side, width=side)
            for index, side in ((1, 100), (2, 100), (3, 20), (4, 100))
        ],
        annotations=[
            dict(
                id=number,
                image_id=image,
                category_id=category,
                iscrowd=crowd,
                area=64,
                bbox=[2, 2, 8, 8],
                segmentation=[[2, 2, 10, 2, 10, 10, 2, 10]],
            )
            for number, (image, category, crowd) in enumerate(annotations)
        ],
        categories=[dict(id=5, name='cat'), dict(id=7, name='other'), dict(id=11, name='dog')],
    )
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    dataset = CocoDataset(
        ann_file=str(tmp_path / 'annotations.json'),
        data_prefix=dict(img='nowhere'),
        metainfo=dict(classes=('dog', 'cat', 'bus')),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=[lambda results: pytest.fail('an image is read')],
    )
    assert class_counts(dataset).tolist() == [2, 2, 0]


def test_pixels_of_label_maps(tmp_path):
    """Renumbered as the data set does; 255, and a map that cannot be read, count nothing."""
    pytest.importorskip('mmseg')
    from mmseg.datasets import BaseSegDataset

    for name, values in dict(a=[[0, 1, 1, 3]], b=[[2, 2, 2, 255]]).items():
        write_label_map(tmp_path / f'{name}.png', np.array(values, np.uint8), [(0, 0, 0)])
        (tmp_path / f'{name}.jpg').touch()
    (tmp_path / 'c.jpg').touch()
    (tmp_path / 'c.png').write_bytes(b'no image')
    dataset = BaseSegDataset(
        data_prefix=dict(img_path=str(tmp_path), seg_map_path=str(tmp_path)),
        metainfo=dict(classes=('a', 'b', 'c')),
        reduce_zero_label=True,
    )
    assert class_counts(dataset).tolist() == [2, 3, 1]
