"""Stages of a longer work: each once, in order, and what is said about them."""

import json
import signal
import subprocess
import sys
import time

import pytest

from mmpldc.apis import stages as module
from mmpldc.apis.stages import Stages, tools_folder

LOOP = """
import sys
for step in range(1, 41):
    print(f'01/01 - mmengine - INFO - Iter(train) [ {step}/40]  eta: 0:01:0{step % 10}  '
          f'loss: 1.5  pseudo_per_image: 2.0  other: 3')
print('warning: something')
print('01/01 - mmengine - WARNING - The teacher was below')
print('Iter(val) [3/3]    teacher/coco/segm_mAP: 0.1230  time: 1')
open(sys.argv[1], 'a').write('x')
"""
FAILS = "print('first'); raise SystemExit('the reason')"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Makes a new Stages in one folder, whose tools are two scripts."""
    monkeypatch.setattr(module, 'tools_folder', lambda: tmp_path / 'tools')
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/loop.py').write_text(LOOP)
    (tmp_path / 'tools/fails.py').write_text(FAILS)
    lines = []
    return lambda: (Stages(tmp_path / 'out', 2, lines.append), lines)


def test_tools_are_found():
    assert (tools_folder() / 'train.py').is_file()


def test_a_stage_runs_once(work, tmp_path):
    stages, lines = work()
    stages.run('loop', 'turn', 'loop.py', tmp_path / 'count')
    assert lines[0] == '[1/2] turn' and lines[1].endswith(f'tools/loop.py {tmp_path}/count')
    steps = [line for line in lines if 'step ' in line]
    assert len(steps) == 11 and steps[0].strip().startswith('step 1 of 40')
    last = 'step 40 of 40  eta: 0:01:00  loss: 1.5  pseudo_per_image: 2.0'
    assert steps[-1].strip() == last
    assert '      warning: The teacher was below' in lines
    assert '      warning: something' in lines and '      val: AP 12.3' in lines
    assert 'other: 3' in (tmp_path / 'out/logs/loop.log').read_text()
    assert json.loads((tmp_path / 'out/stages.json').read_text())['loop']['seconds'] >= 0

    again, lines = work()
    again.run('loop', 'turn', 'loop.py', tmp_path / 'count')
    assert lines[-1] == '[1/2] turn: already done'
    assert (tmp_path / 'count').read_text() == 'x'


def test_a_stage_that_fails_is_not_done(work, tmp_path):
    stages, _ = work()
    with pytest.raises(RuntimeError, match=r'the reason\nturn: failed; the whole log is .*\.log'):
        stages.run('fails', 'turn', 'fails.py')
    again, _ = work()
    assert not again.done
    with pytest.raises(RuntimeError):
        again.run('fails', 'turn', 'fails.py')
    assert (tmp_path / 'out/logs/fails.log').read_text().count('first') == 2


def test_a_damaged_record_means_not_done(work, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/stages.json').write_text('{"loop": ')
    assert not work()[0].done


WAITS = """
import signal, sys, time
def save(*_):
    open(sys.argv[1] + '.saved', 'w').close()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
open(sys.argv[1] + '.started', 'w').close()
time.sleep(60)
"""
MAIN = """
import sys
from pathlib import Path
from mmpldc.apis import stages
from mmpldc.utils.processes import end_children_on_sigterm
folder = Path(sys.argv[1])
stages.tools_folder = lambda: folder / 'tools'
end_children_on_sigterm()
stages.Stages(folder / 'out', 1).run('wait', 'wait', 'waits.py', folder / 'tool')
"""


def test_one_run_works_in_a_folder_and_sigterm_ends_its_tool_first(work, tmp_path):
    (tmp_path / 'tools/waits.py').write_text(WAITS)
    process = subprocess.Popen([sys.executable, '-c', MAIN, tmp_path], stdout=subprocess.DEVNULL)
    while not (tmp_path / 'tool.started').exists():
        assert process.poll() is None
        time.sleep(0.02)
    with pytest.raises(SystemExit, match=rf'another run is running in {tmp_path}/out'):
        work()[0].run('loop', 'turn', 'loop.py', tmp_path / 'count')
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert (tmp_path / 'tool.saved').exists()
    assert not work()[0].done
