"""Filter the teacher's predictions to get pseudo-labels (DDTF)."""

import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import coupled_threshold_filter, dual_threshold_filter
from mmpldc.registry import TRANSFORMS
from mmpldc.schedules import Progress, Schedule, build_schedule, value_at
from mmpldc.structures import LayerOutputs

from .elimination import eliminate
from .images import has_nan, split_by_image
from .measuring import MaskQuality, MeasuresCandidates, Score
from .selection import Candidates, Considered, Selection, Thresholds


@TRANSFORMS.register_module()
class PseudoLabelFilter(MeasuresCandidates, BaseTransform):
    """Keep the teacher's good predictions: decoupled (DDTF, Eq. 5) or coupled filtering.

    Give either ``class_thr`` and ``mask_thr`` (DDTF) or ``score_thr`` (coupled). :meth:`select`
    works in steps that a method may override: it calls :meth:`propose` for the candidates,
    :meth:`thresholds`, :meth:`measure` for the masks of candidates whose class passes, and
    :meth:`keep`. As a transform it takes and returns a dict with the keys of :meth:`transform`.

    The filter has no state; for thresholds that adapt during a run see
    :class:`~mmpldc.models.ClassAwareThresholds`.

    Args:
        class_thr: c_t, 0.85 in the paper; a number or the config of a schedule
            (:mod:`mmpldc.schedules`).
        mask_thr: m_t, 0.90 in the paper; likewise.
        score_thr: threshold on the score instead, by default c_k * m_k; 0.765 (= 0.85 * 0.90) in
            the paper's ablation; likewise.
        min_area: a mask must have more pixels than this, counted in the padded batch frame; 5 in
            the released code.
        max_candidates: None takes each query's best class. A number takes that many best
            (query, class) pairs per image, 100 in the released code.
        duplicate_iou: drop masks that overlap a better one by more than this IoU; None keeps all,
            as the paper does.
        soft_area: measure the area as the sum of the mask's probabilities at its own stride, as
            Guided Distillation does; mask quality is measured there too, nothing is upsampled.
        above_no_object: the class must also be at least as probable as "no object", as in Guided
            Distillation; a class above 0.5 always is.
        mask_quality: ``'mean_probability'`` inside the mask (Eq. 4), or ``'predicted_iou'``, the
            IoU predicted by the teacher's ``iou_head``, as in PAIS.
        score: of a label: ``'product'``, c_k * m_k, or ``'certain'``, c_k * (2 m_k - 1), see
            :func:`mmpldc.functional.certain_quality`. It decides in coupled filtering, and between
            duplicates.
        full_resolution: keep the mask logits at the size of the padded batch, for fidelity to the
            released code; the loss's targets then need (H W)/(h w) times the memory.

    Raises:
        ValueError: if the thresholds or options do not fit together.

    Note:
        As released, quality and area are those of the mask upsampled to the padded batch. But only
        candidates whose class passes are upsampled, a few at a time, and the kept masks remain
        logits at their own stride. tests/test_models/test_pseudo_labels/test_full_resolution.py
        compares this with ``full_resolution``.

        Guided Distillation requires a class above 0.7 that is not "no object", and nothing of the
        mask's quality: ``class_thr=0.7, mask_thr=0, soft_area=True, above_no_object=True``.
        A quality of exactly ``class_thr`` passes here, not there.

        PAIS requires s > 0.35 and a predicted IoU i > 0.30: ``class_thr=0.35, mask_thr=0.30,
        mask_quality='predicted_iou'``. Its s comes from a sigmoid, here from the softmax.

        Neither the paper nor the released code removes duplicates; short schedules leave some.
    """

    def __init__(
        self,
        *,
        class_thr: float | dict | None = None,
        mask_thr: float | dict | None = None,
        score_thr: float | dict | None = None,
        min_area: float = 5,
        max_candidates: int | None = None,
        duplicate_iou: float | None = None,
        soft_area: bool = False,
        above_no_object: bool = False,
        mask_quality: MaskQuality = 'mean_probability',
        score: Score = 'product',
        full_resolution: bool = False,
    ) -> None:
        decoupled = class_thr is not None and mask_thr is not None and score_thr is None
        coupled = class_thr is None and mask_thr is None and score_thr is not None
        if not decoupled and not coupled:
            raise ValueError(
                'give class_thr and mask_thr (decoupled) or score_thr (coupled), got '
                f'class_thr={class_thr}, mask_thr={mask_thr}, score_thr={score_thr}'
            )
        MeasuresCandidates.__init__(
            self,
            max_candidates=max_candidates,
            mask_quality=mask_quality,
            score=score,
            soft_area=soft_area,
            full_resolution=full_resolution,
        )
        self.class_thr: float | Schedule | None = build_schedule(class_thr)
        self.mask_thr: float | Schedule | None = build_schedule(mask_thr)
        self.score_thr: float | Schedule | None = build_schedule(score_thr)
        self.min_area = min_area
        self.duplicate_iou = duplicate_iou
        self.above_no_object = above_no_object

    @property
    def is_coupled(self) -> bool:
        """Whether a single threshold on the score decides."""
        return self.score_thr is not None

    def set_thresholds(
        self, *, class_thr: float | None = None, mask_thr: float | None = None
    ) -> None:
        """Replace the filter's thresholds; None leaves one unchanged.

        Both replace the one threshold of a coupled filter.

        Raises:
            ValueError: if only one of them is given to a coupled filter.
        """
        if self.is_coupled and (class_thr is not None or mask_thr is not None):
            if class_thr is None or mask_thr is None:
                raise ValueError(
                    "the config's filter has one threshold on the score: give both class_thr and "
                    'mask_thr instead, or set model.pseudo_label_filter.score_thr'
                )
            self.score_thr = None
        if class_thr is not None:
            self.class_thr = class_thr
        if mask_thr is not None:
            self.mask_thr = mask_thr

    def without_thresholds(self, min_class_quality: float = 0.0) -> 'PseudoLabelFilter':
        """Return a filter that keeps all candidates of this one, for analysis.

        It applies neither thresholds nor duplicate suppression.

        Args:
            min_class_quality: leave out candidates below it, most of which are queries without an
                object.
        """
        return PseudoLabelFilter(
            class_thr=min_class_quality,
            mask_thr=0.0,
            min_area=self.min_area,
            max_candidates=self.max_candidates,
            mask_quality=self.mask_quality,
            score=self.score,
        )

    def transform(self, results: dict) -> dict:
        """Call :meth:`select` with dicts for arguments and results, mmcv's interface.

        Required keys: ``cls_logits``, ``mask_logits``, with an IoU head ``iou_logits``, see
        :class:`~mmpldc.structures.LayerOutputs`; ``input_shape`` (H, W). ``class_thr`` and
        ``mask_thr``, ``(N,)`` float, replace the filter's own thresholds if given. Optional:
        ``progress``. Added keys: those of :class:`Selection`.
        """
        outputs = LayerOutputs(
            results['cls_logits'], results['mask_logits'], results.get('iou_logits')
        )
        given = None
        if 'class_thr' in results:
            given = Thresholds(results['class_thr'], results['mask_thr'])
        progress = results.get('progress')
        selection = self.select(
            outputs, results['input_shape'], thresholds=given, progress=progress
        )
        return results | selection._asdict()

    def select(
        self,
        outputs: LayerOutputs,
        input_shape: tuple[int, int],
        *,
        thresholds: Thresholds | None = None,
        progress: Progress | None = None,
    ) -> Selection:
        """Turn the teacher's outputs into pseudo-labels.

        Args:
            outputs: outputs of the teacher's last layer.
            input_shape: (H, W), the padded batch's size in pixels.
            thresholds: replace the filter's own (DF-ACAT).
            progress: the position of the run; None outside of a run.

        Raises:
            ValueError: if thresholds do not fit the filter, or no IoU was predicted.
        """
        outputs = outputs.in_float32()
        if thresholds is None:
            thresholds = self.thresholds(progress)
        else:
            self._check_given(thresholds)
        candidates = self.propose(outputs)
        # m_k <= 1: no mask can save a candidate whose class fails, so only the others are measured.
        # Host sync: their number decides shapes.
        image, rank = self._passes_by_class(outputs, candidates, thresholds).nonzero(as_tuple=True)
        measured = self.measure(outputs, candidates, image, rank, input_shape)
        good = self.keep(measured, thresholds.of_labels(measured.labels), progress)
        left = eliminate(
            measured,
            image,
            torch.ones_like(good),
            good,
            thresholds,
            min_area=self.min_area,
            duplicate_iou=self.duplicate_iou,
        )
        del measured.area
        broken = has_nan(outputs, candidates)
        considered = None
        if thresholds.floor is not None:
            eligible = left.eligible & ~broken[image]
            uncertain = outputs.cls_logits.new_zeros(outputs.cls_logits.shape[:2])
            query = candidates.query[image, rank]
            uncertain[image, query] = (eligible & ~left.keep).to(uncertain.dtype)
            considered = Considered(measured.scores, eligible, uncertain > 0)
        pseudo_instances, broken_images = split_by_image(measured, image, left.keep, broken)
        return Selection(pseudo_instances, candidates, broken_images, considered)

    def thresholds(self, progress: Progress | None) -> Thresholds:
        """Return the filter's own thresholds at a point of the run."""
        if self.is_coupled:
            score_thr = value_at(self.score_thr, progress)
            return Thresholds(score_thr, 0.0, score_thr)  # c_k m_k <= c_k
        return Thresholds(value_at(self.class_thr, progress), value_at(self.mask_thr, progress))

    def keep(
        self, measured: InstanceData, thresholds: Thresholds, progress: Progress | None
    ) -> Tensor:
        """Decide by quality which of M measured candidates become labels.

        Args:
            measured: see :meth:`measure`.
            thresholds: thresholds of each candidate's class.
            progress: the position of the run, for methods whose rule changes.

        Returns:
            ``(M,)`` bool.
        """
        if thresholds.score_thr is not None and self.score == 'certain':
            return measured.scores >= thresholds.score_thr
        qualities = measured.class_quality, measured.mask_quality
        if thresholds.score_thr is not None:
            return coupled_threshold_filter(*qualities, score_thr=thresholds.score_thr)
        return dual_threshold_filter(
            *qualities, class_thr=thresholds.class_thr, mask_thr=thresholds.mask_thr
        )

    def _check_given(self, thresholds: Thresholds) -> None:
        if self.is_coupled and thresholds.score_thr is None:
            raise ValueError(
                'thresholds per class need decoupled filtering: give PseudoLabelFilter '
                'class_thr and mask_thr instead of score_thr, or drop model.class_thresholds'
            )
        if not self.is_coupled and thresholds.score_thr is not None:
            raise ValueError(
                'a threshold on the score needs coupled filtering: give PseudoLabelFilter '
                'score_thr instead of class_thr and mask_thr, or drop model.class_thresholds'
            )

    def _passes_by_class(
        self, outputs: LayerOutputs, candidates: Candidates, thresholds: Thresholds
    ) -> Tensor:
        """Return ``(B, C)`` bool; NaN passes here and is found by :func:`has_nan`."""
        class_thr = thresholds.of_labels(candidates.labels).class_thr
        fails = candidates.class_quality < class_thr
        if self.above_no_object:
            no_object = outputs.cls_logits.softmax(dim=-1)[..., -1].gather(1, candidates.query)
            fails = fails | (no_object > candidates.class_quality)
        return fails.logical_not()

    def __repr__(self) -> str:
        options = ', '.join(f'{key}={value}' for key, value in vars(self).items())
        return f'{type(self).__name__}({options})'
