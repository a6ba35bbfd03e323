"""tools/train.py and tools/test.py as a user calls them: files, log, resuming, evaluation."""

import json
import os
import pickle
import re

import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmengine.fileio import load
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.slow
STEPS = 4
BURN_IN = 2


@pytest.fixture(scope='module')
def training(load_config, run_tool, tmp_path_factory):
    """A finished run; its folder, config and what it printed."""
    folder = tmp_path_factory.mktemp('run')
    settings = {
        'val_cfg.student_interval': 1,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.checkpoint.save_best': 'teacher/coco/segm_mAP',
    }
    cfg = load_config(max_iters=STEPS, **settings)
    cfg.dump(folder / 'config.py')
    output = run_tool('train.py', 'config.py', '--work-dir', 'work_dir', cwd=folder)
    return folder, output


def scalars(folder) -> list[dict]:
    """The lines of all logs of a work directory, in the order of the runs."""
    files = sorted(folder.glob('work_dir/*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_training_writes_checkpoints_and_keeps_the_best_teacher(training):
    folder, _ = training
    work_dir = folder / 'work_dir'
    names = {path.name for path in work_dir.glob('*.pth')}
    assert {'iter_2.pth', 'iter_4.pth'} <= names
    (best,) = (name for name in names if name.startswith('best_'))
    assert re.fullmatch(r'best_teacher_coco_segm_mAP_iter_[24]\.pth', best)
    assert (work_dir / 'last_checkpoint').read_text().endswith(f'iter_{STEPS}.pth')
    assert (work_dir / 'config.py').is_file()


def test_log_shows_pseudo_labels_and_both_models(training):
    folder, output = training
    train = [line for line in scalars(folder) if 'loss' in line]
    assert [line['step'] for line in train] == [1, 2, 3, 4]
    for line in train:
        assert ('pseudo_per_image' in line) == (line['step'] > BURN_IN)
        assert len([name for name in line if 'loss' in name or 'pseudo' in name]) <= 18
    assert train[-1]['pseudo_per_image'] > 0
    metrics = [line for line in scalars(folder) if 'teacher/coco/segm_mAP' in line]
    assert [line['step'] for line in metrics] == [2, 4]
    assert all('student/coco/segm_mAP' in line for line in metrics)
    assert 'teacher/coco/segm_mAP: ' in output
    # in burn-in they are the same model
    assert metrics[0]['teacher/coco/segm_mAP'] == metrics[0]['student/coco/segm_mAP']


def test_tensorboard_shows_pseudo_labels(training):
    folder, _ = training
    (events,) = folder.glob('work_dir/*/vis_data/events.out.tfevents.*')
    accumulator = EventAccumulator(str(events)).Reload()
    for name in (
        'pseudo_per_image',
        'pseudo_class_quality',
        'pseudo_mask_quality',
        'pseudo_uncertain',
    ):
        points = accumulator.Scalars(name)
        assert [point.step for point in points] == [3, 4]
        assert all(point.value >= 0 for point in points)
    assert [point.step for point in accumulator.Scalars('teacher/coco/segm_mAP')] == [2, 4]


def test_resume_goes_on_where_the_run_stopped(training, run_tool, tmp_path):
    folder, _ = training
    (tmp_path / 'work_dir').mkdir()
    os.link(folder / f'work_dir/iter_{STEPS}.pth', tmp_path / f'work_dir/iter_{STEPS}.pth')
    (tmp_path / 'work_dir/last_checkpoint').write_text(str(tmp_path / f'work_dir/iter_{STEPS}.pth'))
    output = run_tool(
        *('train.py', folder / 'config.py', '--work-dir', 'work_dir', '--resume'),
        *('--cfg-options', 'train_cfg.max_iters=6'),
        cwd=tmp_path,
    )
    assert f'Advance dataloader {STEPS} steps' in output
    assert 'Fast sampler-level resume is unavailable' not in output
    train = [line for line in scalars(tmp_path) if 'loss' in line]
    assert [line['step'] for line in train] == [5, 6]
    assert all(line['pseudo_per_image'] > 0 for line in train)
    assert (tmp_path / 'work_dir/iter_6.pth').is_file()


@pytest.fixture(scope='module')
def evaluation(training, run_tool, tmp_path_factory):
    """What tools/test.py wrote about the last checkpoint, and printed."""
    folder = tmp_path_factory.mktemp('evaluation')
    output = run_tool(
        *('test.py', training[0] / 'config.py', training[0] / f'work_dir/iter_{STEPS}.pth'),
        *('--work-dir', 'work_dir', '--out', 'predictions.pkl', '--show-dir', 'painted'),
        cwd=folder,
    )
    return folder, output


def test_test_prints_segm_map(evaluation):
    folder, output = evaluation
    (metrics,) = (json.loads(path.read_text()) for path in folder.glob('work_dir/*/*.json'))
    assert 'coco/segm_mAP' in metrics
    assert f'coco/segm_mAP: {metrics["coco/segm_mAP"]:.4f}' in output


def test_test_dumps_the_teachers_predictions(evaluation, training):
    folder, _ = evaluation
    checkpoint = str(training[0] / f'work_dir/iter_{STEPS}.pth')
    model = init_detector(str(training[0] / 'config.py'), checkpoint, device='cpu')
    teacher, student = (model.teacher.state_dict(), model.student.state_dict())
    assert any(not torch.equal(teacher[name], student[name]) for name in teacher)
    predictions = load(folder / 'predictions.pkl')
    assert len(predictions) == 3  # test images
    for dumped in predictions:
        expected = inference_detector(model, dumped['img_path']).pred_instances
        torch.testing.assert_close(dumped['pred_instances']['scores'], expected.scores)
        assert len(dumped['pred_instances']['masks']) == len(expected)
        assert dumped['pred_instances']['masks'][0]['size'] == list(dumped['ori_shape'])


def test_test_paints_the_images(evaluation):
    painted = list(evaluation[0].glob('work_dir/*/painted/*'))
    assert len(painted) == 3


def test_test_shows_the_student_if_told_so(evaluation, training, run_tool, tmp_path):
    run_tool(
        *('test.py', training[0] / 'config.py', training[0] / f'work_dir/iter_{STEPS}.pth'),
        *('--out', 'student.pkl', '--cfg-options', 'model.semi_test_cfg.predict_on=student'),
        cwd=tmp_path,
    )
    teacher = pickle.loads((evaluation[0] / 'predictions.pkl').read_bytes())
    student = pickle.loads((tmp_path / 'student.pkl').read_bytes())
    for first, second in zip(teacher, student, strict=True):
        scores = [sample['pred_instances']['scores'] for sample in (first, second)]
        assert not torch.allclose(*scores)
    assert (tmp_path / 'work_dirs/config').is_dir()  # the default


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_amp_trains_with_finite_losses(load_config, run_tool, tmp_path, dtype):
    load_config(max_iters=STEPS).dump(tmp_path / 'config.py')
    run_tool(
        *('train.py', 'config.py', '--work-dir', 'work_dir', '--amp'),
        *('--cfg-options', f'optim_wrapper.dtype={dtype}'),
        cwd=tmp_path,
        gpu=True,
    )
    train = [line for line in scalars(tmp_path) if 'loss' in line]
    assert [line['step'] for line in train] == [1, 2, 3, 4]
    assert all(torch.isfinite(torch.tensor(line['loss'])) for line in train)
    assert train[-1]['pseudo_per_image'] > 0
