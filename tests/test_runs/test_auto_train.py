"""The whole way in one call, and the smoke run, on generated scenes."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config

from mmpldc.apis import auto_train
from mmpldc.apis.stages import Stages

RESNET_18 = [
    'model.backbone.init_cfg=None',
    'model.backbone.depth=18',
    'model.detector.panoptic_head.in_channels=[64,128,256,512]',
]
SMALL = [  # four steps on small images; random weights label with thresholds of 0
    *RESNET_18,
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=4',
    'model.burn_in_iters=2',
    'model.detector.train_cfg.num_points=64',
    'model.class_thresholds.share=20',
    'model.class_thresholds.floor=0.0',
    'model.class_thresholds.window=1',
    'default_hooks.logger.interval=1',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
]


def fake_resnet(path: Path) -> Path:
    """A file that counts as a ResNet; nothing reads it, as ``init_cfg`` is None."""
    torch.save({'layer4.2.conv3.weight': torch.zeros(1)}, path)
    return path


@pytest.fixture
def fast_stages(monkeypatch, python):
    """Each stage is started by the ``python`` that starts fast."""
    monkeypatch.setattr(sys, 'executable', str(python))


@pytest.mark.slow(longest=True)
@pytest.mark.usefixtures('fast_stages')
def test_one_call(shapes_root, tmp_path):
    lines = []
    call = dict(
        labeled=shapes_root / 'annotations/labeled.json',
        images=shapes_root / 'images/train',
        out=tmp_path / 'run',
        size='tiny',
        init=str(fake_resnet(tmp_path / 'r50.pth')),
        data_options=['--val-percent', '30'],
        cfg_options=SMALL,
    )
    result = auto_train(**call, say=lines.append)
    headings = [line for line in lines if line.startswith('[')]
    assert [line[:5] for line in headings] == [f'[{k}/9]' for k in range(1, 10)]
    assert result.verdict in ('better', 'worse', 'unclear')
    report = result.report.read_text()
    assert '| gain |' in report and str(result.checkpoint) in report
    assert '<html' in result.page.read_text() and str(result.page) in report
    labels = json.loads(result.pseudo_labels.read_text())
    unlabeled = json.loads((tmp_path / 'run/data/unlabeled.json').read_text())
    assert len(labels['images']) == len(unlabeled['images'])
    assert len(json.loads(result.label_studio.read_text())) == len(unlabeled['images'])
    # both runs share their burn-in: PL-DC's first step is the third
    log = (tmp_path / 'run/logs/pldc.log').read_text()
    assert '[3/4]' in log and '[2/4]' not in log and 'pseudo_per_image' in log
    model = init_detector(str(result.config), str(result.checkpoint), device='cpu')
    image = sorted((shapes_root / 'images/train').iterdir())[0]
    assert len(inference_detector(model, str(image)).pred_instances.labels)

    # the same call again does nothing, and another one is refused
    changed = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*.pth')}
    lines.clear()
    assert auto_train(**call, say=lines.append) == result
    assert sum('already done' in line for line in lines) == 9
    assert changed == {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*.pth')}
    with pytest.raises(ValueError, match=r'size is .small. now, was .tiny.*\(--out\)'):
        auto_train(**call | dict(size='small'), say=lines.append)


@pytest.mark.parametrize('burn_in', [0, 3])
def test_pldc_continues_from_the_end_of_a_burn_in_if_there_is_one(tmp_path, monkeypatch, burn_in):
    words: dict[str, list[str]] = {}

    class Enough(Exception):
        pass

    class NotedStages(Stages):
        """Stages that are not run, but leave what the next ones read."""

        def run(self, name, title, tool, *arguments):
            words[name] = [*map(str, arguments)]
            (self.folder / 'data').mkdir(exist_ok=True, parents=True)
            text = f'model = dict(burn_in_iters={burn_in})\n'
            text += 'default_hooks = dict(checkpoint=dict(interval=2))\n'
            (self.folder / 'data/pldc.py').write_text(text)
            (self.folder / 'logs').mkdir(exist_ok=True)
            (self.folder / 'logs/dry_run.log').touch()
            if name == 'pldc':
                raise Enough

    monkeypatch.setattr(sys.modules['mmpldc.apis.auto_training'], 'Stages', NotedStages)
    (tmp_path / 'labels.json').touch()
    init = str(fake_resnet(tmp_path / 'r50.pth'))
    with pytest.raises(Enough):
        auto_train(tmp_path / 'labels.json', tmp_path, tmp_path / 'run', init=init)
    resumed = words['pldc'][words['pldc'].index('--resume') + 1]
    settings = [word for word in words['supervised'] if '=' in word]
    if burn_in:
        assert resumed == str(tmp_path / 'run/supervised/iter_3.pth')
        checkpoint = 'default_hooks.checkpoint'
        assert settings == [f'{checkpoint}.interval=3', f'{checkpoint}.max_keep_ckpts=-1']
    else:
        assert resumed.startswith('--') and '--cfg-options' not in words['supervised']


def test_missing_files_are_found_first(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'labels\.json'):
        auto_train(tmp_path / 'labels.json', tmp_path, tmp_path / 'run')
    (tmp_path / 'labels.json').write_text('{}')
    with pytest.raises(FileNotFoundError, match=r'r50\.pth'):
        auto_train(tmp_path / 'labels.json', tmp_path, tmp_path / 'run', init='r50.pth')
    assert not (tmp_path / 'run').exists()


@pytest.mark.slow
@pytest.mark.usefixtures('fast_stages')
def test_options_may_change_until_a_stage_is_done(tmp_path):
    (tmp_path / 'labels.json').write_text('{}')
    init = str(fake_resnet(tmp_path / 'r50.pth'))
    for size in 'tiny', 'small':
        with pytest.raises(RuntimeError, match=r'labels\.json'):
            auto_train(tmp_path / 'labels.json', tmp_path, tmp_path / 'run', size=size, init=init)


@pytest.mark.slow(longest=True)
def test_smoke_run(shapes_root, tmp_path, run_tool):
    """It labels, validates, resumes and publishes."""
    run_tool(
        *('dataset/new_config.py', '--labeled', shapes_root / 'annotations/labeled.json'),
        *('--images', shapes_root / 'images/train', '--out-dir', tmp_path / 'mine'),
        *('--size', 'tiny', '--init', fake_resnet(tmp_path / 'r50.pth'), '--val-percent', 30),
        cwd=tmp_path,
    )
    output = run_tool(
        *('smoke.py', tmp_path / 'mine/pldc.py', '--work-dir', tmp_path / 'smoke'),
        *('--cfg-options', *RESNET_18, 'model.backbone.frozen_stages=-1'),
        cwd=tmp_path,
    )
    assert 'All of it works' in output
    assert list((tmp_path / 'smoke').glob('published-*.pth'))
    assert Config.fromfile(tmp_path / 'smoke/published.py').model.type == 'Mask2Former'
