"""A short run of the quickstart's config whose optimiser steps are made of two micro-batches."""

import pytest
from mmengine.hooks import Hook

BURN_IN = 2
STEPS = 4


class Watch(Hook):
    """Images and losses of each iteration."""

    def __init__(self) -> None:
        self.images, self.logs = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.images.append(
            [
                sample.img_id
                for micro_batch in data_batch
                for sample in micro_batch['data_samples']['unsup_weak']
                if sample is not None
            ]
        )

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs.append({name: value.item() for name, value in outputs.items()})


@pytest.mark.slow
def test_steps_are_counted_not_micro_batches(load_config, run, tmp_path):
    settings = {'optim_wrapper.accumulative_counts': 2, 'model.refiner': None}
    watch = Watch()
    runner = run(load_config(max_iters=STEPS, **settings), hooks=[watch])
    assert [len(images) for images in watch.images] == [4] * STEPS
    labelled_by_teacher = ['pseudo_per_image' in log for log in watch.logs]
    assert labelled_by_teacher == [step >= BURN_IN for step in range(STEPS)]
    states = runner.optim_wrapper.optimizer.state.values()
    assert {int(state['step']) for state in states} == {STEPS}
    assert runner.model.progress.step == STEPS - 1
    assert (tmp_path / f'work_dir/iter_{STEPS}.pth').exists()

    rest = Watch()
    checkpoint = str(tmp_path / 'work_dir/iter_3.pth')
    run(
        load_config(max_iters=STEPS, **settings),
        hooks=[rest],
        work_dir=tmp_path / 'resumed',
        load_from=checkpoint,
        resume=True,
    )
    assert rest.images == watch.images[3:]
    assert rest.logs == watch.logs[3:]


@pytest.mark.slow
def test_a_teacher_that_keeps_nothing_is_warned_of(load_config, run, monkeypatch):
    """The warning describes the candidates of a micro-batch."""
    settings = {
        'optim_wrapper.accumulative_counts': 2,
        'model.refiner': None,
        'model.pseudo_label_filter.class_thr': 1.0,
        'default_hooks.teacher_collapse.first': 2,
    }
    warnings = []
    monkeypatch.setattr(
        'mmengine.logging.MMLogger.warning', lambda self, text, *_, **__: warnings.append(text)
    )
    run(load_config(max_iters=STEPS, **settings))
    (warning,) = [text for text in warnings if 'kept no pseudo-label' in text]
    assert 'candidates' in warning
