"""From the teacher to Label Studio's page, to an annotator, and back: pixel by pixel."""

import io
import json
import runpy
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from label_studio import PASSWORD, USER
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmpldc.apis import label_next
from mmpldc.utils.label_studio_rle import decode_label_studio_rle

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
BUTTON = '[...document.querySelectorAll("button")].find((one) => one.innerText.trim() === "{}")'
CLASSES = ('cat', 'dog', 'owl')


@pytest.fixture
def chosen(tiny_test_cfg, tiny_checkpoint, photos, tmp_path):
    """What label_next.py writes about five of the photos; by the tolerance of polygons."""
    checkpoint = tmp_path / 'iter_9.pth'
    torch.save(tiny_checkpoint, checkpoint)
    content = dict(images=[dict(id=1, file_name='labelled.png', width=65, height=48)])
    square = [5, 5, 25, 5, 25, 25, 5, 25]
    box = dict(bbox=[5, 5, 20, 20], area=400, iscrowd=0)
    content['annotations'] = [dict(id=1, image_id=1, category_id=3, segmentation=[square], **box)]
    content['categories'] = [dict(id=n, name=name) for n, name in enumerate(CLASSES, 1)]
    labeled = tmp_path / 'labeled.json'
    labeled.write_text(json.dumps(content))

    def chosen(tolerance: float | None):
        return label_next(
            *(tiny_test_cfg, checkpoint, tmp_path / 'next'),
            images=photos,
            count=6,
            strategy='random',
            polygon_tolerance=tolerance,
            device='cpu',
        )

    return chosen


def masks_of(coco: COCO, names: set[str] | None = None) -> set[tuple[str, str, bytes]]:
    """File name, class and pixels of each annotation."""
    return {
        (name, coco.cats[one['category_id']]['name'], coco.annToMask(one).tobytes())
        for one in coco.dataset['annotations']
        if (name := coco.imgs[one['image_id']]['file_name']) in (names or {name})
    }


def drawn_shapes(result: list[dict], name: str) -> set[tuple[str, str, bytes]]:
    """As :func:`masks_of`, of regions: each polygon is an object of its own."""
    found = set()
    for region in result:
        value, size = region['value'], (region['original_height'], region['original_width'])
        if 'points' in value:
            points = np.array(value['points']) * [size[1] / 100, size[0] / 100]
            mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points.ravel()], *size)))
        else:
            mask = decode_label_studio_rle(value['rle'], size).astype(np.uint8)
        (label,) = value[region['type']]
        if mask.any():
            found.add((name, label, mask.tobytes()))
    return found


def merge(photos: Path, exported: list, folder: Path, monkeypatch) -> COCO:
    """The labelled set with what was exported, by merge_labels.py."""
    path = folder / 'export.json'
    path.write_text(json.dumps(exported))
    words = [folder / 'labeled.json', path, '--images', photos, '--out', folder / 'round1']
    words += ['--predictions', folder / 'next/pre_annotations.json']
    tool = ROOT / 'tools/dataset/merge_labels.py'
    monkeypatch.setattr('sys.argv', [str(tool), *map(str, words)])
    runpy.run_path(str(tool), run_name='__main__')
    return COCO(str(folder / 'round1/labeled.json'))


def log_in(browser, studio) -> None:
    browser.open(f'{studio.address}/user/login/')
    if 'login' in browser.run('location.pathname'):
        fields = dict(email=USER, password=PASSWORD)
        for name, text in fields.items():
            browser.run(f'document.querySelector("[name={name}]").value = {json.dumps(text)}')
        browser.run('document.querySelector("form").submit()')
        browser.wait('!location.pathname.includes("login")')


def open_task(browser, studio, project: int, task: int) -> None:
    browser.open(f'{studio.address}/projects/{project}/data?task={task}')
    browser.wait('document.querySelectorAll(".konvajs-content canvas").length > 0')
    browser.wait(BUTTON.format('Submit') + ' !== undefined')


def picture(browser) -> np.ndarray:
    """``(H, W, 3)``: the image with what is drawn on it, once it has stopped to change."""
    seen = None
    for _ in range(SECONDS):
        time.sleep(1)
        browser.wait('document.querySelector(".konvajs-content") !== null')  # it is made twice
        shot = browser.screenshot('.konvajs-content')
        if shot == seen:
            break
        seen = shot
    return np.asarray(Image.open(io.BytesIO(shot)).convert('RGB')).astype(int)


