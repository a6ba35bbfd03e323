"""Guided Distillation from its teacher's training to its end, with a small Mask2Former."""

import pytest
import torch
from mmengine.hooks import Hook

pytestmark = pytest.mark.slow
BURN_IN, STEPS = 6, 14


class Record(Hook):
    """Weights before the first step and after each, and the losses."""

    def __init__(self) -> None:
        self.weights, self.logs = {}, {}

    def keep(self, step: int, model) -> None:
        pair = dict(student=model.student, teacher=model.teacher)
        self.weights[step] = {
            name: {k: v.clone() for k, v in network.state_dict().items()}
            for name, network in pair.items()
        }

    def before_train(self, runner):
        self.keep(runner.iter, runner.model)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs[runner.iter] = {name: float(value) for name, value in outputs.items()}
        self.keep(runner.iter + 1, runner.model)


def same(first: dict, second: dict) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def differing_parts(first: dict, second: dict) -> set[str]:
    """Backbone, head: which of them differ."""
    return {name.split('.')[0] for name in first if not torch.equal(first[name], second[name])}


WITHOUT_VALIDATION = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)


@pytest.fixture
def train(load_config, shrink, run, tmp_path):
    """Train a student to its end; returns its record. The teacher is trained when it is asked."""

    def settings(**more):
        return {
            'train_cfg': dict(val_interval=1000),
            'default_hooks.checkpoint.save_best': None,
            'model.backbone.frozen_stages': -1,
            **WITHOUT_VALIDATION,
            **more,
        }

    def train_teacher() -> str:
        cfg = shrink(load_config('supervised', max_iters=2, **settings()))
        run(cfg, work_dir=tmp_path / 'teacher', randomness=dict(seed=4))
        return str(tmp_path / 'teacher/iter_2.pth')

    def train(teacher: str, **options):
        cfg = load_config(
            max_iters=STEPS,
            **settings(
                **{
                    'model.refiner': None,
                    'model.burn_in': 'guided',
                    'model.burn_in_iters': BURN_IN,
                    'model.unsup_weight': 2.0,
                    'model.train_no_object_without_labels': True,
                    'model.pseudo_label_filter': dict(mask_thr=0.0, soft_area=True),
                    'train_dataloader.sampler.oversample_thr': 10.0,
                    'default_hooks.mean_teacher.teacher_checkpoint': teacher,
                    'default_hooks.mean_teacher.keep_rate': 0.9,
                    'default_hooks.checkpoint.max_keep_ckpts': STEPS,
                }
            ),
        )
        record = Record()
        run(shrink(cfg), hooks=[record], **options)
        return record

    train.teacher = train_teacher
    return train


def test_what_is_trained_frozen_and_copied_when(train):
    path = train.teacher()
    record = train(path)
    given = {
        name.removeprefix('teacher.'): value
        for name, value in torch.load(path, weights_only=False)['state_dict'].items()
        if name.startswith('teacher.')
    }
    weights = record.weights
    assert sorted(weights) == list(range(STEPS + 1))
    assert differing_parts(weights[0]['student'], given) >= {'backbone', 'panoptic_head'}
    for step in range(STEPS):
        changed = differing_parts(weights[step]['student'], weights[step + 1]['student'])
        assert changed == {'backbone', 'panoptic_head'}
        frozen = same(weights[step]['teacher'], weights[step + 1]['teacher'])
        assert frozen == (step + 1 < BURN_IN)
        log = record.logs[step]
        assert all(torch.isfinite(torch.tensor(list(log.values()))))
        assert log['pseudo_per_image'] > 0 and log['unsup_loss_mask'] > 0
    assert same(weights[0]['teacher'], given)
    assert same(*weights[BURN_IN].values())
    for step in range(BURN_IN + 1, STEPS + 1):
        before, after = weights[step - 1]['teacher'], weights[step]
        for name, value in after['teacher'].items():
            if value.is_floating_point():
                expected = 0.9 * before[name] + 0.1 * after['student'][name]
                torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)


def test_resumed_in_each_phase(train, tmp_path):
    """In guided burn-in, at its end, and in mutual learning."""
    uninterrupted = train(train.teacher())
    for after in (3, BURN_IN, 10):
        resumed = train(
            'gone.pth',
            work_dir=tmp_path / f'resumed_{after}',
            load_from=str(tmp_path / f'work_dir/iter_{after}.pth'),
            resume=True,
        )
        assert sorted(resumed.logs) == list(range(after, STEPS))
        for step in range(after, STEPS):
            timed = ('time', 'data_time')
            logs = [
                {name: value for name, value in record.logs[step].items() if name not in timed}
                for record in (uninterrupted, resumed)
            ]
            assert logs[0] == logs[1], (after, step)
            for name in ('student', 'teacher'):
                both = (record.weights[step + 1][name] for record in (uninterrupted, resumed))
                assert same(*both), (after, step)
