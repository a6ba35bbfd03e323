"""Instance segmentation: the training step of PL-DC and its rivals on Mask2Former."""

from collections.abc import Sequence

import torch
from mmdet.models.detectors import BaseDetector, Mask2Former
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig, reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.models.pseudo_labels import LabeledView, LabelWeights, pseudo_label_statistics
from mmpldc.phases import BurnIn
from mmpldc.registry import MODELS, TASK_UTILS
from mmpldc.structures import HeadOutputs

from .complete_detector import complete_detector
from .instance_labeling import InstanceLabeling


@MODELS.register_module()
class SemiMask2Former(InstanceLabeling, BaseDetector):
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
        mask_refiner: config of an object with the same interface that replaces masks of kept
            labels, before the classes, see :class:`mmpldc.models.mask_refiners.MaskRefiner`. None
            keeps the teacher's masks.
        weak_labels: config of how labels that the unlabelled images carry are used, see
            :class:`mmpldc.models.WeakLabels`; None: not at all.
        copy_paste: config of how objects are pasted into the strong views of unlabelled images, see
            :class:`mmpldc.models.InstanceCopyPaste`; None: not at all.
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
        mask_refiner: OptConfigType = None,
        weak_labels: OptConfigType = None,
        copy_paste: OptConfigType = None,
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
        self.build_labeling(
            pseudo_label_filter=pseudo_label_filter,
            refiner=refiner,
            mask_refiner=mask_refiner,
            weak_labels=weak_labels,
            class_thresholds=class_thresholds,
            ignore_uncertain=ignore_uncertain,
        )
        if not isinstance(pseudo_label_weights, list):
            pseudo_label_weights = [pseudo_label_weights] if pseudo_label_weights else []
        self.copy_paste = None if copy_paste is None else TASK_UTILS.build(copy_paste)
        self.pseudo_label_weights = [TASK_UTILS.build(part) for part in pseudo_label_weights]
        if self.weak_labels is not None:
            self.pseudo_label_weights.append(self.weak_labels)
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
        uses_teacher = self.phases.uses_pseudo_labels(progress.step)
        if not uses_teacher and not self.uses_weak_labels:
            (outputs,) = self.student_predictions(images)
            return self.loss_by_gt_instances(outputs, samples)
        label = self.get_pseudo_instances if uses_teacher else self.get_weak_instances
        pseudo_instances = label(
            multi_batch_inputs['unsup_weak'], multi_batch_data_samples['unsup_weak']
        )
        strong, taught = multi_batch_inputs['unsup_strong'], pseudo_instances
        if self.copy_paste is not None:
            annotated = self.sup_views[-1]
            strong, taught = self.copy_paste(
                LabeledView.of(strong, multi_batch_data_samples['unsup_strong'], taught),
                LabeledView.of(multi_batch_inputs[annotated], multi_batch_data_samples[annotated]),
            )
        on_labeled, on_unlabeled = self.student_predictions([*images, strong])
        return (
            self.loss_by_gt_instances(on_labeled, samples)
            | self.loss_by_pseudo_instances(on_unlabeled, taught)
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
        ignored, weight = None, self.unsup_weight
        if self.weak_labels is not None and self.in_burn_in:
            weight = weight * self.weak_labels.weight_at(self.progress)
            if not self.weak_labels.no_object:
                ignored = torch.ones_like(outputs.cls_logits[0][..., 0], dtype=torch.bool)
        elif self.ignore_uncertain:
            ignored = torch.stack([labels.uncertain_queries for labels in pseudo_instances])
        losses = self.student.panoptic_head.loss_by_outputs(
            outputs, pseudo_instances, label_weights, self.progress, ignored
        )
        if not self.train_no_object_without_labels:
            # Over all ranks. A factor: every rank must run the same backward and all-reduces.
            kept = losses['loss_cls'].new_full((), sum(map(len, pseudo_instances)))
            weight = weight * (reduce_mean(kept) > 0)
        return rename_loss_dict('unsup_', reweight_loss_dict(losses, weight))
