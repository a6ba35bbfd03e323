"""Imports mmdet's registered classes without what mmdet logs for debugging.

mmdet logs at debug level, twice, that it skips the datasets of a package that is not installed.
mmengine's ``print_log`` prints that whatever the level, since it is given no logger.
"""

import logging
from unittest import mock

from mmengine.logging import print_log


def _print_log(
    msg: object, logger: logging.Logger | str | None = None, level: int = logging.INFO
) -> None:
    if logger is not None or level >= logging.INFO:
        print_log(msg, logger, level)


with mock.patch('mmengine.logging.print_log', _print_log):
    import mmdet.datasets
    import mmdet.engine
    import mmdet.evaluation  # noqa: F401
