"""PAIS from its first step, with a small Mask2Former: what is trained, averaged, resumed."""

import pytest
import torch
from mmengine.hooks import Hook

pytestmark = pytest.mark.slow
STEPS = 6


class Record(Hook):
    """Weights after each step, and the losses."""

    def __init__(self) -> None:
        self.weights, self.logs = {}, {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs[runner.iter] = {
            name: float(value) for name, value in outputs.items() if 'time' not in name
        }
        self.weights[runner.iter + 1] = {
            name: value.clone() for name, value in runner.model.state_dict().items()
        }


@pytest.fixture
def train(load_config, shrink, run):
    def train(**options):
        head = 'model.detector.panoptic_head'
        cfg = load_config(
            max_iters=STEPS,
            **{
                'model.refiner': None,
                'model.burn_in_iters': 0,
                'model.pseudo_label_filter': dict(mask_quality='predicted_iou'),
                f'{head}.iou_head': dict(type='mmpldc.MaskIoUHead'),
                'model.pseudo_label_weights': dict(type='mmpldc.DynamicAligningWeights'),
                'default_hooks.mean_teacher': dict(keep_rate=0.999, ramp_up=True),
                'train_cfg.val_interval': 1000,
                'train_dataloader': dict(
                    batch_size=3, sampler=dict(batch_size=3, source_ratio=[1, 2])
                ),
                'default_hooks.checkpoint.save_best': None,
                'default_hooks.checkpoint.max_keep_ckpts': STEPS,
                'val_cfg': None,
                'val_dataloader': None,
                'val_evaluator': None,
            },
        )
        record = Record()
        run(shrink(cfg), hooks=[record], **options)
        return record

    return train


def test_what_is_trained_and_averaged(train):
    record = train()
    assert sorted(record.logs) == list(range(STEPS))
    for log in record.logs.values():
        assert all(torch.isfinite(torch.tensor(list(log.values()))))
        assert log['sup_loss_iou'] > 0 and log['sup_aux_loss_iou'] > 0
        assert not any(name.startswith('unsup_') and 'iou' in name for name in log)
        assert log['pseudo_per_image'] > 0 and log['unsup_loss_cls'] > 0
    for step in range(2, STEPS + 1):
        before, after = record.weights[step - 1], record.weights[step]
        ious = [name for name in after if name.startswith('teacher.panoptic_head.iou_head.')]
        assert len(ious) == 5
        for name in ious:
            student = after[name.replace('teacher.', 'student.', 1)]
            assert not torch.equal(student, before[name.replace('teacher.', 'student.', 1)])
            expected = before[name] + (student - before[name]) / (step + 1)
            torch.testing.assert_close(after[name], expected, rtol=1e-4, atol=1e-6)


def test_resumed_run_equals_the_uninterrupted_one(train, tmp_path):
    uninterrupted = train()
    resumed = train(
        work_dir=tmp_path / 'resumed',
        load_from=str(tmp_path / 'work_dir/iter_3.pth'),
        resume=True,
    )
    assert sorted(resumed.logs) == [3, 4, 5]
    for step in (3, 4, 5):
        assert resumed.logs[step] == uninterrupted.logs[step]
        one, other = (record.weights[step + 1] for record in (resumed, uninterrupted))
        assert all(torch.equal(one[name], other[name]) for name in other)
