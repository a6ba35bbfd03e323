"""Warn when the teacher collapses: pseudo-labels are missing, NaN or of one class."""

from collections.abc import Callable
from typing import Any, NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmpldc.datasets.class_counts import class_counts, labeled_part
from mmpldc.models.teacher_student import TeacherStudent, as_teacher_student
from mmpldc.registry import HOOKS

MIN_LABELS = 50  # fewer say little about the class shares


class Advice(NamedTuple):
    """What a kind of labels is called, and what helps.

    Attributes:
        labels: of the teacher, in the plural.
        labelled: what class shares are of.
        thresholds: settings that let labels pass.
        balance: what lets the other classes in.
    """

    labels: str
    labelled: str
    thresholds: str
    balance: str


ADVICE = dict(
    instances=Advice(
        'pseudo-labels',
        'labelled instances',
        'model.pseudo_label_filter.class_thr and mask_thr (with DF-ACAT the ranges of '
        'model.class_thresholds, with ExpectedCountThreshold its floor); '
        'tools/analysis/pseudo_label_quality.py --grid tries some',
        'raise model.pseudo_label_filter.class_thr, let thresholds follow the classes '
        '(model.class_thresholds, DF-ACAT), or give CLIP more weight (model.refiner)',
    ),
    pixels=Advice(
        'pixels with a pseudo-label',
        'labelled pixels',
        'model.reliability.threshold',
        'raise model.reliability.threshold, or label more images of the other classes',
    ),
)


@HOOKS.register_module()
class TeacherCollapseHook(Hook):
    """Warn if the teacher keeps no pseudo-labels, far too many, or almost only those of one class.

    Checks after the first steps that use pseudo-labels and then every ``interval`` of them, over
    all ranks. A resumed run restarts the count, so its first warning comes after that many steps.
    Warnings of none or too many labels show how the teacher's candidates of the last batch spread
    over both qualities, next to the thresholds.

    Args:
        interval: number of steps between checks; each check covers these steps.
        first: number of steps before the first check, if fewer than ``interval``.
        max_share: a class with a larger share of the kept labels triggers the warning, unless it
            has that share of the labelled instances too. Of pixels, the other classes must also
            have less than a tenth of their share of the labels: a background may be large.
        max_ratio: more labels an image than this many times the labelled images have objects
            trigger the warning.
    """

    def __init__(
        self,
        *,
        interval: int = 500,
        first: int = 50,
        max_share: float = 0.95,
        max_ratio: float = 4.0,
    ) -> None:
        for name, value in ('interval', interval), ('first', first):
            if value < 1:
                raise ValueError(f'{name} must be at least 1, got {value}')
        if not 0 < max_share < 1:
            raise ValueError(f'max_share must lie in (0, 1), got {max_share}')
        if not max_ratio > 0:
            raise ValueError(f'max_ratio must be above 0, got {max_ratio}')
        self.interval = interval
        self.max_share = max_share
        self.max_ratio = max_ratio
        self.steps = 0
        self.labelled_counts: Tensor | None = None
        self.due = min(first, interval)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the step, and check after the last step of the interval.

        Raises:
            RuntimeError: if the teacher's output contained NaN for every image.
        """
        model = as_teacher_student(runner.model)
        if model is None or not model.phases.uses_pseudo_labels(runner.iter):
            return
        self.steps += 1
        if self.steps == self.due:
            when = f'iterations {runner.iter + 2 - self.due} to {runner.iter + 1}'
            self.steps, self.due = 0, self.interval
            self._look_back(runner, model, when, data_batch)

    def _look_back(self, runner: Runner, model: TeacherStudent, when: str, data_batch: Any) -> None:
        counts, advice = model.pseudo_label_counter.pop_counts(), ADVICE[model.labels_are]
        if counts.num_nan:
            runner.logger.warning(
                f"{when}: the teacher's output contained NaN for {counts.num_nan} of "
                f'{counts.num_images} images, which got no labels: {", ".join(counts.nan_images)}'
            )
        if counts.num_nan and counts.num_nan == counts.num_images:
            raise RuntimeError(
                f"{when}: the teacher's output contained NaN for every image, so none is labelled "
                'any more: resume from an earlier checkpoint with a lower learning rate, or with '
                'bfloat16 or float32 instead of float16'
            )
        total = sum(counts.kept)

        def candidates() -> str:
            """Another pass of the teacher, so for warnings alone."""
            if counts.num_nan or data_batch is None:
                return ''
            # of accumulated gradients, the batches of a step are a list
            last = data_batch[-1] if isinstance(data_batch, list) else data_batch
            return model.describe_candidates(last)

        if not total:
            runner.logger.warning(
                f'{when}: the teacher kept no pseudo-label in {counts.num_images} images, so the '
                f'student learns nothing from them. {candidates()}If it never kept any, it is too '
                'weak for its thresholds: lengthen model.burn_in_iters, or lower '
                f'{advice.thresholds}. If it did, it has diverged: lower the learning rate.'
            )
            return
        if total >= MIN_LABELS and len(counts.kept) > 1:
            self._compare_shares(runner, when, counts.kept, advice)
        if advice is ADVICE['instances']:
            self._compare_numbers(runner, when, total / counts.num_images, candidates)

    def _compare_numbers(
        self, runner: Runner, when: str, per_image: float, candidates: Callable[[], str]
    ) -> None:
        num_labeled = len(labeled_part(runner.train_dataloader.dataset))
        objects = self._labelled_counts(runner).sum().item() / max(1, num_labeled)
        if per_image <= self.max_ratio * objects:
            return
        runner.logger.warning(
            f'{when}: the teacher kept {per_image:.1f} pseudo-labels an image, but labelled images '
            f'have {objects:.1f} objects: most are wrong or double. {candidates()}Raise '
            'model.pseudo_label_filter.class_thr and mask_thr (with ExpectedCountThreshold lower '
            'model.class_thresholds.share), set duplicate_iou of the filter to 0.6, or lengthen '
            'model.burn_in_iters.'
        )

    def _labelled_counts(self, runner: Runner) -> Tensor:
        if self.labelled_counts is None:
            self.labelled_counts = class_counts(runner.train_dataloader.dataset)
        return self.labelled_counts

    def _compare_shares(self, runner: Runner, when: str, kept: list[int], advice: Advice) -> None:
        share = max(kept) / sum(kept)
        if share <= self.max_share:
            return
        dataset = runner.train_dataloader.dataset
        label = kept.index(max(kept))
        labelled = self._labelled_counts(runner)
        labelled_share = (labelled[label] / labelled.sum().clamp(min=1)).item()
        if labelled_share > self.max_share:
            return
        if advice is ADVICE['pixels'] and 1 - share >= (1 - labelled_share) / 10:
            return
        runner.logger.warning(
            f'{when}: {share:.0%} of {sum(kept)} {advice.labels}, but {labelled_share:.0%} of the '
            f"{advice.labelled}, are of class '{dataset.metainfo['classes'][label]}': the student "
            f'may forget the other classes. Lengthen model.burn_in_iters, {advice.balance}.'
        )
