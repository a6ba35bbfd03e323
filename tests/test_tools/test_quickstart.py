"""What the quickstart shows, and that it mixes no settings."""

import argparse
import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture(scope='module')
def quickstart():
    spec = importlib.util.spec_from_file_location('quickstart', TOOLS / 'quickstart.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('line', 'shown'),
    [
        (
            '11/20 - mmengine - INFO - Iter(train) [ 700/2000]  lr: 1e-4  eta: 0:02:00  '
            'time: 0.2  loss: 18.8  sup_loss_cls: 0.1  pseudo_per_image: 1.8  pseudo_uncertain: 0',
            'Iter(train) [ 700/2000]  eta: 0:02:00  loss: 18.8  pseudo_per_image: 1.8',
        ),
        (
            'INFO - Iter(val) [19/19]    teacher/coco/segm_mAP: 0.39  teacher/coco/segm_mAP_s: 0',
            'Iter(val)  teacher/coco/segm_mAP: 0.39',
        ),
        ('INFO - Iter(val) [10/19]    eta: 0:00:01  time: 0.1', None),
        ('| PL-DC, teacher |  36.0 |\n', '| PL-DC, teacher |  36.0 |'),
        ('Traceback (most recent call last):', None),
    ],
)
def test_shown_lines(quickstart, line, shown):
    assert quickstart.shorten(line) == shown


def test_other_settings_are_refused(quickstart, tmp_path, monkeypatch):
    """Before anything is made."""
    ran = []
    monkeypatch.setattr(quickstart.Step, 'run', lambda *_: ran.append(1))
    (tmp_path / 'settings.json').write_text('{"seed": 0}')
    monkeypatch.setattr('sys.argv', ['quickstart.py', '--seed', '1', '--work-dir', str(tmp_path)])
    with pytest.raises(SystemExit, match=r'started with other settings \(.*seed is 1 now, was 0'):
        quickstart.main()
    assert not ran


def test_failing_step_shows_the_end_of_its_log(quickstart, tmp_path, capsys):
    script = tmp_path / 'fails.py'
    script.write_text("raise ValueError('no such image: 7.jpg')")
    with pytest.raises(SystemExit) as error:
        quickstart.Step('training').run([str(script)], tmp_path / 'logs' / 'log.txt', {})
    assert 'no such image: 7.jpg' in str(error.value)
    assert 'training failed; the full log is' in str(error.value)


def test_boundary_without_checkpoint_is_explained(quickstart, tmp_path):
    (tmp_path / 'supervised.py').write_text(
        'model = dict(burn_in_iters=300)\ndefault_hooks = dict(checkpoint=dict(interval=200))'
    )
    with pytest.raises(SystemExit, match=r'burn_in_iters \(300\) must be a multiple .* \(200\)'):
        quickstart.burn_in_checkpoint(tmp_path)


def test_real_clip_takes_the_small_ones_place(quickstart):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    options = quickstart.real_clip('RN50-quickgelu:openai')
    config = Config.fromfile(TOOLS.parent / 'configs/quickstart/pldc.py')
    config.merge_from_dict(parser.parse_args(['--cfg-options', *options]).cfg_options)
    scorer = config.model.refiner.scorer
    assert (scorer.model, scorer.pretrained) == ('RN50-quickgelu', 'openai')
    assert (scorer.templates, scorer.logit_scale) == ('templates', None)
