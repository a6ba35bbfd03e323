"""Rewrite the page during training, at each validation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from .collect import Options, collect
from .contents import Report
from .curves import make_panels
from .page import template, write_page
from .run_folder import open_runs
from .verdict import verdict


class ReportHook(Hook):
    """Write ``report.html`` into the work directory at each validation: curves, data and settings.

    The images are not looked at, so that training hardly waits. A page that cannot be written is a
    warning. The hook changes nothing in the run and is not in its config: add it by
    ``runner.register_hook``.

    Raises:
        SystemExit: if jinja2 is not installed.
    """

    priority = 'VERY_LOW'  # after the logger, whose records it reads

    def __init__(self) -> None:
        template()
        self.report: Report | None = None

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Write the page on the first rank."""
        if runner.rank != 0:
            return
        path = Path(runner.work_dir) / 'report.html'
        try:
            runs = open_runs([Path(runner.work_dir)])
            if self.report is None:  # data and settings stay the same
                self.report = collect(runs, Options(inference=False))
                self.report = replace(
                    self.report,
                    notes=('Written during training; tools/report.py adds AP, errors and images.',),
                )
            sentence, details = verdict(runs, None)
            report = replace(
                self.report, sentence=sentence, details=details, panels=make_panels(runs)
            )
            write_page(report, path)
        except (Exception, SystemExit) as error:  # training is worth more than its page
            runner.logger.warning(f'{path}: not written: {error}')
