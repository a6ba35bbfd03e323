"""Log means over all ranks instead of rank 0's values."""

import re
from statistics import fmean
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.runner import LogProcessor, Runner

from mmpldc.registry import LOG_PROCESSORS

NO_OBJECT = re.compile(r'(\b(?:mAP|AR)[\w@]*|\w+_mAP\w*): -1\.0+\b')


@LOG_PROCESSORS.register_module()
class RankMeanLogProcessor(LogProcessor):
    """mmengine's ``LogProcessor`` whose training values are means over the ranks.

    Each rank sees its own images, so rank 0's losses, pseudo-label statistics and times say little
    about the batch. A value that only some ranks have, such as the quality of pseudo-labels where
    others kept none, is the mean over those ranks. Ranks exchange values only when they log, so
    other steps cost nothing. A single process logs as mmengine does.

    Args:
        *args, **kwargs: of mmengine's ``LogProcessor``.
    """

    def get_log_after_epoch(self, *args: Any, **kwargs: Any) -> tuple[dict, str]:
        """Format the metrics, with ``-`` for the -1 of metrics without an object to find."""
        values, text = super().get_log_after_epoch(*args, **kwargs)
        shortened = NO_OBJECT.sub(r'\1: -', text)
        remark = '' if shortened == text else '  (-: the set has no such object)'
        return values, shortened + remark

    def _collect_scalars(
        self, custom_cfg: list[dict], runner: Runner, mode: str, reserve_prefix: bool = False
    ) -> dict:
        own = super()._collect_scalars(custom_cfg, runner, mode, reserve_prefix)
        # In validation ranks may differ in their number of batches; metrics are the same on all.
        return mean_over_ranks(own) if mode == 'train' else own


def mean_over_ranks(own: dict[str, float]) -> dict[str, float]:
    """Average each value over the ranks that have it; every rank must call it.

    Args:
        own: this rank's values by name.

    Returns:
        The same on every rank, in the order of rank 0's and then the others' names.
    """
    ranks = all_gather_object(own)
    if len(ranks) == 1:
        return own
    names = dict.fromkeys(name for values in ranks for name in values)
    return {name: fmean(values[name] for values in ranks if name in values) for name in names}
