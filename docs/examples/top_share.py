"""An example method: keep the best share of the teacher's predictions, more of them over time.

It has a filter, a label weight and a schedule of its own. docs/add_a_method.md explains it.
"""

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.models.pseudo_labels import LabelWeights, PseudoLabelFilter, Thresholds
from mmpldc.registry import TASK_UTILS, TRANSFORMS
from mmpldc.schedules import Progress, Schedule, build_schedule, value_at


@TASK_UTILS.register_module()
class Steps:
    """A schedule: one value after the other, each for an equal part of the mutual learning.

    Args:
        values: at least one.
    """

    def __init__(self, *, values: list[float]) -> None:
        self.values = values

    def __call__(self, progress: Progress) -> float:
        """The value at this point of the run."""
        length = max(progress.max_steps - progress.pseudo_label_start, 1)
        done = min(max(progress.step - progress.pseudo_label_start, 0) / length, 1.0)
        return self.values[min(int(done * len(self.values)), len(self.values) - 1)]


@TRANSFORMS.register_module()
class TopShareFilter(PseudoLabelFilter):
    """Keep a share of the batch's candidates, the best by their score c_k * m_k.

    Args:
        share: in (0, 1], a number or the config of a schedule.
        **kwargs: of :class:`PseudoLabelFilter`; its thresholds are lower bounds.
    """

    def __init__(self, *, share: float | dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.share: float | Schedule = build_schedule(share)

    def keep(
        self, measured: InstanceData, thresholds: Thresholds, progress: Progress | None
    ) -> Tensor:
        """Those that pass the thresholds and are among the best; ``(M,)`` bool."""
        passes = super().keep(measured, thresholds, progress)
        count = round(value_at(self.share, progress) * len(passes))  # no wait: M is known
        rank = measured.scores.argsort(descending=True).argsort()
        return passes & (rank < count)


@TASK_UTILS.register_module()
class ScoreWeights:
    """Weigh each label's losses by its score to a power.

    Args:
        exponent: a number or the config of a schedule; at 0 all labels count the same.
    """

    def __init__(self, *, exponent: float | dict) -> None:
        self.exponent: float | Schedule = build_schedule(exponent)

    def __call__(self, labels: InstanceData, progress: Progress | None) -> LabelWeights:
        """Weights of T labels."""
        weights = labels.scores ** value_at(self.exponent, progress)
        return LabelWeights(label=weights, mask=torch.clamp(weights, min=0.1))
