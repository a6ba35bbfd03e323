"""Runs with weak labels, refined masks and pasted objects: in burn-in, resumed, faded out."""

import json

import pytest
from mmengine.hooks import Hook

from mmpldc.datasets.shapes import noisy_labels
from mmpldc.engine.lockstep.runs import check_configs

WEAK = 'annotations/weak_labels.json'
STEPS = 5
FADED = 4  # the first step without weak labels
DATA = {'train_dataloader.dataset.weak_labels': WEAK}
PARTS = {
    'model.weak_labels': dict(
        type='mmpldc.WeakLabels',
        class_thr=0.3,
        weight=dict(type='mmpldc.Ramp', start=1.0, end=0.0, until=FADED),
    ),
    'model.mask_refiner': dict(type='mmpldc.GrabCutRefiner', min_iou=0.0, max_taken=1.0),
    'model.copy_paste': dict(type='mmpldc.InstanceCopyPaste', source='labeled', prob=0.8),
}


class Watch(Hook):
    """What is logged of each step."""

    def __init__(self):
        self.logs = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs[runner.iter] = {name: value.item() for name, value in outputs.items()}


@pytest.fixture(scope='module')
def weak_root(shapes_root):
    """The scenes, with weak labels."""
    hidden = json.loads((shapes_root / 'annotations/unlabeled_hidden.json').read_text())
    (shapes_root / WEAK).write_text(json.dumps(noisy_labels(hidden, missing=0.1)))
    return shapes_root


@pytest.fixture
def train(load_config, weak_root, run, tmp_path):
    """Train for five steps, from the start or from a checkpoint of an earlier run."""

    def train(name, settings, *, after=0):
        cfg = load_config(max_iters=STEPS, **{'model.refiner': None} | settings)
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.default_hooks.checkpoint.save_best = None
        options = dict(work_dir=tmp_path / name)
        if after:
            checkpoint = str(options['work_dir'] / f'iter_{after}.pth')
            options = dict(work_dir=tmp_path / f'{after}', load_from=checkpoint, resume=True)
        watch = Watch()
        return run(cfg, hooks=[watch], **options), watch.logs

    return train


def weights_of(runner):
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


def assert_equal_weights(runner, expected):
    for name, value in runner.model.state_dict().items():
        assert value.equal(expected[name]), name


@pytest.mark.slow
def test_from_burn_in_until_they_fade_and_resumed(train):
    whole, logs = train('whole', DATA | PARTS)
    assert logs[0]['pseudo_weak'] == logs[1]['pseudo_weak'] == 1  # burn-in has no teacher
    assert logs[0]['unsup_loss_mask'] > 0
    assert 0 < logs[2]['pseudo_weak'] < 1 and 'pseudo_weak' not in logs[FADED]
    assert max(log['pseudo_refined'] for log in logs.values()) > 0
    expected = weights_of(whole)
    for after in (1, 3):  # in burn-in, and after it
        resumed, again = train('whole', DATA | PARTS, after=after)
        assert again == {step: logs[step] for step in range(after, STEPS)}
        assert_equal_weights(resumed, expected)


@pytest.mark.slow
def test_what_a_model_does_not_use_changes_nothing(train):
    plain, logs = train('plain', {})
    expected = weights_of(plain)
    carried, _ = train('carried', DATA)
    assert_equal_weights(carried, expected)
    off = {
        'model.weak_labels': dict(type='mmpldc.WeakLabels', weight=0.0),
        'model.mask_refiner': dict(type='mmpldc.GrabCutRefiner', weight=0.0),
    }
    turned_off, own = train('off', DATA | off)
    assert_equal_weights(turned_off, expected)
    assert own[2] == logs[2] | dict(pseudo_refined=0.0)


def test_a_model_whose_images_carry_none(train):
    with pytest.raises(ValueError, match='the unlabelled images carry none'):
        train('bare', PARTS)


def test_weak_labels_may_be_some_runs_alone_in_lock_step(load_config):
    with_data, without = load_config(**DATA), load_config()
    check_configs({'weak': with_data, 'plain': without})
    with pytest.raises(ValueError, match='plain: their settings of weak_labels differ'):
        check_configs({'plain': without, 'weak': with_data})
