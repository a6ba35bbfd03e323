"""The terminal shows less than the log file, and neither loses warnings."""

import io
import logging
import re

import pytest
from mmengine.config import Config

from mmpldc.apis.runs import EvaluationRunner
from mmpldc.engine.console import (
    ShortConsoleRunner,
    ShortFormatter,
    introduction,
    is_wanted,
    show_all_from_now_on,
)
from mmpldc.engine.hooks import ProgressHook


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord('a', level, 'a.py', 1, message, None, None)


@pytest.mark.parametrize(
    ('message', 'wanted'),
    [
        ('Config:\nmodel = 1', False),
        ('\n' + '-' * 60 + '\nSystem environment:\n', False),
        ('Hooks will be executed in the following order:\n', False),
        ('paramwise_options -- a.weight:lr=0.1', False),
        ('Iter(train) [1/2] loss: 3', True),
    ],
)
def test_long_reports_go_to_the_file_alone(message, wanted):
    assert is_wanted(record(message)) == wanted
    assert is_wanted(record(message, logging.WARNING))


def test_long_messages_are_cut_at_the_start_only():
    logger = logging.getLogger('test_console')
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(ShortFormatter(logging.Formatter('%(message)s')))
    logger.handlers = [handler]
    long = '\n'.join(str(number) for number in range(50))
    logger.warning(long)
    logger.warning('x' * 5000)
    logger.error(long)
    text = handler.stream.getvalue()
    assert '... (42 more lines in the log)' in text and 'x ... (the log has all)' in text
    assert text.count('\n49') == 1  # an error is shown
    show_all_from_now_on(logger)
    logger.warning(long)
    assert handler.stream.getvalue().count('\n49') == 2


def test_a_run_shows_its_result_and_the_next_command(make_runner, toy_pair, capsys, tmp_path):
    options = dict(
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop', student_interval=0), val_interval=3
    )
    hook = ProgressHook(next_command=lambda path: ['test', 'my config.py', path])
    started = []
    hook.on_first_step = started.append
    runner = make_runner(
        model=toy_pair(),
        hooks=(hook,),
        checkpoint=dict(save_best='teacher/toy/mean', rule='less'),
        **options,
    )
    logged = []
    runner.logger.info = logged.append
    runner.train()
    assert started == [runner]
    early = [line for line in logged if 's a step' in line]
    assert len(early) == 2 and early[0].startswith('Step 2 of 6: ') and 'left' in early[0]
    result = next(line for line in logged if line.startswith('The best teacher/toy/mean is'))
    command = result.splitlines()[-1]
    path = command.split()[-1]
    assert command == f"test 'my config.py' {path}" and path.startswith(str(tmp_path))
    assert any('The teacher at iteration 3:' in line for line in logged)


def test_the_runner_shortens_its_terminal_and_keeps_the_file(tmp_path, capsys):
    from torch import nn

    cfg = Config(dict(setting=list(range(100))))
    runner = ShortConsoleRunner(
        nn.Linear(1, 1), str(tmp_path), experiment_name='test_console_runner', cfg=cfg
    )
    printed = capsys.readouterr()
    config = re.compile(r'^setting ?= ?\[', re.MULTILINE)
    assert not config.search(printed.out + printed.err)
    (log,) = tmp_path.glob('*/*.log')
    assert config.search(log.read_text())
    line = introduction(runner, cfg)
    assert '--verbose' in line and str(tmp_path) in line and '\n' not in line


@pytest.mark.parametrize('runner_type', [ShortConsoleRunner, EvaluationRunner])
def test_the_config_that_was_read_is_left_as_it_is(tmp_path, runner_type):
    """It may lie in the work directory: that of a run, which is tested with other options."""
    from torch import nn

    text = 'lr = 0.1  # chosen by hand\n'
    (tmp_path / 'own.py').write_text(text)
    cfg = Config.fromfile(tmp_path / 'own.py')
    cfg.merge_from_dict(dict(lr=0.2))
    for number, folder in enumerate((tmp_path, tmp_path / 'other')):
        name = f'test_read_{runner_type.__name__}_{number}'
        runner_type(nn.Linear(1, 1), str(folder), experiment_name=name, cfg=cfg)
    assert (tmp_path / 'own.py').read_text() == text
    assert (tmp_path / 'other/own.py').exists() == (runner_type is ShortConsoleRunner)
