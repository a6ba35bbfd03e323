"""Hooks, loops, optimiser wrappers, checkpoint I/O, resuming and the dry run."""

import mmpldc._mmdet  # noqa: F401

from .fileio import AtomicBackend
from .hooks import (
    ClassThresholdsLogHook,
    DryRunHook,
    EarlyStoppingHook,
    FastBackboneHook,
    InputFaultHook,
    MeanTeacherHook,
    NonFiniteHook,
    PreemptionHook,
    ProgressHook,
    ResumeHook,
    SharedMemoryHook,
    SmokeRunHook,
    StepSeedHook,
    SupervisedGuardHook,
    TeacherCollapseHook,
)
from .optimizers import (
    GuardedAmpOptimWrapper,
    GuardedOptimWrapper,
    LayerDecayOptimWrapperConstructor,
    MergedOptimWrapperConstructor,
)
from .rank_mean_log_processor import RankMeanLogProcessor
from .runner import AccumulatingTrainLoop, TeacherStudentValLoop

__all__ = [
    'AccumulatingTrainLoop',
    'AtomicBackend',
    'ClassThresholdsLogHook',
    'DryRunHook',
    'EarlyStoppingHook',
    'FastBackboneHook',
    'InputFaultHook',
    'GuardedAmpOptimWrapper',
    'GuardedOptimWrapper',
    'LayerDecayOptimWrapperConstructor',
    'MeanTeacherHook',
    'MergedOptimWrapperConstructor',
    'NonFiniteHook',
    'PreemptionHook',
    'ProgressHook',
    'RankMeanLogProcessor',
    'ResumeHook',
    'SharedMemoryHook',
    'SmokeRunHook',
    'StepSeedHook',
    'SupervisedGuardHook',
    'TeacherCollapseHook',
    'TeacherStudentValLoop',
]
