"""How unlabelled images get the labels that an instance segmentation learns from."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet.models.detectors import Mask2Former
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.models.pseudo_labels import (
    PseudoLabelFilter,
    Selection,
    Thresholds,
    WeakLabels,
    describe_candidates,
    note_uncertain,
    prefer_fixed_thresholds,
    without_labels,
)
from mmpldc.models.teacher_student import TeacherStudent
from mmpldc.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmpldc.structures import LayerOutputs

MASK_STRIDE = 4  # of Mask2Former's mask logits


class InstanceLabeling(TeacherStudent):
    """The labelling half of :class:`~mmpldc.models.SemiMask2Former`; the other half are its losses.

    The teacher predicts, a filter selects, weak labels join, and refiners correct. A detector calls
    :meth:`build_labeling` once it has its networks.
    """

    teacher: Mask2Former
    pseudo_label_filter: PseudoLabelFilter
    weak_labels: WeakLabels | None
    refiner: Any
    mask_refiner: Any
    class_thresholds: Any

    def build_labeling(
        self,
        *,
        pseudo_label_filter: ConfigType,
        refiner: OptConfigType,
        mask_refiner: OptConfigType,
        weak_labels: OptConfigType,
        class_thresholds: OptConfigType,
        ignore_uncertain: bool,
    ) -> None:
        """Build the parts from their configs, see :class:`~mmpldc.models.SemiMask2Former`."""
        pseudo_label_filter, class_thresholds = prefer_fixed_thresholds(
            pseudo_label_filter, class_thresholds
        )
        self.pseudo_label_filter = TRANSFORMS.build(pseudo_label_filter)
        self.refiner = None if refiner is None else MODELS.build(refiner)
        self.mask_refiner = None if mask_refiner is None else MODELS.build(mask_refiner)
        self.weak_labels = None if weak_labels is None else TASK_UTILS.build(weak_labels)
        self.class_thresholds = None
        if class_thresholds is not None:
            self.class_thresholds = MODELS.build(
                dict(num_classes=self.num_classes) | class_thresholds
            )
        if getattr(self.class_thresholds, 'sets_score', False) and self.weak_labels is not None:
            self.weak_labels.refuse_no_threshold()
        thresholds = self.current_thresholds()
        if ignore_uncertain and (thresholds is None or thresholds.floor is None):
            raise ValueError(
                'model.ignore_uncertain=True needs thresholds with a floor: set '
                "model.class_thresholds=dict(type='mmpldc.ExpectedCountThreshold'), or "
                'model.ignore_uncertain=False'
            )
        self.ignore_uncertain = ignore_uncertain

    @torch.no_grad()
    def get_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> list[InstanceData]:
        """Label images by the teacher: predict, filter (DDTF, Eq. 5), correct (DICC, Eqs. 6-9).

        In training, weak labels join the teacher's before both are corrected. An image with NaN in
        the teacher's output then gets none of the teacher's labels and is counted
        (:class:`PseudoLabelCounter`): an error on one rank would leave the others waiting.

        Args:
            batch_inputs: weak views, normalised ``(B, 3, H, W)``.
            batch_data_samples: their B data samples.

        Returns:
            Per image, the fields of :attr:`mmpldc.models.pseudo_labels.Selection.pseudo_instances`.

        Raises:
            ValueError: outside of training, if the teacher's output contains NaN.
        """
        outputs = self.teacher_outputs(batch_inputs)
        thresholds = self.current_thresholds()
        selection = self.pseudo_label_filter.select(
            outputs,
            (batch_inputs.shape[-2], batch_inputs.shape[-1]),
            thresholds=thresholds,
            progress=self.progress,
        )
        if not self.training:
            _refuse_nan(selection, batch_data_samples)
        elif self.class_thresholds is not None:
            self.class_thresholds.update(selection, outputs, self.progress)
        pseudo_instances = selection.pseudo_instances
        if self.training and self.ignore_uncertain:
            note_uncertain(selection)
        if self.training and self.uses_weak_labels:
            pseudo_instances = self._add_weak_labels(
                pseudo_instances, batch_inputs, batch_data_samples, thresholds
            )
        pseudo_instances = self.refine(pseudo_instances, batch_inputs, batch_data_samples)
        if self.training:
            found = InstanceData.cat(pseudo_instances)
            counts = found.labels.new_zeros(self.num_classes)
            is_own = ~found.weak if 'weak' in found else torch.ones_like(found.labels)
            counts.index_add_(0, found.labels, is_own.to(counts.dtype))
            paths = [sample.metainfo.get('img_path', '') for sample in batch_data_samples]
            self.pseudo_label_counter.update(counts, selection.has_nan, paths)
        return pseudo_instances

    @torch.no_grad()
    def get_weak_instances(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> list[InstanceData]:
        """Label images by their weak labels alone, while there is no teacher.

        Arguments and result as for :meth:`get_pseudo_instances`.
        """
        size = batch_inputs.shape[-2] // MASK_STRIDE, batch_inputs.shape[-1] // MASK_STRIDE
        nothing = without_labels(len(batch_inputs), self.num_classes, size, batch_inputs.device)
        weak = self._add_weak_labels(
            nothing, batch_inputs, batch_data_samples, self.current_thresholds()
        )
        return self.refine(weak, batch_inputs, batch_data_samples)

    @property
    def uses_weak_labels(self) -> bool:
        """Whether weak labels count at the current position of the run."""
        if self.weak_labels is None or self.phases.is_supervised:
            return False
        return self.weak_labels.weight_at(self.progress) > 0

    @property
    def in_burn_in(self) -> bool:
        """Whether the teacher does not label yet."""
        return self.progress is not None and not self.phases.uses_pseudo_labels(self.progress.step)

    def _add_weak_labels(
        self,
        labels: list[InstanceData],
        batch_inputs: Tensor,
        batch_data_samples: SampleList,
        thresholds: Thresholds | None,
    ) -> list[InstanceData]:
        assert self.weak_labels is not None  # noqa: S101
        return self.weak_labels.join(
            labels,
            batch_data_samples,
            (batch_inputs.shape[-2], batch_inputs.shape[-1]),
            self.pseudo_label_filter,
            thresholds or self.pseudo_label_filter.thresholds(self.progress),
            self.progress,
        )

    def refine(
        self, labels: list[InstanceData], batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> list[InstanceData]:
        """Correct the masks of labels, then their classes, which a better mask helps.

        Arguments and result as of :class:`mmpldc.models.CLIPRefiner`; ``scores`` are those of the
        new qualities.
        """
        for refiner in self._refiners:
            labels = refiner(
                labels,
                batch_inputs,
                batch_data_samples,
                self.progress,
                self.data_preprocessor.pixel_normalization,
            )
        if self._refiners:
            for refined in labels:
                refined.scores = self.pseudo_label_filter.score_of(
                    refined.class_quality, refined.mask_quality
                )
        return labels

    def prepare_refiners(self, classes: Sequence[str], device: torch.device) -> None:
        """Load what the refiners need, if there are any."""
        for refiner in self._refiners:
            refiner.prepare(classes, device)

    @property
    def _refiners(self) -> list[Any]:
        return [one for one in (self.mask_refiner, self.refiner) if one is not None]

    @torch.no_grad()
    def get_candidates(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, *, min_class_quality: float = 0
    ) -> list[InstanceData]:
        """Return the candidates of :meth:`get_pseudo_instances`, neither filtered nor corrected.

        Args:
            batch_inputs, batch_data_samples: as for :meth:`get_pseudo_instances`.
            min_class_quality: leave out candidates below it.

        Returns:
            As for :meth:`get_pseudo_instances`.
        """
        selection = self.pseudo_label_filter.without_thresholds(min_class_quality).select(
            self.teacher_outputs(batch_inputs),
            (batch_inputs.shape[-2], batch_inputs.shape[-1]),
        )
        _refuse_nan(selection, batch_data_samples)
        return selection.pseudo_instances

    @torch.no_grad()
    def describe_candidates(self, data: dict) -> str:
        """Say how the candidates of a batch spread over both qualities, see the parent."""
        views = self.data_preprocessor(data, True)
        inputs, samples = (views[key]['unsup_weak'] for key in ('inputs', 'data_samples'))
        found = InstanceData.cat(self.get_candidates(inputs, samples))
        return describe_candidates(found, len(samples))

    def teacher_outputs(self, images: Tensor) -> LayerOutputs:
        """Return the outputs of the teacher's last layer for images ``(B, 3, H, W)``."""
        return self.teacher.panoptic_head.predict_last(self.teacher.extract_feat(images))

    # Thresholds

    def current_thresholds(self) -> Thresholds | None:
        """Return the thresholds that replace the filter's; None: it has its own."""
        if self.class_thresholds is None:
            return None
        return self.class_thresholds.current(self.progress)

    def prepare_labeling(
        self,
        classes: Sequence[str],
        class_counts: Callable[[], Tensor],
        device: torch.device,
        num_images: int,
    ) -> None:
        """Load the refiners' models and initialise the thresholds per class."""
        self.prepare_refiners(classes, device)
        if self.class_thresholds is not None:
            self.class_thresholds.start(class_counts(), num_images)

    def set_thresholds(
        self, *, class_thr: float | None = None, mask_thr: float | None = None
    ) -> None:
        """Replace the thresholds of the config or (DF-ACAT) of the checkpoint.

        Args:
            class_thr: c_t of every class; None keeps the model's.
            mask_thr: m_t, likewise.

        Raises:
            ValueError: if only one is given where there is one threshold on the score, or if a kept
                threshold should come from a checkpoint that has none.
        """
        given = class_thr is not None and mask_thr is not None
        if given and getattr(self.class_thresholds, 'sets_score', False):
            self.class_thresholds = None
        (self.class_thresholds or self.pseudo_label_filter).set_thresholds(
            class_thr=class_thr, mask_thr=mask_thr
        )

    def thresholds_by_class(self) -> dict[str, Tensor]:
        """Thresholds of DF-ACAT."""
        if self.class_thresholds is None:
            return {}
        current = self.class_thresholds.current(self.progress)
        if current.score_thr is not None:
            return {}
        return dict(class_thr=current.class_thr, mask_thr=current.mask_thr)


def _refuse_nan(selection: Selection, samples: SampleList) -> None:
    """Raise a ``ValueError`` that names the first image whose outputs contained NaN."""
    if any(selection.has_nan):
        path = samples[selection.has_nan.index(True)].img_path
        raise ValueError(f"the teacher's logits for {path} contain NaN: it has diverged")
