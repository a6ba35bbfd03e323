"""Label Studio asks tools/serve/label_studio.py for predictions."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmpldc.apis import label_studio_config, label_studio_prediction, load_labeler
from mmpldc.apis.pseudo_labels import label_images

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('cat', 'dog', 'owl')


@pytest.fixture
def server(tiny_test_cfg, tiny_checkpoint, photos, tmp_path):
    """The tool, with its address in its first line."""
    config, checkpoint = tmp_path / 'tiny.py', tmp_path / 'iter_9.pth'
    tiny_test_cfg.dump(config)
    torch.save(tiny_checkpoint, checkpoint)
    words = [ROOT / 'tools/serve/label_studio.py', config, checkpoint, '--images', photos]
    with subprocess.Popen(
        [sys.executable, *words, '--port', '0', '--device', 'cpu'],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            found = re.search(r'iter_9 labels the 6 photos of .* at (http://\S+);', line)
            if found:
                break
        else:
            pytest.fail('the server has ended')
        yield found[1]
        process.kill()


def test_predictions_are_retrieved(studio, server, photos, tiny_test_cfg, tiny_checkpoint):
    config = label_studio_config(CLASSES, polygons=False)
    project = studio.call('make_project', config=config, photos=str(photos))
    prefix = f'/data/local-files/?d={photos.name}/'
    names = ['a b.png', 'deep/c.png', 'gone.png']
    tasks = [dict(data=dict(image=prefix + name)) for name in names]
    imported = studio.call('import_tasks', project=project, tasks=tasks)
    assert all(one['predictions'] == [] for one in imported)
    _, version = studio.call('connect', project=project, url=server)
    assert version == 'iter_9'
    for _ in range(2):  # the second time they are there already
        studio.call('retrieve_predictions', project=project, tasks=[one['id'] for one in imported])
        found = studio.call('list_tasks', project=project)
        assert [len(one['predictions']) for one in found] == [1, 1, 0]

    model = load_labeler(tiny_test_cfg, tiny_checkpoint)
    entries = [dict(id=place, file_name=name) for place, name in enumerate(names[:2])]
    labeled = [*label_images(model, tiny_test_cfg, entries, photos)]
    for one, task in zip(labeled, found, strict=False):
        (prediction,) = task['predictions']
        expected = label_studio_prediction(one, CLASSES, None, 'iter_9')
        assert prediction['model_version'] == 'iter_9' and one.labels
        assert [region['value'] for region in prediction['result']] == [
            region['value'] for region in expected['result']
        ]


def test_a_project_with_other_labels_is_told(studio, server, photos):
    config = label_studio_config(['fox'], polygons=False)
    project = studio.call('make_project', config=config, photos=str(photos))
    with pytest.raises(AssertionError, match='has the labels fox, the model the classes cat, dog'):
        studio.call('connect', project=project, url=server)
