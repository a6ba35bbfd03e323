"""How many objects of an image a config can predict and evaluate, against those that it has."""

from collections.abc import Iterator, Sequence

from mmengine.config import Config

from .annotations import EVALUATED, Contents
from .config import DataSet
from .findings import Finding

EVALUATED_OBJECTS = 100  # of a class in an image: COCO's AP counts no more, whatever proposal_nums


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
        if contents is None or data.role == 'unlabeled':
            continue
        exceeded = [
            f'{name}={limit}'
            for name, limit in model.items()
            if limit < contents.most and (name == 'num_queries' or data.role in EVALUATED)
        ]
        if data.role in EVALUATED and contents.most_of_class > EVALUATED_OBJECTS:
            exceeded.append(f"the {EVALUATED_OBJECTS} of a class that COCO's AP counts")
        if exceeded:
            message = (
                f'has {contents.most} objects, more than {" and ".join(exceeded)}: raise these, or '
                'cut such images into tiles'
            )
            where = f'image {contents.fullest}'
            findings.append(Finding('warning', data.ann_file, where, message))
    return findings


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
