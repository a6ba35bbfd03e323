from .accumulating_train_loop import AccumulatingTrainLoop, accumulative_counts
from .teacher_student_val_loop import TeacherStudentValLoop

__all__ = ['AccumulatingTrainLoop', 'accumulative_counts', 'TeacherStudentValLoop']
