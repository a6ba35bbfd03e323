"""Runs on two ranks, started by tools/dist_train.sh and dist_test.sh on the CPU."""

import json
import os
import pickle
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import save_checkpoint

from mmpldc.datasets.shapes import CLASSES

pytestmark = pytest.mark.slow
STEPS = 20
BATCH_SIZE = 2  # of each kind, a rank; as in conftest.py
BURN_IN = 3
TIMEOUT = 240  # seconds


@pytest.mark.parametrize('world_size', [2, pytest.param(4, marks=pytest.mark.long)])
def test_ranks_agree_after_20_steps(write_config, launch, tmp_path, world_size):
    config = write_config(hooks=[dict(type='RecordRank')])
    work_dir = tmp_path / 'work_dir'
    result = launch('dist_train.sh', config, world_size, '--work-dir', work_dir)
    assert result.code == 0, result.output[-5000:]
    assert 'OneDL' not in result.output and 'deprecated' not in result.output
    first, *others = (
        torch.load(work_dir / f'rank_{rank}.pth', weights_only=False) for rank in range(world_size)
    )
    assert len(others) == world_size - 1
    assert first['iter'] == STEPS
    assert len(first['logs']) == STEPS and len(first['metrics']) == 1
    for other in others:
        # student, teacher and adaptive thresholds, to the last bit
        assert first['state'].keys() == other['state'].keys()
        for name, tensor in first['state'].items():
            assert torch.equal(tensor, other['state'][name]), name
        # iteration, what is logged at each step, metrics
        for name in ('iter', 'logs', 'metrics'):
            assert first[name] == other[name], name
        assert first['images'] != other['images']
    for recorded in (first, *others):
        kinds = Counter(kind for kind, _ in recorded['images'])
        assert kinds == dict(sup_strong=STEPS * BATCH_SIZE, unsup_strong=STEPS * BATCH_SIZE)
    # all of it was at work
    state = first['state']
    assert all(log['pseudo_per_image'] > 0 for log in first['logs'][BURN_IN:])
    assert len(set(state['class_thresholds.class_thr'].tolist())) > 1
    weight = 'panoptic_head.cls_embed.weight'
    assert not torch.equal(state[f'teacher.{weight}'], state[f'student.{weight}'])


def test_guided_distillation_on_two_ranks(write_config, launch, tmp_path):
    """The teacher is frozen, then the student's copy, on both ranks, norms that train included."""
    given = tmp_path / 'teacher.pth'
    settings = {
        'custom_hooks': [],  # without that of adaptive thresholds
        'default_hooks.mean_teacher.teacher_checkpoint': str(given),
        'model.class_thresholds': None,
        'model.burn_in': 'guided',
        'model.pseudo_label_filter': dict(class_thr=0.02, mask_thr=0.0, soft_area=True),
        'model.backbone': dict(
            frozen_stages=-1, norm_cfg=dict(requires_grad=True), norm_eval=False
        ),
        'model.joint_forward': False,
        'train_dataloader.sampler.oversample_thr': 10.0,
        'train_cfg': dict(max_iters=BURN_IN, val_interval=BURN_IN),
        'default_hooks.checkpoint.interval': 1,
    }
    config = write_config(hooks=[dict(type='RecordRank')], **settings)
    teacher = MODELS.build(Config.fromfile(config).model).student
    save_checkpoint(dict(state_dict=teacher.state_dict(), meta={}), str(given))
    result = launch('dist_train.sh', config, 2, '--work-dir', 'work_dir')
    assert result.code == 0, result.output[-5000:]
    folder = tmp_path / 'work_dir'
    first, second = (
        torch.load(folder / f'rank_{rank}.pth', weights_only=False) for rank in range(2)
    )
    assert first['images'] != second['images'] and first['logs'] == second['logs']
    assert all(log['pseudo_per_image'] > 0 for log in first['logs'])
    assert all(torch.equal(first['state'][name], second['state'][name]) for name in first['state'])
    before = torch.load(folder / f'iter_{BURN_IN - 1}.pth', weights_only=False)['state_dict']
    for name, weight in teacher.state_dict().items():
        assert torch.equal(before[f'teacher.{name}'], weight), name
        student, copy = (first['state'][f'{network}.{name}'] for network in ('student', 'teacher'))
        assert torch.equal(student, copy), name
    name = 'backbone.bn1.running_mean'
    assert not torch.equal(first['state'][f'student.{name}'], before[f'teacher.{name}'])


@pytest.mark.long
def test_two_machines(write_config, start, free_port, tmp_path):
    settings = {'train_cfg': dict(max_iters=3, val_interval=3)}
    config = write_config(hooks=[dict(type='RecordRank')], **settings)
    machines = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(free_port()))
    command = ('dist_train.sh', config, 1, '--work-dir', 'work_dir')
    both = [start(*command, NODE_RANK=rank, **machines) for rank in '01']
    outputs = [process.communicate(timeout=TIMEOUT)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    first, second = (
        torch.load(tmp_path / f'work_dir/rank_{rank}.pth', weights_only=False) for rank in range(2)
    )
    assert first['images'] != second['images'] and first['logs'] == second['logs']
    assert all(torch.equal(first['state'][name], second['state'][name]) for name in first['state'])


# ---------------------------------------------------------------- validation


def labels_of_a_model(predictions: list[dict], annotations: Path, out: Path) -> None:
    """Write annotations that the predictions match in part, so that AP lies between 0 and 1."""
    content = json.loads(annotations.read_text())
    content['annotations'] = []
    for position, sample in enumerate(predictions):
        instances = sample['pred_instances']
        for index in range(position % 2, 6, 2):
            mask = instances['masks'][index]
            box = instances['bboxes'][index].tolist()
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=sample['img_id'],
                    category_id=content['categories'][int(instances['labels'][index])]['id'],
                    segmentation=dict(size=mask['size'], counts=mask['counts'].decode()),
                    bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    area=100,
                    iscrowd=0,
                )
            )
    out.write_text(json.dumps(content))


