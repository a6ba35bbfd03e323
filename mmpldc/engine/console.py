"""Keep a run's terminal readable; its log file has everything."""

import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Reports of mmengine at the start of a run, which are long: the machine, config and hooks.
LONG_REPORTS = ('\n' + '-' * 60, 'Config:\n', 'Hooks will be executed')
REMARKS = (  # of mmengine, which ask for nothing
    'Distributed training is not used, all SyncBatchNorm',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias of',
    'Checkpoints will be saved to',
    'paramwise_options -- ',  # a line for each weight
)
MOST_LINES = 8
MOST_SIGNS = 600  # in a line


class ShortFormatter(logging.Formatter):
    """Cut long messages of the start of a run.

    Args:
        full: formatter that is used first.

    Attributes:
        is_cutting: False from the first step on; what is long there is a table.
    """

    def __init__(self, full: logging.Formatter) -> None:
        super().__init__()
        self.full = full
        self.is_cutting = True

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        text = self.full.format(record)
        if not self.is_cutting or record.levelno >= logging.ERROR:
            return text
        lines = text.splitlines()
        shown = [
            line if len(line) <= MOST_SIGNS else f'{line[:MOST_SIGNS]} ... (the log has all)'
            for line in lines[:MOST_LINES]
        ]
        if len(lines) > MOST_LINES:
            shown.append(f'... ({len(lines) - MOST_LINES} more lines in the log)')
        return '\n'.join(shown)


def is_wanted(record: logging.LogRecord) -> bool:
    """Whether a record is for the terminal, too."""
    message = record.getMessage()
    return record.levelno > logging.INFO or not message.startswith((*LONG_REPORTS, *REMARKS))


class ShortConsoleRunner(Runner):
    """mmengine's ``Runner`` whose terminal shows less than its log file."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build the logger and shorten what it prints."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(is_wanted)
                handler.setFormatter(ShortFormatter(handler.formatter or logging.Formatter()))
        return logger

    def dump_config(self) -> None:
        """Write the config into the work directory, unless it is the file that was read."""
        read = Path(self.cfg.filename or '')
        written = Path(self.work_dir) / read.name
        if not (read.is_file() and written.exists() and written.samefile(read)):
            super().dump_config()


def show_all_from_now_on(logger: logging.Logger) -> None:
    """End the cutting of long messages; those of the start have passed."""
    for handler in logger.handlers:
        if isinstance(handler.formatter, ShortFormatter):
            handler.formatter.is_cutting = False


def introduction(runner: Runner, cfg: Config) -> str:
    """Where a run's files are, and what it runs on, in a line."""
    device = next(runner.model.parameters()).device
    machine = f'CPU, {torch.get_num_threads()} threads'
    if device.type != 'cpu':
        machine = getattr(torch, device.type).get_device_name(device)
    name = Path(cfg.filename).name if cfg.filename else 'the config'
    ranks = f'{runner.world_size} x ' if runner.world_size > 1 else ''
    return (
        f'{name} on {ranks}{machine}, torch {torch.__version__}, seed {runner.seed}. '
        f'Work directory: {runner.work_dir}. The whole config is in '
        f'{Path(runner.work_dir) / name}, the whole log in {runner.log_dir}; --verbose shows it.'
    )