def as_shown(browser, image: np.ndarray) -> np.ndarray:
    """An image of the photo's size as the page zooms and cuts it, for :func:`picture`."""
    box = '[one.x, one.y, one.width, one.height]; })()'
    script = '(() => {{ const one = document.querySelector("{}").getBoundingClientRect(); return '
    x, y, width, height = browser.run(script.format('.konvajs-content') + box)
    left, top, wide, high = browser.run(script.format('img[alt=image]') + box)
    scale = np.array([image.shape[1] / wide, image.shape[0] / high])
    start = (np.array([x - left, y - top]) + 0.5) * scale - 0.5  # of the first pixel's centre
    matrix = np.hstack([np.diag(scale), start[:, None]])
    size = round(width), round(height)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize('tolerance', [None, 1.0], ids=['brush', 'polygons'])
def test_there_and_back(studio, browser, chosen, photos, tmp_path, monkeypatch, tolerance):
    written = chosen(tolerance)
    tasks = json.loads(written.tasks.read_text())
    offered = COCO(str(written.pre_annotations))
    project = studio.call('make_project', config=written.interface.read_text(), photos=str(photos))
    imported = studio.call('import_tasks', project=project, tasks=tasks)
    assert [one['data'] for one in imported] == [one['data'] for one in tasks]
    results = [one['predictions'][0]['result'] for one in imported]
    assert results == [one['predictions'][0]['result'] for one in tasks]

    # The page shows the photo, and the masks on it.
    log_in(browser, studio)
    bare = studio.call('make_project', config=written.interface.read_text(), photos=str(photos))
    without = [dict(data=one['data']) for one in tasks]
    (first, *_) = studio.call('import_tasks', project=bare, tasks=without)
    open_task(browser, studio, bare, first['id'])
    ground = picture(browser)
    open_task(browser, studio, project, imported[0]['id'])
    drawn = picture(browser)
    image = written.images[0]
    photo = cv2.imread(str(photos / image['file_name']))[..., ::-1]
    # the photo itself, up to interpolation and the tools at the side
    assert np.median(np.abs(as_shown(browser, photo) - ground)) < 5
    changed = np.abs(drawn - ground).max(axis=2) > 30
    if tolerance is None:
        masks = [offered.annToMask(one) for one in offered.imgToAnns[image['id']]]
        union = as_shown(browser, np.max(masks, axis=0).astype(np.float32)) > 0.5
        assert (changed & union).sum() / (changed | union).sum() > 0.8
    else:
        assert changed.mean() > 0.01  # outlines

    # The first task is submitted on the page as it is; the others through the API: one with a
    # label deleted and another drawn, one on which nothing is, the last not at all.
    browser.run(BUTTON.format('Submit') + '.click()')
    browser.wait(BUTTON.format('Update') + ' !== undefined')
    names = [one['file_name'] for one in written.images]
    ring = np.zeros((48, written.images[1]['width']), np.uint8)
    cv2.circle(ring, (30, 24), 15, 1, 5)
    brush = dict(format='rle', rle=studio.call('encode', mask=ring.tolist()), brushlabels=['owl'])
    ring_region = results[1][0] | dict(id='new', type='brushlabels', value=brush)
    submitted = [results[0], [*results[1][1:], ring_region], [], results[3]]
    for task, result in zip(imported[1:], submitted[1:], strict=False):
        studio.call('annotate', task=task['id'], result=result)
    merged = merge(photos, studio.call('export', project=project), tmp_path, monkeypatch)

    assert {one['file_name'] for one in merged.dataset['images']} == {*names[:4], 'labelled.png'}
    for name, result in zip(names, submitted, strict=False):
        assert masks_of(merged, {name}) == drawn_shapes(result, name)
    assert (names[1], 'owl', ring.tobytes()) in masks_of(merged, {names[1]})
    counts = json.loads((tmp_path / 'round1/corrections.json').read_text())
    assert counts['images'] == 4
    if tolerance is None:
        untouched = {names[0], names[3]}
        assert masks_of(merged, untouched) == masks_of(offered, untouched)
        assert counts['added'] == 1 and counts['deleted'] == 1 + len(results[2])
        for region in results[1]:  # by Label Studio's own code too
            value, size = region['value'], (region['original_height'], region['original_width'])
            alpha = studio.call('decode', rle=value['rle'], height=size[0], width=size[1])
            mask = (np.array(alpha) >= 128).astype(np.uint8).tobytes()
            assert (names[1], value['brushlabels'][0], mask) in masks_of(offered)
