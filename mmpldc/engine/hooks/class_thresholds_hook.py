"""Log the adaptive thresholds of each class."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.registry import HOOKS


@HOOKS.register_module()
class ClassThresholdsLogHook(Hook):
    """Log the thresholds of every class at each validation (DF-ACAT).

    They appear as a table in the text log and as scalars ``class_thr/NAME`` and ``mask_thr/NAME``
    for TensorBoard and other backends.
    """

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Log the table and the scalars."""
        model = as_teacher_student(runner.model)
        thresholds = {} if model is None else model.thresholds_by_class()
        if not thresholds:
            return
        classes = runner.val_dataloader.dataset.metainfo['classes']
        # Host sync: once per validation.
        columns = {name: values.tolist() for name, values in thresholds.items()}
        rows = zip(classes, *columns.values(), strict=True)
        lines = [f'{name}: {class_thr:.3f} {mask_thr:.3f}' for name, class_thr, mask_thr in rows]
        runner.logger.info('thresholds on class and mask quality:\n' + '\n'.join(lines))
        runner.visualizer.add_scalars(
            {
                f'{column}/{name}': value
                for column, values in columns.items()
                for name, value in zip(classes, values, strict=True)
            },
            # runner.iter would build the training loop and its data when only validating.
            step=getattr(runner._train_loop, 'iter', 0),
        )
