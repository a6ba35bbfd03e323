"""The command line of tools/label_next.py: options reach the files, faults end it."""

import csv
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

TOOL = Path(__file__).resolve().parents[2] / 'tools/label_next.py'


@pytest.fixture
def world(tiny_test_cfg, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    """Config, checkpoint and four photos; ``run`` starts the tool and returns what it printed."""
    photos = tmp_path / 'photos'
    photos.mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(photos / f'{number}.png'), cv2.resize(coarse, (60, 48)))
    tiny_test_cfg.dump(tmp_path / 'tiny.py')
    torch.save(tiny_checkpoint, tmp_path / 'iter_9.pth')

    def run(*words: object) -> str:
        common = [tmp_path / 'tiny.py', tmp_path / 'iter_9.pth', '--out', tmp_path / 'next']
        command = [TOOL, *common, '--device', 'cpu', '--num-workers', 0, *words]
        monkeypatch.setattr(sys, 'argv', [*map(str, command)])
        runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr().out

    return SimpleNamespace(run=run, photos=photos, out=tmp_path / 'next')


def test_options_reach_the_files(world):
    printed = world.run(
        *(
            '--images',
            world.photos,
            '--count',
            2,
            '--criteria',
            'PixelUncertainty',
            'RandomOrder=2',
        ),
        *('--polygons', '--tolerance', 0.5, '--class-thr', 0.01, '--mask-thr', 0.01),
        *('--image-prefix', 'https://example.org/', '--batch-size', 3),
    )
    with (world.out / 'ranking.csv').open(newline='') as file:
        rows = [*csv.DictReader(file)]
    assert list(rows[0])[4:] == ['PixelUncertainty', 'RandomOrder'] and len(rows) == 4
    tasks = json.loads((world.out / 'label_studio.json').read_text())
    assert len(tasks) == 2
    for task in tasks:
        assert task['data']['image'].startswith('https://example.org/')
        (prediction,) = task['predictions']
        assert prediction['model_version'] == 'iter_9'
        assert {region['type'] for region in prediction['result']} == {'polygonlabels'}
    assert 'PolygonLabels' in (world.out / 'label_studio.xml').read_text()
    labels = json.loads((world.out / 'pre_annotations.json').read_text())['annotations']
    assert f'the 2 chosen ones with {len(labels)} labels' in printed
    for name in 'ranking.csv', 'next.json', 'pre_annotations.json', 'label_studio.json':
        assert str(world.out / name) in printed


def test_by_default_label_studio_serves_the_folder(world):
    world.run('--images', world.photos, '--count', 1, '--strategy', 'random')
    (task,) = json.loads((world.out / 'label_studio.json').read_text())
    assert task['data']['image'].startswith('/data/local-files/?d=photos/')


def test_unreadable_images_are_listed(world):
    (world.photos / 'broken.png').write_bytes(b'')
    with pytest.raises(SystemExit, match=r'label_next\.py: cannot read .*broken\.png'):
        world.run('--images', world.photos)
    assert not world.out.exists()
    printed = world.run('--images', world.photos, '--skip-unreadable', '--count', 1)
    assert '1 images could not be read:' in printed and 'broken.png' in printed


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--images', 'no-such-folder'], 'label_next.py: .*no-such-folder'),
        (['--images', 'photos', '--img-root', 'x'], '2'),
        (['--images', 'photos', '--strategy', 'best'], '2'),
        ([], 'label_next.py: .*give --images'),
    ],
    ids=['no folder', 'root of a folder', 'strategy', 'no images'],
)
def test_refused(world, words, message):
    with pytest.raises(SystemExit, match=message):
        world.run(*words)
