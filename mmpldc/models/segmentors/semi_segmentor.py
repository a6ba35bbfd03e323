"""Semantic segmentation: the training step of U2PL, iMAS, UniMatch and the mean teacher."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmseg.models.segmentors import BaseSegmentor, EncoderDecoder
from torch import Tensor

from mmpldc.functional import dense_labels, image_ease
from mmpldc.models.pseudo_labels.dense import DenseLabels
from mmpldc.models.teacher_student import TeacherStudent, split_outputs
from mmpldc.phases import BurnIn
from mmpldc.registry import MODELS, TASK_UTILS
from mmpldc.structures.seg_training_sample import stack_labels

from .channel_dropout import ChannelDropout, channel_dropout
from .contrast_maps import contrast_maps
from .labeled_loss import auxiliary_heads, labeled_loss, to_image_size
from .mixing import MixPlan
from .outputs import SegOutputs, TeacherPass, complete_segmentor
from .student_view import Targets, build_views, mean_over_views, mix_targets


class SemiSegmentor(TeacherStudent, BaseSegmentor):
    """A segmentor of mmsegmentation as student, with an EMA teacher that labels pixels.

    A method is made of parts: which pixels count, which views the student sees and how they are
    mixed, how losses are averaged, and a contrastive loss. :meth:`loss` reads like the algorithm.

    Args:
        segmentor: config of a ``mmseg.EncoderDecoder``; built twice.
        backbone: config of its backbone, put into ``segmentor``. It stands here because of
            ``init_model``, which strips what ``model.backbone`` would load in vain.
        num_classes: C, put into all heads.
        reliability: config of what chooses the pixels that count, see
            :class:`~mmpldc.models.pseudo_labels.dense.ChoosesPixels`.
        student_views: settings of each :class:`StudentView`.
        unsup_loss: config of :class:`~mmpldc.models.segmentors.weak_to_strong.WeakToStrongLoss`.
        ease: arguments of :func:`mmpldc.functional.image_ease` (iMAS): ``threshold``, and maybe
            ``ignore_class`` and ``version``; None: images are not weighed.
        contrast: config of :class:`~mmpldc.models.segmentors.PixelContrast` (U2PL); the decode head
            must be ``mmpldc.RepresentationASPPHead``. None: no contrast.
        burn_in_iters: iterations with labels alone.
        burn_in: see :class:`mmpldc.phases.Phases`.
        unsup_weight: lambda, a number or the config of a schedule; at 0 the run is supervised.
        sup_weight: factor on the supervised losses; 0.5 in UniMatch.
        semi_test_cfg: ``predict_on='teacher'`` or ``'student'``.
        data_preprocessor: config of ``mmpldc.MultiBranchDataPreprocessor`` around
            ``mmseg.SegDataPreProcessor``.
        init_cfg: as in mmengine's ``BaseModule``.

    Raises:
        ValueError: if the parts do not fit together.

    Note:
        The teacher labels in one pass, in eval mode, what it sees unmixed. U2PL's released code has
        a second pass in train mode, so that its labels and its entropies come from different modes
        and images. UniMatch has no teacher; here it has one that mirrors the student
        (``default_hooks.mean_teacher.keep_rate=0``) and labels in eval mode, where the released
        student labels in train mode. iMAS's released student also sees the weak view in train mode,
        without a loss, for the statistics of its norms; here it does not.
    """

    student: EncoderDecoder
    teacher: EncoderDecoder
    labels_are = 'pixels'

    def __init__(
        self,
        *,
        segmentor: ConfigType,
        backbone: OptConfigType = None,
        num_classes: int,
        reliability: ConfigType | None = None,
        student_views: Sequence[dict] = (dict(view='unsup_weak'),),
        unsup_loss: ConfigType | None = None,
        ease: dict | None = None,
        contrast: OptConfigType = None,
        burn_in_iters: int,
        burn_in: BurnIn = 'supervised',
        unsup_weight: float | ConfigType = 1.0,
        sup_weight: float = 1.0,
        semi_test_cfg: ConfigType | None = None,
        data_preprocessor: OptConfigType = None,
        init_cfg: OptMultiConfig = None,
    ) -> None:
        self._num_classes = num_classes
        super().__init__(
            network=complete_segmentor(segmentor, backbone, num_classes),
            burn_in_iters=burn_in_iters,
            burn_in=burn_in,
            unsup_weight=unsup_weight,
            joint_forward=False,  # of the base: here norms train on all images, as in the papers
            semi_test_cfg=semi_test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.reliability = TASK_UTILS.build(
            reliability or dict(type='mmpldc.ConfidentPixels', threshold=0.0)
        )
        self.student_views = build_views(student_views)
        self.unsup_loss = TASK_UTILS.build(unsup_loss or dict(type='mmpldc.WeakToStrongLoss'))
        self.ease = ease
        self.sup_weight = sup_weight
        self.contrast: Any = None
        if contrast is not None:
            self.contrast = MODELS.build(dict(num_classes=num_classes) | contrast)
        self.views = [('sup_weak',)]
        if not self.phases.is_supervised:
            names = ['unsup_weak', *(one.view for one in self.student_views)]
            self.views.append(tuple(dict.fromkeys(names)))
        self._check_parts()

    def _check_parts(self) -> None:
        if self.ease is None and any(view.needs_ease for view in self.student_views):
            raise ValueError("a view is mixed by the images' ease: set model.ease")
        has_branch = hasattr(self.student.decode_head, 'forward_with_representation')
        if self.contrast is not None and not has_branch:
            raise ValueError(
                'model.contrast needs features: set '
                "model.segmentor.decode_head.type='mmpldc.RepresentationASPPHead'"
            )
        if self.num_classes < 2 or self.student.decode_head.out_channels != self.num_classes:
            raise ValueError(
                f'a pixel has one of at least two classes here, and an output for each: got '
                f'num_classes={self.num_classes}, out_channels='
                f'{self.student.decode_head.out_channels}'
            )

    @property
    def num_classes(self) -> int:
        """C."""
        return self._num_classes

    # ---------------------------------------------------------------- networks

    def network_forward(
        self, network: EncoderDecoder, images: Tensor, dropout: ChannelDropout | None = None
    ) -> SegOutputs:
        """Outputs of student or teacher.

        Args:
            network: which of them.
            images: normalised ``(B, 3, H, W)``.
            dropout: of channels of the backbone's maps; None: nothing is dropped.
        """
        maps = network.extract_feat(images)
        if dropout is not None:
            maps = dropout(maps)
        features = None
        if self.contrast is None:
            logits = network.decode_head(maps)
        else:
            logits, features = network.decode_head.forward_with_representation(maps)
        auxiliary = ()
        if network.training:
            auxiliary = tuple(head(maps) for head in auxiliary_heads(network))
        return SegOutputs(logits, auxiliary, features)

    # ---------------------------------------------------------------- the step

    def loss(
        self, batch_inputs: dict[str, Tensor], batch_data_samples: dict[str, SampleList]
    ) -> dict[str, Tensor]:
        """One step: L = L_sup + lambda * L_unsup + L_contrast.

        Args:
            batch_inputs: per view, normalised images ``(B, 3, H, W)``, all of one size.
            batch_data_samples: per view, B data samples; labelled ones with ``gt_sem_seg``.

        Returns:
            Losses named ``sup_*``, and with pseudo-labels ``unsup_*`` and statistics of the labels
            named ``pseudo_*``; scalars.

        Raises:
            RuntimeError: without ``MeanTeacherHook``.
            ValueError: if the batch lacks a view, or two views of an image differ in geometry.
        """
        progress = self.begin_step(batch_data_samples)
        images, samples = batch_inputs['sup_weak'], batch_data_samples['sup_weak']
        truth = stack_labels(samples)
        if not self.phases.uses_pseudo_labels(progress.step):
            outputs = self.network_forward(self.student, images)
            losses = labeled_loss(self.student, outputs, truth, self.sup_weight)
            if self.contrast is not None:  # DDP wants a gradient for each parameter
                losses['sup_loss_contrast'] = 0.0 * outputs.representations.sum()
            return losses
        weak = batch_inputs['unsup_weak']
        on_labeled, teacher = self.teacher_labels(images, weak, batch_data_samples['unsup_weak'])
        reliable, unreliable = self.reliability(teacher.dense, progress)
        ease = self.image_ease(weak, teacher.dense)
        plans = [view.plan(teacher.dense.labels, ease) for view in self.student_views]
        shown = [
            view.show(batch_inputs, plan, ease)
            for view, plan in zip(self.student_views, plans, strict=True)
        ]
        of_labeled, *of_views = self._student_outputs([images, *shown])
        losses = labeled_loss(self.student, of_labeled, truth, self.sup_weight)
        targets = [
            mix_targets(plan, teacher.dense.labels, reliable, teacher.dense.valid) for plan in plans
        ]
        losses['unsup_loss_ce'] = self.unsup_weight * self._unsupervised(
            of_views, plans, targets, ease
        )
        if self.contrast is not None and on_labeled is not None:
            maps = contrast_maps(
                student=(of_labeled, of_views[0]),
                teacher=(on_labeled, teacher),
                truth=truth,
                targets=targets[0],
                reliable=reliable,
                unreliable=unreliable,
                plan=plans[0],
            )
            losses['unsup_loss_contrast'] = self.contrast(*maps)
        self.pseudo_label_counter.update(*teacher.counts(reliable, self.num_classes))
        return losses | teacher.statistics(reliable, ease)

    @torch.no_grad()
    def teacher_labels(
        self, labeled: Tensor, weak: Tensor, samples: SampleList
    ) -> tuple[SegOutputs | None, TeacherPass]:
        """The teacher's outputs and labels, in one pass; labelled images only for the contrast.

        Args:
            labeled: ``(A, 3, H, W)``.
            weak: ``(B, 3, H, W)``.
            samples: of ``weak``.
        """
        of_labeled = None
        if self.contrast is None:
            outputs = self.network_forward(self.teacher, weak)
        else:
            both = self.network_forward(self.teacher, torch.cat([labeled, weak]))
            of_labeled, outputs = split_outputs(both, [len(labeled), len(weak)])
        logits = to_image_size(self.student, outputs.logits, weak.shape[2:])
        return of_labeled, TeacherPass.of(outputs, logits, samples)

    @torch.no_grad()
    def image_ease(self, weak: Tensor, teacher: DenseLabels) -> Tensor | None:
        """Ease of each image ``(B,)`` (iMAS), or None.

        Args:
            weak: ``(B, 3, H, W)``, which the student sees here in eval mode, as released.
            teacher: its view of the same images.
        """
        if self.ease is None:
            return None
        self.student.eval()
        outputs = self.network_forward(self.student, weak)
        self.student.train()
        labels, confidence = dense_labels(
            to_image_size(self.student, outputs.logits, weak.shape[2:])
        )
        return image_ease(
            labels,
            teacher.labels,
            confidence,
            teacher.confidence,
            teacher.valid,
            num_classes=self.num_classes,
            **self.ease,
        )

    def _student_outputs(self, batches: Sequence[Tensor]) -> list[SegOutputs]:
        """Outputs for labelled images and each view, in one pass."""
        sizes = [len(images) for images in batches]
        dropout = channel_dropout(self.student_views, sizes)
        outputs = self.network_forward(self.student, torch.cat(list(batches)), dropout)
        return split_outputs(outputs, sizes)

    def _unsupervised(
        self,
        outputs: Sequence[SegOutputs],
        plans: Sequence[MixPlan | None],
        targets: Sequence[Targets],
        ease: Tensor | None,
    ) -> Tensor:
        """Weighted mean of the losses of the views that are active at this step; scalar."""
        losses = []
        for output, (labels, reliable, valid) in zip(outputs, targets, strict=True):
            logits = to_image_size(self.student, output.logits, labels.shape[1:])
            losses.append(self.unsup_loss(logits, labels, reliable, valid, ease))
        return mean_over_views(self.student_views, losses, plans)

    # ---------------------------------------------------------------- mmsegmentation's interface

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits at the images' size, of the tested network."""
        return self._tested_network.encode_decode(inputs, batch_img_metas)
