"""Instance segmentation: the training step of PL-DC and its rivals on Mask2Former."""

from collections.abc import Callable, Sequence

import torch
from mmdet.models.detectors import BaseDetector, Mask2Former
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig, reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.models.pseudo_labels import (
    LabelWeights,
    Selection,
    describe_candidates,
    note_uncertain,
    pseudo_label_statistics,
)
from mmpldc.models.teacher_student import TeacherStudent
from mmpldc.phases import BurnIn
from mmpldc.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmpldc.structures import HeadOutputs, LayerOutputs

from .complete_detector import complete_detector


@MODELS.register_module()
class SemiMask2Former(TeacherStudent, BaseDetector):
    """Mask2Former student with an EMA teacher that produces its pseudo-labels.

    :meth:`loss` is the method. It has the structure and the names of mmdet's ``SemiBaseDetector``,
    except that views share their geometry: nothing is projected from one to another, and
    pseudo-masks stay logits in the padded batch frame.

    A batch has four views: labelled weak ``sup_weak`` and strong ``sup_strong``, unlabelled weak
    ``unsup_weak`` (seen by the teacher) and strong ``unsup_strong`` (seen by the student).

    Args:
        detector: config of a ``Mask2Former`` whose head is ``mmpldc.SemiMask2FormerHead``; built
            twice, as student and teacher.
        backbone: config of their backbone, inserted into ``detector``. It is a separate argument
            for mmdet's ``init_detector``, which removes needless pretrained weights from
            ``model.backbone``.
        num_classes: N, inserted into ``detector`` wherever Mask2Former's config repeats it; None
            leaves that config unchanged.
        pseudo_label_filter: config of the transform that selects pseudo-labels among the teacher's
            predictions, see :class:`mmpldc.models.PseudoLabelFilter`.
        refiner: config of an object that corrects the classes of kept labels, see
            :class:`mmpldc.models.CLIPRefiner`, whose ``prepare`` and call are its interface; not a
            ``Module``. None keeps the teacher's classes.
        class_thresholds: config of thresholds that replace the filter's and follow the teacher, see
            :class:`mmpldc.models.ClassAwareThresholds` (DF-ACAT) and
            :class:`mmpldc.models.ExpectedCountThreshold`; None uses the filter's.
        ignore_uncertain: do not teach "no object" to queries whose label is not kept, but lies
            above the floor of ``class_thresholds``.
        pseudo_label_weights: config of the weights of pseudo-labels in the losses, such as
            :class:`mmpldc.models.DynamicAligningWeights`, or a list of configs, whose weights are
            multiplied; None: all count the same.
        burn_in_iters: t_b, 20,000 in the paper; the only place where the boundary is set.
        burn_in: 'supervised', or 'guided' by a given teacher, see :class:`mmpldc.phases.Phases`.
        unsup_weight: lambda, 1.0 in the paper; a number or the config of a schedule. At 0 the run
            is the supervised baseline, whose teacher is the student's EMA.
        sup_views: labelled views with a supervised loss.
        joint_forward: pass labelled and unlabelled views through the student as one batch if they
            have the same size. Not with batch norms that train.
        train_no_object_without_labels: loss of unlabelled images if no rank has a pseudo-label:
            none (default, as released), or "no object" for every query.
        semi_test_cfg: ``predict_on='teacher'`` or ``'student'``.
        data_preprocessor: config of ``mmpldc.MultiBranchDataPreprocessor``.
        init_cfg: as in mmengine's ``BaseModule``.

    Note:
        The paper does not define the loss of an unlabelled batch without any pseudo-label; the
        default is that of the released code.
    """

    student: Mask2Former
    teacher: Mask2Former

    def __init__(
        self,
        *,
        detector: ConfigType,
        backbone: OptConfigType = None,
        num_classes: int | None = None,
        pseudo_label_filter: ConfigType,
        refiner: OptConfigType = None,
        class_thresholds: OptConfigType = None,
        pseudo_label_weights: ConfigType | list[ConfigType] | None = None,
        burn_in_iters: int,
        burn_in: BurnIn = 'supervised',
        unsup_weight: float | ConfigType = 1.0,
        ignore_uncertain: bool = False,
        sup_views: Sequence[str] = ('sup_weak', 'sup_strong'),
        joint_forward: bool = False,
        train_no_object_without_labels: bool = False,
        semi_test_cfg: ConfigType | None = None,
        data_preprocessor: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(
            network=complete_detector(detector, backbone, num_classes),
            burn_in_iters=burn_in_iters,
            burn_in=burn_in,
            unsup_weight=unsup_weight,
            joint_forward=joint_forward,
            semi_test_cfg=semi_test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.pseudo_label_filter = TRANSFORMS.build(pseudo_label_filter)
        self.refiner = None if refiner is None else MODELS.build(refiner)
        self.class_thresholds = None
        if class_thresholds is not None:
            self.class_thresholds = MODELS.build(
                dict(num_classes=self.num_classes) | class_thresholds
            )
        self.ignore_uncertain = ignore_uncertain
        if not isinstance(pseudo_label_weights, list):
            pseudo_label_weights = [pseudo_label_weights] if pseudo_label_weights else []
        self.pseudo_label_weights = [TASK_UTILS.build(part) for part in pseudo_label_weights]
        # Labelled views pass through the network as one batch.
        self.sup_views = tuple(sup_views)
        self.views = [self.sup_views]
        if not self.phases.is_supervised:
            self.views.append(('unsup_weak', 'unsup_strong'))
        self.train_no_object_without_labels = train_no_object_without_labels

    @property
    def num_classes(self) -> int:
        """N."""
        return self.student.panoptic_head.num_classes

    def network_forward(self, network: Mask2Former, images: Tensor) -> HeadOutputs:
        """Compute the outputs of all prediction layers of student or teacher."""
        return network.panoptic_head(network.extract_feat(images), None)

    def loss(
        self,
        multi_batch_inputs: dict[str, Tensor],
        multi_batch_data_samples: dict[str, SampleList],
    ) -> dict[str, Tensor]:
        """One step of the method: L = L_sup + lambda * L_unsup (Eq. 1).

        Args:
            multi_batch_inputs: per view, normalised images ``(B, 3, H, W)``.
            multi_batch_data_samples: per view, B data samples.

        Returns:
            Losses named ``sup_*``, and with pseudo-labels ``unsup_*`` and statistics of the labels
            named ``pseudo_*``; scalars.

        Raises:
            RuntimeError: without :class:`~mmpldc.engine.hooks.MeanTeacherHook`.
            ValueError: if the batch lacks a view, or two views of an image differ in geometry.
        """
        progress = self.begin_step(multi_batch_data_samples)
        images = [torch.cat([multi_batch_inputs[view] for view in self.sup_views])]
        samples = [sample for view in self.sup_views for sample in multi_batch_data_samples[view]]
        if not self.phases.uses_pseudo_labels(progress.step):
            (outputs,) = self.student_predictions(images)
            return self.loss_by_gt_instances(outputs, samples)
        pseudo_instances = self.get_pseudo_instances(
            multi_batch_inputs['unsup_weak'], multi_batch_data_samples['unsup_weak']
        )
        images.append(multi_batch_inputs['unsup_strong'])
        on_labeled, on_unlabeled = self.student_predictions(images)
        return (
            self.loss_by_gt_instances(on_labeled, samples)
            | self.loss_by_pseudo_instances(on_unlabeled, pseudo_instances)
            | pseudo_label_statistics(pseudo_instances)
            | ({} if self.class_thresholds is None else self.class_thresholds.statistics())
        )

    def loss_by_gt_instances(self, outputs: HeadOutputs, samples: SampleList) -> dict[str, Tensor]:
        """Compute L_sup (Eq. 2), with the labelled views in one batch, as released.

        Args:
            outputs: the student's outputs for B images.
            samples: their data samples, with ``gt_instances``.
        """
        instances = [sample.gt_instances for sample in samples]
        losses = self.student.panoptic_head.loss_by_outputs(outputs, instances)
        return rename_loss_dict('sup_', losses)

    @torch.no_grad()
    def get_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> list[InstanceData]:
        """Label images by the teacher: predict, filter (DDTF, Eq. 5), correct (DICC, Eqs. 6-9).

        In training, an image with NaN in the teacher's output gets no labels and is counted
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
        thresholds = None
        if self.class_thresholds is not None:
            thresholds = self.class_thresholds.current(self.progress)
        selection = self.pseudo_label_filter.select(
            outputs,
            tuple(batch_inputs.shape[-2:]),
            thresholds=thresholds,
            progress=self.progress,
        )
        if not self.training:
            _refuse_nan(selection, batch_data_samples)
        elif self.class_thresholds is not None:
            self.class_thresholds.update(selection, outputs, self.progress)
        pseudo_instances = selection.pseudo_instances
        if self.ignore_uncertain:
            note_uncertain(selection)
        if self.refiner is not None:
            pseudo_instances = self.refiner(
                pseudo_instances,
                batch_inputs,
                batch_data_samples,
                self.progress,
                self.data_preprocessor.pixel_normalization,
            )
        if self.training:
            labels = torch.cat([instances.labels for instances in pseudo_instances])
            counts = labels.new_zeros(self.num_classes)
            counts.index_add_(0, labels, torch.ones_like(labels))
            paths = [sample.metainfo.get('img_path', '') for sample in batch_data_samples]
            self.pseudo_label_counter.update(counts, selection.has_nan, paths)
        return pseudo_instances

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
            self.teacher_outputs(batch_inputs), tuple(batch_inputs.shape[-2:])
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

    def loss_by_pseudo_instances(
        self, outputs: HeadOutputs, pseudo_instances: list[InstanceData]
    ) -> dict[str, Tensor]:
        """Compute lambda * L_unsup on the strong view, with PMUA in the mask loss (Eq. 11).

        Args:
            outputs: the student's outputs for B images.
            pseudo_instances: see :meth:`get_pseudo_instances`.
        """
        label_weights = None
        if self.pseudo_label_weights:
            labels = InstanceData.cat(pseudo_instances)
            label_weights = LabelWeights.product(
                [weigh(labels, self.progress) for weigh in self.pseudo_label_weights]
            )
        ignored = None
        if self.ignore_uncertain:
            ignored = torch.stack([labels.uncertain_queries for labels in pseudo_instances])
        losses = self.student.panoptic_head.loss_by_outputs(
            outputs, pseudo_instances, label_weights, self.progress, ignored
        )
        weight = self.unsup_weight
        if not self.train_no_object_without_labels:
            # Over all ranks. A factor: every rank must run the same backward and all-reduces.
            kept = losses['loss_cls'].new_full((), sum(map(len, pseudo_instances)))
            weight = weight * (reduce_mean(kept) > 0)
        return rename_loss_dict('unsup_', reweight_loss_dict(losses, weight))

    def prepare_labeling(
        self,
        classes: Sequence[str],
        class_counts: Callable[[], Tensor],
        device: torch.device,
        num_images: int,
    ) -> None:
        """Load the refiner's model and initialise the thresholds per class."""
        if self.refiner is not None:
            self.refiner.prepare(classes, device)
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
            ValueError: if the filter is coupled and so has neither, or if a kept threshold should
                come from a checkpoint that has none.
        """
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
