"""Import mmdet's registered classes without its debug messages.

mmdet logs twice, at debug level, that it skips the datasets of a package that is not installed.
It passes no logger to mmengine's ``print_log``, which then prints the message whatever its level.
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
