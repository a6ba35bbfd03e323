"""Settings of every run: logging, checkpoints, seed and validation of the pair."""

default_scope = 'mmdet'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    # validation metrics are logged at their iteration, not at "epoch 0"
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook',
        by_epoch=False,
        interval=5000,
        max_keep_ckpts=2,
        save_last=True,
        save_best='teacher/coco/segm_mAP',
        rule='greater',
        backend_args=dict(backend='atomic'),  # no truncated files
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DetVisualizationHook'),
    step_seed=dict(type='mmpldc.StepSeedHook'),
    resume=dict(type='mmpldc.ResumeHook'),
    preemption=dict(type='mmpldc.PreemptionHook'),
    input_faults=dict(type='mmpldc.InputFaultHook'),
    non_finite=dict(type='mmpldc.NonFiniteHook'),
    teacher_collapse=dict(type='mmpldc.TeacherCollapseHook'),
    # The teacher's average. Last: hooks of one priority run in this order.
    mean_teacher=dict(type='mmpldc.MeanTeacherHook', keep_rate=0.9996),  # PL-DC, Table I
)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # seconds that ranks wait for one another; rank 0 alone computes validation metrics
    dist_cfg=dict(backend='nccl', timeout=1800),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(
    type='mmpldc.RankMeanLogProcessor',
    window_size=50,
    by_epoch=False,
    mean_pattern=r'.*(loss|time|grad_norm|pseudo).*',  # averaged over the window
)
log_level = 'INFO'
load_from = None
resume = False
# A resumed run continues as if it had not been interrupted; without a fixed seed images differ.
randomness = dict(seed=0)
