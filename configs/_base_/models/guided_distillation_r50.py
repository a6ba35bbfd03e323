"""Guided Distillation (arXiv 2308.02668) with Mask2Former R50.

Numbers are from its released code. R50 is as in Mask2Former's configs, on which its configs build:
everything is trained except the batch norms on COCO. Its keep rate is PL-DC's. Set
default_hooks.mean_teacher.teacher_checkpoint to the last checkpoint of the teacher's config.
"""

_base_ = './mask2former_r50.py'

model = dict(
    backbone=dict(frozen_stages=-1),
    detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)),
    pseudo_label_filter=_base_.guided_distillation_filter,
    burn_in='guided',
    burn_in_iters=50000,  # the released default; each run may set its own
    unsup_weight=2.0,  # in burn-in and after it
    sup_views=('sup_weak',),
    train_no_object_without_labels=True,
)

# Settings for a teacher's config: labelled images alone, each once per pass.
teacher_model = dict(unsup_weight=0.0, burn_in='supervised', burn_in_iters=0)
teacher_dataloader = dict(
    batch_size=16,
    sampler=dict(batch_size=16, source_ratio=[1], oversample_thr=None),
    dataset=dict(unlabeled=None),
)
