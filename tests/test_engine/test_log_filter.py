"""The log has no warnings about mmengine's own code, and all others."""

from mmengine.fileio import FileClient
from mmengine.logging import MMLogger

from mmpldc.engine.log_filter import drop_inner_deprecations


def test_only_deprecations_within_mmengine_are_dropped(tmp_path):
    path = tmp_path / 'run.log'
    logger = MMLogger.get_instance('test_log_filter', log_file=str(path))
    FileClient._instances.clear()  # another test may have made one
    FileClient('disk')
    assert path.read_text().count('deprecated') == 2
    drop_inner_deprecations(logger)
    FileClient._instances.clear()
    FileClient('disk')
    logger.warning('lr will be deprecated')
    assert path.read_text().count('deprecated') == 3
