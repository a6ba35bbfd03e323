"""A scene of 8,000 x 8,000 pixels, tile by tile: objects are found whole, memory stays small."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmpldc.datasets.shapes import CLASSES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SIDE, TILE = 8000, 1024
# Objects at (top, left) with their sides; tiles of 1,024 begin at multiples of about 775.
SQUARES = [(100, 100, 200), (1000, 700, 150), (1500, 1500, 100), (700, 780, 260), (7700, 7700, 299)]

PREDICT = '''
import json, resource, sys
import cv2, numpy as np, torch
from mmengine.structures import InstanceData
from mmpldc.apis import as_plain, predict_tiles

def predict(tiles):
    """Each connected bright region: a network that sees what a tile shows."""
    for tile in tiles:
        bright = (tile[..., 0] > 127).astype('u1')
        count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
        masks = np.array([labels == n for n in range(1, count)]).reshape(-1, *tile.shape[:2])
        scores = torch.tensor([min(0.9, s[4] / 1e5 + 0.1) for s in stats[1:]])
        yield InstanceData(masks=torch.from_numpy(masks), scores=scores,
                           labels=torch.zeros(count - 1).long(), bboxes=torch.zeros(count - 1, 4))

image = cv2.imread(sys.argv[1])
tile = int(sys.argv[2])
result = predict_tiles(image, lambda tiles: list(predict(tiles)), tile=tile, overlap=0.25)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps(dict(peak=peak, **as_plain(result))))
'''


@pytest.fixture(scope='module')
def scene(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('scene') / 'scene.png'
    image = np.zeros((SIDE, SIDE), np.uint8)
    for top, left, side in SQUARES:
        image[top : top + side, left : left + side] = 255
    cv2.imwrite(str(path), image)
    return path


def test_objects_across_seams_are_found_whole(scene, python):
    done = subprocess.run(
        [python, '-c', PREDICT, scene, str(TILE)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    boxes = sorted(tuple(map(int, box)) for box in found['bboxes'])
    assert boxes == sorted((x, y, x + side, y + side) for y, x, side in SQUARES)
    areas = sorted(coco_mask.area(rle) for rle in found['masks'])
    assert areas == sorted(side * side for _, _, side in SQUARES)
    assert found['peak'] < 2.5  # GB, with Python and its libraries


def test_the_demo_takes_tiles(scene, load_config, run_tool, tmp_path):
    """The real model, untrained, on a part of the scene; its predictions are in the image."""
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope
    from mmengine.runner import save_checkpoint

    cfg = load_config()
    cfg.dump(tmp_path / 'config.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    checkpoint = dict(state_dict=model.state_dict(), meta=meta)
    save_checkpoint(checkpoint, str(tmp_path / 'model.pth'))
    part = cv2.imread(str(scene))[:400, :500]
    cv2.imwrite(str(tmp_path / 'part.png'), part)
    command = ('../demo/image_demo.py', 'part.png', 'config.py', '--weights', 'model.pth')
    options = ('--device', 'cpu', '--tile', 200, '--batch-size', 4, '--out-dir', 'out')
    run_tool(*command, *options, '--pred-score-thr', 0.1, cwd=tmp_path)
    found = json.loads((tmp_path / 'out/preds/part.json').read_text())
    assert found['masks'] and all(rle['size'] == [400, 500] for rle in found['masks'])
    assert found['scores'] == sorted(found['scores'], reverse=True) and min(found['scores']) > 0.05
    assert cv2.imread(str(tmp_path / 'out/vis/part.png')).shape == part.shape
