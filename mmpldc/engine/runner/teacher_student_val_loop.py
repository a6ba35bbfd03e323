"""Validation loop for teacher and student."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import mmpldc._mmdet  # noqa: F401

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.evaluation import CocoMetric
from mmengine.runner import IterBasedTrainLoop, ValLoop
from torch import nn

from mmpldc.models.seg_heads import predict_run_lengths
from mmpldc.registry import LOOPS
from mmpldc.utils.unwrapping import unwrapped


@LOOPS.register_module()
class TeacherStudentValLoop(ValLoop):
    """Validate the teacher, and the student less often or never.

    Metrics are named ``teacher/...`` and ``student/...``, as in mmdet's loop of the same name,
    which always validates both.

    Args:
        student_interval: validate the student at every n-th validation, and at the last iteration;
            1 is always, 0 never.
        **kwargs: of mmengine's ``ValLoop``.
    """

    def __init__(self, *args: Any, student_interval: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.student_interval = student_interval

    def run(self) -> dict:
        """Validate, and call the hooks once with the metrics of both.

        Returns:
            Metrics by name.
        """
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        model: Any = unwrapped(self.runner.model)
        predict_on = model.semi_test_cfg['predict_on']
        metrics: dict[str, Any] = {}
        try:
            for name in ('teacher', 'student') if self._student_is_due() else ('teacher',):
                model.semi_test_cfg['predict_on'] = name
                with self._short_masks(model):
                    for idx, data_batch in enumerate(self.dataloader):
                        self.run_iter(idx, data_batch)
                self.runner.logger.info(f'The {name}{self._position()}:')
                evaluated = self.evaluator.evaluate(len(self.dataloader.dataset))
                metrics |= {f'{name}/{key}': value for key, value in evaluated.items()}
        finally:
            model.semi_test_cfg['predict_on'] = predict_on

        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    def _short_masks(self, model: nn.Module) -> AbstractContextManager:
        """Keep masks as run lengths if all that looks at predictions takes them."""
        draws = (hook for hook in self.runner.hooks if isinstance(hook, DetVisualizationHook))
        takes = all(isinstance(metric, CocoMetric) for metric in self.evaluator.metrics)
        if takes and not any(hook.draw for hook in draws):
            return predict_run_lengths(model)
        return nullcontext()

    def _position(self) -> str:
        """Where the run is, in words, without building the training loop."""
        train_loop = self.runner._train_loop
        if not isinstance(train_loop, IterBasedTrainLoop):
            return ''
        return f' at iteration {train_loop.iter}'

    def _student_is_due(self) -> bool:
        if self.student_interval == 0:
            return False
        train_loop = self.runner._train_loop  # not built, or None, when only validating
        if not isinstance(train_loop, IterBasedTrainLoop):
            return True
        validation = self.runner.iter // train_loop.val_interval
        last = self.runner.iter >= self.runner.max_iters
        return last or validation % self.student_interval == 0
