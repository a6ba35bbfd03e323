"""Short runs over a data set that holds every kind of fault."""

import re
import shutil
from itertools import count
from pathlib import Path

import pytest
import torch
from faulty_data import FaultyData, encode
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.datasets.input_faults import InputFault

pytestmark = pytest.mark.slow
BURN_IN = 2
STEPS = 8  # of 8 labelled and 8 unlabelled images: more than a pass over either
RUNS = count()


class Watch(Hook):
    """The losses of each step."""

    def __init__(self) -> None:
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append({name: float(value) for name, value in outputs.items()})


@pytest.fixture
def make_runner(shrink, tmp_path, monkeypatch):
    """A Runner for the custom template on faulty data, on the CPU, with two workers."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')

    def make_runner(data: FaultyData, **settings) -> Runner:
        name = f'faults_{next(RUNS)}'
        cfg = shrink(
            data.config(
                **{
                    'work_dir': str(tmp_path / 'work_dir'),
                    'experiment_name': name,
                    'visualizer': dict(name=name, vis_backends=[]),
                    'model.burn_in_iters': BURN_IN,
                    # labels of a teacher that has learnt nothing yet pass
                    'model.class_thresholds': None,
                    'model.pseudo_label_filter': dict(
                        class_thr=0.0, mask_thr=0.0, score_thr=None, min_area=0
                    ),
                    'train_dataloader': dict(
                        batch_size=16, num_workers=2, sampler=dict(batch_size=16)
                    ),
                    'train_cfg': dict(max_iters=STEPS, val_interval=STEPS),
                    'default_hooks.checkpoint.interval': STEPS,
                    'default_hooks.logger.interval': 1,
                    **settings,
                }
            )
        )
        return Runner.from_cfg(cfg)

    return make_runner


def log_of(runner: Runner) -> str:
    (log,) = Path(runner.work_dir).glob('*/*.log')
    return log.read_text()


def test_run_goes_on_names_each_fault_and_counts_them(data, make_runner):
    runner = make_runner(data)
    watch = Watch()
    runner.register_hook(watch, 'VERY_LOW')
    runner.train()
    assert len(watch.losses) == STEPS
    for losses in watch.losses:
        assert torch.isfinite(torch.tensor(list(losses.values()))).all()
    assert watch.losses[-1]['pseudo_per_image'] > 0
    assert Path(runner.work_dir, f'iter_{STEPS}.pth').is_file()

    log = log_of(runner)
    faults = re.findall(r'Input fault: (.*) \(image id [^)]*\): (.*)', log)
    named = {Path(path).name for path, _ in faults}
    assert named - {'long.png'} == set(data.faults)
    for path, words in faults:
        assert 'long' in path or data.faults[Path(path).name] in words
    (number,) = re.findall(r'Input faults: (\d+) images could not be used', log)
    assert int(number) == len(named)
    report = log[log.index('Input faults: ') :]
    listed = set(re.findall(r'^  (\S+)$', report, re.MULTILINE))
    assert len(listed) == 20 and {Path(path).name for path in listed} < named
    assert f'and {len(named) - 20} more' in report


def test_raise_stops_the_run_with_one_message(data, make_runner):
    runner = make_runner(data, **{'train_dataloader.dataset.on_fault': 'raise'})
    with pytest.raises(InputFault) as caught:
        runner.train()
    last = str(caught.value).strip().splitlines()[-1]
    name, words = re.search(
        r'InputFault: .*/images/(\S+) \(image id \d+ of .*\): (.*)', last
    ).groups()
    assert name == 'long.png' or data.faults[name] in words
    assert 'Input fault: ' not in log_of(runner)


def test_sound_data_has_no_faults(data, make_runner, tmp_path):
    root = tmp_path / 'sound'
    shutil.copytree(data.root, root)
    shutil.copy(root / 'val.json', root / 'labeled.json')
    shutil.copy(root / 'val.json', root / 'unlabeled.json')
    settings = {'train_cfg': dict(max_iters=1, val_interval=1)}
    sound = FaultyData.__new__(FaultyData)
    sound.root = root
    runner = make_runner(sound, **settings)
    runner.train()
    assert 'Input faults: none' in log_of(runner)


def test_a_run_that_fails_reports_as_well(data, make_runner):
    class Fail(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            raise ArithmeticError

    runner = make_runner(data, **{'train_dataloader.num_workers': 1})
    runner.register_hook(Fail(), 'VERY_LOW')
    with pytest.raises(ArithmeticError):
        runner.train()
    assert 'images could not be used' not in log_of(runner)
    log = next(Path(runner.work_dir).glob('*/*.log'))
    (hook,) = (hook for hook in runner.hooks if type(hook).__name__ == 'InputFaultHook')
    hook._at_exit()  # what the interpreter calls at its end
    assert re.search(r'Input faults: \d+ images could not be used', log.read_text())


def test_validation_names_the_image_and_stops(data, make_runner, tmp_path):
    root = tmp_path / 'broken'
    shutil.copytree(data.root, root)
    (root / 'images/sound_1.png').write_bytes(encode('.png')[:80])
    broken = FaultyData.__new__(FaultyData)
    broken.root = root
    runner = make_runner(broken)
    with pytest.raises(InputFault, match=r'sound_1.png \(image id .*is cut off or damaged'):
        runner.val()
    with pytest.raises(InputFault, match=r'sound_1.png \(image id .*is cut off or damaged'):
        runner.test()