def test_ragged_validation_on_two_ranks_equals_that_on_one(write_config, launch, scenes, tmp_path):
    """5 images in batches of 2: each rank's last batch is half full, with padding on one."""
    config = write_config()
    cfg = Config.fromfile(config)
    model = MODELS.build(cfg.model)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    checkpoint = tmp_path / 'untrained.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta=meta), str(checkpoint))

    def predict(tool: str, name: str, *arguments) -> list[dict]:
        options = ('--work-dir', name, '--out', f'{name}.pkl')
        result = launch(tool, config, checkpoint, *arguments, *options)
        assert result.code == 0, result.output[-5000:]
        assert 'OneDL' not in result.output
        return pickle.loads((tmp_path / f'{name}.pkl').read_bytes())

    alone = predict('test.py', 'alone')
    annotations = tmp_path / 'labels.json'
    labels_of_a_model(alone, scenes / 'annotations/test.json', annotations)
    evaluator = Evaluator(dict(type='CocoMetric', ann_file=str(annotations), metric='segm'))
    evaluator.dataset_meta = dict(classes=CLASSES)
    expected = evaluator.offline_evaluate(alone)

    override = f'test_evaluator.ann_file={annotations}'
    together = predict('dist_test.sh', 'together', 2, '--cfg-options', override)
    (path,) = tmp_path.glob('together/*/*.json')
    metrics = json.loads(path.read_text())
    assert 0 < expected['coco/segm_mAP'] < 1
    assert {name: metrics[name] for name in expected} == expected
    assert [sample['img_id'] for sample in together] == [sample['img_id'] for sample in alone]
    assert len(alone) == 5


# ---------------------------------------------------------------- failing ranks


@pytest.mark.parametrize(
    ('rank', 'other_hangs'),
    [
        (1, False),
        pytest.param(0, False, marks=pytest.mark.long),
        pytest.param(1, True, marks=pytest.mark.long),
    ],
)
def test_an_error_on_one_rank_ends_all_with_its_traceback(
    write_config, launch, tmp_path, rank, other_hangs
):
    """The other one waits for it in a collective, or does not answer to signals."""
    fault = dict(type='FaultOnRank', at_iter=2)
    hooks = [dict(fault, rank=rank), dict(type='NoteTime')]
    if other_hangs:
        hooks.append(dict(fault, rank=1 - rank, hang=True))
    result = launch('dist_train.sh', write_config(hooks=hooks), 2, '--work-dir', 'work_dir')
    ended = time.time()
    assert result.code not in (0, os.EX_TEMPFAIL)
    assert ended - float((tmp_path / 'work_dir/last_step.txt').read_text()) < 60
    assert f'[rank{rank}]: ValueError: broken on purpose' in result.output
    # torchrun's summary, which tells failures within a second apart by rank alone
    summary = result.output[result.output.index('train.py FAILED') :]
    assert 'Root Cause' in summary and 'ValueError: broken on purpose' in summary


@pytest.mark.long
def test_a_rank_that_hangs_ends_the_run_after_the_timeout(write_config, launch, tmp_path):
    hooks = [dict(type='FaultOnRank', at_iter=2, rank=1, hang=True), dict(type='NoteTime')]
    config = write_config(hooks=hooks, **{'env_cfg.dist_cfg.timeout': 15})
    result = launch('dist_train.sh', config, 2, '--work-dir', 'work_dir')
    waited = time.time() - float((tmp_path / 'work_dir/last_step.txt').read_text())
    assert result.code not in (0, os.EX_TEMPFAIL)
    assert 15 < waited < 75
    assert 'Timed out waiting 15000ms' in result.output


# ---------------------------------------------------------------- signals


@pytest.mark.slow(longest=True)
@pytest.mark.parametrize('name', [pytest.param('SIGTERM', marks=pytest.mark.long), 'SIGUSR1'])
def test_a_signal_to_torchrun_saves_and_ends_all_ranks(write_config, start, launch, tmp_path, name):
    """With the usual python, from whose processes signals come; the resumed run shares imports."""
    usual = dict(PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
    config = write_config(**{'train_cfg': dict(max_iters=300, val_interval=300)})
    work_dir = tmp_path / 'work_dir'
    command = ('dist_train.sh', config, 2, '--work-dir', work_dir)
    process = start(*command, **usual)
    for line in process.stdout:
        if 'Iter(train)' in line:
            process.send_signal(signal.Signals[name])
            break
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0
    assert 'OneDL' not in output and 'deprecated' not in output  # the other runs import no mmdet
    (checkpoint,) = work_dir.glob('iter_*.pth')
    step = int(checkpoint.stem.split('_')[1])
    assert f'{name}: stopped after iteration {step}' in output
    options = ('--resume', '--cfg-options', f'train_cfg.max_iters={step + 2}')
    result = launch(*command, *options)
    assert result.code == 0, result.output[-5000:]
    assert f'resumed epoch: 0, iter: {step}' in result.output
    assert (work_dir / f'iter_{step + 2}.pth').exists()
