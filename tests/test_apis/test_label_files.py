"""Files of pseudo-labels, from hand-made ones."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from pycocotools.coco import COCO

from mmpldc.apis import (
    LabeledImage,
    PseudoLabel,
    encode_mask,
    label_studio_config,
    label_studio_rle,
    local_files_prefix,
    write_coco,
    write_label_studio,
)

CATEGORIES = [dict(id=3, name='cat & "dog"'), dict(id=1, name='owl')]
CLASSES = [category['name'] for category in CATEGORIES]
HEIGHT, WIDTH = 10, 20


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + side, left : left + side] = True
    return mask


RING = square(1, 2, 6) & ~square(3, 4, 2)
TWO_PARTS = square(0, 0, 2) | square(5, 10, 4)


@pytest.fixture
def labeled_images() -> list[LabeledImage]:
    """A ring and two squares on one image, nothing on another."""
    labels = [
        PseudoLabel(1, 0.72, 0.9, 0.8, encode_mask(RING)),
        PseudoLabel(0, 0.5, 1.0, 0.5, encode_mask(TWO_PARTS)),
    ]
    first = dict(id=7, file_name='a b/c.jpg', width=WIDTH, height=HEIGHT, license=2)
    second = dict(id=9, file_name='d.jpg', width=5, height=4)
    return [LabeledImage(first, labels), LabeledImage(second, [])]


# ---------------------------------------------------------------- COCO


def test_coco_masks(labeled_images, tmp_path):
    path = tmp_path / 'new/labels.json'
    write_coco(path, iter(labeled_images), CATEGORIES)
    coco = COCO(str(path))
    assert coco.dataset['images'] == [labeled.image for labeled in labeled_images]
    assert coco.dataset['categories'] == CATEGORIES
    ring, parts = coco.dataset['annotations']
    assert (coco.annToMask(ring) == RING).all() and (coco.annToMask(parts) == TWO_PARTS).all()
    ring.pop('segmentation'), parts.pop('segmentation')
    common = dict(image_id=7, iscrowd=0)
    assert ring == dict(
        id=1,
        category_id=1,
        area=32,
        bbox=[2, 1, 6, 6],
        score=0.72,
        class_quality=0.9,
        mask_quality=0.8,
        **common,
    )
    assert parts == dict(
        id=2,
        category_id=3,
        area=20,
        bbox=[0, 0, 14, 9],
        score=0.5,
        class_quality=1.0,
        mask_quality=0.5,
        **common,
    )


def test_coco_polygons_fill_holes_and_say_so(labeled_images, tmp_path):
    path = tmp_path / 'labels.json'
    write_coco(path, labeled_images, CATEGORIES, polygon_tolerance=0)
    coco = COCO(str(path))
    ring, parts = coco.dataset['annotations']
    assert (coco.annToMask(ring) == square(1, 2, 6)).all()
    assert (ring['area'], ring['bbox']) == (36, [2, 1, 6, 6])
    assert (coco.annToMask(parts) == TWO_PARTS).all() and len(parts['segmentation']) == 2
    assert sorted(map(len, parts['segmentation'])) == [8, 8]


def test_coco_without_any_label(tmp_path):
    path = tmp_path / 'labels.json'
    write_coco(path, [], CATEGORIES)
    assert json.loads(path.read_text()) == dict(images=[], annotations=[], categories=CATEGORIES)


# ---------------------------------------------------------------- Label Studio


def write_tasks(path, labeled_images, **options) -> list[dict]:
    write_label_studio(
        path, iter(labeled_images), CLASSES, image_prefix='/d=', model_version='v1', **options
    )
    return json.loads(path.read_text())


def test_label_studio_brush_regions(labeled_images, tmp_path):
    first, second = write_tasks(tmp_path / 'tasks.json', labeled_images)
    assert second == dict(data=dict(image='/d=d.jpg'), predictions=[])
    assert first['data'] == dict(image='/d=a%20b/c.jpg')
    odd = replace(labeled_images[1], image=dict(labeled_images[1].image, file_name='f\udce4.jpg'))
    (task,) = write_tasks(tmp_path / 'odd.json', [odd])  # not in UTF-8, as from old archives
    assert task['data'] == dict(image='/d=f%E4.jpg')
    (prediction,) = first['predictions']
    assert prediction['model_version'] == 'v1' and prediction['score'] == pytest.approx(0.61)
    ring, parts = prediction['result']
    assert ring == dict(
        id='7-0',
        type='brushlabels',
        from_name='label',
        to_name='image',
        original_width=WIDTH,
        original_height=HEIGHT,
        image_rotation=0,
        score=0.72,
        value=dict(format='rle', rle=label_studio_rle(RING), brushlabels=['owl']),
    )
    assert parts['value']['brushlabels'] == ['cat & "dog"'] and parts['id'] == '7-1'


def test_label_studio_polygons_are_in_percent(labeled_images, tmp_path):
    first, _ = write_tasks(tmp_path / 'tasks.json', labeled_images, polygon_tolerance=0)
    regions = first['predictions'][0]['result']
    assert [region['id'] for region in regions] == ['7-0', '7-1', '7-2']  # two for two parts
    assert [region['value']['polygonlabels'] for region in regions] == [
        ['owl'],
        ['cat & "dog"'],
        ['cat & "dog"'],
    ]
    ring = regions[0]
    assert ring['type'] == 'polygonlabels' and ring['value']['closed']
    # x from 2 to 8 of 20 pixels, y from 1 to 7 of 10
    assert {tuple(point) for point in ring['value']['points']} == {
        (10, 10),
        (40, 10),
        (40, 70),
        (10, 70),
    }


@pytest.mark.parametrize(('polygons', 'tag'), [(False, 'BrushLabels'), (True, 'PolygonLabels')])
def test_label_studio_configuration_names_what_the_regions_name(polygons, tag):
    view = ElementTree.fromstring(label_studio_config(CLASSES, polygons=polygons))
    image, control = view
    assert (image.tag, image.get('name'), image.get('value')) == ('Image', 'image', '$image')
    assert (control.tag, control.get('name'), control.get('toName')) == (tag, 'label', 'image')
    assert [label.get('value') for label in control] == CLASSES
    assert not any(label.get('background') for label in control)


def test_label_studio_configuration_has_the_colours():
    palette = [(255, 0, 9), *[(16, 32, 64)] * (len(CLASSES) - 1)]
    view = ElementTree.fromstring(label_studio_config(CLASSES, polygons=False, palette=palette))
    colours = [label.get('background') for label in view[1]]
    assert colours == ['#ff0009', *['#102040'] * (len(CLASSES) - 1)]


def test_label_studio_serves_a_folder_below_its_document_root(tmp_path):
    assert local_files_prefix(tmp_path / 'my photos' / '') == '/data/local-files/?d=my%20photos/'


# ---------------------------------------------------------------- all or nothing


def test_an_interrupted_file_leaves_the_old_one(labeled_images, tmp_path):
    def interrupted():
        yield labeled_images[0]
        raise KeyboardInterrupt

    path = tmp_path / 'labels.json'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt):
        write_coco(path, interrupted(), CATEGORIES)
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]
    write_coco(path, labeled_images, CATEGORIES)
    assert len(json.loads(path.read_text())['annotations']) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_labels_are_written_as_they_come(labeled_images, tmp_path):
    """Of many labels none is kept: the file has grown before the last image."""
    path = tmp_path / 'labels.json'
    sizes = []

    def many():
        for number in range(300):
            yield LabeledImage(dict(labeled_images[0].image, id=number), labeled_images[0].labels)
            (temporary,) = tmp_path.iterdir()
            sizes.append(temporary.stat().st_size)

    write_coco(path, many(), CATEGORIES)
    assert 0 < sizes[len(sizes) // 2] < sizes[-1]
    assert len(json.loads(path.read_text())['annotations']) == 600
