"""Filter mmengine's messages about its own code out of a run's log."""

import logging

# mmengine's CheckpointHook calls both itself, at the start of every run.
INNER_DEPRECATIONS = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias of')


def drop_inner_deprecations(logger: logging.Logger) -> None:
    """Drop deprecation warnings of mmengine that no config can avoid."""
    logger.addFilter(lambda record: not record.getMessage().startswith(INNER_DEPRECATIONS))
