"""The training step: burn-in, pseudo-labels, mutual learning."""

from collections.abc import Sequence

import torch
from mmdet.models.detectors import SemiBaseDetector
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig, reduce_mean
from mmengine.dataset import BaseDataset
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.datasets.instance_counts import instance_counts
from mmpldc.models.pseudo_labels import pseudo_label_statistics
from mmpldc.models.teacher_student import (
    PseudoLabelWatch,
    check_views,
    forward_batches,
    refuse_training_norms,
)
from mmpldc.models.teacher_student.joint_forward import Predictions
from mmpldc.phases import BurnIn, Phases, Progress
from mmpldc.registry import MODELS, TRANSFORMS

from .complete_detector import complete_detector


@MODELS.register_module()
class SemiMask2Former(SemiBaseDetector):
    """Mask2Former student with an EMA teacher that makes its pseudo-labels.

    mmdet's ``SemiBaseDetector`` gives the pair, inference on either, and the fan-out of a plain
    checkpoint to both. Its loss is replaced: it projects boxes between views, here the views share
    their geometry and masks stay logits in the padded batch frame.

    Batches come in four branches (mmdet's ``MultiBranch``): labelled weak ``sup_weak``, labelled
    strong ``sup_strong``, unlabelled weak ``unsup_weak`` (seen by the teacher) and unlabelled
    strong ``unsup_strong`` (seen by the student). The teacher is updated by
    :class:`mmpldc.engine.hooks.MeanTeacherHook`, which also tells this class the progress.

    Args:
        detector: config of a ``Mask2Former`` whose head is ``mmpldc.SemiMask2FormerHead``; built
            twice, as student and teacher.
        backbone: config of their backbone, put into ``detector``. It stands here because of mmdet's
            ``init_detector``, which strips what ``model.backbone`` would load in vain.
        num_classes: N, put into ``detector`` wherever Mask2Former's config repeats it; None leaves
            that config alone.
        pseudo_label_filter: config of a transform over the teacher's outputs, see
            :class:`mmpldc.models.PseudoLabelFilter`.
        refiner: config of what corrects the classes of kept labels, see
            :class:`mmpldc.models.CLIPRefiner`, whose ``prepare`` and call are its interface; not a
            ``Module``. None: the teacher's classes stand.
        class_thresholds: config of thresholds that take the filter's place and follow the
            teacher, see :class:`mmpldc.models.ClassAwareThresholds` (DF-ACAT); None: the filter's.
        burn_in_iters: t_b, 20,000 in the paper; the only place where the boundary is set.
        burn_in: 'supervised', or 'guided' by a given teacher, see :class:`mmpldc.phases.Phases`.
        unsup_weight: lambda, 1.0 in the paper. At 0 the teacher labels nothing and unlabelled
            branches are not needed: the supervised baseline, whose teacher is the student's EMA.
        sup_views: labelled branches with a supervised loss.
        joint_forward: let the student see labelled and unlabelled views as one batch where they
            have the same size. Leave it off with batch norms that train: their statistics would be
            those of both kinds of images.
        train_no_object_without_labels: what unlabelled images teach if none of all ranks has a
            pseudo-label: nothing (default, as released), or that no query shows an object.
        semi_test_cfg: ``predict_on='teacher'`` or ``'student'``.
        data_preprocessor: config of mmdet's ``MultiBranchDataPreprocessor``.
        init_cfg: as in mmengine's ``BaseModule``.

    Note:
        The paper does not say what an unlabelled batch without any pseudo-label teaches; the
        default is the released code's.
    """

    def __init__(
        self,
        *,
        detector: ConfigType,
        backbone: OptConfigType = None,
        num_classes: int | None = None,
        pseudo_label_filter: ConfigType,
        refiner: OptConfigType = None,
        class_thresholds: OptConfigType = None,
        burn_in_iters: int,
        burn_in: BurnIn = 'supervised',
        unsup_weight: float = 1.0,
        sup_views: Sequence[str] = ('sup_weak', 'sup_strong'),
        joint_forward: bool = False,
        train_no_object_without_labels: bool = False,
        semi_test_cfg: ConfigType | None = None,
        data_preprocessor: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        super().__init__(
            detector=complete_detector(detector, backbone, num_classes),
            semi_train_cfg=dict(freeze_teacher=True),
            semi_test_cfg=dict(predict_on='teacher') if semi_test_cfg is None else semi_test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.pseudo_label_filter = TRANSFORMS.build(pseudo_label_filter)
        self.refiner = None if refiner is None else MODELS.build(refiner)
        self.class_thresholds = None
        if class_thresholds is not None:
            own = dict(num_classes=self.student.panoptic_head.num_classes)
            self.class_thresholds = MODELS.build(own | class_thresholds)
        self.phases = Phases(burn_in_iters, burn_in, unsup_weight)
        self.sup_views = tuple(sup_views)
        # Views of a group share their geometry. Labelled ones go through the network as one batch.
        self.groups_of_views = [self.sup_views]
        if unsup_weight > 0:
            self.groups_of_views.append(('unsup_weak', 'unsup_strong'))
        self.joint_forward = joint_forward
        self.train_no_object_without_labels = train_no_object_without_labels
        self.pseudo_label_watch = PseudoLabelWatch(self.student.panoptic_head.num_classes)
        self.progress: Progress | None = None
        # False: the teacher mirrors the student. True: it is a model of its own, made by EMA or
        # given by a checkpoint, and must not be overwritten.
        self.register_buffer('teacher_is_set', torch.tensor(False))

    def loss(
        self,
        multi_batch_inputs: dict[str, Tensor],
        multi_batch_data_samples: dict[str, SampleList],
    ) -> dict[str, Tensor]:
        """One step of the method: L = L_sup + lambda * L_unsup (Eq. 1).

        Args:
            multi_batch_inputs: per branch, normalised images ``(B, 3, H, W)``.
            multi_batch_data_samples: per branch, B data samples.

        Returns:
            Losses named ``sup_*``, and once the teacher labels ``unsup_*`` and statistics of its
            labels named ``pseudo_*``; scalars.

        Raises:
            RuntimeError: without :class:`~mmpldc.engine.hooks.MeanTeacherHook`.
            ValueError: if the batch lacks a branch, or two views of an image differ in geometry.
        """
        if self.progress is None:
            raise RuntimeError(
                'SemiMask2Former does not know the iteration: add '
                "dict(type='mmpldc.MeanTeacherHook') to default_hooks, as mean_teacher"
            )
        # At every step, burn-in included, so that a wrong config ends at the first batch.
        check_views(multi_batch_data_samples, self.groups_of_views)
        images = [torch.cat([multi_batch_inputs[view] for view in self.sup_views])]
        samples = [sample for view in self.sup_views for sample in multi_batch_data_samples[view]]
        if not self.phases.teacher_labels(self.progress.step):
            (predictions,) = self.student_predictions(images)
            return self.supervised_loss(predictions, samples)
        pseudo_instances = self.make_pseudo_labels(
            multi_batch_inputs['unsup_weak'], multi_batch_data_samples['unsup_weak']
        )
        images.append(multi_batch_inputs['unsup_strong'])
        on_labeled, on_unlabeled = self.student_predictions(images)
        return (
            self.supervised_loss(on_labeled, samples)
            | self.unsupervised_loss(on_unlabeled, pseudo_instances)
            | pseudo_label_statistics(pseudo_instances)
        )

    def student_predictions(self, batches: Sequence[Tensor]) -> list[Predictions]:
        """The student's logits for batches of images, in one pass if ``joint_forward`` allows it.

        See :func:`~mmpldc.models.teacher_student.joint_forward.forward_batches`.
        """
        return forward_batches(self.student, batches, jointly=self.joint_forward)

    def supervised_loss(self, predictions: Predictions, samples: SampleList) -> dict[str, Tensor]:
        """L_sup (Eq. 2): the labelled views in one batch, as released."""
        instances = [sample.gt_instances for sample in samples]
        losses = self.student.panoptic_head.loss_by_predictions(predictions, instances)
        return rename_loss_dict('sup_', losses)

    @torch.no_grad()
    def make_pseudo_labels(self, images: Tensor, samples: SampleList) -> list[InstanceData]:
        """Teacher's pseudo-labels: predict, filter (DDTF, Eq. 5), correct (DICC, Eqs. 6-9).

        In training an image for which the teacher's output holds a NaN gets no labels and is
        counted (:class:`PseudoLabelWatch`): an error on one rank would leave the others waiting.

        Args:
            images: weak views, normalised ``(B, 3, H, W)``.
            samples: their B data samples.

        Returns:
            Per image, K kept ``labels``, ``class_quality``, ``mask_quality``, ``scores`` and
            ``mask_logits (K, h, w)`` in the padded batch frame, see
            :class:`~mmpldc.models.PseudoLabelFilter`.

        Raises:
            ValueError: outside of training, if the teacher's output holds a NaN.
        """
        features = self.teacher.extract_feat(images)
        results = self.teacher.panoptic_head.predict_by_name(features)
        results['input_shape'] = tuple(images.shape[-2:])
        if self.class_thresholds is not None:
            results |= self.class_thresholds.current()
        results = self.pseudo_label_filter(results)
        if any(results['has_nan']) and not self.training:
            path = samples[results['has_nan'].index(True)].img_path
            raise ValueError(f"the teacher's logits for {path} contain NaN: it has diverged")
        if self.class_thresholds is not None and self.training:
            self.class_thresholds.update(results)
        pseudo_instances = results['pseudo_instances']
        if self.refiner is not None:
            pseudo_instances = self.refiner(
                pseudo_instances,
                images,
                samples,
                self.progress,
                self.data_preprocessor.pixel_normalization,
            )
        if self.training:
            self.pseudo_label_watch.update(pseudo_instances, results['has_nan'], samples)
        return pseudo_instances

    def unsupervised_loss(
        self, predictions: Predictions, pseudo_instances: list[InstanceData]
    ) -> dict[str, Tensor]:
        """lambda * L_unsup: the student on the strong view, with PMUA in its mask loss (Eq. 11)."""
        losses = self.student.panoptic_head.loss_by_predictions(predictions, pseudo_instances)
        weight = self.phases.unsup_weight
        if not self.train_no_object_without_labels:
            # Of all ranks. A multiply: each must run the same backward and all-reduces.
            kept = losses['loss_cls'].new_full((), sum(map(len, pseudo_instances)))
            weight = weight * (reduce_mean(kept) > 0)
        return rename_loss_dict('unsup_', reweight_loss_dict(losses, weight))

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As the parent, what is logged on the CPU.

        Args:
            losses: see :meth:`loss`; scalars.

        Returns:
            The sum of what is named a loss, and every entry, detached, float32.
        """
        loss, log_vars = super().parse_losses(losses)
        # Host sync: one for all, where the log would read them one by one.
        values = torch.stack([value.detach().float() for value in log_vars.values()]).cpu()
        return loss, dict(zip(log_vars, values, strict=True))

    def prepare_training(self, dataset: BaseDataset) -> None:
        """Get ready what labels, before the first step; called by ``MeanTeacherHook``.

        Args:
            dataset: of the training dataloader, with ``metainfo['classes']``; of several
                concatenated ones the first is the labelled one.

        Raises:
            ValueError: if the data set's number of classes is not the model's, or a batch norm
                trains although ``joint_forward`` mixes labelled and unlabelled images.
        """
        classes = dataset.metainfo['classes']
        num_classes = self.student.panoptic_head.num_classes
        if len(classes) != num_classes:
            raise ValueError(
                f'the data set has {len(classes)} classes, {classes}, and model.num_classes is '
                f'{num_classes}: make them equal'
            )
        if self.phases.unsup_weight == 0:
            return
        self.train()  # as the loop will do, so that norms show whether they train
        if self.joint_forward:
            refuse_training_norms(self.student)
        if self.refiner is not None:
            self.refiner.prepare(classes, next(self.parameters()).device)
        if self.class_thresholds is not None:
            self.class_thresholds.start(instance_counts(dataset))

    def set_progress(self, step: int, max_steps: int) -> None:
        """Take over the Runner's position, before each step."""
        self.progress = Progress(step, self.phases.first_labeling, max_steps)

    def train(self, mode: bool = True) -> 'SemiMask2Former':
        """Switch the student; the teacher stays in eval mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, *args
    ) -> None:
        """As the parent, which fans a plain checkpoint out to student and teacher; see there.

        A semi-supervised checkpoint of another framework has no ``teacher_is_set``: it brings a
        teacher of its own. A plain checkpoint does not.
        """
        key = prefix + 'teacher_is_set'
        is_ours = key in state_dict
        brings_teacher = any(name.startswith(prefix + 'teacher.') for name in state_dict)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *args
        )
        if not is_ours:
            self.teacher_is_set.fill_(brings_teacher)
            if key in missing_keys:
                missing_keys.remove(key)
