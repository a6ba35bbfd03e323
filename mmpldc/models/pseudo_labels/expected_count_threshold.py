"""A threshold that sets itself by the number of objects that the labelled images have."""

from typing import ClassVar

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from mmpldc.functional import count_threshold, score_edges, score_histogram
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress
from mmpldc.structures import LayerOutputs

from .selection import Selection, Thresholds


@MODELS.register_module()
class ExpectedCountThreshold(nn.Module):
    """One threshold on the score of a label that keeps a share of the expected objects.

    With n objects a labelled image, unlabelled images are expected to have as many. The threshold
    is the lowest score above which the teacher finds at most ``share * n`` labels an image. So it
    rises as the teacher grows more confident, and the number of labels stays. It needs
    ``pseudo_label_filter`` to be coupled (``score_thr``, which it replaces).

    It looks back on the last ``window`` images: a histogram of the scores over all ranks, which
    decays with each step. The first tenth of a window only fills it: no label is kept. The state
    is in buffers, so a checkpoint contains it, and a resumed run continues exactly.

    No label below ``floor`` is kept. So where unlabelled images are poorer in objects than the
    labelled ones, or empty, the count is not reached, and nothing is forced onto them. The
    threshold never rises above ``ceiling``. So a teacher that is sure of more labels than this
    share keeps them, up to ``max_ratio``.

    Args:
        num_classes: N; filled in by :class:`~mmpldc.models.SemiMask2Former`, not used.
        share: rho, of the expected number of objects, above 0.
        floor: lowest score, in [0, 1).
        ceiling: highest threshold, at least ``floor``; 1: no bound.
        window: W, images to look back on.
        max_ratio: an image gets at most this many times n labels, rounded up; None: no limit.
        objects_per_image: n; None counts them in the labelled images.
        bins: of the histogram.

    Raises:
        ValueError: if an option is out of range.

    Note:
        Ours, not PL-DC's. LabelMatch and DenseTeacher, too, choose thresholds by a number of
        expected labels. LabelMatch does it for each class, which takes the classes' frequencies;
        few labelled images do not give them.
    """

    sets_score: ClassVar[bool] = True
    histogram: Tensor
    images: Tensor
    expected: Tensor
    edges: Tensor

    def __init__(
        self,
        *,
        num_classes: int = 0,
        share: float = 0.25,
        floor: float = 0.3,
        ceiling: float = 1.0,
        window: int = 480,
        max_ratio: float | None = 4.0,
        objects_per_image: float | None = None,
        bins: int = 400,
    ) -> None:
        super().__init__()
        if share <= 0 or window < 1 or bins < 1:
            raise ValueError(
                f'share, window and bins must be positive, got {share}, {window} and {bins}'
            )
        if not 0 <= floor < 1:
            raise ValueError(f'floor must lie in [0, 1), got {floor}')
        if ceiling < floor:
            raise ValueError(f'ceiling must be at least floor, got {ceiling} and {floor}')
        self.share, self.window = share, window
        self.floor, self.ceiling = floor, ceiling
        self.max_ratio = max_ratio
        self.objects_per_image = objects_per_image
        self.register_buffer('histogram', torch.zeros(bins))
        self.register_buffer('images', torch.zeros(()))
        self.register_buffer('expected', torch.zeros(()))
        self.register_buffer('edges', score_edges(bins), persistent=False)

    def start(self, counts: Tensor, num_images: int) -> None:
        """Set the expected number of objects; a checkpoint may be of a run with other labels.

        Args:
            counts: ``(N,)``, labelled instances of each class, the same on all ranks.
            num_images: labelled images.

        Raises:
            ValueError: if there are no labelled objects to expect any from.
        """
        expected = self.objects_per_image
        if expected is None:
            # Host sync: once per run.
            expected = counts.sum().item() / max(num_images, 1)
        if expected <= 0:
            raise ValueError(
                'the labelled images have no objects, so none are expected elsewhere: set '
                'model.class_thresholds.objects_per_image'
            )
        self.expected.fill_(expected)

    def set_thresholds(
        self, *, class_thr: float | None = None, mask_thr: float | None = None
    ) -> None:
        """Refuse: there is one threshold, on the score.

        Raises:
            ValueError: always, unless both are None.
        """
        if class_thr is not None or mask_thr is not None:
            raise ValueError(
                "the config's threshold on the score sets itself (model.class_thresholds): give "
                'both class_thr and mask_thr instead'
            )

    @property
    def threshold(self) -> Tensor:
        """tau, ``()`` float32; infinite while too few images have been seen."""
        count = self.share * self.expected * self.images
        found = count_threshold(self.histogram, self.edges, count=count, floor=self.floor)
        found = found.clamp(max=self.ceiling)
        return found.masked_fill(self.images < self.window / 10, torch.inf)

    @property
    def is_known(self) -> bool:
        """Whether enough images have been seen to set the threshold."""
        return bool(torch.isfinite(self.threshold))  # host sync: once per use of a checkpoint

    def current(self, progress: Progress | None = None) -> Thresholds:
        """Return the thresholds that replace the filter's own.

        Args:
            progress: not used.
        """
        limit = None
        if self.max_ratio is not None:
            limit = (self.max_ratio * self.expected).ceil()
        return Thresholds(self.floor, 0.0, self.threshold, self.floor, limit)

    @torch.no_grad()
    def update(
        self, selection: Selection, outputs: LayerOutputs, progress: Progress | None = None
    ) -> None:
        """Count this step's labels of all ranks; every rank must call it.

        Args:
            selection: the filter's result with :meth:`current`'s thresholds.
            outputs: not used.
            progress: not used.

        Raises:
            ValueError: if the labels were selected with other thresholds.
        """
        if selection.considered is None:
            raise ValueError("the selection was not made with this threshold's floor")
        scores, counts, _ = selection.considered
        seen = score_histogram(scores.nan_to_num(), self.edges, counts)
        images = seen.new_full((1,), len(selection.pseudo_instances))
        step = torch.cat([seen, images])
        all_reduce(step)
        remaining = (1 - step[-1] / self.window).clamp(min=0)
        self.histogram.mul_(remaining).add_(step[:-1])
        self.images.mul_(remaining).add_(step[-1])

    def statistics(self) -> dict[str, Tensor]:
        """Return the numbers to log: objects expected, labels wanted an image, the threshold."""
        values = dict(pseudo_expected=self.expected, pseudo_wanted=self.share * self.expected)
        threshold = self.threshold
        return values | dict(pseudo_threshold=threshold.clamp(max=1.0))
