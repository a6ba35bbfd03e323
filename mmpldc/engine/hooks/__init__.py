from .class_thresholds_hook import ClassThresholdsLogHook
from .dry_run_hook import DryRunHook
from .early_stopping_hook import EarlyStoppingHook
from .fast_backbone_hook import FastBackboneHook
from .input_fault_hook import InputFaultHook
from .mean_teacher_hook import MeanTeacherHook
from .non_finite_hook import NonFiniteHook
from .preemption_hook import PreemptionHook
from .progress_hook import ProgressHook
from .resume_hook import ResumeHook
from .shared_memory_hook import SharedMemoryHook
from .smoke_run_hook import SmokeRunHook
from .step_seed_hook import StepSeedHook
from .supervised_guard_hook import SupervisedGuardHook
from .teacher_collapse_hook import TeacherCollapseHook

__all__ = [
    'ClassThresholdsLogHook',
    'DryRunHook',
    'EarlyStoppingHook',
    'FastBackboneHook',
    'InputFaultHook',
    'MeanTeacherHook',
    'NonFiniteHook',
    'PreemptionHook',
    'ProgressHook',
    'ResumeHook',
    'SharedMemoryHook',
    'SmokeRunHook',
    'StepSeedHook',
    'SupervisedGuardHook',
    'TeacherCollapseHook',
]
