"""How many objects of an image a config can predict and evaluate, against those that it has."""

from collections.abc import Iterator, Sequence

from mmengine.config import Config

from .annotations import EVALUATED, Contents
from .config import DataSet
from .findings import Finding

# Predictions of a class in an image that AP counts: those of mmdet's CocoMetric, whatever its
# proposal_nums, and the largest of ours.
OF_MMDET = 100
OF_OURS = 1000


def check_limits(cfg: Config, sets: Sequence[tuple[DataSet, Contents | None]]) -> list[Finding]:
    """Warn of images with more objects than a model predicts or an evaluation counts.

    Args:
        cfg: of a run.
        sets: its data sets, with what is in their files.
    """
    model = {
        name: min(found)
        for name in ('num_queries', 'max_per_image')
        if (found := list(_values_of(cfg.get('model') or {}, name)))
    }
    findings = []
    for data, contents in sets:
        if contents is None or data.role in ('unlabeled', 'weak'):
            continue
        exceeded = [
            f'{name}={limit}'
            for name, limit in model.items()
            if limit < contents.most and (name == 'num_queries' or data.role in EVALUATED)
        ]
        if data.role in EVALUATED:
            counted = _evaluated(cfg, data.role)
            if contents.most_of_class > counted:
                exceeded.append(
                    f'the {counted} of a class that AP counts '
                    f'({data.role}_evaluator.proposal_nums of mmpldc.CocoMetric)'
                )
        if exceeded:
            message = (
                f'has {contents.most} objects, more than {" and ".join(exceeded)}: raise these '
                '(model.detector.panoptic_head.num_queries, '
                'model.detector.test_cfg.max_per_image), or cut such images into tiles'
            )
            where = f'image {contents.fullest}'
            findings.append(Finding('warning', data.ann_file, where, message))
    return findings


def _evaluated(cfg: Config, role: str) -> int:
    """Predictions of a class in an image that all evaluators of a set count."""
    evaluators = cfg.get(f'{role}_evaluator') or []
    return min(
        (
            max(one.get('proposal_nums') or [OF_OURS])
            if one.get('type') == 'mmpldc.CocoMetric'
            else OF_MMDET
            for one in ([evaluators] if isinstance(evaluators, dict) else evaluators)
        ),
        default=OF_OURS,
    )


def _values_of(config: dict, name: str) -> Iterator[int]:
    """Whole numbers under a name, wherever it is in a config."""
    for key, value in config.items():
        if key == name and type(value) is int:
            yield value
        elif isinstance(value, dict):
            yield from _values_of(value, name)
        elif isinstance(value, list | tuple):
            for item in value:
                if isinstance(item, dict):
                    yield from _values_of(item, name)
